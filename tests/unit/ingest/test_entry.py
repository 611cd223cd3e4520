"""What the book is told of a batch is what it would be told of its messages one by one."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ingest.entry import dirty_hours, entry_of
from ingest.gather import Gatherer
from ingest.ledger import Ledger
from ingest.waiting import Incoming
from kahriz.book.devices import Heard
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, ObservationBatch
from kahriz.sites import load_registry

NOW = datetime(2026, 5, 1, 12, 0, tzinfo=UTC)
DEVICES = ("agh-dere-outlet", "barana-outlet")
GATHERER = Gatherer(
    load_registry(Path("sites.example.toml")), timedelta(seconds=120), timedelta(days=3650)
)
MESSAGE = st.tuples(
    st.sampled_from(DEVICES),
    st.sampled_from([1, 2]),
    st.integers(0, 12),
    st.integers(1, 4),
    st.booleans(),
    st.sampled_from([None, "kz-1", "kz-2"]),
)
Said = tuple[str, int, int, int, bool, str | None]


def message(device: str, boot: int, seq: int, n: int, is_odd: bool, fw: str | None) -> Incoming:
    """Return a message of `n` readings; an odd one holds a channel nobody knows as well."""
    rows: list[Any] = [
        [to_ms(NOW - timedelta(minutes=1000 - seq - i)), {"stage_m": 0.1}] for i in range(n)
    ]
    if is_odd:
        rows[0][1]["turbidity_ntu"] = 1.0
    payload = {"boot": boot, "seq": seq, "r": rows} | ({} if fw is None else {"fw": fw})
    topic = f"kahriz/v1/{device}/up"
    return Incoming(topic, json.dumps(payload).encode(), 1, 1, cast(Any, None))


class Told:
    """What a ledger was told over some batches."""

    def __init__(self) -> None:
        self.ledger = Ledger(lambda device, boot: None)
        self.counts: Counter[tuple[str, str]] = Counter()
        self.last: dict[str, Heard] = {}
        self.acks: dict[Any, bytes] = {}

    def batch(self, messages: list[Incoming]) -> None:
        entry = entry_of(GATHERER.gather(messages, NOW), GATHERER.devices, self.ledger)
        for name, heard in entry.heard.items():
            for count in ("received", "duplicate", "quarantined", "lost"):
                self.counts[name, count] += getattr(heard, count)
            self.last[name] = heard
        self.acks |= {note.key: note.payload for note in entry.acknowledgements()}


@given(st.lists(MESSAGE, min_size=1, max_size=12))
def test_a_batch_says_what_its_messages_say_one_by_one(said: list[Said]) -> None:
    messages = [message(*each) for each in said]
    at_once, in_turn = Told(), Told()
    at_once.batch(messages)
    for each in messages:
        in_turn.batch([each])

    assert at_once.counts == in_turn.counts
    assert at_once.acks == in_turn.acks


@given(st.lists(MESSAGE, min_size=1, max_size=12))
def test_of_a_device_the_furthest_place_the_newest_time_and_the_last_firmware_are_told(
    said: list[Said],
) -> None:
    told = Told()
    told.batch([message(*each) for each in said])

    for device, heard in told.last.items():
        own = [each for each in said if each[0] == device]
        assert (heard.boot, heard.last_seq) == max((b, s + n - 1) for _, b, s, n, _, _ in own)
        newest = max(NOW - timedelta(minutes=1000 - s - n + 1) for _, _, s, n, _, _ in own)
        assert heard.last_time_ms == to_ms(newest)
        assert heard.firmware == next((fw for *_, fw in reversed(own) if fw), None)


def test_an_oldest_beyond_what_is_sent_frees_nothing_that_never_came() -> None:
    told = Told()
    payload = {"boot": 1, "seq": 5, "oldest": 9, "r": [[to_ms(NOW), {"stage_m": 0.1}]]}
    told.batch(
        [Incoming(f"kahriz/v1/{DEVICES[0]}/up", json.dumps(payload).encode(), 1, 1, cast(Any, 0))]
    )

    assert list(told.acks.values()) == [b'{"boot":1,"upto":5}']
    assert told.counts[DEVICES[0], "lost"] == 0


@given(st.lists(st.tuples(st.integers(0, 1), st.integers(-(10**8), 10**8)), max_size=20))
def test_each_hour_that_is_touched_is_named_once(rows: list[tuple[int, int]]) -> None:
    names = (DatastreamId("a.b.stage"), DatastreamId("a.c.stage"))
    batch = ObservationBatch(
        names,
        np.array([stream for stream, _ in rows], np.int32),
        np.array([time_ms for _, time_ms in rows], "datetime64[ms]"),
        np.zeros(len(rows)),
        np.ones(len(rows), np.uint8),
    )
    named = dirty_hours(batch)

    assert len(named) == len(set(named))
    assert set(named) == {(names[s], t // 3_600_000 * 3_600_000) for s, t in rows}


@pytest.mark.parametrize("n", [1, 500])
def test_a_poisoned_message_in_a_batch_harms_only_itself(n: int) -> None:
    good = [message(DEVICES[0], 1, seq, 1, False, None) for seq in range(n)]
    bad = Incoming(f"kahriz/v1/{DEVICES[1]}/up", b'{"boot":NaN', 1, 1, cast(Any, None))
    gathered = GATHERER.gather([*good[: n // 2], bad, *good[n // 2 :]], NOW)

    assert len(gathered.stream) == n
    assert [letter.payload for letter in gathered.letters] == [bad.payload]
    assert n // 2 not in gathered.source.tolist()
