"""Chance without a state: every figure is a pure function of (key, time).

A simulation that draws from a running generator gives other values after a restart, or when it is
asked in other portions. Here a figure is hashed from its key and its instant, so the water is the
same whoever asks, whenever, in whatever order.

Source of the mixing function: Steele, Lea, Flood, "Fast splittable pseudorandom number generators"
(2014), finaliser of SplitMix64.
"""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

TimesMs = NDArray[np.int64]
"""Instants (n,) in milliseconds since 1970."""
Floats = NDArray[np.float64]

_GOLDEN = np.uint64(0x9E3779B97F4A7C15)
_MIX_1 = np.uint64(0xBF58476D1CE4E5B9)
_MIX_2 = np.uint64(0x94D049BB133111EB)


def key(seed: int, *names: str) -> int:
    """Return the 64-bit key of one source of chance, e.g. ``key(1, "agh-dere", "rain")``."""
    text = "\x1f".join([str(seed), *names]).encode()
    return int.from_bytes(hashlib.blake2b(text, digest_size=8).digest(), "little")


def uniform(of: int, index: TimesMs, draw: int = 0) -> Floats:
    """Return chance in (0, 1) at each whole number of `index` (n,); `draw` gives further ones."""
    with np.errstate(over="ignore"):
        start = np.uint64(of) ^ (np.uint64(draw + 1) * _MIX_2)
        x = (index.astype(np.uint64) + start) * _GOLDEN
        x = (x ^ (x >> np.uint64(30))) * _MIX_1
        x = (x ^ (x >> np.uint64(27))) * _MIX_2
        x ^= x >> np.uint64(31)
    return ((x >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def normal(of: int, index: TimesMs) -> Floats:
    """Return independent standard normal figures (n,), one a whole number of `index`."""
    radius = np.sqrt(-2.0 * np.log(uniform(of, index)))
    return np.asarray(radius * np.cos(2.0 * np.pi * uniform(of, index, 1)))


def smooth(of: int, time_ms: TimesMs, period_ms: int) -> Floats:
    """Return noise (n,) of about unit variance that changes its mind once in `period_ms`."""
    knot = time_ms // period_ms
    part = (time_ms - knot * period_ms) / period_ms
    weight = part * part * (3.0 - 2.0 * part)
    before, after = np.split(normal(of, np.concatenate([knot, knot + 1])), 2)
    between = before * (1.0 - weight) + after * weight
    # Half-way between two knots the mix of two independent figures has half the variance.
    return np.asarray(between / np.sqrt((1.0 - weight) ** 2 + weight**2))


def breath(of: int, time_ms: TimesMs, period_ms: int) -> Floats:
    """Return noise (n,) of about unit variance that comes to nothing in every `period_ms`.

    Water that is held back for an hour is let go in the next: what such noise does to a discharge
    adds no water and takes none.
    """
    knot = time_ms // period_ms
    part = (time_ms - knot * period_ms) / period_ms
    return np.asarray(np.sqrt(2.0) * normal(of, knot) * np.sin(2.0 * np.pi * part))
