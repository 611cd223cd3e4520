from __future__ import annotations

from datetime import timedelta

import pytest

from kahriz.alert.beside import WITHIN, Beside, beside
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store.memory import MemoryStore
from tests.water import NOW

MINUTE, JUST = timedelta(minutes=1), timedelta(milliseconds=1)


def store(*said: tuple[timedelta, float, Quality], stream: str = "discharge") -> MemoryStore:
    found = MemoryStore()
    name = DatastreamId(f"k.outlet.{stream}")
    found.write(ObservationBatch.of([Observation(name, NOW + t, v, q) for t, v, q in said]))
    return found


@pytest.mark.parametrize(
    ("said", "nearest"),
    [
        ([(-10 * MINUTE, 1.0), (5 * MINUTE, 2.0)], 2.0),
        ([(-5 * MINUTE, 1.0), (5 * MINUTE, 2.0)], 1.0),
        ([(-WITHIN, 1.0)], 1.0),
        ([(WITHIN, 2.0)], 2.0),
        ([(-WITHIN - JUST, 1.0), (WITHIN + JUST, 2.0)], None),
        ([], None),
    ],
)
def test_the_weir_is_read_at_the_nearest_moment_within_half_an_hour(
    said: list[tuple[timedelta, float]], nearest: float | None
) -> None:
    kept = store(*((t, v, Quality.GOOD) for t, v in said))

    assert beside(kept, "k", "outlet", NOW) == Beside(nearest, None)


def test_what_failed_says_nothing_and_what_is_suspect_does() -> None:
    kept = store((MINUTE, 9.0, Quality.FAIL), (2 * MINUTE, 1.5, Quality.SUSPECT))

    assert beside(kept, "k", "outlet", NOW).discharge_lps == 1.5


def test_the_stage_is_read_beside_the_flow() -> None:
    kept = store((MINUTE, 0.08, Quality.GOOD), stream="stage")

    assert beside(kept, "k", "outlet", NOW) == Beside(None, 0.08)
    assert beside(kept, "k", "shaft", NOW) == Beside(None, None)
