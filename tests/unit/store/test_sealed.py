"""A sealed stretch: every bit comes back, and it is small."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from numpy.typing import ArrayLike

from kahriz.store.sealed import DamagedError, Stretch, joined, seal, unseal

DAY_MS = 86_400_000
TODAY = 20_779 * DAY_MS
MINUTES = TODAY + 60_000 * np.arange(1440)


def stretch(time: ArrayLike, value: ArrayLike, quality: ArrayLike = 1) -> Stretch:
    at = np.asarray(time, np.int64)
    return Stretch(
        at,
        np.asarray(value, np.float64),
        np.broadcast_to(np.asarray(quality, np.uint8), at.shape).copy(),
    )


def assert_comes_back(given: Stretch) -> int:
    data = seal(given)
    found = unseal(data, len(given), int(given.time[0]))
    assert found.time.tolist() == given.time.tolist()
    assert found.value.view(np.int64).tolist() == given.value.view(np.int64).tolist()
    assert found.quality.tolist() == given.quality.tolist()
    assert [c.dtype.name for c in (found.time, found.value, found.quality)] == [
        "int64",
        "float64",
        "uint8",
    ]
    return len(data)


_NUMBER = st.one_of(
    st.integers(-(10**6), 10**6).map(lambda i: i / 1000),
    st.sampled_from([0.1, 0.2, 1 / 3, -0.0]),
    st.floats(allow_nan=False, allow_infinity=False),
)


@given(
    rows=st.dictionaries(
        st.integers(-62_135_596_800_000, 253_402_300_799_999),
        st.tuples(_NUMBER, st.sampled_from([1, 2, 3, 4])),
        min_size=1,
        max_size=60,
    )
)
@example(rows={0: (-0.0, 1), 1: (0.0, 1)})
@example(rows={0: (1.7976931348623157e308, 1), 1: (-1.7976931348623157e308, 4), 2: (5e-324, 1)})
@example(rows={0: (2.0**53, 1)})
@example(rows=dict.fromkeys(range(40), (1 / 3, 2)))
def test_every_bit_of_any_readings_comes_back(rows: dict[int, tuple[float, int]]) -> None:
    time = sorted(rows)
    given = Stretch(
        np.array(time, np.int64),
        np.array([rows[t][0] for t in time], np.float64),
        np.array([rows[t][1] for t in time], np.uint8),
    )
    assert_comes_back(given)


@pytest.mark.parametrize(
    ("step_s", "jitter_ms", "bytes_a_reading"), [(60, 0, 1.0), (60, 500, 2.4), (300, 500, 2.6)]
)
def test_a_day_of_millimetres_or_hundredths_of_a_litre_is_small(
    step_s: int, jitter_ms: int, bytes_a_reading: float
) -> None:
    rng = np.random.default_rng(3)
    n = 86_400 // step_s
    time = TODAY + 1000 * step_s * np.arange(n) + rng.integers(0, 2 * jitter_ms + 1, n)
    discharge = np.round(3 + rng.normal(0, 0.02, n), 3)

    assert assert_comes_back(stretch(time, discharge)) <= bytes_a_reading * n


def test_discharge_computed_from_stage_is_as_small_as_the_stage_it_comes_from() -> None:
    stage = np.round(0.3 + np.random.default_rng(3).normal(0, 0.002, 1440), 3)

    assert assert_comes_back(stretch(MINUTES, 1380 * stage**2.48)) <= 1440


def test_flags_that_change_cost_little() -> None:
    quality = np.where(np.arange(1440) % 100 == 7, 3, 1)

    assert assert_comes_back(stretch(MINUTES, np.full(1440, 0.12), quality)) <= 200


@pytest.mark.parametrize("change", [lambda d: d[:-3], lambda d: b"", lambda d: b"\xff" * len(d)])
def test_bytes_that_are_not_what_was_sealed_are_damage(change: object) -> None:
    assert callable(change)
    data = seal(stretch(MINUTES, np.arange(1440) / 7))
    with pytest.raises(DamagedError):
        unseal(change(data), 1440, TODAY)


def test_more_readings_than_were_sealed_are_damage() -> None:
    data = seal(stretch(MINUTES, np.arange(1440) / 8))
    with pytest.raises(DamagedError):
        unseal(data, 2000, TODAY)


def test_of_equal_instants_the_last_part_s_value_stays() -> None:
    found = joined([stretch([1, 2, 3], [1, 1, 1]), stretch([2, 4], [9, 9]), stretch([4], [5])])

    assert found.time.tolist() == [1, 2, 3, 4]
    assert found.value.tolist() == [1, 9, 1, 5]
