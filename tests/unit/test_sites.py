"""The registry says what is measured, and refuses what could only go wrong later."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from kahriz.errors import ConfigError, NotFoundError
from kahriz.sites import Kahriz, Registry, SiteKind, flat_line_limit, load_registry
from kahriz.units import Property

HEAD = """
[[kahriz]]
id = "agh-dere"
name = "Ağ Dərə"
village = "Molla Cəlilli"
district = "Göygöl"
"""
OUTLET = """
[[kahriz.site]]
id = "outlet"
kind = "outlet"
name = "Gözü"
"""
STAGE = """
[[kahriz.site.sensor]]
device = "agh-dere-outlet"
channel = "stage_m"
"""
RATING = """
[[kahriz.site.rating]]
method = "v_notch_90"
valid_from = 2020-01-01
"""
SECOND = HEAD.replace("agh-dere", "barana") + OUTLET + STAGE.replace("stage_m", "battery_v")


def registry(folder: Path, text: str) -> Registry:
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


def test_the_example_resolves_every_channel_to_its_datastream() -> None:
    example = load_registry(Path("sites.example.toml"))

    for device, channels in example.channels.items():
        for channel, position in channels.items():
            found = example.datastreams[position]
            assert found.sensor is not None
            assert (found.sensor.device, found.sensor.channel) == (device, channel)
            assert example.index[found.id] == position
            assert example.devices[device] is found.kahriz
    assert example.datastream("agh-dere.outlet.discharge").sensor is None, "a rating derives it"
    assert example.datastream("agh-dere.outlet.discharge").unit == "L/s"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (HEAD + OUTLET + STAGE + STAGE, "'agh-dere-outlet/stage_m' is named more than once"),
        (HEAD + OUTLET + STAGE + OUTLET, "site of kahriz 'agh-dere' 'outlet' is named more than"),
        (HEAD + OUTLET + STAGE + HEAD + OUTLET, "kahriz 'agh-dere' is named more than once"),
        (
            HEAD + OUTLET + STAGE + STAGE.replace("stage_m", "upper_stage_m"),
            "datastream 'agh-dere.outlet.stage' is named more than once",
        ),
        (
            HEAD + OUTLET + STAGE.replace("stage_m", "discharge_lps") + RATING,
            "datastream 'agh-dere.outlet.discharge' is named more than once",
        ),
        (
            HEAD + OUTLET + STAGE + SECOND,
            "device 'agh-dere-outlet' is on kahriz 'agh-dere' and on 'barana'",
        ),
        (HEAD + OUTLET.replace("outlet", "out.let", 1) + STAGE, "expected at most 40 of a-z"),
        (HEAD + OUTLET + STAGE.replace("-outlet", "/outlet"), "expected at most 40 of a-z"),
        (HEAD + OUTLET + STAGE.replace("agh-dere-outlet", "kahriz-ingest"), "the service's own"),
        (HEAD + OUTLET + STAGE.replace("agh-dere-outlet", "kahriz-chirpstack"), "service's own"),
        (HEAD + OUTLET + STAGE.replace("stage_m", "Stage_m"), "no payload can say it"),
        (HEAD + OUTLET + STAGE.replace("stage_m", "stage_cm"), "unit 'cm' is wrong for stage"),
        (HEAD + OUTLET + STAGE.replace("stage_m", "mood"), "no known property"),
        (HEAD + OUTLET + STAGE + "range_fail = [1.0, 0.0]", "lowest 1 is not below highest 0"),
        (HEAD + OUTLET + STAGE + "range_fail = [nan, 1.0]", "not a finite number"),
        (HEAD + OUTLET + STAGE + "spike = 0", "not above 0"),
        (HEAD + OUTLET + STAGE + "spyke = 1", "unknown key 'spyke' (did you mean 'spike'?)"),
        (HEAD + 'timezone = "Asia/Bakku"' + OUTLET + STAGE, "no IANA time zone"),
        (HEAD + 'timezone = "../../etc/passwd"' + OUTLET + STAGE, "no IANA time zone"),
        (HEAD + "people = 0" + OUTLET + STAGE, "not above 0"),
        (HEAD, "is missing"),
        ("", "is missing"),
        (HEAD + OUTLET + STAGE + RATING + RATING, "overlap"),
        (HEAD + OUTLET + "area_m2 = 40.0\n" + STAGE, "area_m2 is for a reservoir: 'outlet'"),
        (HEAD + OUTLET + "dry_below_lps = 0\n" + STAGE, "not above 0"),
        (HEAD + OUTLET + "meter_uncertainty = 0.5\n" + STAGE, "less than 0.5"),
        (
            HEAD
            + OUTLET.replace('"outlet"\nname', '"shaft"\nname')
            + "dry_below_lps = 1\n"
            + STAGE,
            "dry_below_lps is for an outlet or a delivery_line: 'outlet' is of kind 'shaft'",
        ),
        (
            HEAD + OUTLET + "meter_uncertainty = 0.02\n" + STAGE + RATING,
            "meter_uncertainty of 'outlet': its discharge is rated",
        ),
        (HEAD + OUTLET + STAGE + RATING.replace("2020-01-01", '"soon"'), "not a date"),
    ],
)
def test_a_registry_that_cannot_work_is_one_line_that_names_the_thing(
    tmp_path: Path, text: str, problem: str
) -> None:
    with pytest.raises(ConfigError) as refused:
        registry(tmp_path, text)

    line = str(refused.value)
    assert problem in line
    assert "sites.toml" in line
    assert "\n" not in line


def test_a_registry_written_out_whole_is_the_same_registry(tmp_path: Path) -> None:
    known = registry(tmp_path, HEAD + OUTLET + "capacity_lps = 9.0\n" + STAGE + RATING)

    assert Registry.model_validate(known.model_dump(mode="json")) == known


def test_where_it_is_wrong_is_said_by_ids(tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as refused:
        registry(tmp_path, HEAD + OUTLET + STAGE + "spike = -1")

    assert "kahriz 'agh-dere' site 'outlet' sensor 'stage_m' spike" in str(refused.value)


@pytest.mark.parametrize(
    ("content", "problem"),
    [(b"[[kahriz]\n", "line 1"), (b'name = "\xff"', "not UTF-8"), (None, "sites.example.toml")],
)
def test_a_file_that_cannot_be_read_is_named(
    tmp_path: Path, content: bytes | None, problem: str
) -> None:
    path = tmp_path / "sites.toml"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_registry(path)

    assert str(path) in str(refused.value)
    assert problem in str(refused.value)


def test_ratings_may_follow_one_another(tmp_path: Path) -> None:
    later = RATING.replace("2020", "2024")
    found = registry(tmp_path, HEAD + OUTLET + STAGE + RATING + "valid_to = 2024-01-01" + later)

    entries = found.find("agh-dere").site[0].rating
    assert [entry.valid_from for entry in entries] == [date(2020, 1, 1), date(2024, 1, 1)]
    assert [d.id.split(".")[2] for d in found.datastreams] == ["stage", "discharge"]


@pytest.mark.parametrize(
    ("counted", "served", "is_assumed"),
    [
        ("people = 2500", 2500, False),
        ("households = 200", 800, True),
        ("people = 700\nhouseholds = 200", 700, False),
        ("", None, False),
    ],
)
def test_people_served_are_counted_or_assumed_from_households(
    tmp_path: Path, counted: str, served: int | None, is_assumed: bool
) -> None:
    kahriz = registry(tmp_path, HEAD + counted + OUTLET + STAGE).find("agh-dere")

    assert (kahriz.served, kahriz.is_served_assumed) == (served, is_assumed)


def line(folder: Path, *, measured: bool) -> Kahriz:
    site = OUTLET.replace('"outlet"\nkind = "outlet"', '"line"\nkind = "delivery_line"')
    channel = "discharge_lps" if measured else "battery_v"
    sensor = STAGE.replace("-outlet", "-line").replace("stage_m", channel)
    return registry(folder, HEAD + OUTLET + STAGE + RATING + site + sensor).find("agh-dere")


def test_the_delivery_line_counts_as_delivered_and_without_it_the_outlet(tmp_path: Path) -> None:
    assert line(tmp_path, measured=True).delivery == "agh-dere.line.discharge"
    assert line(tmp_path, measured=False).delivery == "agh-dere.outlet.discharge"


def test_a_kahriz_without_any_discharge_delivers_nothing_known(tmp_path: Path) -> None:
    kahriz = registry(tmp_path, HEAD + OUTLET + STAGE).find("agh-dere")

    assert kahriz.delivery is None
    assert kahriz.sites_of(SiteKind.SHAFT) == ()


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    found = registry(tmp_path, HEAD + OUTLET + STAGE)

    with pytest.raises(NotFoundError, match="kahriz 'velibey' does not exist"):
        found.find("velibey")
    with pytest.raises(NotFoundError, match=r"datastream 'agh-dere\.outlet' does not exist"):
        found.datastream("agh-dere.outlet")


def test_a_sensor_may_be_flat_for_ever_unless_it_says_how_long(tmp_path: Path) -> None:
    sensors = STAGE + "flat_line_h = 1.5" + STAGE.replace("stage_m", "battery_v")
    stage, battery = registry(tmp_path, HEAD + OUTLET + sensors).find("agh-dere").site[0].sensor

    assert flat_line_limit(stage) == timedelta(minutes=90)
    assert flat_line_limit(battery) is None
    assert battery.measures is Property.BATTERY_VOLTAGE


DEVICE = """
[[kahriz.device]]
id = "agh-dere-outlet"
payload = "object"
[[kahriz.device.channel]]
name = "level"
channel = "stage_m"
over = 100
"""


def test_a_device_says_how_its_payload_is_read(tmp_path: Path) -> None:
    found = registry(tmp_path, HEAD + OUTLET + STAGE + DEVICE).payloads["agh-dere-outlet"]

    assert found.payload == "object"
    assert found.channel[0].converted(12.7) == 0.127


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("agh-dere-outlet", "barana"), "device 'barana' has no sensor on kahriz 'agh-dere'"),
        (("stage_m", "battery_v"), "no sensor with channel 'battery_v': valid are stage_m"),
        (("over", "ovr"), "unknown key 'ovr' (did you mean 'over'?)"),
        (("100", "0"), "over"),
        (("payload", "paylod"), "unknown key 'paylod' (did you mean 'payload'?)"),
    ],
)
def test_a_device_that_cannot_be_read_is_refused(
    tmp_path: Path, change: tuple[str, str], reason: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        registry(tmp_path, HEAD + OUTLET + STAGE + DEVICE.replace(*change))

    assert reason in str(caught.value)


@pytest.mark.parametrize("twice", [DEVICE, DEVICE[DEVICE.index("[[kahriz.device.channel") :]])
def test_a_device_or_a_name_of_its_payload_stands_once(tmp_path: Path, twice: str) -> None:
    with pytest.raises(ConfigError, match="named more than once"):
        registry(tmp_path, HEAD + OUTLET + STAGE + DEVICE + twice)
