"""What a row says of what was measured, and how the file of results keeps it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from bench import durable
from bench.__main__ import NAMES
from bench.intake import BAR, OURS, Run
from bench.intake_rows import NAMES as INTAKE
from bench.intake_rows import ROWS
from bench.result import Result, compare, lost, save


def test_a_ratio_above_one_means_ours_is_better_whichever_way_the_figure_goes() -> None:
    faster = compare("a", "", "readings/s", [30.0, 20.0, 60.0], [10.0, 10.0, 10.0])
    cheaper = compare("b", "", "s", [1.0, 2.0, 4.0], [10.0, 10.0, 10.0], less_is_better=True)

    assert (faster.ours, faster.ratio, faster.min, faster.max) == (30.0, 3.0, 2.0, 6.0)
    assert (cheaper.ours, cheaper.ratio, cheaper.min, cheaper.max) == (2.0, 5.0, 2.5, 10.0)
    assert faster.runs == 3


def test_the_file_holds_name_to_figures_and_rows_of_other_runs_stay(tmp_path: Path) -> None:
    path = tmp_path / "results.json"
    first = compare("a", "what", "s", [1.0], [2.0], less_is_better=True)
    save([first, lost("b", "what", 0, 1480, of=40_000)], path)
    save([compare("a", "what", "s", [1.0], [3.0], less_is_better=True)], path)

    assert json.loads(path.read_text(encoding="utf-8")) == {
        "a": {"ours": 1.0, "peer": 3.0, "ratio": 3.0, "min": 3.0, "max": 3.0, "runs": 1},
        "b": {"ours": 0, "peer": 1480, "ratio": None, "min": None, "max": None, "runs": 1},
    }


def test_memory_is_set_beside_the_bar_and_less_is_better() -> None:
    row = next(row for row in ROWS if row.name == "rss_mb")
    result: Result = row.result({OURS: [Run(1, 1, 125.0)], BAR: [Run(0, 0, 250.0)]})

    assert (result.ours, result.peer, result.ratio) == (125.0, 250.0, 2.0)


def test_more_readings_a_second_is_better_and_less_cpu_is() -> None:
    runs = {
        "ours, influx": [Run(50_000, 2.0, 100)],
        "ours, sqlite": [Run(60_000, 2.0, 100)],
        "tutorial": [Run(10_000, 40.0, 100)],
        "Node-RED": [Run(12_500, 30.0, 100)],
        "the wall": [Run(100_000, 0.5, 2)],
        "the bar": [Run(0, 0, 250)],
    }

    assert {row.name: row.result(runs).ratio for row in ROWS} == pytest.approx(
        {
            "intake_influx_singles_vs_broker": 0.5,
            "intake_influx_singles_vs_tutorial": 5.0,
            "intake_influx_singles_vs_nodered": 4.0,
            "intake_sqlite_singles_vs_influx": 1.2,
            "intake_influx_packs_vs_tutorial": 5.0,
            "intake_influx_packs_vs_nodered": 4.0,
            "cpu_singles_vs_tutorial": 20.0,
            "cpu_packs_vs_tutorial": 20.0,
            "rss_mb": 2.5,
        }
    )


def test_names_are_told_once() -> None:
    assert len(set(NAMES)) == len(NAMES)
    assert {*INTAKE, *durable.NAMES} <= set(NAMES)


def test_every_row_is_documented() -> None:
    docs = Path(__file__).parents[3] / "docs" / "benchmarks.md"
    text = docs.read_text(encoding="utf-8")

    assert [name for name in NAMES if f"`{name}`" not in text] == []


def test_the_faults_lie_in_the_stream_one_in_each_part_of_it() -> None:
    instants = durable.fault_instants(seed=7, n=3)

    assert instants == durable.fault_instants(seed=7, n=3)
    assert [int(instant // (10 / 3)) for instant in instants] == [0, 1, 2]
