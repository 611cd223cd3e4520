"""Wire ingest together, run it, stop it; nothing else."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

import numpy as np
from numpy.typing import NDArray
from sqlalchemy.exc import SQLAlchemyError

from ingest.gather import Gatherer
from ingest.judge import Assessor
from ingest.loops import Loop
from ingest.metrics import Health, Metrics
from ingest.mqtt import Intake
from ingest.pipeline import Pipeline, Stopped
from ingest.rollups import Rollups
from ingest.sender import Sender
from ingest.status_page import StatusPage
from ingest.watch import Watch
from kahriz import plugins
from kahriz.book import Book, checkpoints
from kahriz.clock import from_ms, to_ms
from kahriz.detect import DETECTORS
from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.logs import Once, in_one_line, without_secrets
from kahriz.notify import NOTIFIERS
from kahriz.observations import DatastreamId
from kahriz.quality.flagger import Flagger, no_history
from kahriz.quality.limits import limits_of, look_back_ms
from kahriz.rating.dated import validate
from kahriz.settings import Settings
from kahriz.sites import Registry
from kahriz.store import Store, open_store

_LOG = logging.getLogger(__name__)

HEARTBEAT_S = 2.0
DRAIN_S = 8.0
FLOODED = 200


class Worker:
    """The ingest process; `at` is the pipeline's, for tests of what a crash leaves behind."""

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        at: Callable[[str], object] = lambda name: None,
    ) -> None:
        _validate(settings, registry)
        self._settings = settings
        self._registry = registry
        self._at = at
        self._clock = settings.clock.clock()
        self._metrics = Metrics()
        self._health = Health()
        self._stopping = threading.Event()
        self._batch = 0
        self._once = Once(_LOG)
        self._store = open_store(settings.store_url, settings.store.token.get_secret_value())
        self._book = Book(settings.book_url)
        self._intake = Intake(settings.mqtt, self._metrics.shed.inc)
        self._notifiers = [
            plugins.load("notifier", name, NOTIFIERS).from_settings(settings)
            for name in settings.notify.notifiers
        ]
        self._pipeline = self._build_pipeline()
        self._page = StatusPage(
            settings.ingest.metrics_host,
            settings.ingest.metrics_port,
            self._metrics.registry,
            self._report,
        )

    def _build_pipeline(self) -> Pipeline:
        settings = self._settings.ingest
        gatherer = Gatherer(
            self._registry,
            timedelta(seconds=settings.future_tolerance_s),
            timedelta(days=settings.oldest_days),
        )
        limits = limits_of(self._registry)
        history = History(self._registry, self._store, look_back_ms(limits))
        return Pipeline(
            gatherer,
            Assessor(self._registry, Flagger(limits, history)),
            self._store,
            self._book,
            self._intake,
            self._clock,
            self._metrics,
            self._health,
            timedelta(seconds=settings.retry_max_s),
            self._at,
        )

    def _build_loops(self) -> list[Loop]:
        rollups = Rollups(self._registry, self._store, self._book)
        watch = Watch(
            self._registry,
            self._store,
            self._book,
            [plugins.load("detector", name, DETECTORS)() for name in DETECTORS],
        )
        sender = Sender(self._book, self._notifiers)
        sender.recover(self._clock())

        def watch_step() -> bool:
            watch.step(self._clock())
            return False

        def sender_step() -> bool:
            sender.step(self._clock())
            return False

        steps = {
            "rollups": (lambda: rollups.step(self._clock()) > 0, 0.5, self._is_flooded),
            "watch": (watch_step, 0.5, self._is_flooded),
            "sender": (sender_step, 0.3, _never),
            "heartbeat": (self._heartbeat, HEARTBEAT_S, _never),
        }
        return [
            Loop(name, step, interval, self._metrics, self._health, gives_way)
            for name, (step, interval, gives_way) in steps.items()
        ]

    def _is_flooded(self) -> bool:
        """Whether so much comes in that what is not about keeping it can wait a little."""
        return self._batch + self._intake.waiting() > FLOODED

    def _report(self) -> dict[str, object]:
        self._metrics.queue.set(self._intake.waiting())
        return self._health.report(self._intake.state, self._intake.waiting())

    def _heartbeat(self) -> bool:
        if "store reads" in self._health.problems:
            self._ask_store()
        report = self._report()
        with self._book.begin() as connection:
            checkpoints.put(connection, "ingest", report)
        return False

    def stop(self) -> None:
        """Finish what is in hand and end `run`; safe from a signal handler."""
        self._stopping.set()

    def run(self) -> None:
        """Work until `stop`; then drain what was taken, at most for some seconds."""
        if not self._open_book():
            return
        self._ask_store()
        loops = self._build_loops()
        self._page.start()
        _LOG.info(
            "started",
            extra={
                "store": without_secrets(self._settings.store_url),
                "status": self._page.port,
            },
        )
        for loop in loops:
            loop.start()
        self._intake.start()
        guard = threading.Thread(target=self._give_up_waiting, name="drain", daemon=True)
        guard.start()
        try:
            while not self._stopping.is_set():
                messages = self._intake.take(self._settings.ingest.max_batch, timeout=0.2)
                self._batch = len(messages)
                if messages:
                    self._pipeline.process(messages)
        except Stopped:
            _LOG.warning("stopped while something was away; the broker keeps what was not stored")
        finally:
            self._close(loops)

    def _open_book(self) -> bool:
        """Bring the book up to date, waiting for a server that is down; False: told to stop."""
        while True:
            try:
                self._book.migrate()
            except (StoreUnavailable, SQLAlchemyError) as error:
                self._once.failed("book", in_one_line(error))
                if self._stopping.wait(2.0):
                    return False
            else:
                return True

    def _ask_store(self) -> None:
        """Make the embedded store's file for readers, and say at once if the store is down."""
        try:
            self._store.latest()
        except StoreUnavailable as error:
            self._once.failed("store reads", error.reason)
            self._health.failed("store reads", error.reason)
        else:
            self._once.worked("store reads")
            self._health.worked("store reads")

    def _give_up_waiting(self) -> None:
        self._stopping.wait()
        time.sleep(DRAIN_S)
        self._pipeline.stop()

    def _close(self, loops: list[Loop]) -> None:
        for loop in loops:
            loop.stop()
        self._intake.stop()
        for loop in loops:
            loop.join(5)
        self._page.stop()
        self._store.close()
        self._book.close()
        _LOG.info("stopped")


class History:
    """What the quality tests look back on: the last hours of one datastream, from the store.

    Nobody but this process writes what it has not seen yet, so "the newest" is asked for once.
    """

    def __init__(self, registry: Registry, store: Store, look_back_ms: NDArray[np.int64]) -> None:
        self._ids = [d.id for d in registry.datastreams]
        self._look_back_ms = look_back_ms
        self._store = store
        self._newest: dict[DatastreamId, datetime] | None = None

    def __call__(
        self, stream: int, before_ms: int | None
    ) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return times (n,) [ms] and values (n,) before `before_ms`, or up to the newest."""
        datastream = self._ids[stream]
        if before_ms is None:
            if self._newest is None:
                self._newest = {id: o.time for id, o in self._store.latest().items()}
            if datastream not in self._newest:
                return no_history(stream, None)
            before_ms = to_ms(self._newest[datastream]) + 1
        start = from_ms(before_ms - int(self._look_back_ms[stream]))
        series = self._store.series(datastream, start, from_ms(before_ms))
        return series.time.astype(np.int64), series.value


def _never() -> bool:
    return False


def _validate(settings: Settings, registry: Registry) -> None:
    try:
        validate(registry)
    except ConfigError as error:
        where = f"{settings.sites}: {error.where}"
        raise ConfigError(where, error.problem, error.hint) from error
    if (user := settings.mqtt.username) in registry.devices:
        # The broker would let us in, and show us nothing but this device's own commands.
        raise ConfigError("mqtt.username", f"{user!r} is a device's", "kahriz-ingest is usual")
