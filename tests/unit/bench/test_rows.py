"""Which consumers are run for which rows, and how often."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench import intake_rows
from bench.intake import NODE_RED, OURS, TUTORIAL, WALL, Intake, Load, Run
from bench.nodered import NodeRed
from tests.servers import Server

_INSTALLED = NodeRed(Path("node"), Path("red.js"))


class _Told(Intake):
    """Measures nothing: notes who was to consume what."""

    def __init__(self, folder: Path, node_red: NodeRed | None) -> None:
        influxd = Server("influxd", [], folder, 8086, lambda: True)
        self.said: list[str] = []
        self.failing: set[str] = set()
        super().__init__(influxd, self.said.append, node_red)
        self.asked: list[tuple[str, str]] = []

    def run(self, who: str, load: Load) -> Run:
        self.asked.append((who, load.name))
        if who in self.failing:
            raise RuntimeError("not within 180 s: all; there are 7 of 8")
        return Run(1000.0, 2.0, 100.0)


def test_a_consumer_is_run_once_a_round_for_all_its_rows_and_in_turn(tmp_path: Path) -> None:
    intake = _Told(tmp_path, _INSTALLED)
    wanted = {"intake_influx_singles_vs_tutorial", "cpu_singles_vs_tutorial"}
    results = intake_rows.rows(intake, wanted, rounds=2)

    assert intake.asked == [(OURS, "singles"), (TUTORIAL, "singles")] * 2
    assert {(result.name, result.runs) for result in results} == {(name, 2) for name in wanted}


def test_a_row_that_is_not_wanted_costs_nothing(tmp_path: Path) -> None:
    intake = _Told(tmp_path, _INSTALLED)
    [result] = intake_rows.rows(intake, {"intake_influx_singles_vs_broker"}, rounds=1)

    assert intake.asked == [(OURS, "singles"), (WALL, "singles")]
    assert "in C" in result.what or "in Python" in result.what


@pytest.mark.parametrize("is_here", [True, False])
def test_rows_beside_node_red_are_there_where_it_is(is_here: bool, tmp_path: Path) -> None:
    intake = _Told(tmp_path, _INSTALLED if is_here else None)
    results = intake_rows.rows(intake, set(intake_rows.NAMES), rounds=1)
    names = {result.name for result in results}
    beside = {name for name in intake_rows.NAMES if name.endswith("_vs_nodered")}

    assert names == (set(intake_rows.NAMES) if is_here else set(intake_rows.NAMES) - beside)
    assert ((NODE_RED, "packs") in intake.asked) is is_here


def test_a_peer_that_never_gets_there_loses_its_rows_alone_and_is_not_tried_again(
    tmp_path: Path,
) -> None:
    intake = _Told(tmp_path, _INSTALLED)
    intake.failing = {NODE_RED}
    results = intake_rows.rows(intake, set(intake_rows.NAMES), rounds=2)
    beside = {name for name in intake_rows.NAMES if name.endswith("_vs_nodered")}

    assert {result.name for result in results} == set(intake_rows.NAMES) - beside
    assert intake.asked.count((NODE_RED, "singles")) == 1
    assert "beside Node-RED are left out: not within 180 s" in intake.said[0]


def test_ours_that_never_gets_there_is_an_error(tmp_path: Path) -> None:
    intake = _Told(tmp_path, _INSTALLED)
    intake.failing = {OURS}

    with pytest.raises(RuntimeError, match="there are 7 of 8"):
        intake_rows.rows(intake, set(intake_rows.NAMES), rounds=2)
