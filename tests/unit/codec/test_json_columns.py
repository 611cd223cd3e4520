"""Payloads decoded together say what each says alone, and a bad one harms only itself."""

from __future__ import annotations

import json
import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.json_columns import NONE, JsonColumns, PayloadColumns
from kahriz.codec.json_v1 import JsonV1
from kahriz.errors import DecodeError
from kahriz.observations import Readings

NUMBER = st.one_of(st.none(), st.integers(-5, 5), st.floats(-9, 9), st.just(1e999))
CHANNEL = st.sampled_from(["stage_m", "discharge_lps", "battery_v", "Bad Name", "x" * 65])
READING = st.tuples(st.integers(-1, 2**53), st.dictionaries(CHANNEL, NUMBER, max_size=3))
GOOD: dict[str, Any] = {"boot": 1, "seq": 4, "r": [[1795348800000, {"stage_m": 0.1}]]}
PAYLOAD = st.one_of(
    st.just(json.dumps(GOOD).encode()),
    st.just(b'[{"bt":1795348800,"n":"stage","u":"m","v":0.1}]'),
    st.just("ə".encode() + json.dumps(GOOD).encode()),
    st.just(json.dumps(GOOD | {"fw": "ə"}, ensure_ascii=False).encode()),
    st.just(json.dumps(GOOD | {"x": "y" * MAX_PAYLOAD}).encode()),
    st.binary(max_size=30),
    st.fixed_dictionaries(
        {
            "boot": st.sampled_from([0, 2**32 - 1, 2**32]),
            "seq": st.sampled_from([0, 2**32 - 2]),
            "r": st.lists(READING, max_size=4),
        },
        optional={
            "oldest": st.one_of(st.none(), st.integers(0, 9)),
            "uptime_ms": st.integers(0, 10**6),
            "battery_v": st.one_of(st.none(), st.floats(0, 15)),
            "fw": st.sampled_from(["kz-1", "x" * 65]),
        },
    ).map(lambda said: json.dumps(said).encode()),
)


def alone(payload: bytes) -> Readings | None:
    try:
        return JsonV1().decode(payload)
    except DecodeError:
        return None


def together(payloads: list[bytes]) -> dict[int, Readings]:
    return taken_apart(JsonColumns(JsonV1()).decode(payloads))


def taken_apart(columns: PayloadColumns) -> dict[int, Readings]:
    """Return each payload's readings from the columns, by its position."""
    found: dict[int, Readings] = {}
    row = value = 0
    for i, position in enumerate(columns.position.tolist()):
        r = Readings(int(columns.n_rows[i]), [], [], [], [])
        r.boot, r.first_seq = int(columns.boot[i]), int(columns.first_seq[i])
        r.oldest_seq = said(int(columns.oldest_seq[i]))
        r.uptime_ms, r.firmware = said(int(columns.uptime_ms[i])), columns.firmware[i]
        for n in range(r.n_rows):
            for _ in range(int(columns.n_values[row])):
                r.row.append(n)
                r.time_ms.append(int(columns.time_ms[row]))
                r.channel.append(columns.channel[value])
                r.value.append(float(columns.value[value]))
                value += 1
            row += 1
        found[position] = r
    return found


def said(number: int) -> int | None:
    return None if number == NONE else number


def same(a: Readings, b: Readings) -> bool:
    values = zip(a.value, b.value, strict=True)
    is_same = all(x == y or (math.isnan(x) and math.isnan(y)) for x, y in values)
    a.value = b.value = []
    return is_same and a == b


@given(st.lists(PAYLOAD, max_size=8))
def test_together_they_say_what_each_says_alone(payloads: list[bytes]) -> None:
    found = together(payloads)
    expected = {i: r for i, p in enumerate(payloads) if (r := alone(p)) is not None}

    # What is not ASCII is left to the codec itself, though it may be right.
    assert {i for i in expected if payloads[i].isascii()} == set(found)
    assert all(same(found[i], expected[i]) for i in found)


def test_two_halves_of_an_object_are_not_taken_for_one() -> None:
    good = json.dumps(GOOD).encode()
    halves = [b'{"boot":1,"seq":1,"r":[[1,{"stage_m":1}]],"x":[{}', b"{}]}"]

    assert list(together([*halves, good])) == [2]


def test_nothing_gives_nothing() -> None:
    assert together([]) == {}
