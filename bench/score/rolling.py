"""Windows that look back, for the peers: what is flagged rests on earlier readings alone."""

from __future__ import annotations

import numpy as np

from bench.score.data import Floats

_AT_ONCE = 4096


def held(values: Floats) -> Floats:
    """Return the values (n,) with the last one said in the place of each NaN."""
    last = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
    return np.asarray(values[last])


def before(values: Floats, window: int) -> tuple[Floats, Floats]:
    """Return median and 1.48 MAD (n,) of the `window` readings before each; NaN at the start."""
    median, spread = np.full(len(values), np.nan), np.full(len(values), np.nan)
    if len(values) <= window:
        return median, spread
    windows = np.lib.stride_tricks.sliding_window_view(held(values), window)[:-1]
    for first in range(0, len(windows), _AT_ONCE):
        part = windows[first : first + _AT_ONCE]
        middle = np.median(part, axis=1)
        at = slice(first + window, first + window + len(part))
        median[at] = middle
        spread[at] = 1.4826 * np.median(np.abs(part - middle[:, np.newaxis]), axis=1)
    return median, spread


def blocks(values: Floats, size: int) -> Floats:
    """Return the median (m,) of each whole block of `size` readings; NaN where none was said."""
    whole = len(values) // size * size
    rows = values[:whole].reshape(-1, size)
    empty = np.isnan(rows).all(axis=1)
    middle = np.full(len(rows), np.nan)
    middle[~empty] = np.nanmedian(rows[~empty], axis=1)
    return middle
