"""Wire ingest together, run it, stop it; nothing else."""

from __future__ import annotations

import gc
import logging
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta

from sqlalchemy.exc import SQLAlchemyError

from ingest.allowance import Allowance
from ingest.answers import Answers
from ingest.ballast import MB, Ballast
from ingest.clocks import Clocks, keep_in, recall_from
from ingest.gate import Gate
from ingest.gather import Gatherer
from ingest.history import History
from ingest.judge import Assessor
from ingest.learning import Learning
from ingest.lease import RENEW_S, Lease, LeaseLost, this_process
from ingest.listening import Listening
from ingest.loops import Loop, all_of
from ingest.metrics import Health, Metrics
from ingest.mqtt import Intake
from ingest.notices import Notices
from ingest.own_clock import OwnClock
from ingest.pipeline import Pipeline, Stopped
from ingest.probe import Probe
from ingest.pulse import Pulse, caller
from ingest.rejudge import Rejudging
from ingest.restate import Restating
from ingest.rollups import Rollups
from ingest.sender import GatewayTrouble, Sender, by_name
from ingest.shed import Shed
from ingest.status_page import StatusPage
from ingest.teller import Teller
from ingest.waiting import Incoming
from ingest.watch import Watch
from kahriz import plugins
from kahriz.alert.telling.world import Limits
from kahriz.book import Book, checkpoints, contacts, devices
from kahriz.book.days import Reason
from kahriz.detect import DETECTORS
from kahriz.errors import ConfigError, KahrizError
from kahriz.intake_log import IntakeLog
from kahriz.logs import in_one_line, without_secrets
from kahriz.notify import NOTIFIERS, hears_answers
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LearnedLimits, learnable
from kahriz.quality.limits import limits_of
from kahriz.rating.dated import validate
from kahriz.settings import Settings
from kahriz.sites import Registry
from kahriz.store import open_store

_LOG = logging.getLogger(__name__)

HEARTBEAT_S = 1.0
DRAIN_S = 8.0
FLOODED = 200


class Worker:
    """The ingest process, for as long as it holds its lease.

    Parameters
    ----------
    stopping
        Set from outside to end `run`.
    at
        The pipeline's: for tests of what a crash leaves behind.
    """

    def __init__(
        self,
        settings: Settings,
        registry: Registry,
        stopping: threading.Event | None = None,
        at: Callable[[str], object] = lambda name: None,
    ) -> None:
        _validate(settings, registry)
        self._settings = settings
        self._registry = registry
        self._at = at
        self._clock = settings.clock.clock()
        self._metrics = Metrics()
        self._health = Health()
        self._stopping = stopping or threading.Event()
        self._lost = threading.Event()
        self._batch = 0
        self._in_hand_since: float | None = None
        self._own_clock = OwnClock()
        self._ballast = Ballast(
            settings.data_dir,
            settings.ingest.ballast_mb * MB,
            settings.ingest.disk_warn_mb * MB,
            self._health,
        )
        self._store = open_store(settings.store_url, settings.store.token.get_secret_value())
        self._probe = Probe(self._store, self._health)
        self._book = Book(settings.book_url)
        self._shed = Shed(registry.devices)
        self._intake_log = intake_log_of(settings)
        self._lease = Lease(self._book, f"ingest:{settings.mqtt.client_id}", this_process())
        self._gate = Gate(
            self._book, self._lease, self._own_clock, self._ballast, self._health, self._stopping
        )
        self._intake = Intake(settings.mqtt, self._shed_overflow)
        self._notifiers = [
            plugins.load("notifier", name, NOTIFIERS).from_settings(settings)
            for name in settings.notify.notifiers
        ]
        self._clocks = Clocks(
            round(settings.ingest.future_tolerance_s * 1000),
            round(settings.ingest.oldest_days * 86_400_000),
            keep_in(self._book),
        )
        self._gatherer = Gatherer(
            self._registry,
            timedelta(seconds=settings.ingest.future_tolerance_s),
            timedelta(days=settings.ingest.oldest_days),
            self._clocks,
        )
        self._limits = LearnedLimits(limits_of(self._registry), learnable(self._registry))
        self._pipeline = self._build_pipeline()
        self._metrics.watch_queue(self._intake.waiting, self._intake.notes_waiting, self._oldest_s)
        self._metrics.watch_events(self._gatherer.one_by_one.lorawan.ignored)
        if self._intake_log is not None:
            self._metrics.watch_intake_log(self._intake_log)
        self._pulse = Pulse(
            settings.heartbeat.ping_url.get_secret_value(),
            settings.heartbeat.fail_url.get_secret_value(),
            settings.heartbeat.every_s,
            self._health,
            self._oldest_s,
            caller(allow_private=settings.heartbeat.allow_private),
        )
        self._page = StatusPage(
            settings.ingest.metrics_host,
            settings.ingest.metrics_port,
            self._metrics.registry,
            self._report,
        )

    def _build_pipeline(self) -> Pipeline:
        settings = self._settings.ingest
        limits = self._limits.table
        history = History(self._registry, self._store, limits)
        return Pipeline(
            self._gatherer,
            Assessor(self._registry, Flagger(limits, history), self._limits),
            self._store,
            self._book,
            self._intake,
            self._clock,
            self._metrics,
            self._health,
            Allowance(settings.device_rate, settings.device_burst),
            timedelta(seconds=settings.retry_max_s),
            self._shed,
            self._intake_log,
            at=self._at,
        )

    def _build_loops(self) -> list[Loop]:
        restating = Restating(self._registry, self._store, self._book, at=self._at)
        rejudging = Rejudging(self._registry, self._store, self._book)
        rollups = Rollups(self._registry, self._store, self._book)

        def figures() -> bool:
            # One after the other: each writes discharge from a stage that it has read before.
            now = self._clock()
            return all_of(
                lambda: restating.step(now),
                lambda: rejudging.step(now) > 0,
                lambda: rollups.step(now) > 0,
            )

        watch = Watch(
            self._registry,
            self._store,
            self._book,
            [plugins.load("detector", name, DETECTORS)() for name in DETECTORS],
        )
        learning = Learning(self._registry, self._store, self._limits)
        steps = {
            "rollups": (figures, 0.5, self._is_flooded),
            "watch": (_once_a_time(lambda: watch.step(self._clock())), 0.5, self._is_flooded),
            "limits": (_once_a_time(lambda: learning.step(self._clock())), 1.0, self._is_flooded),
            **self._texting(),
            "tidy": (lambda: self._store.tidy(self._clock()), 1.0, self._is_flooded),
            "store watch": (self._probe.step, 2.0, _never),
            "cycles": (_collect, 10.0, _never),
            "heartbeat": (self._heartbeat, HEARTBEAT_S, _never),
            "disk watch": (_once_a_time(self._ballast.step), 0.5, _never),
            "lease": (self._renew, RENEW_S, _never),
            "pulse": (self._pulse.step, 1.0, _never),
        }
        loops = [
            Loop(name, step, interval, self._metrics, self._health, gives_way)
            for name, (step, interval, gives_way) in steps.items()
        ]
        self._pulse.loops = loops
        return loops

    def _texting(self) -> dict[str, tuple[Callable[[], bool], float, Callable[[], bool]]]:
        """Return what is done between an alert in the book and a phone, and back."""
        notify = self._settings.notify
        limits = Limits(notify.texts_a_person, notify.parts_a_kahriz)
        can_answer = hears_answers(notify)
        teller = Teller(self._registry, self._book, limits, can_answer=can_answer)
        sender = Sender(self._book, self._notifiers, self._at)
        sender.recover(self._clock())
        listening = Listening(self._book, self._notifiers)
        answers = Answers(self._registry, self._book, self._store, self._at)

        def troubles() -> list[GatewayTrouble]:
            return [*listening.troubles(), *sender.troubles()]

        roads = {name: one.channels for name, one in by_name(self._notifiers).items()}
        notices = Notices(self._registry, self._book, limits, troubles, roads)

        def gateways() -> None:
            now = self._clock()
            listening.step(now)
            self._health.gateways({trouble.name: trouble.reason for trouble in troubles()})
            notices.step(now)

        return {
            "teller": (_once_a_time(lambda: teller.step(self._clock())), 1.0, _never),
            "sender": (_once_a_time(lambda: sender.step(self._clock())), 0.3, _never),
            "gateways": (_once_a_time(gateways), 1.0, _never),
            "answers": (_once_a_time(lambda: answers.step(self._clock())), 0.5, _never),
        }

    def _is_flooded(self) -> bool:
        """Whether so much comes in that what is not about keeping it can wait a little."""
        return self._batch + len(self._intake.waiting) > FLOODED

    def _report(self) -> dict[str, object]:
        if who := self._gate.standing_by:
            return {"status": "standing by", "reason": who, "mqtt": "not connected"}
        return self._health.report(self._intake.state, len(self._intake.waiting))

    def _oldest_s(self) -> float:
        """Return the age of the oldest message that is not acknowledged yet; 0: all are."""
        arrivals = (self._in_hand_since, self._intake.waiting.oldest_arrival())
        since = min((at for at in arrivals if at is not None), default=None)
        return 0.0 if since is None else max(time.monotonic() - since, 0.0)

    def _heartbeat(self) -> bool:
        report = self._report()
        with self._book.begin() as connection:
            checkpoints.put(connection, "ingest", report)
        return False

    def _renew(self) -> bool:
        try:
            self._lease.renew()
        except LeaseLost:
            self._lost.set()
            self._pipeline.stop()
            raise
        return False

    def _shed_overflow(self, messages: Sequence[Incoming]) -> None:
        self._metrics.shed.labels("overflow").inc(len(messages))
        self._shed.add([message.topic for message in messages], Reason.OVERFLOW)

    def stop(self) -> None:
        """Finish what is in hand and end `run`; safe from a signal handler."""
        self._stopping.set()

    def run(self) -> bool:
        """Work until `stop`; then drain what was taken, at most for some seconds.

        Returns whether the lease was lost: then another one is at work, and a new worker may
        stand by for it.
        """
        self._page.start()
        loops: list[Loop] = []
        try:
            if self._gate.open(self._recall):
                _collect_seldom()
                self._probe.ask()
                loops += self._build_loops()
                self._start(loops)
                self._work()
        except LeaseLost as error:
            self._lost.set()
            _LOG.warning("another one is at work", extra={"reason": str(error)})
        except Stopped:
            _LOG.warning("stopped while something was away; the broker keeps what was not stored")
        finally:
            self._close(loops)
        return self._lost.is_set()

    def _start(self, loops: list[Loop]) -> None:
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

    def _work(self) -> None:
        while not self._is_over():
            if self._gate.is_shut():
                continue
            messages, since = self._intake.take(self._settings.ingest.max_batch, timeout=0.2)
            self._batch = len(messages)
            if messages:
                self._in_hand_since = since
                self._pipeline.process(messages, since)
                self._in_hand_since = None

    def _is_over(self) -> bool:
        return self._stopping.is_set() or self._lost.is_set()

    def _recall(self) -> None:
        """Take in the last words of the one before us, and whom the file wants told."""
        recall_from(self._book, self._clocks)
        with self._book.read() as connection:
            heartbeat = checkpoints.get(connection, "ingest")
            self._gatherer.one_by_one.lorawan.restore(devices.list_devices(connection))
        with self._book.begin() as connection:
            contacts.import_file(connection, self._registry, self._clock())
        self._own_clock.has_been((heartbeat or {}).get("wall_ms", 0))

    def _give_up_waiting(self) -> None:
        while not self._stopping.wait(0.5):
            if self._lost.is_set():
                return
        time.sleep(DRAIN_S)
        self._pipeline.stop()

    def _close(self, loops: list[Loop]) -> None:
        for loop in loops:
            loop.stop()
        self._intake.stop()
        for loop in loops:
            loop.join(5)
        self._release()
        self._page.stop()
        if self._intake_log is not None:
            self._intake_log.close()
        self._store.close()
        self._book.close()
        _LOG.info("stopped")

    def _release(self) -> None:
        try:
            self._lease.release()
        except (KahrizError, SQLAlchemyError) as error:
            # Lost, or the book is away: then it runs out by itself.
            _LOG.debug("lease not released", extra={"reason": in_one_line(error)})


def intake_log_of(settings: Settings) -> IntakeLog | None:
    """Return where messages are kept as they come; None: they are not to be."""
    keep = timedelta(hours=settings.ingest.intake_log_hours)
    most = settings.ingest.intake_log_mb * 2**20
    return IntakeLog(settings.intake_log, keep, most) if keep else None


def _collect_seldom() -> None:
    """Let Python look for cycles by the clock, not by count.

    A batch is thousands of objects and none of them, while an answer of the store may hang in one
    with all its text.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(1_000_000, 20, 20)


def _collect() -> bool:
    gc.collect()
    return False


def _never() -> bool:
    return False


def _once_a_time(step: Callable[[], object]) -> Callable[[], bool]:
    """Return `step` as one after which there is never more to do at once."""

    def whole() -> bool:
        step()
        return False

    return whole


def _validate(settings: Settings, registry: Registry) -> None:
    try:
        validate(registry)
    except ConfigError as error:
        where = f"{settings.sites}: {error.where}"
        raise ConfigError(where, error.problem, error.hint) from error
    if (user := settings.mqtt.username) in registry.devices:
        # The broker would let us in, and show us nothing but this device's own commands.
        raise ConfigError("mqtt.username", f"{user!r} is a device's", "kahriz-ingest is usual")
