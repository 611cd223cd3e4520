"""A scenario as a folder: the form in which detectors are judged."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bench.score.data import read_collection
from firmware_sim.commands import application
from firmware_sim.hydrology import DAY_MS
from firmware_sim.record import record, recorded_span
from firmware_sim.scenario import find_scenario, load_scenario
from firmware_sim.world import World
from kahriz.errors import ConfigError

LIVE = 1_795_348_800_000


def recorded(folder: Path, name: str = "three_kahrizes") -> World:
    scenario = load_scenario(find_scenario(name))
    world = World(scenario, scenario.seed, LIVE)
    list(record(folder, world, LIVE - 2 * DAY_MS, LIVE + 3 * DAY_MS))
    return world


def test_a_recorded_scenario_is_a_collection_as_the_scoreboard_reads_it(tmp_path: Path) -> None:
    world = recorded(tmp_path)
    read = read_collection(tmp_path)
    said = read.recordings["velibey"]
    outlet = world.measure("velibey-outlet", said.time_ms)["stage_m"]

    assert list(read.recordings) == ["agh-dere", "barana", "velibey"]
    assert list(said.channels) == [
        "outlet_stage_m", "outlet_battery_v", "shaft_stage_m", "shaft_battery_v",
        "line_discharge_lps", "line_battery_v",
    ]  # fmt: skip
    np.testing.assert_allclose(said.channels["outlet_stage_m"], outlet, atol=1e-6)
    assert [event.kind for event in read.events_of("velibey")] == ["flat_line"]
    assert said.is_labelled is not None
    assert said.is_labelled.sum() == 20 * 12


def test_a_device_without_power_leaves_its_columns_empty_and_the_others_alone(
    tmp_path: Path,
) -> None:
    recorded(tmp_path)
    said = read_collection(tmp_path).recordings["barana"]
    silent = np.isnan(said.channels["line_discharge_lps"])

    assert silent.sum() == 5 * 12
    assert (silent == np.isnan(said.channels["line_battery_v"])).all()
    assert not np.isnan(said.channels["outlet_stage_m"]).any()


def test_floods_and_lows_of_nature_are_named_as_such(tmp_path: Path) -> None:
    recorded(tmp_path, "quiet_year")
    rules = read_collection(tmp_path).rules

    assert rules.neutral == ("natural_flood", "natural_low")
    assert rules.var == "outlet_stage_m"
    assert rules.step_min == 15


def test_the_same_scenario_recorded_twice_is_the_same_bytes(tmp_path: Path) -> None:
    for folder in ("one", "other"):
        recorded(tmp_path / folder)

    for path in (tmp_path / "one").iterdir():
        assert path.read_bytes() == (tmp_path / "other" / path.name).read_bytes()


def test_what_is_recorded_is_the_history_and_a_day_more_than_the_last_trouble() -> None:
    three, quiet = (load_scenario(find_scenario(n)) for n in ("three_kahrizes", "quiet_year"))

    assert recorded_span(World(three, 1, LIVE), LIVE) == (
        LIVE - 30 * DAY_MS,
        LIVE + 60 * DAY_MS // 24 + DAY_MS,
    )
    assert recorded_span(World(quiet, 1, LIVE), LIVE) == (LIVE - 365 * DAY_MS, LIVE + DAY_MS)


def test_devices_of_one_place_have_columns_of_their_own_and_slower_ones_empty_cells(
    tmp_path: Path,
) -> None:
    (tmp_path / "two.toml").write_text(
        'name = "two"\ninterval_s = 300\n[[kahriz]]\nid = "k"\nsource = { discharge_lps = 3 }\n'
        'device = [\n{ id = "a", at = "outlet", channels = ["stage_m"] },\n'
        '{ id = "b", at = "outlet", channels = ["stage_m"], interval_s = 900 }]\n',
        encoding="utf-8",
    )
    world = World(load_scenario(tmp_path / "two.toml"), 1, LIVE)
    list(record(tmp_path / "out", world, LIVE, LIVE + DAY_MS))
    channels = read_collection(tmp_path / "out").recordings["k"].channels

    assert list(channels) == ["outlet_stage_m", "outlet_stage_m_2"]
    assert np.isnan(channels["outlet_stage_m_2"]).mean() == pytest.approx(2 / 3)


def test_the_command_names_each_file_and_refuses_what_is_no_instant(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app = application()
    app(
        ["record", "three_kahrizes", "--out", str(tmp_path), "--live", "2026-05-01"],
        standalone_mode=False,
    )

    said = [Path(line).name for line in capsys.readouterr().out.split()]
    assert said == ["agh-dere.csv.gz", "barana.csv.gz", "velibey.csv.gz", "events.csv", "meta.json"]
    assert "2026-05-01T00:45:00" in (tmp_path / "events.csv").read_text(encoding="utf-8")
    with pytest.raises(ConfigError, match="'soon' is no ISO 8601 instant"):
        app(
            ["record", "three_kahrizes", "--out", str(tmp_path), "--live", "soon"],
            standalone_mode=False,
        )
