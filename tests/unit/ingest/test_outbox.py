"""Notes to devices: as many on their way as the broker allows, and of each device the newest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.bulk import split
from ingest.outbox import FIRST_MID, LAST_MID, WINDOW, Note, Outbox


def outbox(*, receive_maximum: int = 65535, is_v5: bool = True) -> Outbox:
    box = Outbox()
    box.connected(is_v5=is_v5, is_resumed=False, receive_maximum=receive_maximum)
    return box


def note(device: str, upto: int) -> Note:
    return Note(device, f"kahriz/v1/{device}/down/ack", b"%d" % upto)


def packets(data: bytes, *, is_v5: bool = True) -> list[tuple[bytes, bytes, int, int]]:
    taken, acked, end = split(data, 0, is_v5=is_v5)
    assert (acked, end) == ([], len(data)), "whole PUBLISH packets and nothing else"
    return taken


def test_a_note_is_a_publish_of_qos_1_with_an_identifier_of_its_own() -> None:
    for is_v5 in (False, True):
        sent = outbox(is_v5=is_v5).add([note("a", 7), note("b", 8)])

        assert packets(sent, is_v5=is_v5) == [
            (b"kahriz/v1/a/down/ack", b"7", FIRST_MID, 1),
            (b"kahriz/v1/b/down/ack", b"8", FIRST_MID + 1, 1),
        ]


def test_no_more_are_on_their_way_than_the_broker_said_it_takes() -> None:
    box = outbox(receive_maximum=2)
    first = packets(box.add([note("a", 1), note("b", 1), note("c", 1)]))
    then = packets(box.acknowledged([first[0][2]]))

    assert [topic for topic, *_ in first] == [b"kahriz/v1/a/down/ack", b"kahriz/v1/b/down/ack"]
    assert [topic for topic, *_ in then] == [b"kahriz/v1/c/down/ack"]


def test_a_note_that_still_waits_gives_way_to_a_newer_one_of_the_same_device() -> None:
    box = outbox(receive_maximum=1)
    sent = packets(box.add([note("a", 1)]))
    for upto in range(2, 50):
        assert box.add([note("a", upto)]) == b""
    then = packets(box.acknowledged([sent[0][2]]))

    assert [payload for _, payload, *_ in then] == [b"49"]
    assert box.acknowledged([then[0][2]]) == b""
    assert len(box) == 0


def test_a_session_that_goes_on_sees_again_what_it_did_not_acknowledge() -> None:
    box = outbox()
    first = box.add([note("a", 1), note("b", 2)])
    again = box.connected(is_v5=True, is_resumed=True, receive_maximum=10)

    assert packets(again) == packets(first), "the same identifiers"
    assert again[0] == 0x3A, "marked as sent before"


def test_after_a_lost_session_nothing_is_sent_again() -> None:
    box = outbox()
    box.add([note("a", 1)])

    assert box.connected(is_v5=True, is_resumed=False, receive_maximum=10) == b""
    assert len(box) == 0


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 3)), max_size=60), st.integers(1, 4))
def test_in_the_end_every_device_has_heard_its_newest_note(
    steps: list[tuple[int, int]], receive_maximum: int
) -> None:
    box = outbox(receive_maximum=receive_maximum)
    heard: dict[bytes, bytes] = {}
    on_the_way: list[int] = []
    newest: dict[bytes, bytes] = {}

    def send(data: bytes) -> None:
        for topic, payload, mid, _ in packets(data):
            heard[topic] = payload
            on_the_way.append(mid)
            assert len(on_the_way) <= receive_maximum
            assert len(set(on_the_way)) == len(on_the_way)

    for upto, (device, n_acked) in enumerate(steps):
        newest[f"kahriz/v1/{device}/down/ack".encode()] = b"%d" % upto
        send(box.add([note(str(device), upto)]))
        done, on_the_way[:] = on_the_way[:n_acked], on_the_way[n_acked:]
        send(box.acknowledged(done))
    while on_the_way:
        done, on_the_way[:] = list(on_the_way), []
        send(box.acknowledged(done))

    assert heard == newest


def test_identifiers_go_round_and_leave_out_those_in_use() -> None:
    box = outbox()
    kept = packets(box.add([note("slow", 1)]))[0][2]
    for i in range(LAST_MID - FIRST_MID + 10):
        mid = packets(box.add([note("fast", i)]))[0][2]
        assert mid != kept
        assert FIRST_MID <= mid <= LAST_MID
        box.acknowledged([mid])

    assert WINDOW < LAST_MID - FIRST_MID
