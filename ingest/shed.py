"""How many messages of each device were let go of before anybody looked at them."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Collection, Iterable, Mapping

from ingest import topics
from kahriz.book.days import STRANGERS, Reason


class Shed:
    """Counts between the thread that lets go of messages and the one that keeps the books.

    Parameters
    ----------
    known
        The devices of the registry; whoever else sends is counted as a stranger.
    """

    def __init__(self, known: Collection[str]) -> None:
        self._known = frozenset(known)
        self._counts: Counter[tuple[str, Reason]] = Counter()
        self._lock = threading.Lock()

    def add(self, names: Iterable[str], reason: Reason) -> None:
        """Count a message on each of these topics, let go of for a reason of `Fate.SHED`."""
        counts = Counter((self._device(name), reason) for name in names)
        if counts:
            with self._lock:
                self._counts.update(counts)

    def _device(self, name: str) -> str:
        said = topics.parse(name)
        return said.device if said and said.device in self._known else STRANGERS

    def take(self) -> Mapping[tuple[str, Reason], int]:
        """Return what was counted since the last call, by device and reason, and begin anew."""
        if not self._counts:
            return {}
        with self._lock:
            taken, self._counts = self._counts, Counter()
        return taken

    def give_back(self, taken: Mapping[tuple[str, Reason], int]) -> None:
        """Count `taken` again: it could not be entered in the book."""
        with self._lock:
            self._counts.update(taken)
