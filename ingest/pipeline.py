"""From a batch of messages to durable observations, and only then to acknowledgements.

Order, and why a crash between any two steps loses and doubles nothing:

0. the raw intake has the messages, as far as it can be written (it is a second copy);
1. the store has the observations (idempotent on datastream and time);
2. one transaction of the book: ledger ranges, hours to re-do, device rows, dead letters;
3. the broker is told (PUBACK), then the devices (``down/ack``).

A crash before 3 means the broker, or the device, delivers again.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Protocol, TypeVar

import numpy as np
from sqlalchemy.exc import SQLAlchemyError

from ingest.allowance import Allowance
from ingest.entry import Entry, entry_of, write
from ingest.gather import Gatherer
from ingest.gathered import Gathered
from ingest.judge import Assessor, Judged
from ingest.ledger import Ledger
from ingest.letters import SHOWN, Spokesman, letter_of
from ingest.metrics import Health, Metrics
from ingest.outbox import Note
from ingest.shed import Shed
from ingest.waiting import Incoming
from kahriz.book import REFUSED, Book, ledger
from kahriz.book.days import Reason
from kahriz.clock import Clock, to_ms
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.intake_log import IntakeLog
from kahriz.logs import Once, in_one_line
from kahriz.observations import ObservationBatch, Quality
from kahriz.store import Store

_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Stopped(Exception):  # noqa: N818 - a way out, not an error
    """The pipeline was told to stop while something it needs was away; nothing was acknowledged."""


class Acknowledger(Protocol):
    """Where acknowledgements go; `ingest.mqtt.Intake` in earnest."""

    def acknowledge(self, messages: Sequence[Incoming]) -> None:
        """Tell the broker that `messages` need not be delivered again."""
        ...

    def publish(self, notes: Iterable[Note]) -> None:
        """Send `notes`, as far as there is a connection now."""
        ...


class Pipeline:
    """Makes batches of messages durable, in order, and retries for as long as it takes.

    Parameters
    ----------
    gatherer, assessor
        Decode and judge.
    store, book
        Where observations and everything else become durable.
    acknowledger
        Whoever is told afterwards.
    clock
        The one clock of the process.
    allowance
        How much one device may send.
    retry_max
        Longest pause between two tries at a store that is away.
    shed
        What was let go of before it came here; None: nothing ever is.
    intake_log
        Where messages are kept as they came, before anything else; None: nowhere.
    is_replay
        The messages came, and were counted, once before.
    at
        Called at each step of a batch with its name: ``received``, ``written`` (the store has
        it), ``recorded`` (the book too), ``acknowledged``. A fault test ends the process there.
    """

    def __init__(
        self,
        gatherer: Gatherer,
        assessor: Assessor,
        store: Store,
        book: Book,
        acknowledger: Acknowledger,
        clock: Clock,
        metrics: Metrics,
        health: Health,
        allowance: Allowance,
        retry_max: timedelta = timedelta(seconds=30),
        shed: Shed | None = None,
        intake_log: IntakeLog | None = None,
        *,
        is_replay: bool = False,
        at: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._gatherer = gatherer
        self._assessor = assessor
        self._store = store
        self._book = book
        self._acknowledger = acknowledger
        self._clock = clock
        self._metrics = metrics
        self._health = health
        self._allowance = allowance
        self._retry_max_s = retry_max.total_seconds()
        self._shed = shed or Shed(gatherer.devices)
        self._intake_log = intake_log
        self._is_replay = is_replay
        self._at = at
        self._ledger = Ledger(self._find_boot)
        self._stopping = threading.Event()
        self._once = Once(_LOG)
        self._spokesman = Spokesman()

    def stop(self) -> None:
        """Give up waiting for what is away; `process` then raises Stopped."""
        self._stopping.set()

    def process(self, messages: Sequence[Incoming], since: float | None = None) -> None:
        """Make `messages` durable and acknowledge them.

        `since` is when the oldest of them came, by `time.monotonic`; for the figures only.

        Raises
        ------
        Stopped
            `stop` was called while the store or the book was away.
        """
        self._at("received")
        kept, shed = self._allowance.split(messages)
        self._shed.add([message.topic for message in shed], Reason.RATE)
        now = self._clock()
        is_kept_raw = self._keep_raw(kept, now)
        notes = self._make_durable(kept, now) if kept else []
        # A disk that was full may have let the store wait, and have room again.
        if not is_kept_raw and not self._keep_raw(kept, now):
            self._do_without_raw(len(kept))
        # All in the order they came in, as the protocol wants it (MQTT-4.6.0-2).
        self._acknowledger.acknowledge(messages)
        self._acknowledger.publish(notes)
        self._at("acknowledged")
        self._metrics.messages.inc(len(messages))
        self._metrics.shed.labels("rate").inc(len(shed))
        if since is not None:
            self._metrics.lag.observe(time.monotonic() - since)

    def _keep_raw(self, messages: Sequence[Incoming], now: datetime) -> bool:
        """Keep `messages` as they came; return whether there is nothing left to do about it."""
        if self._intake_log is None or not messages:
            return True
        topics, payloads = [m.topic for m in messages], [m.payload for m in messages]
        try:
            self._intake_log.append(to_ms(now), topics, payloads)
        except StoreUnavailable as error:
            self._once.failed("intake log", error.reason)
            self._health.failed("intake log", error.reason)
            return False
        self._once.worked("intake log")
        self._health.worked("intake log")
        return True

    def _do_without_raw(self, n: int) -> None:
        """Go on without the second copy of `n` messages (decision 0008)."""
        assert self._intake_log is not None
        self._intake_log.give_up(n)
        self._metrics.unlogged.inc(n)

    def _make_durable(self, messages: Sequence[Incoming], now: datetime) -> list[Note]:
        """Store `messages`; return what their devices may be told then."""
        try:
            return self._store_and_enter(messages, now)
        except Stopped:
            raise
        except Exception as error:
            # Nobody's message may hold up another's, nor come back for ever, by a fault of ours.
            if len(messages) == 1:
                self._set_aside(messages[0], error, now)
                return []
            middle = len(messages) // 2
            first = self._make_durable(messages[:middle], now)
            return first + self._make_durable(messages[middle:], now)

    def _store_and_enter(self, messages: Sequence[Incoming], now: datetime) -> list[Note]:
        began = time.perf_counter()
        batch = self._until_available("book", lambda: self._gatherer.gather(messages, now))
        judged = self._until_available("store", lambda: self._assessor.assess(batch))
        written = self._until_available("store", lambda: self._write(judged, messages, batch))
        self._at("written")
        entry = self._until_available("book", lambda: self._record(batch, judged, written), REFUSED)
        self._at("recorded")
        self._metrics.batch.observe(len(messages))
        self._metrics.write_seconds.observe(time.perf_counter() - began)
        self._metrics.unratable.inc(judged.n_unratable)
        self._count(batch, written, entry)
        # Now: a later message that fails leaves the ledgers it touched ahead of the book.
        return list(entry.acknowledgements(self._gatherer.one_by_one.deaf))

    def _set_aside(self, message: Incoming, error: Exception, now: datetime) -> None:
        """Keep the one message that our own code fails on; its device keeps its readings."""
        _LOG.error("fault", extra={"topic": message.topic[:SHOWN]}, exc_info=error)
        reason = f"a fault of the service: {type(error).__name__}: {in_one_line(error)}"
        batch = self._gatherer.gather([], now)
        batch.set_aside.append((self._gatherer.one_by_one.sender(message), Reason.SERVICE_FAULT))
        batch.letters.append(letter_of(message, reason, now, Reason.SERVICE_FAULT))
        entry = self._until_available("book", lambda: self._record(batch, None, None))
        self._metrics.dead_letters.inc()
        self._metrics.account(entry.days.values())

    def _write(
        self, judged: Judged, messages: Sequence[Incoming], batch: Gathered
    ) -> ObservationBatch:
        """Write; return what is durable. What the store refuses for good goes to dead letters."""
        observations = judged.observations
        if not len(observations):
            return observations
        try:
            self._store.write(observations)
        except StoreRejected as error:
            refused = np.array(error.rows, np.intp)
            for position in np.unique(judged.source[refused]):
                reason, kind = f"the store refuses it: {error.reason}", Reason.STORE_REFUSED
                message = messages[int(position)]
                batch.letters.append(letter_of(message, reason, batch.received_at, kind))
                of_message = refused[judged.source[refused] == position]
                batch.refuse(int(position), observations.time[of_message].astype(np.int64), kind)
            kept = np.ones(len(observations), dtype=bool)
            kept[refused] = False
            return observations.take(kept)
        return observations

    def _record(
        self, batch: Gathered, judged: Judged | None, written: ObservationBatch | None
    ) -> Entry:
        """Enter the batch in the book; return what it was told."""
        shed = self._shed.take()
        try:
            entry = entry_of(batch, self._gatherer.devices, self._ledger, shed)
            with self._book.begin() as connection:
                write(connection, entry, batch, judged, written, is_replay=self._is_replay)
        except BaseException:
            self._ledger.forget()  # what is in memory ran ahead of the book
            self._shed.give_back(shed)
            raise
        self._ledger.trim()
        return entry

    def _find_boot(self, device: str, boot: int) -> ledger.BootRecord | None:
        with self._book.read() as connection:
            return ledger.find_boot(connection, device, boot)

    def _until_available(
        self, part: str, attempt: Callable[[], T], for_good: tuple[type[Exception], ...] = ()
    ) -> T:
        """Try until it works; back off meanwhile. The broker keeps what is not acknowledged.

        What is `for_good` goes through.
        """
        pause = 0.2
        while True:
            self._health.asked(part)
            try:
                done = attempt()
            except for_good:
                raise
            except (StoreUnavailable, SQLAlchemyError) as error:
                reason = in_one_line(error)
                self._once.failed(part, reason)
                self._health.failed(part, reason)
                self._metrics.retries.inc()
                after = getattr(error, "retry_after", None)
                wait = max(pause, after.total_seconds()) if after else pause
                if self._stopping.wait(min(wait, self._retry_max_s)):
                    raise Stopped from error
                pause = min(pause * 2, self._retry_max_s)
            else:
                self._once.worked(part)
                self._health.worked(part)
                return done

    def _count(self, batch: Gathered, written: ObservationBatch, entry: Entry) -> None:
        metrics = self._metrics
        heard = [h.device for h in entry.heard.values() if h.received_at_ms is not None]
        metrics.seen.heard(heard, batch.received_at.timestamp())
        metrics.account(entry.days.values())
        metrics.observations.inc(int(np.count_nonzero(written.quality != Quality.MISSING)))
        metrics.dead_letters.inc(len(batch.letters))
        self._health.wrote()
        for letter in batch.letters:
            self._spokesman.say(letter)
