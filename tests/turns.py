"""Whose turn it is where several workers run the tests: one marked ``alone`` has the machine."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Generator
from pathlib import Path

import pytest


def is_alone(item: pytest.Item | None) -> bool:
    """Whether the test holds seconds, or a processor's time, against a promise."""
    return item is not None and item.get_closest_marker("alone") is not None


class Turns:
    """Two locks that all workers of one run share, and that a worker's death lets go.

    The room is for one test marked ``alone``, or for one of each worker. Who waits for the room
    stands in the door, so that those who wait behind cannot keep an ``alone`` one out for ever.
    """

    def __init__(self, folder: Path) -> None:
        flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC
        self._door = os.open(folder / "door", flags)
        self._room = os.open(folder / "room", flags)
        self._is_inside = False

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """Put them first, one behind the other: nobody waits for them in the middle."""
        items.sort(key=lambda item: not is_alone(item))

    # First, so that pytest-timeout does not count the waiting.
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_protocol(
        self, item: pytest.Item, nextitem: pytest.Item | None
    ) -> Generator[None, object, object]:
        if not self._is_inside:
            self._enter(fcntl.LOCK_EX if is_alone(item) else fcntl.LOCK_SH)
        try:
            return (yield)
        finally:
            # One alone after the other: the room is kept.
            self._is_inside = is_alone(item) and is_alone(nextitem)
            if not self._is_inside:
                fcntl.flock(self._room, fcntl.LOCK_UN)

    def _enter(self, how: int) -> None:
        fcntl.flock(self._door, fcntl.LOCK_EX)
        try:
            fcntl.flock(self._room, how)
        finally:
            fcntl.flock(self._door, fcntl.LOCK_UN)

    def pytest_unconfigure(self) -> None:
        """Let the locks go."""
        os.close(self._door)
        os.close(self._room)
