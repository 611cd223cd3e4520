"""Scenario files and credentials: one clear line for each mistake."""

from __future__ import annotations

import csv
import time
from pathlib import Path

import numpy as np
import pytest

from firmware_sim.credentials import load_credentials, passwords_of
from firmware_sim.hydrology import DAY_MS, HOUR_MS
from firmware_sim.registry import sites_toml
from firmware_sim.scenario import find_scenario, load_scenario, shipped
from firmware_sim.trouble import TROUBLES
from firmware_sim.trouble.sensors import SensorTrouble
from firmware_sim.trouble.water import WaterTrouble
from firmware_sim.world import World, write_truth
from kahriz import plugins
from kahriz.errors import ConfigError
from kahriz.sites import load_registry

ROOT = Path(__file__).parents[2]
LIVE = 1_795_348_800_000
GOOD = """
name = "one"
[[kahriz]]
id = "k"
source = { discharge_lps = 2.0 }
[[kahriz.device]]
id = "k-outlet"
at = "outlet"
channels = ["stage_m", "battery_v"]
[[trouble]]
kind = "blockage"
kahriz = "k"
at_h = 1
duration_h = 2
"""


def refusal(tmp_path: Path, old: str, new: str) -> str:
    assert old in GOOD
    path = tmp_path / "mine.toml"
    path.write_text(GOOD.replace(old, new), encoding="utf-8")
    with pytest.raises(ConfigError) as caught:
        load_scenario(path)
    return str(caught.value)


def test_a_small_scenario_is_read(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text(GOOD, encoding="utf-8")
    scenario = load_scenario(path)

    assert list(scenario.devices()) == ["k-outlet"]
    assert scenario.trouble[0].duration_h == 2


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("discharge_lps = 2.0", "discharge_lsp = 2.0", "did you mean 'discharge_lps'?"),
        ("name =", "intervall_s = 5\nname =", "did you mean 'interval_s'?"),
        ("at_h = 1", "onset_h = 1", "unknown key 'onset_h'"),
        ("duration_h = 2", "duration_h = 2\nsevrity = 0.5", "did you mean 'severity'?"),
        (
            "duration_h = 2",
            "duration_h = 2\nseverity = 1.5",
            "severity: Input should be less",
        ),
        ('"blockage"', '"blokage"', "unknown kind 'blokage' (did you mean 'blockage'?)"),
        ('kahriz = "k"', 'kahriz = "kk"', "unknown kahriz 'kk' (did you mean 'k'?)"),
        ('id = "k"\n', 'id = "k"\ndelivery = { turn_days = [1, 0] }\n', "for pattern 'turns'"),
        ('kahriz = "k"', 'climate = "hills"', "unknown climate 'hills'"),
        ('kahriz = "k"', 'kahriz = "k"\nclimate = "c"', "names a kahriz and a climate"),
        ('kahriz = "k"', 'kahriz = "k"\ndevice = "k-outlet"', "befalls the water"),
        ('at = "outlet"', 'at = "reservoir"', "kahriz 'k' has no reservoir"),
        ('"battery_v"', '"batery_v"', "did you mean 'battery_v'?"),
        (
            'at = "outlet"',
            'at = "roof"',
            "'k-outlet' at: Input should be 'outlet'",
        ),
        ('id = "k-outlet"', 'id = "K outlet"', "String should match pattern"),
        ("duration_h = 2", "duration_h = -2", "greater than 0 (got -2)"),
        ('name = "one"', "name = ", "Invalid value"),
    ],
)
def test_a_mistake_is_named_with_its_place_and_the_nearest_right_one(
    tmp_path: Path, old: str, new: str, said: str
) -> None:
    line = refusal(tmp_path, old, new)

    assert said in line
    assert line.startswith(str(tmp_path / "mine.toml"))
    assert "\n" not in line


def test_the_place_is_said_by_ids(tmp_path: Path) -> None:
    line = refusal(tmp_path, 'at = "outlet"', 'at = "outlet"\nbufer = 9')

    assert "kahriz 'k' device 'k-outlet'" in line
    assert "did you mean 'buffer'?" in line


def test_a_device_named_twice_is_refused(tmp_path: Path) -> None:
    twice = '[[kahriz.device]]\nid = "k-outlet"\nat = "shaft"\nchannels = ["stage_m"]\n[[trouble]]'

    assert "device 'k-outlet' is named more than once" in refusal(tmp_path, "[[trouble]]", twice)


def test_a_codec_without_sequence_numbers_cannot_await_application_acks(tmp_path: Path) -> None:
    line = refusal(tmp_path, 'at = "outlet"', 'at = "outlet"\ncodec = "senml"')

    assert "app_ack" in line


def test_an_unknown_scenario_lists_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="did you mean 'three_kahrizes'"):
        find_scenario("three_kahrises")
    with pytest.raises(ConfigError, match="No such file"):
        load_scenario(tmp_path / "none.toml")


def test_the_scenario_of_the_docs_is_valid_and_every_trouble_has_its_row(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "simulator.md").read_text(encoding="utf-8")
    example = page.split("```toml\n", 1)[1].split("```", 1)[0]
    (tmp_path / "mine.toml").write_text(example, encoding="utf-8")

    assert load_scenario(tmp_path / "mine.toml").name == "one_spring"
    assert [kind for kind in TROUBLES if f"| `{kind}` |" not in page] == []


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_scenario_is_valid_and_has_a_line_about_it(name: str) -> None:
    scenario = load_scenario(shipped()[name])

    assert scenario.name == name
    assert scenario.summary
    assert "\n" not in scenario.summary


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_scenario_can_be_played_from_its_first_day_to_its_last(
    name: str, tmp_path: Path
) -> None:
    scenario = load_scenario(shipped()[name])
    world = World(scenario, scenario.seed, LIVE)
    days = np.arange(-scenario.history_days, 4) * DAY_MS + LIVE + HOUR_MS
    write_truth(tmp_path / "truth.csv", world)
    with (tmp_path / "truth.csv").open(encoding="utf-8") as file:
        kinds = [row["type"] for row in csv.DictReader(file)]

    for device in scenario.devices():
        for channel, values in world.measure(device, days.astype(np.int64)).items():
            assert np.isfinite(values).all(), (device, channel)
    assert len(kinds) >= len(scenario.trouble) > 0


def test_the_year_at_one_kahriz_holds_every_trouble_of_water_and_sensors_once() -> None:
    year = load_scenario(find_scenario("year_at_one_kahriz"))
    played = [t.kind for t in year.trouble if isinstance(t, WaterTrouble | SensorTrouble)]
    there_are = [
        kind
        for kind in TROUBLES
        if issubclass(plugins.load("trouble", kind, TROUBLES), WaterTrouble | SensorTrouble)
    ]

    assert sorted(played) == sorted(there_are)


def test_a_year_of_a_kahriz_with_everything_in_it_costs_less_than_three_seconds() -> None:
    year = load_scenario(find_scenario("year_at_one_kahriz"))
    world = World(year, 1, LIVE)
    times = LIVE + np.arange(-365 * 96, 0, dtype=np.int64) * (DAY_MS // 96)
    begin = time.perf_counter()
    for device in year.devices():
        world.measure(device, times)

    assert time.perf_counter() - begin < 3.0


def test_nothing_in_the_quiet_year_may_alarm_and_everything_lies_in_its_history() -> None:
    quiet = load_scenario(find_scenario("quiet_year"))

    assert all(trouble.is_natural for trouble in quiet.trouble)
    assert all(-24 * quiet.history_days < t.at_h < -t.duration_h for t in quiet.trouble)


def test_the_three_kahrizes_are_those_of_the_example_registry() -> None:
    registry = load_registry(ROOT / "sites.example.toml")
    played = load_scenario(find_scenario("three_kahrizes")).devices()

    assert {d: set(spec.channels) for d, (_, spec) in played.items()} == {
        device: set(channels) for device, channels in registry.channels.items()
    }


@pytest.mark.parametrize("name", list(shipped()))
def test_the_service_can_be_told_of_every_device_of_a_scenario(name: str, tmp_path: Path) -> None:
    scenario = load_scenario(shipped()[name])
    (tmp_path / "sites.toml").write_text(sites_toml(scenario), encoding="utf-8")
    registry = load_registry(tmp_path / "sites.toml")

    assert {d: set(spec.channels) for d, (_, spec) in scenario.devices().items()} == {
        device: set(channels) for device, channels in registry.channels.items()
    }
    assert all(kahriz.delivery for kahriz in registry.kahriz)


def test_a_kahriz_with_a_long_id_has_a_name_that_fits_into_a_text(tmp_path: Path) -> None:
    scenario = load_scenario(shipped()["year_at_one_kahriz"])
    long = scenario.kahriz[0].model_copy(update={"id": "k" * 40})
    text = sites_toml(scenario.model_copy(update={"kahriz": (long,)}))
    (tmp_path / "sites.toml").write_text(text, encoding="utf-8")

    assert load_registry(tmp_path / "sites.toml").find("k" * 40).name == "k" * 24


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("c", "# comment\n\na-1:secret\nb-2:with:colon\n"),
        ("c.toml", 'a-1 = "secret"\nb-2 = "with:colon"\n'),
        ("c.toml", '[devices]\na-1 = "secret"\nb-2 = "with:colon"\n'),
    ],
)
def test_credentials_are_lines_or_toml(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")

    assert load_credentials(tmp_path / name) == {"a-1": "secret", "b-2": "with:colon"}


def test_a_device_without_a_password_is_named_before_anything_starts(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text("a-1:secret\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="no password for device 'b-2'"):
        passwords_of(["a-1", "b-2"], path)


def test_a_broken_line_of_credentials_is_named_without_its_secret(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_text("a-1:secret\nhunter2\n", encoding="utf-8")

    with pytest.raises(ConfigError, match="line 2: no device:password") as caught:
        load_credentials(path)
    assert "hunter2" not in str(caught.value)
