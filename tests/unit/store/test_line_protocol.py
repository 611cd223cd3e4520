"""The bytes InfluxDB is sent, written by hand from the line protocol's reference."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from kahriz.observations import DatastreamId, ObservationBatch, Quality
from kahriz.store.line_protocol import encode

NAMES = (DatastreamId("agh-dere.outlet.stage"), DatastreamId("barana.line.discharge"))


def batch(values: list[float]) -> ObservationBatch:
    n = len(values)
    return ObservationBatch(
        NAMES,
        (np.arange(n) % 2).astype(np.int32),
        np.datetime64("2026-11-22T06:00:00.000") + np.arange(n),
        np.array(values),
        np.full(n, Quality.SUSPECT, np.uint8),
    )


def test_lines_are_the_reference_s_to_the_byte() -> None:
    lines = encode(batch([2.0, -1e-7, 0.1]), np.array([0, 1, 2]))

    assert lines.body(0, 3) == (
        b"observation,kahriz=agh-dere,site=outlet,property=stage value=2.0,quality=3i 1795327200000"
        b"\nobservation,kahriz=barana,site=line,property=discharge value=-1e-7,quality=3i"
        b" 1795327200001"
        b"\nobservation,kahriz=agh-dere,site=outlet,property=stage value=0.1,quality=3i"
        b" 1795327200002"
    )


def test_part_of_the_lines_is_a_body_of_its_own() -> None:
    lines = encode(batch([1.0, 2.0, 3.0, 4.0]), np.array([3, 1, 0]))

    assert lines.rows == [3, 1, 0]
    assert lines.body(1, 2) == (
        b"observation,kahriz=barana,site=line,property=discharge value=2.0,quality=3i 1795327200001"
    )
    assert lines.body(1, 1) == b""


@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1))
def test_a_value_is_always_a_float_that_reads_back_the_same(values: list[float]) -> None:
    lines = encode(batch(values), np.arange(len(values))).body(0, len(values)).splitlines()
    texts = [line.split(b"value=")[1].split(b",")[0] for line in lines]

    assert [float(text) for text in texts] == values
    assert all(set(text) & set(b".e") for text in texts), "no text InfluxDB takes for an integer"
