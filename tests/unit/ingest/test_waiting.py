"""The queue between the broker's thread and the pipeline's: bounded, in order, nothing twice."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest import lorawan_topics, topics
from ingest.topics import UP_FILTER
from ingest.waiting import BATCH_BYTES, FLOOD, TOPIC_KEPT, Incoming, Waiting


class House:
    """A queue with room for 10 messages of QoS 0 and 1000 bytes, and a clock by hand."""

    def __init__(self, most_bytes: int = 1000) -> None:
        self.now = 0.0
        self.shed: list[Incoming] = []
        self.queue = Waiting(10, most_bytes, self.shed.extend, lambda: self.now)

    def put(self, *payloads: bytes, qos: int = 1, source: Any = None) -> None:
        self.queue.put([(b"t", payload, 1, qos) for payload in payloads], source)

    def take(self, most: int = 1000) -> list[bytes]:
        return [message.payload for message in self.queue.take(most, 0)[0]]


@given(st.lists(st.lists(st.binary(max_size=5), max_size=8), max_size=8), st.integers(1, 9))
def test_what_is_put_comes_out_once_and_in_order(chunks: list[list[bytes]], most: int) -> None:
    house = House()
    for chunk in chunks:
        house.put(*chunk)
    taken: list[bytes] = []
    while some := house.take(most):
        assert len(some) <= most
        taken += some

    assert taken == [payload for chunk in chunks for payload in chunk]
    assert (len(house.queue), house.queue.n_bytes) == (0, 0)


def test_a_batch_is_cut_by_its_size_and_never_empty() -> None:
    house = House()
    large = b"x" * BATCH_BYTES
    house.put(large, b"small", large)

    assert [len(house.take()), len(house.take()), len(house.take())] == [1, 2, 0]


@pytest.mark.parametrize("name", [UP_FILTER, lorawan_topics.UP_FILTER])
def test_a_topic_longer_than_ours_takes_no_more_memory_than_one_of_ours(name: str) -> None:
    house = House()
    long, least = (name.replace("+", "ə" * n, 1).encode() for n in (30_000, TOPIC_KEPT))
    house.queue.put([(long, b"x", 1, 1), (least, b"x", 2, 1), (b"\xff", b"x", 3, 1)], None)
    kept = [message.topic for message in house.queue.take(10, 0)[0]]

    assert kept == [long.decode()[:TOPIC_KEPT], least.decode()[:TOPIC_KEPT], ""]
    assert [topics.sender(topic) for topic in kept] == [None] * 3
    assert max(topics.LONGEST, lorawan_topics.LONGEST) < TOPIC_KEPT
    assert sum(map(len, house.queue._names)) <= TOPIC_KEPT


def test_there_is_no_room_from_the_bytes_on_that_may_wait() -> None:
    house = House(most_bytes=10)
    house.put(b"x" * 9)
    before = house.queue.has_room()
    house.put(b"y")

    assert (before, house.queue.has_room()) == (True, False)
    house.take()
    assert house.queue.has_room()


def test_the_oldest_arrival_is_told_with_what_is_taken() -> None:
    house = House()
    house.put(b"a")
    house.now = 5.0
    house.put(b"b")

    assert house.queue.oldest_arrival() == 0.0
    assert house.queue.take(1, 0)[1] == 0.0
    assert house.queue.oldest_arrival() == 5.0
    house.take()
    assert house.queue.oldest_arrival() is None


def test_only_qos_0_is_shed_and_only_what_there_is_no_room_for() -> None:
    house = House()
    house.put(*[b"one"] * 8)
    house.put(b"zero 1", b"zero 2", b"zero 3", qos=0)
    house.put(b"one more")

    assert [message.payload for message in house.shed] == [b"zero 3"]
    assert len(house.take()) == 11


def test_what_will_be_delivered_again_is_dropped_with_a_new_connection() -> None:
    house = House()
    house.put(b"again 1", b"again 2")
    house.put(b"only once", qos=0)
    house.take(1)
    house.queue.forget_redelivered()

    assert house.take() == [b"only once"]
    assert house.queue.n_bytes == 0


def test_a_flood_is_taken_as_one_batch_and_the_end_is_not_waited_for() -> None:
    house = House()
    house.put(*[b"x"] * FLOOD)
    house.queue.end()

    assert len(house.take()) == FLOOD


def test_a_topic_that_is_no_text_is_empty() -> None:
    house = House()
    house.queue.put([(b"\xff", b"", 1, 1)], None)

    assert house.queue.take(1, 0)[0][0].topic == ""
