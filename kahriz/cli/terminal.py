"""Ctrl-C for this process alone, also where `make` started it."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def foreground() -> Iterator[None]:
    """Hold the terminal's foreground while the body runs.

    Ctrl-C reaches every process of the terminal's foreground group, and `make` dies of it however
    well its recipe ends. In a group of its own this process ends cleanly and `make` sees exit 0.
    Does nothing without a terminal, in the background, or where a shell gave us a group already.
    """
    terminal = _terminal()
    before = os.getpgrp()
    if terminal is None or before == os.getpid() or _foreground(terminal) != before:
        yield
        return
    os.setpgid(0, 0)
    _give(terminal, os.getpgrp())
    # Stopped by Ctrl-Z we would hang: the shell waits for make, which knows nothing of it.
    stop = signal.signal(signal.SIGTSTP, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGTSTP, stop)
        with suppress(OSError):
            _give(terminal, before)


def _terminal() -> int | None:
    try:
        descriptor = sys.stdin.fileno()
    except (OSError, ValueError, AttributeError):
        return None
    return descriptor if os.isatty(descriptor) else None


def _foreground(terminal: int) -> int | None:
    try:
        return os.tcgetpgrp(terminal)
    except OSError:  # a terminal, but not the one of our session: Ctrl-C does not come from there
        return None


def _give(terminal: int, group: int) -> None:
    # The kernel stops a background process that changes the terminal, unless it ignores SIGTTOU.
    before = signal.signal(signal.SIGTTOU, signal.SIG_IGN)
    try:
        os.tcsetpgrp(terminal, group)
    finally:
        signal.signal(signal.SIGTTOU, before)
