"""The short form: payloads of the right shape with anything in them, and damaged good ones."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.codec.varints import put_varint
from tests.fuzz.claims import CLAIMS, SEEDS

EVERY_CLAIM = pytest.mark.parametrize("decoder", list(CLAIMS))
NAMES = [
    "stage_m",
    "shaft_stage_m",
    "gate_1",
    "stage",
    "Stage",
    "battery_voltage",
    "urn:x:",
    "",
    "/",
]

anything = st.recursive(
    st.none()
    | st.booleans()
    | st.floats()
    | st.integers(-(2**70), 2**70)
    | st.sampled_from([0, 1, 1795348800, 2**32, 2**53, 10**308, 10**400, *NAMES, "m", "mm", "mV"])
    | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=10,
)
number = (
    st.floats(allow_nan=False) | st.integers(-(2**60), 2**60) | st.sampled_from([10**308, 1e308])
)


def likely(strategy: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """Return what fits, and now and then anything."""
    return st.one_of(strategy, strategy, strategy, anything)


channels = st.dictionaries(st.sampled_from(NAMES) | st.text(max_size=4), likely(number | st.none()))
reading = likely(st.tuples(likely(st.integers(0, 2**53)), likely(channels)))
json_v1 = st.fixed_dictionaries(
    {
        "boot": likely(st.integers(0, 2**32)),
        "seq": likely(st.integers(0, 2**32)),
        "r": likely(st.lists(reading, min_size=1, max_size=4)),
    },
    optional={
        "oldest": likely(st.integers(0, 2**32)),
        "uptime_ms": likely(st.integers(0, 2**53)),
        "battery_v": likely(number),
        "fw": likely(st.text(max_size=6)),
        "x": anything,
    },
)
text = st.sampled_from([*NAMES, "m", "cm", "mm", "m3/s", "Cel", "V"]) | st.text(max_size=4)
record = st.fixed_dictionaries(
    {},
    optional={
        **{key: likely(text) for key in ("bn", "bu", "n", "u")},
        **{key: likely(number) for key in ("bv", "v", "t", "bver", "ut")},
        "bt": likely(st.integers(2**28, 2**43)),
        **dict.fromkeys(("vs", "vb", "vd", "s", "bs", "x_", "x"), anything),
    },
)
event = st.fixed_dictionaries(
    {
        "deduplicationId": likely(st.uuids().map(str)),
        "time": likely(st.datetimes().map(lambda t: t.isoformat() + "Z")),
        "deviceInfo": likely(st.just({"devEui": "70b3d57ed005a1b2"})),
    },
    optional={
        "fCnt": likely(st.integers(0, 2**32)),
        "fPort": likely(st.integers(0, 256)),
        "data": likely(st.sampled_from(["", "AQIE9gJ0BOw=", "AQ", "-_8="])),
        "object": likely(st.dictionaries(st.text(max_size=4), likely(number | st.none()))),
        "rxInfo": anything,
    },
)


def written(said: Any) -> bytes:
    return json.dumps(said, ensure_ascii=False).encode(errors="surrogatepass")


@given(said=json_v1)
@settings(max_examples=400, deadline=None)
def test_an_object_of_the_right_shape_is_readings_or_refused(said: Any) -> None:
    CLAIMS["json_v1"](written(said))


@given(said=st.lists(likely(record), max_size=5))
@settings(max_examples=500, deadline=None)
def test_records_of_the_right_shape_are_readings_or_refused(said: Any) -> None:
    CLAIMS["senml"](written(said))


@given(said=event)
@settings(max_examples=400, deadline=None)
def test_an_event_of_the_right_shape_is_an_uplink_or_refused(said: Any) -> None:
    CLAIMS["event"](written(said))


@given(said=st.dictionaries(text, likely(number | st.none())))
@settings(max_examples=200, deadline=None)
def test_an_object_of_values_is_readings_or_refused(said: Any) -> None:
    CLAIMS["object"](written(said))


small = st.integers(0, 300) | st.sampled_from(
    [2**31, 2**32, 2**32 + 2, 2**53, 2**54 + 2, 2**63 - 1]
)


@given(
    flags=st.integers(0, 8),
    head=st.lists(small, min_size=4, max_size=4),
    firmware=st.binary(max_size=5),
    entries=st.lists(st.integers(0, 255), min_size=0, max_size=4),
    name=st.sampled_from([b"shaft", b"a", b"", b"A", b"x" * 64]),
    n_rows=st.integers(0, 4),
    cells=st.lists(small, max_size=40),
)
@settings(max_examples=500, deadline=None)
def test_a_compact_payload_of_the_right_shape_is_readings_or_refused(
    flags: int,
    head: list[int],
    firmware: bytes,
    entries: list[int],
    name: bytes,
    n_rows: int,
    cells: list[int],
) -> None:
    body = bytearray([1, flags])
    for number in head[: 2 + (flags & 1) + (flags >> 1 & 1)]:
        put_varint(body, number)
    if flags & 4:
        body += bytes([len(firmware)]) + firmware
    body.append(len(entries))
    for entry in entries:
        body.append(entry)
        if entry & 0x80:
            body += bytes([len(name)]) + name
    for number in [n_rows, *cells]:
        put_varint(body, number)
    CLAIMS["compact_v1"](bytes(body))


@EVERY_CLAIM
@given(data=st.data())
@settings(max_examples=200, deadline=None)
def test_a_damaged_payload_is_readings_or_refused(decoder: str, data: st.DataObject) -> None:
    payload = bytearray(data.draw(st.sampled_from(SEEDS[decoder])))
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(payload) - 1))
        put = st.sampled_from([b"", b"1e999", b"null", b"[", b"{}", b'"', b"\\ud800", b"9" * 400])
        payload[at : at + data.draw(st.integers(0, 3))] = data.draw(put | st.binary(max_size=3))
        payload = payload or bytearray(b" ")
    CLAIMS[decoder](bytes(payload))


@EVERY_CLAIM
@given(payload=st.binary(max_size=300))
@settings(max_examples=100, deadline=None)
def test_any_bytes_are_readings_or_refused(decoder: str, payload: bytes) -> None:
    CLAIMS[decoder](payload)


@EVERY_CLAIM
@pytest.mark.parametrize("depth", [1, 8, 9, 64, 500, 900, 950, 980, *range(985, 1001), 5000])
def test_nesting_to_the_edge_of_the_stack_is_refused_like_the_rest(
    decoder: str, depth: int
) -> None:
    for opening, closing in ((b"[", b"]"), (b'{"a":', b"}")):
        nested = opening * depth + b"1" + closing * depth
        for around in (
            b"%b",
            b'{"boot":%b}',
            b'[{"bt":1795348800,"n":"a","vs":%b}]',
            b'{"time":%b}',
        ):
            CLAIMS[decoder](around.replace(b"%b", nested))


@EVERY_CLAIM
def test_the_seeds_themselves_are_good(decoder: str) -> None:
    for seed in SEEDS[decoder]:
        CLAIMS[decoder](seed)


@pytest.mark.parametrize("text", ["\x00" * 64, "\U000e0001" * 64, "\ud800" * 64])
def test_a_name_that_grows_when_it_is_shown_is_shown_in_part(text: str) -> None:
    for said in ({"boot": 1, "seq": 1, "r": [[1, {text: 1}]]}, {"boot": text}, {"fw": text}):
        CLAIMS["json_v1"](json.dumps(said).encode())
    CLAIMS["senml"](json.dumps([{"n": text, "v": 1}]).encode())
    CLAIMS["object"](json.dumps({text: "x"}).encode())
    CLAIMS["event"](json.dumps({"time": text}).encode())
    CLAIMS["compact_v1"](b"\x01\x04\x01\x01\x40" + text[:1].encode(errors="ignore") * 64)
