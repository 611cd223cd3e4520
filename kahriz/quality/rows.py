"""What the tests share: NaN rows out of sight, a row's predecessors, the run it belongs to."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Quality
from kahriz.quality import LimitTable, Window

Judge = Callable[[Window, LimitTable], Flags]


def on_finite(judge: Judge, window: Window, limits: LimitTable) -> Flags:
    """Return `judge`'s flags (n,) of the rows that hold a number, and MISSING for the others.

    The rows judged are a window of their own, so the others are invisible to them.
    """
    finite = np.isfinite(window.value)
    if finite.all():
        return judge(window, limits)
    flags: Flags = np.full(len(window), Quality.MISSING, np.uint8)
    flags[finite] = judge(window.take(finite), limits)
    return flags


def flags_from(is_suspect: NDArray[np.bool_], is_judged: NDArray[np.bool_] | None = None) -> Flags:
    """Return SUSPECT, else GOOD (n,); NOT_EVALUATED where a row is not judged."""
    flags: Flags = np.where(is_suspect, Quality.SUSPECT, Quality.GOOD).astype(np.uint8)
    if is_judged is not None:
        flags[~is_judged] = Quality.NOT_EVALUATED
    return flags


def begins(window: Window) -> NDArray[np.int64]:
    """Return the index (n_streams,) of the first row of each stream in the window."""
    return np.flatnonzero(window.first == np.arange(len(window)))


def earlier(window: Window, steps: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the index (n,) of the row `steps` before each, and whether its stream has one.

    Where it has none the index is the row itself, so that it can be used without a look.
    """
    here = np.arange(len(window))
    there = here - steps
    has_one = there >= window.first
    return np.where(has_one, there, here), has_one


def run_start(window: Window) -> NDArray[np.int64]:
    """Return the index (n,) at which the run of equal values began that each row belongs to."""
    changes = window.first == np.arange(len(window))
    changes[1:] |= window.value[1:] != window.value[:-1]
    starts: NDArray[np.int64] = np.flatnonzero(changes)
    return starts.take(np.cumsum(changes) - 1)
