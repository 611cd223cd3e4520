"""Scenario files and credentials: one clear line for each mistake."""

from __future__ import annotations

from pathlib import Path

import pytest

from firmware_sim.credentials import load_credentials, passwords_of
from firmware_sim.scenario import find_scenario, load_scenario, shipped
from kahriz.errors import ConfigError
from kahriz.sites import load_registry

ROOT = Path(__file__).parents[2]
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


@pytest.mark.parametrize("name", list(shipped()))
def test_every_shipped_scenario_is_valid_and_has_a_line_about_it(name: str) -> None:
    scenario = load_scenario(shipped()[name])

    assert scenario.name == name
    assert scenario.summary


def test_the_three_kahrizes_are_those_of_the_example_registry() -> None:
    registry = load_registry(ROOT / "sites.example.toml")
    played = load_scenario(find_scenario("three_kahrizes")).devices()

    assert {d: set(spec.channels) for d, (_, spec) in played.items()} == {
        device: set(channels) for device, channels in registry.channels.items()
    }


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
