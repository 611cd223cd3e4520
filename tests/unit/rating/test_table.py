"""A tabulated curve: on its pairs, between them, and nowhere else."""

from __future__ import annotations

import doctest
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.errors import ConfigError
from kahriz.observations import Quality
from kahriz.rating import table as module
from kahriz.rating.dated import build, validate
from kahriz.rating.table import Table
from kahriz.rating.v_notch import VNotch90
from kahriz.sites import RatingEntry, load_registry

EXAMPLE = Path(__file__).parents[3] / "sites.example.toml"
PAIRS = [(0.05, 0.8), (0.10, 4.4), (0.20, 24.7)]


def test_the_example_in_the_file_is_true() -> None:
    result = doctest.testmod(module)

    assert result.attempted > 0
    assert result.failed == 0


@pytest.mark.parametrize("interpolation", ["log", "linear"])
def test_a_table_gives_its_pairs_and_refuses_beyond_them(interpolation: Any) -> None:
    rated = Table(table=PAIRS, interpolation=interpolation).discharge(
        np.array([0.0, 0.0499, 0.05, 0.10, 0.20, 0.2001])
    )

    assert rated.discharge_lps.tolist() == pytest.approx(
        [0, np.nan, 0.8, 4.4, 24.7, np.nan], nan_ok=True
    )
    good, fail = Quality.GOOD, Quality.FAIL
    assert rated.quality.tolist() == [good, fail, good, good, good, fail]


def test_straight_in_logarithms_a_table_of_a_v_notch_is_a_v_notch() -> None:
    notch = VNotch90(zero_offset_m=0.3)
    stages = np.array([0.36, 0.45, 0.6])
    pairs = list(zip(stages, notch.discharge(stages).discharge_lps, strict=True))
    drawn = Table(table=pairs, zero_offset_m=0.3, curve_uncertainty=0.015)
    between = np.linspace(0.36, 0.6, 50)
    one, other = drawn.discharge(between), notch.discharge(between)

    assert one.discharge_lps == pytest.approx(other.discharge_lps)
    assert one.uncertainty_lps == pytest.approx(other.uncertainty_lps)
    dry = np.array([0.3])
    at_zero = drawn.discharge(dry).uncertainty_lps
    assert at_zero == pytest.approx(notch.discharge(dry).uncertainty_lps)


def test_straight_in_figures_it_is_half_way_half_way() -> None:
    tank = Table(
        table=[(0.0, 0.0), (0.2, 10.0)],
        interpolation="linear",
        stage_uncertainty_m=0.002,
        curve_uncertainty=0.03,
    )
    rated = tank.discharge(np.array([0.0, 0.1]))

    assert rated.discharge_lps == pytest.approx([0, 5])
    assert rated.uncertainty_lps == pytest.approx([0.1, np.hypot(0.1, 0.15)])
    assert tank.stage(np.array([5.0, 10.1])) == pytest.approx([0.1, np.nan], nan_ok=True)


@given(
    st.lists(st.floats(0.01, 0.5), min_size=1, max_size=6),
    st.lists(st.floats(0.1, 50), min_size=1, max_size=6),
    st.sampled_from(["log", "linear"]),
    st.floats(0, 1),
)
def test_a_stage_is_found_again_through_any_table(
    rises: list[float], flows: list[float], interpolation: Any, part: float
) -> None:
    n = min(len(rises), len(flows))
    stages = 0.1 + np.cumsum([0, *rises[:n]])
    pairs = list(zip(stages.tolist(), np.cumsum([1, *flows[:n]]).tolist(), strict=True))
    drawn = Table(table=pairs, interpolation=interpolation, zero_offset_m=0.05)
    stage = np.array([stages[0] + part * (stages[-1] - stages[0])])
    rated = drawn.discharge(stage)

    assert pairs[0][1] * (1 - 1e-9) <= rated.discharge_lps[0] <= pairs[-1][1] * (1 + 1e-9)
    assert drawn.stage(rated.discharge_lps) == pytest.approx(stage, abs=1e-8)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"table": [(0.05, 0.8)]}, "table: table has 1 pairs"),
        ({"table": [(0.05, 0.8), (0.05, 0.9)]}, "pair [0.05, 0.9] does not rise above"),
        ({"table": [(0.05, 0.8), (0.06, 0.8)]}, "pair [0.06, 0.8] does not rise above"),
        ({"table": [(0.05, -1.0), (0.06, 0.8)]}, "pair [0.05, -1.0] is no stage and"),
        ({"table": [(0.05, 0.8), (0.06, float("inf"))]}, "pair [0.06, inf] is no stage"),
        ({"table": PAIRS, "zero_offset_m": 0.06}, "zero_offset_m 0.06 is above the first"),
        ({"table": [(0.0, 0.0), (0.1, 1.0)]}, "has no logarithm at zero_offset_m 0.0"),
        ({"table": PAIRS, "stage_uncertainty_m": -1.0}, "stage_uncertainty_m -1.0 is not 0 or"),
    ],
)
def test_a_table_that_cannot_be_is_refused_by_name(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Table(**options)

    assert says in str(caught.value)


def entry(**options: Any) -> RatingEntry:
    return RatingEntry(method="table", valid_from=date(2026, 1, 1), **options)


def test_an_entry_of_sites_toml_names_version_and_author_and_they_are_no_options() -> None:
    made = entry(table=PAIRS, version="2026-2", author="R. Aliyev", curve_uncertainty=0.04)

    rated = build(made).discharge(np.array([0.1]))
    assert rated.discharge_lps == pytest.approx([4.4])
    assert (made.version, made.author) == ("2026-2", "R. Aliyev")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({}, "table: table is missing"),
        ({"table": PAIRS, "exponent": 2.0}, "table: exponent 2.0 is no option of it"),
    ],
)
def test_an_entry_without_its_table_is_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace(".", r"\.")):
        build(entry(**options))


def test_a_table_is_read_from_the_file_as_it_is_written_there(tmp_path: Path) -> None:
    sites = tmp_path / "sites.toml"
    said = 'method = "table"\nversion = "3"\nauthor = "Aydin"\n'
    said += "table = [[0.05, 0.8], [0.1, 4.4],\n  [0.2, 24.7]]\ninterpolation = "
    text = EXAMPLE.read_text(encoding="utf-8")
    sites.write_text(text.replace('method = "v_notch_90"\n', said + '"linear"\n', 1), "utf-8")
    registry = load_registry(sites)
    validate(registry)
    (found,) = registry.find("agh-dere").site[0].rating

    assert found.table == tuple(PAIRS)
    assert build(found).discharge(np.array([0.15])).discharge_lps == pytest.approx([14.55])
