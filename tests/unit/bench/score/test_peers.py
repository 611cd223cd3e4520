"""Each peer sees what it is known for, is quiet on quiet water, and never looks ahead."""

from __future__ import annotations

import importlib.util

import numpy as np
import pytest

from bench.score.data import Floats, Recording
from bench.score.peers import PEERS, SANITY, NotInstalledError
from bench.score.rolling import before, blocks, held
from bench.score.rules import Rules
from tests.unit.bench.score.build import STEP_MS

RULES = Rules(warmup_d=20, var="flow_out")
DAYS = 60
N = DAYS * 96


def water(values: Floats, column: str = "flow_out") -> Recording:
    return Recording("a", np.arange(len(values), dtype=np.int64) * STEP_MS, {column: values})


def calm() -> Floats:
    noise = np.random.default_rng(1).normal(0, 0.03, N)
    return 10.0 + 0.4 * np.sin(np.arange(N) / 300) + noise


def needs(name: str) -> None:
    if name == "QARTOD" and importlib.util.find_spec("ioos_qc") is None:
        pytest.skip("pip install -e '.[score]'")


@pytest.mark.parametrize("name", PEERS)
def test_quiet_water_is_hardly_flagged(name: str) -> None:
    needs(name)

    assert PEERS[name](water(calm()), RULES).mean() < 0.01


@pytest.mark.parametrize("name", ["Hampel", "QARTOD", "EWMA"])
def test_a_collapse_is_flagged_within_hours(name: str) -> None:
    needs(name)
    values = calm()
    values[4000:] *= 0.3
    flags = PEERS[name](water(values), RULES)

    assert not flags[3900:4000].any()
    assert flags[4000:4024].any()


def test_a_leak_of_a_third_is_flagged_after_its_first_night() -> None:
    values = calm()
    at = 30 * 96 + 40
    values[at:] *= 1.3
    flags = PEERS["night flow"](water(values, "flow_dist"), RULES)

    assert not flags[: 31 * 96 + 16].any()
    assert flags[31 * 96 + 16]


def test_night_flow_reads_the_line_where_there_is_one() -> None:
    leaking = calm()
    leaking[30 * 96 :] *= 1.3
    both = Recording(
        "a",
        np.arange(N, dtype=np.int64) * STEP_MS,
        {"flow_out": calm(), "flow_dist": leaking},
    )

    assert PEERS["night flow"](both, RULES).any()


@pytest.mark.parametrize("name", ["Hampel", "QARTOD", "EWMA"])
def test_a_missing_reading_is_flagged(name: str) -> None:
    needs(name)
    values = calm()
    values[4000:4010] = np.nan

    assert PEERS[name](water(values), RULES)[4000:4010].all()


@pytest.mark.parametrize("name", PEERS)
def test_what_comes_later_changes_no_flag(name: str) -> None:
    needs(name)
    values = calm()
    values[4000:] *= 0.5
    cut = 4500
    whole, part = (PEERS[name](water(v), RULES) for v in (values, values[:cut]))

    # The night flow knows its day, and the chart its hour, only once they are over.
    assert np.array_equal(whole[: cut - 96], part[: cut - 96])


def test_a_library_that_is_missing_is_named_with_the_way_to_have_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def missing(name: str) -> None:
        raise ImportError(name)

    monkeypatch.setattr("importlib.import_module", missing)
    with pytest.raises(NotInstalledError, match=r"pip install -e '\.\[score\]'"):
        PEERS["QARTOD"](water(calm()), RULES)


def test_null_flags_nothing_and_always_on_everything() -> None:
    assert not SANITY["null"](water(calm()), RULES).any()
    assert SANITY["always on"](water(calm()), RULES).all()


def test_a_window_looks_at_what_came_before_it_alone() -> None:
    median, spread = before(np.array([1.0, 2.0, 3.0, 100.0, 5.0]), 3)

    assert np.isnan(median[:3]).all()
    assert median[3:].tolist() == [2.0, 3.0]
    assert spread[3:].tolist() == pytest.approx([1.4826, 1.4826])


def test_gaps_are_held_and_blocks_of_nothing_stay_nothing() -> None:
    values = np.array([np.nan, 1.0, np.nan, 3.0, np.nan, np.nan, 7.0])

    assert held(values)[1:].tolist() == [1.0, 1.0, 3.0, 3.0, 3.0, 7.0]
    assert blocks(values, 2)[:2].tolist() == [1.0, 3.0]
    assert np.isnan(blocks(values, 2)[2])
