"""Store and forward, without a network: what goes out next, what may be forgotten."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from firmware_sim.buffer import RingBuffer, Span
from firmware_sim.uplink import Order, Outgoing, Uplink
from kahriz.codec import MAX_PAYLOAD
from kahriz.codec.json_v1 import JsonV1

T0 = 1_795_348_800_000
CHANNELS = ("stage_m", "battery_v")


def uplink(
    capacity: int = 50_000, order: Order = "oldest_first", app_ack: bool = True, window: int = 8
) -> Uplink:
    made = Uplink(
        CHANNELS, JsonV1(), capacity=capacity, order=order, app_ack=app_ack, window=window
    )
    made.boot(7, T0)
    return made


def measure(device: Uplink, n: int, first: int = 0) -> list[Span]:
    """Let the device take n readings; return what was overwritten."""
    index = np.arange(first, first + n)
    columns = {"stage_m": index / 1000, "battery_v": np.full(n, 12.6)}
    return device.measured(T0 + index.astype(np.int64) * 300_000, columns)[1]


def ack(device: Uplink, wall: float = 0.0, **said: Any) -> list[Span]:
    return device.acknowledged(json.dumps({"boot": 7} | said).encode(), wall)


def spans(messages: list[Outgoing]) -> list[tuple[int, int]]:
    return [(m.span.first, m.span.last) for m in messages]


def held(device: Uplink) -> list[int]:
    """Return the sequence numbers still held, by letting all of them go out again."""
    device.take_back()
    found: list[int] = []
    while messages := device.outgoing(0.0, T0):
        for m in messages:
            found += range(m.span.first, m.span.last + 1)
            device.buffer.free(m.span)
        device.take_back()
    return found


def test_a_live_reading_goes_alone_in_the_documented_bytes() -> None:
    device = uplink()
    measure(device, 1)
    (message,) = device.outgoing(0.0, T0 + 60_000)

    assert message.payload == (
        b'{"boot":7,"seq":0,"r":[[1795348800000,{"stage_m":0.0,"battery_v":12.6}]],'
        b'"uptime_ms":60000,"fw":"sim-1.0","oldest":0}'
    )


def test_the_same_readings_are_said_in_the_same_bytes() -> None:
    first, second = uplink(), uplink()
    for device in (first, second):
        measure(device, 3000)

    assert [m.payload for m in first.outgoing(0.0, T0)] == [
        m.payload for m in second.outgoing(99.0, T0)
    ]


def test_a_backlog_goes_in_whole_oldest_first_and_no_payload_is_over_16_kib() -> None:
    device = uplink()
    measure(device, 8640)
    sizes, next_seq = [], 0
    while messages := device.outgoing(0.0, T0):
        for m in messages:
            assert m.span.first == next_seq
            next_seq = m.span.last + 1
            sizes.append(len(m.payload))
        ack(device, upto=next_seq - 1)

    assert next_seq == 8640
    assert max(sizes) <= MAX_PAYLOAD
    assert np.mean(sizes[2:-1]) > 0.9 * MAX_PAYLOAD
    assert device.is_idle


def test_no_more_payloads_are_on_the_way_than_the_window_lets() -> None:
    device = uplink(window=3)
    measure(device, 8640)

    assert len(device.outgoing(0.0, T0)) == 3
    assert device.outgoing(1.0, T0) == []


def test_live_first_sends_the_newest_reading_before_its_backlog() -> None:
    device = uplink(order="live_first")
    measure(device, 400)
    measure(device, 1, first=400)
    messages = device.outgoing(0.0, T0)

    assert spans(messages)[0] == (400, 400)
    assert spans(messages)[1][0] == 0
    assert spans(messages)[-1][1] == 399


def test_exactly_what_is_acknowledged_is_freed() -> None:
    device = uplink()
    measure(device, 30)
    device.outgoing(0.0, T0)
    freed = ack(device, upto=9, also=[[15, 19], [25, 25]])

    assert [(s.first, s.last) for s in freed] == [(0, 9), (15, 19), (25, 25)]
    assert held(device) == [*range(10, 15), *range(20, 25), *range(26, 30)]


@given(
    st.lists(st.tuples(st.integers(0, 60), st.integers(0, 60)), max_size=6),
    st.integers(-1, 60),
)
def test_whatever_is_acknowledged_nothing_else_is_freed(
    pairs: list[tuple[int, int]], upto: int
) -> None:
    device = uplink()
    measure(device, 50)
    device.outgoing(0.0, T0)
    ack(device, upto=upto, also=[list(pair) for pair in pairs])
    said = set(range(upto + 1)).union(*(range(a, b + 1) for a, b in pairs))

    assert held(device) == [seq for seq in range(50) if seq not in said]


def test_an_acknowledgement_of_another_boot_frees_nothing() -> None:
    device = uplink()
    measure(device, 5)
    device.outgoing(0.0, T0)

    assert ack(device, boot=6, upto=4) == []
    assert held(device) == [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("payload", "reason"),
    [
        (b"{", "no JSON"),
        (b"[1]", "no JSON object: [1]"),
        (b'{"upto":3}', "boot: None is no whole number"),
        (b'{"boot":7,"upto":"all"}', "upto: 'all' is no whole number"),
        (b'{"boot":7,"upto":true}', "upto: True is no whole number"),
        (b'{"boot":7,"also":[5]}', "also: 5 is no [first, last]"),
        (b'{"boot":7,"also":[[1,2.5]]}', "also: 2.5 is no whole number"),
    ],
)
def test_a_nonsense_acknowledgement_frees_nothing_and_is_named(payload: bytes, reason: str) -> None:
    device = uplink()
    measure(device, 5)

    with pytest.raises(ValueError) as caught:
        device.acknowledged(payload, 0.0)
    assert reason in str(caught.value)
    assert device.buffer.held == 5


def test_after_a_reconnect_everything_unacknowledged_goes_again() -> None:
    device = uplink()
    measure(device, 20)
    device.outgoing(0.0, T0)
    ack(device, upto=4)
    assert device.outgoing(1.0, T0) == []
    device.take_back()

    assert spans(device.outgoing(2.0, T0)) == [(5, 19)]


def test_without_an_acknowledgement_in_time_it_sends_again_and_grows_patient() -> None:
    device = uplink()
    measure(device, 20)
    device.outgoing(100.0, T0)

    assert not device.retry_overdue(104.9)
    assert device.retry_overdue(105.0)
    assert spans(device.outgoing(105.0, T0)) == [(0, 19)]
    assert not device.retry_overdue(114.9)
    assert device.retry_overdue(115.0)


def test_what_was_lost_goes_again_although_later_readings_come_through() -> None:
    device = uplink()
    measure(device, 20)
    device.outgoing(100.0, T0)
    for second in range(1, 6):
        measure(device, 1, first=19 + second)
        device.outgoing(100.0 + second, T0)
        ack(device, 100.0 + second, also=[[20, 19 + second]])

    assert device.retry_overdue(105.1)
    assert spans(device.outgoing(105.1, T0)) == [(0, 19)]


def test_where_nobody_listens_at_the_broker_it_tries_again_soon() -> None:
    device = uplink()
    measure(device, 20)
    device.outgoing(100.0, T0)
    device.nobody_listens(100.1)

    assert not device.retry_overdue(101.0)
    assert device.retry_overdue(101.2)


def test_a_full_memory_overwrites_the_oldest_and_says_so_truthfully() -> None:
    device = uplink(capacity=10)
    assert measure(device, 10) == []
    lost = measure(device, 3, first=10)
    (message,) = device.outgoing(0.0, T0)
    said = JsonV1().decode(message.payload)

    assert lost == [Span(7, 0, 2)]
    assert (said.first_seq, said.oldest_seq, said.n_rows) == (3, 3, 10)


def test_a_month_in_a_memory_of_a_week_keeps_the_newest_week() -> None:
    device = uplink(capacity=2016)
    lost = measure(device, 8640)

    assert lost == [Span(7, 0, 6623)]
    assert device.buffer.oldest(7) == 6624
    assert device.buffer.held == 2016


def test_a_device_that_knows_no_application_acks_frees_what_the_broker_took() -> None:
    device = uplink(app_ack=False)
    measure(device, 20)
    (message,) = device.outgoing(0.0, T0)
    device.published(1, message.span)

    assert device.broker_took(1, 0.0) == Span(7, 0, 19)
    assert device.is_idle


def test_a_device_that_knows_them_frees_nothing_for_the_broker() -> None:
    device = uplink()
    measure(device, 20)
    (message,) = device.outgoing(0.0, T0)
    device.published(1, message.span)

    assert device.broker_took(1, 0.0) is None
    assert device.buffer.held == 20


def test_a_new_boot_counts_from_0_and_the_old_boots_readings_still_go_out_as_its_own() -> None:
    device = uplink()
    measure(device, 5)
    device.boot(8, T0 + 1_000_000)
    measure(device, 2, first=100)
    said = [JsonV1().decode(m.payload) for m in device.outgoing(0.0, T0 + 1_060_000)]

    assert [(s.boot, s.first_seq, s.n_rows) for s in said] == [(7, 0, 5), (8, 0, 2)]
    assert [s.oldest_seq for s in said] == [0, 0]
    assert [s.uptime_ms for s in said] == [None, 60_000]


def test_a_restored_memory_holds_what_it_held_holes_included() -> None:
    device = uplink()
    device.buffer.restore(
        3, np.array([5, 6, 9]), np.array([T0, T0 + 1, T0 + 4]), {c: np.zeros(3) for c in CHANNELS}
    )
    device.boot(9, T0)
    said = [JsonV1().decode(m.payload) for m in device.outgoing(0.0, T0)]

    assert [(s.boot, s.first_seq, s.n_rows, s.oldest_seq) for s in said] == [
        (3, 5, 2, 5),
        (3, 9, 1, 5),
    ]
    assert said[1].time_ms[0] == T0 + 4


def test_years_of_readings_leave_nothing_behind_in_memory() -> None:
    buffer = RingBuffer(CHANNELS, 1000)
    buffer.boot(1)
    for i in range(40):
        times = np.arange(i * 500, i * 500 + 500, dtype=np.int64)
        buffer.append(times, {c: np.zeros(500) for c in CHANNELS})
        buffer.free(Span(1, 0, i * 500 + 499))

    assert buffer.held == 0
    assert len(buffer._runs[0].state) < 5000
    assert buffer.oldest(1) is None
