from __future__ import annotations

from zoneinfo import ZoneInfo

import numpy as np
import pytest

from kahriz.clock import to_ms
from kahriz.rating.dated import DatedRating
from kahriz.rating.uncertainty import instrument_uncertainty
from kahriz.rating.v_notch import VNotch90
from kahriz.sites import RatingEntry, Site, SiteKind
from kahriz.stats.local_days import day_start

BAKU = ZoneInfo("Asia/Baku")


def entry(valid_from: str, stage_uncertainty_m: float, **more: object) -> RatingEntry:
    return RatingEntry.model_validate(
        {
            "method": "v_notch_90",
            "valid_from": valid_from,
            "stage_uncertainty_m": stage_uncertainty_m,
        }
        | more
    )


def weir(*ratings: RatingEntry) -> Site:
    return Site(id="outlet", kind=SiteKind.OUTLET, name="Gözü", rating=ratings)


def test_a_discharge_is_as_sure_as_the_curve_that_held_then() -> None:
    old = entry("2026-01-01", 0.003, valid_to="2026-11-01")
    new = entry("2026-11-01", 0.001)
    change = to_ms(day_start(new.valid_from, BAKU))
    time = np.array([change - 1, change], np.int64)
    found = instrument_uncertainty(weir(old, new), BAKU, time, np.array([2.0, 2.0]))

    for at, sure in enumerate((0.003, 0.001)):
        curve = VNotch90(stage_uncertainty_m=sure)
        rated = curve.discharge(curve.stage(np.array([2.0])))
        assert found[at] == pytest.approx(float(rated.uncertainty_lps[0]))
    # 10 % at 2 L/s with 3 mm, as docs say of a V-notch; 3.4 % with 1 mm.
    assert found[0] / 2.0 == pytest.approx(0.10, abs=0.01)


def test_where_no_curve_held_or_knows_such_a_discharge_nothing_is_sure() -> None:
    only = entry("2026-11-01", 0.003)
    before = to_ms(day_start(only.valid_from, BAKU)) - 1
    time = np.array([before, before + 1, before + 1], np.int64)

    found = instrument_uncertainty(weir(only), BAKU, time, np.array([2.0, 500.0, np.nan]))

    assert np.isnan(found).all()


def test_a_site_is_as_sure_as_its_weir_or_else_as_its_meter() -> None:
    curve = entry("2026-01-01", 0.003)
    time, flow = np.array([to_ms(day_start(curve.valid_from, BAKU))]), np.array([2.0])
    line = Site(id="line", kind=SiteKind.DELIVERY_LINE, name="Xətt")
    better = line.model_copy(update={"meter_uncertainty": 0.01})

    assert instrument_uncertainty(weir(curve), BAKU, time, flow) == DatedRating(
        [curve], BAKU
    ).uncertainty(time, flow)
    assert instrument_uncertainty(line, BAKU, time, flow) == pytest.approx(2.0 * 0.05 / 3**0.5)
    assert instrument_uncertainty(better, BAKU, time, flow) == pytest.approx(0.02)


def test_what_a_meter_shows_of_a_line_that_stands_is_not_known_to_nought() -> None:
    line = Site(id="line", kind=SiteKind.DELIVERY_LINE, name="Xətt", dry_below_lps=0.3)
    flow = np.array([0.0, 0.299, 0.3, np.nan])
    found = instrument_uncertainty(line, BAKU, np.zeros(4, np.int64), flow)

    assert found[:3] == pytest.approx([0.3 / 3**0.5, 0.3 / 3**0.5, 0.3 * 0.05 / 3**0.5])
    assert np.isnan(found[3])
