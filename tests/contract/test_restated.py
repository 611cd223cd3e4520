"""A rating that refuses what was stored takes it out of the water, in every store."""

from __future__ import annotations

import numpy as np

from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, Quality
from kahriz.store import Store
from tests.contract.test_store import store, url, v2_path  # noqa: F401 - fixtures
from tests.station import NOW, T0, Station, from_the_start, registry, v_notch

DATASTREAM = DatastreamId("barana.outlet.stage")


def test_discharge_a_new_rating_refuses_is_failed_and_no_water(store: Store) -> None:  # noqa: F811
    station = from_the_start(registry(v_notch("2020-01-01")), station=Station(store))
    before = {day.start_ms: day for day in station.days()}
    lower = registry(v_notch("2020-01-01") | {"max_head_m": 0.14})
    station.restate(lower)
    station.sum_up(lower)
    stage = store.series(DATASTREAM, T0, NOW)
    flow = station.flow()
    is_refused = stage.value > 0.14 + 1e-9

    assert 0 < is_refused.sum() < len(stage)
    assert np.array_equal(flow.time, stage.time)
    assert np.array_equal(flow.quality == Quality.FAIL, is_refused)
    assert np.array_equal(flow.usable().time, stage.time[~is_refused])
    lost = [day for day in station.days() if day.n_fail and day.end_ms <= to_ms(NOW)]
    assert len(lost) > 5
    for day in lost:
        was = before[day.start_ms]
        assert day.revision == was.revision + 1
        assert day.n == was.n - day.n_fail
        assert day.covered_s < was.covered_s
        assert (day.volume_m3 or 0) < (was.volume_m3 or 0)
        assert day.max is None or day.max <= 1380 * 0.14**2.5 + 1e-6
