"""Time as the service sees it: one clock a process, read where things are wired.

Everywhere else ``now`` is a parameter. All instants are aware UTC; arrays are ``datetime64[ms]``;
on the wire and in the stores an instant is a whole number of milliseconds since 1970.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np

Clock = Callable[[], datetime]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def system_clock() -> datetime:
    """Return the present instant by this machine's clock."""
    return datetime.now(UTC)


def scaled_clock(
    origin: datetime,
    started: datetime,
    speed: float,
    wall: Callable[[], float] = time.time,
) -> Clock:
    """Return a clock that stood at `origin` when the wall clock stood at `started`.

    A demonstration runs days in minutes; every process of one demonstration shares these three
    figures, so they agree on "now".

    Parameters
    ----------
    origin
        The pretended instant at `started`.
    started
        The wall-clock instant the pretended time began to run at.
    speed
        Pretended seconds a real second; > 0.
    wall
        Seconds since 1970, for tests.
    """
    if not speed > 0:
        raise ValueError(f"speed {speed!r} is not above 0")
    began = started.timestamp()

    def now() -> datetime:
        return origin + timedelta(seconds=(wall() - began) * speed)

    return now


def to_ms(instant: datetime) -> int:
    """Return whole milliseconds since 1970 of an aware `instant`, rounded down."""
    return (instant - _EPOCH) // _MILLISECOND


def from_ms(ms: int) -> datetime:
    """Return the aware UTC instant of `ms` milliseconds since 1970."""
    return _EPOCH + timedelta(0, 0, 0, int(ms))  # by position: a third of the time less


def to_datetime64(instant: datetime) -> np.datetime64:
    """Return an aware `instant` as ``datetime64[ms]``."""
    return np.datetime64(to_ms(instant), "ms")


def from_datetime64(instant: np.datetime64) -> datetime:
    """Return ``datetime64`` as an aware UTC instant, to the millisecond."""
    return from_ms(int(instant.astype("datetime64[ms]").astype(np.int64)))


def iso(instant: datetime) -> str:
    """Return ISO 8601 in UTC with a ``Z``, milliseconds only where there are any."""
    text = instant.astimezone(UTC).isoformat(
        timespec="milliseconds" if instant.microsecond >= 1000 else "seconds"
    )
    return text.replace("+00:00", "Z")
