"""The values of a while past: their middle and how far they usually are from it."""

from __future__ import annotations

import math

import msgspec

NAN = math.nan
_UNASKED = 4  # steps between two questions, at most


class Window(msgspec.Struct):
    """Values of the last ``span`` steps; what is older is forgotten, however many there were.

    Attributes
    ----------
    span
        How long a value stays, in the unit of `at`.
    middle, spread
        Median, and half the range of the middle 68 %; NaN while empty.
    """

    span: int
    at: list[int] = []
    value: list[float] = []
    middle: float = NAN
    spread: float = NAN

    def __len__(self) -> int:
        return len(self.at)

    def add(self, at: int, value: float) -> None:
        """Take a value at a step not before the last one."""
        self.at.append(at)
        self.value.append(value)
        old = 0
        while self.at[old] <= at - self.span:
            old += 1
        if old:
            del self.at[:old], self.value[:old]
        ordered = sorted(self.value)
        n = len(ordered)
        self.middle = middle(ordered)
        self.spread = (ordered[min(n - 1, int(0.84 * n))] - ordered[int(0.16 * n)]) / 2

    def clear(self) -> None:
        """Forget everything."""
        self.at, self.value = [], []
        self.middle = self.spread = NAN


def middle(ordered: list[float]) -> float:
    """Return the median of ascending values, at least one."""
    n = len(ordered)
    return ordered[n // 2] if n & 1 else 0.5 * (ordered[n // 2 - 1] + ordered[n // 2])


def median(values: list[float]) -> float:
    """Return the median of at least one value."""
    return middle(sorted(values))


class Held(msgspec.Struct):
    """Since when each of several conditions has held, short breaks forgiven."""

    since: dict[str, list[int]] = {}

    def has(self, name: str, is_so: bool, at: int, needed: int, forgiven: int = 2) -> bool:
        """Note whether a condition is so at step `at`; return whether it has held for `needed`."""
        span = self.since.get(name)
        if is_so:
            # Nobody may have asked meanwhile: what held once, and again a day later, has not held.
            if span is None or at - span[1] > forgiven + _UNASKED:
                span = self.since[name] = [at, at]
            span[1] = at
            return at - span[0] >= needed
        if span is not None and at - span[1] > forgiven:
            del self.since[name]
        return False

    def is_any(self, *names: str) -> bool:
        """Return whether one of `names` is held at present, believed or not."""
        return any(name in self.since for name in names)

    def start(self, name: str, otherwise: int) -> int:
        """Return since when `name` is held."""
        return self.since[name][0] if name in self.since else otherwise

    def drop(self, *names: str) -> None:
        """Forget some conditions; all where none is named."""
        if not names:
            self.since = {}
        for name in names:
            self.since.pop(name, None)
