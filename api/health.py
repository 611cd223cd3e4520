"""Whether the whole service is well: the store, the book, and ingest's own word about itself."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from api.metrics import Metrics
from api.problems import EXPECTED, of
from api.reads import Reads
from kahriz.book import checkpoints
from kahriz.clock import from_ms, iso

PATIENCE_S = 3.0
STALE_S = 3.5
"""Three heartbeats missed; with an answer kept for a second that is known within five."""

_KEPT_S = 1.0


@dataclass(frozen=True, slots=True)
class Check:
    """What was found of one part."""

    name: str
    ok: bool
    detail: str = ""
    since_ms: int | None = None
    """Since when it is wrong, where the part itself knows."""


@dataclass(frozen=True, slots=True)
class Report:
    """All checks, and since when their sum has been what it is."""

    checks: tuple[Check, ...]
    since_ms: int

    @property
    def is_ok(self) -> bool:
        """Whether every part is well."""
        return all(check.ok for check in self.checks)

    def answer(self) -> dict[str, Any]:
        """Return the answer's shape."""
        return {
            "status": "ok" if self.is_ok else "degraded",
            "since": iso(from_ms(self.since_ms)),
            "checks": [{"name": c.name, "ok": c.ok, "detail": c.detail} for c in self.checks],
        }


class Health:
    """Checks on demand, at most once a second however many ask.

    Times here are the wall clock's, also where a demonstration's time runs faster.
    """

    def __init__(self, reads: Reads, wall: Callable[[], float], metrics: Metrics) -> None:
        self._reads = reads
        self._wall = wall
        self._metrics = metrics
        self._lock = asyncio.Lock()
        self._last: Report | None = None
        self._checked_at = 0.0

    async def report(self) -> Report:
        """Return how things stand; `since` is what ingest says of itself, else when we found it."""
        async with self._lock:
            if self._last is None or not 0 <= self._wall() - self._checked_at < _KEPT_S:
                self._last = await self._check()
                self._checked_at = self._wall()
            return self._last

    async def _check(self) -> Report:
        store, (book, ingest) = await asyncio.gather(self._check_store(), self._check_book())
        checks = (store, book, ingest)
        for check in checks:
            self._metrics.is_up.labels(check.name).set(check.ok)
        known = [check.since_ms for check in checks if check.since_ms is not None]
        report = Report(checks, min([int(self._wall() * 1000), *known]))
        last = self._last
        unchanged = last is not None and last.is_ok == report.is_ok
        return Report(checks, last.since_ms) if last is not None and unchanged else report

    async def _check_store(self) -> Check:
        error = await _error_of(self._reads.store(lambda store: store.latest(), PATIENCE_S))
        return Check("store", error is None, error or "")

    async def _check_book(self) -> tuple[Check, Check]:
        heartbeat: Any = None

        async def read() -> None:
            nonlocal heartbeat
            heartbeat = await self._reads.book(
                lambda connection: checkpoints.get(connection, "ingest"), PATIENCE_S
            )

        error = await _error_of(read())
        if error is not None:
            return Check("book", False, error), Check("ingest", False, "not known: no book")
        return Check("book", True), judged(heartbeat, self._wall())


def judged(heartbeat: Any, wall_s: float) -> Check:
    """Return what ingest's last heartbeat means at `wall_s` seconds since 1970.

    Older than `STALE_S` it means that ingest is down, whatever it said then.
    """
    if not isinstance(heartbeat, dict) or "wall_ms" not in heartbeat:
        return Check("ingest", False, "never heard of")
    age_s = wall_s - heartbeat["wall_ms"] / 1000
    if age_s > STALE_S:
        heard = heartbeat["wall_ms"]
        return Check("ingest", False, f"down: last heard {age_s:.0f} s ago", heard)
    if heartbeat.get("status") != "ok":
        reason = str(heartbeat.get("reason") or "degraded")
        return Check("ingest", False, reason, heartbeat.get("since_ms"))
    return Check("ingest", True)


async def _error_of(read: Awaitable[object]) -> str | None:
    try:
        await read
    except Exception as error:
        # Whatever it is, it is what the check has found.
        return of(error).detail if isinstance(error, EXPECTED) else type(error).__name__
    return None
