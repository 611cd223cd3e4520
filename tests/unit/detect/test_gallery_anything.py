"""Whatever is measured, and in whatever order, the gallery goes on and what it says can be told."""

from __future__ import annotations

import json
import math
from datetime import timedelta

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kahriz.detect.gallery import Gallery, dump, load
from kahriz.detect.station.channel import DAY, IMPOSSIBLE
from tests.unit.detect.station.days import (
    BATTERY,
    FIRST,
    LEARNED,
    LINE,
    OUTLET,
    SHAFT,
    Days,
    kahriz,
    learned,
)

NAMES = (OUTLET, SHAFT, LINE, BATTERY)
SITES = st.sampled_from([(), ("outlet",), ("outlet", "shaft"), ("outlet", "line"), ("shaft",)])
SAID = st.sampled_from(
    ["as usual", "nothing", "impossible", "0", "-0.4", "1e-9", "1e6", "standing", "doubled", "wild"]
)
STRETCH = st.tuples(
    st.fixed_dictionaries(dict.fromkeys(NAMES, SAID)), st.floats(0.02, 4), st.booleans()
)


def value(said: str, usual: float, at: int) -> float:
    """Return what an instrument says in a stretch of a kind."""
    match said:
        case "as usual":
            return usual
        case "nothing":
            return math.nan
        case "impossible":
            return IMPOSSIBLE
        case "standing":
            return 3.0
        case "doubled":
            return 2 * usual
        case "wild":
            return usual * (1 + 0.9 * math.sin(at * at))
    return float(said)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(sites=SITES, is_learned=st.booleans(), stretches=st.lists(STRETCH, min_size=1, max_size=5))
def test_no_reading_stops_it_and_every_figure_it_gives_is_one(
    sites: tuple[str, ...],
    is_learned: bool,
    stretches: list[tuple[dict[str, str], float, bool]],
) -> None:
    gallery = learned(*sites) if is_learned else Gallery(kahriz(*sites, battery=True))
    at = FIRST + LEARNED * DAY
    usual = {name: series.tolist() for name, series in Days().value.items()}
    for said, days, is_worked_at in stretches:
        if is_worked_at:
            gallery.start_anew()
        for _ in range(round(days * DAY)):
            i = at - FIRST
            gallery.step(at, {name: value(said[name], usual[name][i], at) for name in NAMES})
            _check(gallery)
            at += 1
        gallery = Gallery(gallery.kahriz, load(dump(gallery.state)))
    assert len(dump(gallery.state)) <= 16_000


def _check(gallery: Gallery) -> None:
    now = gallery.quarters.end(gallery.state.at)
    for detection in gallery.detections():
        assert json.loads(json.dumps(detection.evidence, allow_nan=False)) == detection.evidence
        assert "nan" not in detection.explanation
        assert " inf" not in detection.explanation
        assert now - timedelta(days=60) < detection.since <= now


def test_a_month_of_silence_is_nothing_new() -> None:
    gallery = learned()
    water = Days().says(OUTLET, np.nan, 60, 95)
    for name in (SHAFT, LINE, BATTERY):
        water.says(name, np.nan, 60, 95)
    for at, values in water.steps(LEARNED, 110):
        gallery.step(at, values)
        assert gallery.detections() == []
