from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from bench.score import report
from bench.score.__main__ import main
from bench.score.bars import INFLOW, QUIET, STAGE, STATION, bars_for
from bench.score.data import Collection
from bench.score.detectors import peer, roles_of, unlabelled
from bench.score.judge import Answers, judge, together
from bench.score.peers import SANITY, NotInstalledError
from bench.score.plans import station_rules
from tests.unit.bench.score.build import alarm, collection, event, rules


def water() -> Collection:
    return collection([event(1200, 1260), event(1400, 1500)], station_rules(), days=90)


def right(_: Collection) -> Answers:
    return Answers({"a": (alarm(1201, "blockage"), alarm(1401, "blockage"))})


def missing(_: Collection) -> Answers:
    raise NotInstalledError("no such library")


def silent(_: str) -> None:
    pass


def test_bars_are_chosen_by_what_the_collection_can_answer() -> None:
    its = [event(1, 2)]
    assert bars_for(water()) == STATION
    assert bars_for(collection(its, rules(kinds={"leak": ("tap_leak",)}))) == INFLOW
    assert bars_for(collection(its)) == STAGE
    assert bars_for(_quiet()) == QUIET


def _quiet() -> Collection:
    return Collection("quiet", collection([]).recordings, {}, rules())


def test_a_bar_is_met_on_its_limit_and_never_by_what_was_not_measured() -> None:
    recall = next(bar for bar in STATION if bar.what == "committee: recall")
    false = next(bar for bar in STATION if bar.what == "committee: false messages")

    assert (recall.is_met(0.85), recall.is_met(0.8499)) == (True, False)
    assert (false.is_met(0.05), false.is_met(0.0501)) == (True, False)
    assert not recall.is_met(float("nan"))


def test_bars_read_the_figures_they_name() -> None:
    scores = judge(water(), right(water()))
    reached = {bar.what: bar.measure(scores) for bar in STATION}

    assert reached["committee: recall"] == 1.0
    assert reached["sudden blockage: median delay"] == 1.0
    assert reached["sudden blockage: named right"] == 1.0
    assert reached["kind named right, of the found"] == 1.0


def test_who_flags_everything_does_not_pass_the_flags_bars() -> None:
    its = collection([event(100, 110), event(300, 310)], days=60)
    scores = judge(its, peer(SANITY["always on"])(its))
    missed = [bar.what for bar in STAGE if not bar.is_met(bar.measure(scores))]

    assert "quality flags: good readings flagged" in missed
    assert "F1" in missed


def test_where_nothing_happened_floods_are_not_counted_and_sensors_are_nobodys_message() -> None:
    said = (alarm(10, "surge"), alarm(20, "sensor"), alarm(30, "drought"), alarm(40))
    found = judge(_quiet(), Answers({"a": said}))

    assert found.everybody.false == {"drought": 1, "": 1}


def test_several_collections_are_scored_as_one() -> None:
    one = judge(water(), right(water()))
    both = together([one, judge(water(), Answers({}))])

    assert (both.everybody.found, both.everybody.incidents) == (2, 4)
    assert both.audiences["committee"].recall == 0.5
    assert both.quality is None


def test_one_that_cannot_run_is_named_and_the_others_go_on(tmp_path: Path) -> None:
    contestants = {report.OURS: right, "peer": missing}
    its = report.standing("two", STATION, [water(), water()], contestants, silent)
    report.save([its], tmp_path / "results.json")
    kept = json.loads((tmp_path / "results.json").read_text())["two"]

    assert its.not_run == {"peer": "no such library"}
    assert kept["not_run"] == its.not_run
    assert kept["detectors"]["ours"]["committee"]["found"] == 4
    recall = next(bar for bar in kept["bars"] if bar["bar"] == "committee: recall")
    assert (recall["reached"], recall["spread"], recall["met"]) == (1.0, [1.0, 1.0], True)
    drought = next(bar for bar in kept["bars"] if bar["bar"].startswith("drought"))
    assert (drought["reached"], drought["met"]) == (None, False)


def test_ours_is_given_no_word_of_what_happened() -> None:
    bare = unlabelled(water())

    assert bare.events == {}
    assert all(its.is_labelled is None for its in bare.recordings.values())


def test_a_column_is_what_its_name_says_or_what_it_is_said_to_be() -> None:
    its = collection([event(1, 2)])
    leaks = collection([event(1, 2)], rules(kinds={"leak": ("tap_leak",)}))

    assert roles_of(its) == ["--role", "value=stage@outlet"]
    assert roles_of(leaks) == ["--role", "value=discharge@line"]
    assert roles_of(its, ["value=discharge@outlet"]) == ["--role", "value=discharge@outlet"]


@pytest.fixture
def folder(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Path:
    assert (
        main(["stations", "--out", str(tmp_path / "data"), "--seed", "11", "--stations", "1"]) == 0
    )
    assert "1 stations" in capsys.readouterr().out
    return tmp_path


def test_alarms_that_are_the_truth_reach_what_can_be_measured(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with (folder / "data/events.csv").open() as file:
        events = list(csv.DictReader(file))
    names = {kind: right[0] for kind, right in station_rules().kinds.items()}
    (folder / "det").mkdir()
    rows = [f"{e['start']},{e['end']},{names[e['type']]}\n" for e in events if e["type"] in names]
    (folder / "det/s11-00.csv").write_text("start,end,kind\n" + "".join(rows))
    code = main(["run", "--data", str(folder / "data"), "--det", str(folder / "det")])
    said = capsys.readouterr().out

    assert "committee: precision" in said
    assert "MISSED" not in said
    # Not every kind of trouble happens to one station: what was not measured is no success.
    assert code == ("not measured" in said)


def test_a_folder_that_is_not_there_is_named(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["run", "--data", str(folder / "none"), "--det", str(folder)]) == 2
    assert "none" in capsys.readouterr().err
