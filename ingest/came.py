"""What the raw intake says came: which numbers of which devices, and what ought to be stored."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ingest import topics
from ingest.gather import Gatherer
from ingest.gathered import Gathered
from ingest.judge import Assessor
from ingest.ledger import Ranges
from ingest.replay import incoming
from kahriz.book.dead_letters import digest_of
from kahriz.clock import from_ms
from kahriz.codec.json_columns import NONE
from kahriz.intake_log import Found, Record, read
from kahriz.observations import DatastreamId, Values

BootKey = tuple[str, int]
Times = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Expected:
    """What came of one datastream: (n,) times in ms, unique and ascending, and values.

    ``is_due`` is False where the value may still be on its way, or need not have become durable:
    such a row explains one that is in the store, and asks for none.
    """

    time_ms: Times
    value: Values
    is_due: NDArray[np.bool_]


@dataclass(slots=True)
class Came:
    """What the raw intake holds since an instant.

    Attributes
    ----------
    found
        What is to be said of the log itself.
    numbers
        By boot which sequence numbers came.
    unnumbered
        Devices whose messages carry no numbers of their own, so that we gave them some: in which
        boot a frame was counted is not to be said from the middle of the story.
    unknown
        By boot those of them that the ledger does not have and no dead letter accounts for.
    n_messages
        How many messages were looked at.
    """

    found: Found = field(default_factory=Found)
    numbers: dict[BootKey, Ranges] = field(default_factory=dict)
    unknown: dict[BootKey, Ranges] = field(default_factory=dict)
    unnumbered: set[str] = field(default_factory=set)
    n_messages: int = 0
    _columns: list[tuple[NDArray[np.int32], Times, Values, NDArray[np.bool_]]] = field(
        default_factory=list
    )

    def expected(self, ids: tuple[DatastreamId, ...]) -> Mapping[DatastreamId, Expected]:
        """Return by datastream what ought to be stored: of two values for one key the later."""
        if not self._columns:
            return {}
        stream, time_ms, value, is_due = (
            np.concatenate(column) for column in zip(*self._columns, strict=True)
        )
        order = np.lexsort((np.arange(len(stream)), time_ms, stream))
        stream, time_ms = stream[order], time_ms[order]
        last = np.ones(len(order), dtype=bool)
        last[:-1] = (stream[1:] != stream[:-1]) | (time_ms[1:] != time_ms[:-1])
        # A key that may yet be written again says nothing sure, whatever came before.
        starts = np.flatnonzero(np.concatenate([[True], last[:-1]]))
        is_due = np.logical_and.reduceat(is_due[order], starts)
        stream, time_ms, value = stream[last], time_ms[last], value[order][last]
        cuts = np.flatnonzero(np.diff(stream)) + 1
        return {
            ids[int(stream[rows[0]])]: Expected(time_ms[rows], value[rows], is_due[rows])
            for rows in np.split(np.arange(len(stream)), cuts)
        }


class Reader:
    """Reads the raw intake as ingest read it when it came, with the registry as it is now.

    Parameters
    ----------
    gatherer, assessor
        As ingest has them.
    ledger
        By boot the sequence numbers that the ledger says are durable.
    letters
        Digests of the messages that lie in the dead letters: of these nothing is asked.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        assessor: Assessor,
        ledger: Mapping[BootKey, Ranges],
        letters: Mapping[str, int],
    ) -> None:
        self._gatherer = gatherer
        self._assessor = assessor
        self._ledger = ledger
        self._letters = letters

    def read(
        self, folder: Path, since_ms: int, cut_ms: int, reached: Callable[[int], None]
    ) -> Came:
        """Return what came since `since_ms`; what came at or after `cut_ms` may be on its way."""
        came = Came()
        for record in read(folder, since_ms, 2**62, came.found):
            self._add(came, record, record.received_at_ms < cut_ms)
            reached(record.received_at_ms)
        return came

    def _add(self, came: Came, record: Record, is_settled: bool) -> None:
        messages = [incoming(t, p) for t, p in zip(record.topics, record.payloads, strict=True)]
        batch = self._gatherer.gather(messages, from_ms(record.received_at_ms))
        came.n_messages += len(messages)
        is_due = np.full(len(messages), is_settled, dtype=bool)
        if self._letters:
            for i, message in enumerate(messages):
                is_due[i] &= digest_of(message.topic, message.payload) not in self._letters
        p = batch.parts
        columns = (p.message, p.device, p.boot, p.first_seq, p.n_rows)
        for at, device, boot, first, n in zip(*(c.tolist() for c in columns), strict=True):
            name = self._gatherer.devices[device]
            if topics.parse(messages[at].topic) is None:
                came.unnumbered.add(name)
            elif boot != NONE:
                key = (name, boot)
                is_due[at] &= self._enter(came, key, (first, first + n - 1), is_due[at])
        self._expect(came, batch, is_due)

    def _enter(self, came: Came, key: BootKey, span: tuple[int, int], is_due: bool) -> bool:
        """Note what came of a boot; return whether the ledger has all of it, where it is due."""
        came.numbers.setdefault(key, Ranges()).add(*span)
        known = self._ledger.get(key)
        if not is_due or (known and known.has_all(*span)):
            return is_due
        unknown = came.unknown.setdefault(key, Ranges())
        for part in without(span, known):
            unknown.add(*part)
        return False

    def _expect(self, came: Came, batch: Gathered, is_due: NDArray[np.bool_]) -> None:
        judged = self._assessor.assess(batch)
        rows = judged.observations
        said = np.isfinite(rows.value)
        if not said.any():
            return
        came._columns.append(
            (
                rows.stream[said],
                rows.time[said].astype(np.int64),
                rows.value[said],
                is_due[judged.source[said]],
            )
        )


def without(span: tuple[int, int], ranges: Ranges | None) -> list[tuple[int, int]]:
    """Return the parts of an inclusive span that `ranges` does not have."""
    first, last = span
    left: list[tuple[int, int]] = []
    for a, b in zip(ranges.firsts, ranges.lasts, strict=True) if ranges else ():
        if b < first:
            continue
        if a > last:
            break
        if a > first:
            left.append((first, a - 1))
        first = b + 1
    return [*left, (first, last)] if first <= last else left
