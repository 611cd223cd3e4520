"""One datastream's readings as few bytes: what a sealed stretch holds, with nothing lost.

Instants become steps on the sampling interval, values whole numbers; what is left after taking
differences is small, is laid out byte by byte and deflated. Values that are no short decimals
(discharge computed from stage) become places in a sorted list of the distinct ones, or their own
64 bits: the last bit comes back either way.
"""

from __future__ import annotations

import struct
import zlib
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from kahriz.observations import Flags, Values

Integers = NDArray[np.int64]

# kind of values, byte widths of instants and values, the one flag or 0; grain, step, first value.
_HEAD = struct.Struct("<BBBBqqq")
_LENGTH = struct.Struct("<I")
_LISTED, _BITS = 254, 255
_MOST_DECIMALS = 6
_EXACT = float(2**53)
_WIDTHS = (1, 2, 4, 8)
_WORTH_A_CODE = 100


class DamagedError(ValueError):
    """The bytes are not what was sealed."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """Readings of one datastream in time order.

    Attributes
    ----------
    time
        (n,) int64, ms since 1970, strictly rising; n >= 1.
    value
        (n,) float64, no NaN.
    quality
        (n,) uint8.
    """

    time: Integers
    value: Values
    quality: Flags

    def __len__(self) -> int:
        return len(self.time)

    def between(self, start: int, end: int) -> Stretch:
        """Return the part in [start, end) ms."""
        if self.time[0] >= start and self.time[-1] < end:
            return self
        first, last = np.searchsorted(self.time, [start, end])
        cut = slice(int(first), int(last))
        return Stretch(self.time[cut], self.value[cut], self.quality[cut])


def joined(parts: list[Stretch]) -> Stretch:
    """Return all in time order; of equal instants the one of the last part stays."""
    time = np.concatenate([part.time for part in parts])
    value = np.concatenate([part.value for part in parts])
    quality = np.concatenate([part.quality for part in parts])
    if not (time[1:] > time[:-1]).all():
        order = np.argsort(time, kind="stable")
        at = time[order]
        order = order[np.append(at[1:] != at[:-1], True)]
        time, value, quality = time[order], value[order], quality[order]
    return Stretch(time, value, quality)


def seal(stretch: Stretch) -> bytes:
    """Return the bytes that `unseal` makes the same readings of."""
    steps = np.diff(stretch.time)
    grain = int(np.gcd.reduce(steps)) or 1
    steps //= grain
    step = int(np.median(steps)) if len(steps) else 0
    kind, numbers, listed = _numbers(stretch.value)
    time_width, time_bytes = _laid_out(steps - step)
    value_width, value_bytes = _laid_out(np.diff(numbers))
    is_one_flag = bool((stretch.quality == stretch.quality[0]).all())
    flag = int(stretch.quality[0]) if is_one_flag else 0
    flags = b"" if is_one_flag else stretch.quality.tobytes()
    head = _HEAD.pack(kind, time_width, value_width, flag, grain, step, int(numbers[0]))
    return _packed([head, *time_bytes, *value_bytes, flags, listed])


def unseal(data: bytes, n: int, first: int) -> Stretch:
    """Return the `n` readings that were sealed, the first of them at `first` (ms).

    Raises
    ------
    DamagedError
        These bytes do not hold them.
    """
    try:
        plain = zlib.decompress(data, -15)
        kind, time_width, value_width, flag, grain, step, number = _HEAD.unpack_from(plain)
        at = _HEAD.size
        steps, at = _read(plain, at, time_width, n - 1)
        differences, at = _read(plain, at, value_width, n - 1)
        quality = np.full(n, flag, np.uint8)
        if not flag:
            quality = np.frombuffer(plain, np.uint8, n, at).copy()
            at += n
        numbers = _summed(number, differences)
        value = _values(kind, numbers, plain[at:])
    except (zlib.error, struct.error, ValueError, IndexError) as error:
        raise DamagedError(str(error)) from error
    return Stretch(_summed(first, (steps + step) * grain), value, quality)


def _packed(parts: list[bytes]) -> bytes:
    # Runs and single bytes are all there is to find: longer matches cost time and save nothing.
    packer = zlib.compressobj(6, zlib.DEFLATED, -15, 9, zlib.Z_RLE)
    packed = []
    for part in parts:
        packed.append(packer.compress(part))
        if len(part) >= _WORTH_A_CODE:
            # What follows is distributed otherwise, and gets a code of its own.
            packed.append(packer.flush(zlib.Z_BLOCK))
    return b"".join([*packed, packer.flush()])


def _summed(first: int, differences: Integers) -> Integers:
    whole = np.empty(len(differences) + 1, np.int64)
    whole[0] = first
    whole[1:] = differences
    return np.cumsum(whole, out=whole)


def _numbers(value: Values) -> tuple[int, Integers, bytes]:
    """Return how `value` became whole numbers (n,), these, and the list they point into."""
    decimals = _decimals(value)
    if decimals is not None:
        return decimals, np.rint(value * 10.0**decimals).astype(np.int64), b""
    bits = _ordered(value.view(np.int64))
    distinct, place = np.unique(bits, return_inverse=True)
    if len(distinct) <= len(value) // 2:
        width, laid_out = _laid_out(np.diff(distinct))
        listed = _LENGTH.pack(len(distinct)) + _HEAD.pack(0, 0, width, 0, 0, 0, int(distinct[0]))
        return _LISTED, place.astype(np.int64), b"".join((listed, *laid_out))
    return _BITS, bits, b""


def _values(kind: int, numbers: Integers, listed: bytes) -> Values:
    if kind <= _MOST_DECIMALS:
        value: Values = numbers / 10.0**kind
        return value
    if kind == _LISTED:
        (length,) = _LENGTH.unpack_from(listed)
        _, _, width, _, _, _, first = _HEAD.unpack_from(listed, _LENGTH.size)
        differences, _ = _read(listed, _LENGTH.size + _HEAD.size, width, length - 1)
        numbers = _summed(first, differences)[numbers]
    return _ordered(numbers).view(np.float64)


def _decimals(value: Values) -> int | None:
    """Return the fewest decimals that give every value back to the last bit, if few do."""
    greatest = float(np.abs(value).max())
    bits = value.view(np.int64)
    for decimals in range(_MOST_DECIMALS + 1):
        scale = 10.0**decimals
        if greatest * scale >= _EXACT:
            return None
        some = slice(0, 16)
        for part in (some, slice(None)):
            # By way of whole numbers, and bits are compared: -0.0 would come back as 0.0.
            back: Values = np.rint(value[part] * scale).astype(np.int64) / scale
            if not np.array_equal(back.view(np.int64), bits[part]):
                break
        else:
            return decimals
    return None


def _ordered(bits: Integers) -> Integers:
    """Return floats' bits as integers in the order of the floats, and the other way round."""
    ordered: Integers = bits ^ ((bits >> 63) & np.int64(2**63 - 1))
    return ordered


def _laid_out(differences: Integers) -> tuple[int, list[bytes]]:
    """Return how many bytes a number takes, and all first bytes, all second bytes and so on."""
    folded = ((differences << 1) ^ (differences >> 63)).view(np.uint64)
    greatest = int(folded.max()) if len(folded) else 0
    width = next(w for w in _WIDTHS if greatest < 1 << 8 * w)
    small = folded.astype(f"<u{width}")
    planes = small.view(np.uint8).reshape(-1, width).T
    return width, [plane.tobytes() for plane in planes]


def _read(plain: bytes, at: int, width: int, n: int) -> tuple[Integers, int]:
    if width not in _WIDTHS:
        raise ValueError(f"{width} bytes a number")
    planes = np.frombuffer(plain, np.uint8, n * width, at).reshape(width, n)
    small = np.ascontiguousarray(planes.T).view(f"<u{width}").ravel() if n else planes.ravel()
    folded = small.astype(np.uint64).view(np.int64)
    differences: Integers = ((folded >> 1) & np.int64(2**63 - 1)) ^ -(folded & 1)
    return differences, at + n * width
