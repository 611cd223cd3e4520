"""Background loops: one thread each, that outlives whatever goes wrong in a step."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable

from sqlalchemy.exc import SQLAlchemyError

from ingest.metrics import Health, Metrics
from kahriz.errors import KahrizError
from kahriz.logs import Once, in_one_line

_LOG = logging.getLogger(__name__)

RESTS = 49
"""A loop that gives way takes a fiftieth of the time."""

LONGEST_REST_S = 60.0


class Loop:
    """Calls `step` every `interval_s` seconds, at once again while it says there is more.

    Parameters
    ----------
    name
        Part of the health report and label of its metrics.
    step
        Does one bounded piece of work; True: there is more.
    interval_s
        Wall seconds between two steps with nothing to do.
    gives_way
        Whether something more urgent is going on; then it rests `RESTS` times as long as a step
        took, whatever is left to do. All threads share one interpreter.
    """

    def __init__(
        self,
        name: str,
        step: Callable[[], bool],
        interval_s: float,
        metrics: Metrics,
        health: Health,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        self.name = name
        self._gives_way = gives_way
        self._step = step
        self._interval_s = interval_s
        self._metrics = metrics
        self._health = health
        self._once = Once(_LOG)
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)
        self._done_at = time.monotonic()

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End after the step under way."""
        self._stopping.set()

    def join(self, timeout: float) -> None:
        """Wait until it has ended."""
        self._thread.join(timeout)

    def idle_s(self) -> float:
        """Return for how long no step has ended, with or without success."""
        return time.monotonic() - self._done_at

    def _run(self) -> None:
        while not self._stopping.is_set():
            began = time.monotonic()
            more = self.step_once()
            self._done_at = time.monotonic()
            rest = 0.0 if more else self._interval_s
            if self._gives_way():
                rest = max(rest, min(RESTS * (time.monotonic() - began), LONGEST_REST_S))
            self._stopping.wait(rest)

    def step_once(self) -> bool:
        """Do one step; a failure is said once, counted, and shown by /health until it is over."""
        try:
            more = self._step()
        except (KahrizError, SQLAlchemyError) as error:
            self._failed(in_one_line(error))
            return False
        except Exception as error:
            # A fault in the code of one loop must not silence the others; its trace is logged.
            _LOG.exception("step failed", extra={"loop": self.name})
            self._failed(f"{type(error).__name__}: {error}")
            return False
        self._once.worked(self.name)
        self._health.worked(self.name)
        return more

    def _failed(self, reason: str) -> None:
        self._metrics.loop_errors.labels(self.name).inc()
        self._once.failed(self.name, reason)
        self._health.failed(self.name, reason)


def all_of(*steps: Callable[[], bool]) -> bool:
    """Take every step, also where one before it cannot go on; return whether there is more.

    Raises
    ------
    KahrizError, SQLAlchemyError
        The first of the steps that could not; the others have been taken.
    """
    more = False
    failed: Exception | None = None
    for step in steps:
        try:
            more |= step()
        except (KahrizError, SQLAlchemyError) as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return more
