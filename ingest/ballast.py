"""A full disk: room kept in reserve for it, so that the databases can still work.

A database needs room even to delete. So a file of real size lies in the data folder; when the disk
is full it is removed, and what it held is used for finishing what was begun, for alerts and for
making room, while nothing new is taken: the broker and the devices keep it. When there is room
again the file is laid down anew, and all goes on.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from pathlib import Path

from ingest.metrics import Health
from kahriz.logs import Once

_LOG = logging.getLogger(__name__)

MB = 10**6
NAME = "ballast"
FULL_BYTES = MB
"""With less than this free a disk is full: the next write would fail."""

_SAYS_FULL = "disk is full"  # SQLite's own words, of the store and of the book
_PART = "disk"


class Ballast:
    """Watches the disk of one folder; `step` is called again and again.

    Parameters
    ----------
    folder
        What is kept lies there.
    size
        Bytes in reserve; 0: none.
    warn
        Bytes below which /health warns.
    health
        Where failures of store and book are seen, and where the disk's state is said.
    free
        Bytes free, for tests.
    """

    def __init__(
        self,
        folder: Path,
        size: int,
        warn: int,
        health: Health,
        free: Callable[[], int] | None = None,
    ) -> None:
        self._folder = folder
        self._path = folder / NAME
        self._size = size
        self._warn = warn
        self._health = health
        self._free = free or self._free_now
        self._once = Once(_LOG)
        self.is_full = False

    def step(self) -> None:
        """Look at the disk; let the ballast go, or lay it down, as there is room."""
        try:
            self._look()
        except OSError as error:
            self._health.failed(_PART, f"{self._folder}: {error.strerror}")

    def _look(self) -> None:
        free = self._free()
        if free < FULL_BYTES or (self._is_said() and not self._fits(FULL_BYTES)):
            self._let_go(free)
        elif self._is_laid_down() or (free >= 2 * self._size and self._lay_down()):
            if self.is_full:
                _LOG.warning("room again", extra={"folder": self._folder, "free_mb": free // MB})
            self.is_full = False
        self._say(self._free())

    def _is_said(self) -> bool:
        """Say whether store or book failed for want of room, which a quota does not let us see."""
        said = list(self._health.problems.items())
        return any(_SAYS_FULL in reason for part, (_, reason) in said if part != _PART)

    def _fits(self, n_bytes: int) -> bool:
        """Try whether there is room; what was said of it may be older than room made since."""
        probe = self._path.with_suffix(".probe")
        try:
            _allocate(probe, n_bytes, n_bytes)
        except OSError:
            return False
        finally:
            probe.unlink(missing_ok=True)
        return True

    def _let_go(self, free: int) -> None:
        if not self.is_full:
            _LOG.error("disk full", extra={"folder": self._folder, "free_mb": free // MB})
        self.is_full = True
        self._path.unlink(missing_ok=True)

    def _lay_down(self) -> bool:
        """Allocate the file where there is room for it twice; say whether there was."""
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            _allocate(self._path, 2 * self._size, self._size)
        except OSError as error:
            self._path.unlink(missing_ok=True)
            self._once.failed("ballast", f"{self._path}: {error.strerror}")
            return False
        self._once.worked("ballast")
        return True

    def _is_laid_down(self) -> bool:
        if not self._size:
            self._path.unlink(missing_ok=True)
            return True
        try:
            return self._path.stat().st_size == self._size
        except FileNotFoundError:
            return False

    def _say(self, free: int) -> None:
        where = f"{free / MB:.0f} MB free in {self._folder.absolute()}"
        if self.is_full:
            needed = max(2 * self._size, FULL_BYTES) / MB
            self._health.failed(
                _PART, f"disk full: {where}; nothing is taken until {needed:.0f} MB are"
            )
        elif free < self._warn:
            self._health.failed(
                _PART, f"{where}, below {self._warn // MB} MB (KAHRIZ_INGEST__DISK_WARN_MB)"
            )
        else:
            self._health.worked(_PART)

    def _free_now(self) -> int:
        found = self._folder
        while not found.exists():
            found = found.parent
        said = os.statvfs(found)
        return said.f_bavail * said.f_frsize


def _allocate(path: Path, n_bytes: int, kept: int) -> None:
    """Make a file of `kept` bytes that are really there, while there is room for `n_bytes`."""
    with path.open("wb") as file:
        if hasattr(os, "posix_fallocate"):
            os.posix_fallocate(file.fileno(), 0, n_bytes)
        else:  # macOS: what is written is there, too
            for _ in range(0, n_bytes, MB):
                file.write(bytes(MB))
        file.truncate(kept)
        os.fsync(file.fileno())
