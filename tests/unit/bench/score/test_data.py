from __future__ import annotations

import gzip
import json
from pathlib import Path

import numpy as np
import pytest

from bench.score.data import Event, read_collection
from bench.score.rules import as_json, read_rules
from kahriz.errors import ConfigError
from tests.unit.bench.score.build import at

STATION = """time,flow_out,level_up,label
1970-01-01 00:15:00,3.5,,1
1970-01-01 00:00:00,3.25,0.5,0
1970-01-01T00:30:00Z,3.75,0.25,
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "two.csv").write_text(STATION)
    with gzip.open(tmp_path / "one.csv.gz", "wt") as file:
        file.write(STATION)
    (tmp_path / "events.csv").write_text(
        "series,start,end,type,severity\n"
        "one,1970-01-01 05:00:00,1970-01-01 06:00:00,leak,0.2\n"
        "one,1970-01-01 01:00:00,1970-01-01 02:00:00,surge,\n"
    )
    return tmp_path


def test_stations_are_read_in_order_of_time_gzip_or_not(folder: Path) -> None:
    found = read_collection(folder)
    one = found.recordings["one"]

    assert list(found.recordings) == ["one", "two"]
    assert one.time_ms.tolist() == [at(0), at(0.25), at(0.5)]
    assert list(one.channels) == ["flow_out", "level_up"]
    assert one.channels["flow_out"].tolist() == [3.25, 3.5, 3.75]
    assert np.isnan(one.channels["level_up"]).tolist() == [False, True, False]
    assert one.is_labelled is not None
    assert one.is_labelled.tolist() == [False, True, False]


def test_events_are_read_by_station_in_order(folder: Path) -> None:
    found = read_collection(folder)

    assert found.events_of("one") == (
        Event(at(1), at(2), "surge"),
        Event(at(5), at(6), "leak"),
    )
    assert found.events_of("two") == ()


def test_a_folder_without_truth_is_one_where_nothing_happened(folder: Path) -> None:
    (folder / "events.csv").unlink()

    assert read_collection(folder).events == {}


def test_rules_are_those_of_the_folder_and_the_usual_ones_else(folder: Path) -> None:
    said = {
        "warmup_d": 45,
        "merge_h": None,
        "horizon_h": {"leak": 10, "*": 5},
        "kinds": {"leak": ["tap_leak"]},
        "audience": {"committee": {"types": ["leak"], "kinds": ["tap_leak"]}},
        "somebody_elses": 1,
    }
    (folder / "meta.json").write_text(json.dumps(said))
    rules = read_collection(folder).rules

    assert (rules.warmup_d, rules.merge_h, rules.late_h) == (45, None, 2)
    assert (rules.horizon("leak"), rules.horizon("surge")) == (10, 5)
    assert rules.right_names("leak") == ("tap_leak",)
    assert rules.right_names("surge") == ("surge",)
    assert rules.audience["committee"].kinds == {"tap_leak"}


def test_rules_written_are_the_rules_read(folder: Path) -> None:
    (folder / "meta.json").write_text(json.dumps({"exclude": ["spike"], "kinds": {"a": ["b"]}}))
    rules = read_rules(folder / "meta.json")
    (folder / "again.json").write_text(as_json(rules))

    assert read_rules(folder / "again.json") == rules


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("two.csv", "when,flow\n", r"two\.csv: no column 'time'"),
        ("two.csv", "time,flow\n1970-01-01,wet\n", r"column 'flow'.*wet"),
        ("two.csv", "time,flow\nyesterday,1\n", r"no instant"),
        ("two.csv", "time,flow\n1970-01-01,1\n1970-01-01\n", r"rows of different lengths"),
        ("events.csv", "series,start,end\n", r"events\.csv: no column 'type'"),
        ("meta.json", "{", r"meta\.json: no JSON"),
        ("meta.json", "[]", r"not a JSON object"),
    ],
)
def test_what_cannot_be_read_is_named(folder: Path, name: str, text: str, says: str) -> None:
    (folder / name).write_text(text)
    with pytest.raises(ConfigError, match=says):
        read_collection(folder)


def test_an_empty_folder_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no STATION\.csv"):
        read_collection(tmp_path)
