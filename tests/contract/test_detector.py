"""Every registered detector keeps the contract of ``kahriz.detect``."""

from __future__ import annotations

import json
from datetime import timedelta

import numpy as np
import pytest

from kahriz import plugins
from kahriz.detect import AUDIENCE, DETECTORS, Detection, Detector, KahrizView, Kind
from kahriz.observations import Series
from tests.water import LINE, NOW, OUTLET, SHAFT, Water, kahriz

SITES = [("outlet",), ("shaft",), ("line",), ("outlet", "shaft"), ("outlet", "shaft", "line")]
LONG_AGO = dict.fromkeys(("k-outlet", "k-shaft", "k-line"), NOW - timedelta(hours=30))


@pytest.fixture(params=sorted(DETECTORS))
def detector(request: pytest.FixtureRequest) -> Detector:
    made: Detector = plugins.load("detector", request.param, DETECTORS)()
    return made


def troubles(*sites: str) -> list[KahrizView]:
    """Return views in which something is wrong in every way known here."""
    of = kahriz(*sites)
    waters = [
        Water().blocked(-2.0),
        Water().falls(-4.0, 0.5, OUTLET),
        Water().falls(-4.0, 3.0, OUTLET, LINE),
        Water().since(-30.0, SHAFT, lambda v: np.full_like(v, 1.0)),
        Water().silent(-5.0, OUTLET).silent(-50.0, LINE),
    ]
    views = [water.view(of) for water in waters]
    return [KahrizView(of, view.series, LONG_AGO) for view in views]


def everything(detector: Detector) -> list[Detection]:
    return [d for sites in SITES for view in troubles(*sites) for d in detector.detect(view, NOW)]


def test_it_says_nothing_of_quiet_water(detector: Detector) -> None:
    view = Water().view()
    seen = dict.fromkeys(LONG_AGO, NOW)

    assert detector.detect(KahrizView(view.kahriz, view.series, seen), NOW) == ()


def test_it_says_nothing_where_nothing_was_ever_heard(detector: Detector) -> None:
    empty = {stream: Series.empty(stream) for stream in (OUTLET, SHAFT, LINE)}

    assert detector.detect(KahrizView(kahriz(), {}), NOW) == ()
    assert detector.detect(KahrizView(kahriz(), empty), NOW) == ()


def test_it_finds_something_when_something_is_wrong(detector: Detector) -> None:
    assert everything(detector)


def test_it_works_with_whatever_sensors_there_are(detector: Detector) -> None:
    for sites in SITES:
        for view in troubles(*sites):
            devices = {sensor.device for site in view.kahriz.site for sensor in site.sensor}

            assert {d.key for d in detector.detect(view, NOW)} <= {""} | devices


def test_it_is_pure_the_same_view_gives_the_same_detections(detector: Detector) -> None:
    for view in troubles("outlet", "shaft", "line"):
        before = {stream: series.value.copy() for stream, series in view.series.items()}
        first = detector.detect(view, NOW)

        assert detector.detect(view, NOW) == first
        assert all(np.array_equal(before[s], x.value) for s, x in view.series.items())


def test_what_it_says_can_be_kept_shown_and_told(detector: Detector) -> None:
    for detection in everything(detector):
        assert json.loads(json.dumps(detection.evidence, allow_nan=False)) == detection.evidence
        assert len(detection.key) <= 60
        assert len(detection.detector) <= 40
        assert detection.explanation.endswith(".")
        assert "\n" not in detection.explanation


def test_trouble_began_before_now(detector: Detector) -> None:
    for detection in everything(detector):
        assert detection.since.tzinfo is not None
        assert detection.since <= NOW


def test_no_place_is_named_twice_at_one_instant(detector: Detector) -> None:
    for view in troubles("outlet", "shaft", "line"):
        places = [(d.kind, d.key) for d in detector.detect(view, NOW)]

        assert len(places) == len(set(places))


def test_it_says_how_much_history_it_needs(detector: Detector) -> None:
    assert timedelta(0) <= detector.look_back <= timedelta(days=400)


def test_every_kind_has_somebody_to_act() -> None:
    assert set(AUDIENCE) == set(Kind)
