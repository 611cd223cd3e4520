"""How sure a volume is: what does not average out within a curve, and does between two."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import numpy as np
import pytest

from kahriz.clock import to_ms
from kahriz.rating.dated import DatedRating
from kahriz.rating.volume import VolumeUncertainty
from kahriz.sites import RatingEntry, Site, SiteKind
from kahriz.stats.rollup import Figures

UTC_ZONE = ZoneInfo("UTC")
T0 = datetime(2026, 3, 1, tzinfo=UTC)
DAY_MS = 86_400_000


def entry(valid_from: date, valid_to: date | None = None, **options: float) -> RatingEntry:
    return RatingEntry(method="v_notch_90", valid_from=valid_from, valid_to=valid_to, **options)


def day(n: int, mean: float | None, covered_s: float = 86_400.0) -> Figures:
    start = to_ms(T0 + timedelta(days=n))
    return Figures(start, start + DAY_MS, 96, 96, 0, 0, mean, mean, mean, None, covered_s)


def sure(parts: list[Figures], *entries: RatingEntry) -> VolumeUncertainty:
    site = Site(id="outlet", kind=SiteKind.OUTLET, name="Gözü", rating=entries)
    return VolumeUncertainty(site, UTC_ZONE, parts)


ALWAYS = (0, 2**60)
ONE = entry(date(2020, 1, 1), stage_uncertainty_m=0.003)


def test_a_day_is_as_unsure_as_its_mean_discharge() -> None:
    head = (0.008 / 1.38) ** 0.4
    relative = np.hypot(2.5 * 0.003 / head, 0.015)

    assert sure([day(0, 8.0)], ONE).between(*ALWAYS) == pytest.approx(relative * 8 * 86.4)


def test_the_days_of_one_curve_add_up_as_they_are_and_none_is_made_surer_by_the_others() -> None:
    one = sure([day(0, 8.0)], ONE).between(*ALWAYS)
    assert one is not None

    assert sure([day(n, 8.0) for n in range(30)], ONE).between(*ALWAYS) == pytest.approx(30 * one)


def test_two_curves_have_nothing_in_common() -> None:
    rebuilt = entry(date(2026, 3, 11), stage_uncertainty_m=0.003)
    before = entry(date(2020, 1, 1), date(2026, 3, 11), stage_uncertainty_m=0.003)
    days = [day(n, 8.0) for n in range(20)]
    one = sure(days[:1], ONE).between(*ALWAYS)
    assert one is not None
    both = sure(days, before, rebuilt)

    assert both.between(*ALWAYS) == pytest.approx(10 * one * 2**0.5)
    assert both.between(days[0].start_ms, days[10].start_ms) == pytest.approx(10 * one)


def test_a_day_measured_by_half_is_half_of_it() -> None:
    whole, half = (sure([day(0, 8.0, s)], ONE).between(*ALWAYS) for s in (86_400.0, 43_200.0))

    assert whole is not None
    assert half == pytest.approx(whole / 2)


def test_no_flow_is_not_known_to_be_none() -> None:
    found = sure([day(0, 0.0)], ONE).between(*ALWAYS)

    at_zero = 2.5 * 1380 * 0.003**2.5
    assert found == pytest.approx(at_zero * 86.4)


@pytest.mark.parametrize(
    "parts",
    [[], [day(0, None)], [day(0, 8.0, 0.0)], [day(0, 8.0), day(1, 500.0)], [day(-9999, 8.0)]],
    ids=["nothing", "no mean", "not covered", "beyond the curve", "before any curve"],
)
def test_what_is_not_known_of_every_part_is_not_known(parts: list[Figures]) -> None:
    assert sure(parts, ONE).between(*ALWAYS) is None


def test_it_is_rather_too_much_where_flow_varies() -> None:
    """Against the same error of zero in every reading of a day that goes up and down."""
    rating = DatedRating([ONE], UTC_ZONE)
    head = 0.12 + 0.04 * np.sin(np.linspace(0, 2 * np.pi, 289))[:-1]
    time = to_ms(T0) + np.arange(288, dtype=np.int64) * 300_000
    flow = rating.discharge(time, head).discharge_lps
    moved = rating.discharge(time, head + 0.003).discharge_lps
    true = np.hypot((moved - flow).mean() * 86.4, 0.015 * flow.mean() * 86.4)
    found = sure([day(0, float(flow.mean()))], ONE).between(*ALWAYS)

    assert found is not None
    assert true * 0.97 < found < true * 1.15


def test_a_meter_is_one_curve_that_is_as_wrong_every_day() -> None:
    line = Site(id="line", kind=SiteKind.DELIVERY_LINE, name="Xətt", meter_uncertainty=0.02)
    days = [day(n, 8.0) for n in range(30)]
    found = VolumeUncertainty(line, UTC_ZONE, days)

    assert found.between(*ALWAYS) == pytest.approx(0.02 * 30 * 8 * 86.4)
    assert found.between(days[0].start_ms, days[1].start_ms) == pytest.approx(0.02 * 8 * 86.4)
