"""Whole numbers in as few bytes as they need: the only kind of field compact_v1 has.

A *varint* is a number from 0 to 2**63 - 1 in groups of seven bits, the lowest first, bit 7 set in
every byte but the last (LEB128, as in Protocol Buffers). A number with a sign is folded into one
first (*zigzag*): 0, -1, 1, -2 ... become 0, 1, 2, 3 ..., so that small steps stay small.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from kahriz.errors import DecodeError

LONGEST = 9
"""Bytes of the longest varint: nine groups of seven bits."""


def folded(number: int) -> int:
    """Return a number with a sign as one without."""
    return number << 1 if number >= 0 else ~(number << 1)


def unfolded(folded: int) -> int:
    """Return the number with a sign that `folded` stands for."""
    return (folded >> 1) ^ -(folded & 1)


def unfold(folded: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return the numbers with a sign that `folded` (n,) stand for."""
    numbers: NDArray[np.int64] = (folded >> 1) ^ -(folded & 1)
    return numbers


def put_varint(into: bytearray, number: int) -> None:
    """Append `number` to `into`; ValueError if it has no place in a varint."""
    if not 0 <= number < 1 << 63:
        raise ValueError(f"{number} is not a number from 0 to 2**63 - 1")
    while number >= 0x80:
        into.append(number & 0x7F | 0x80)
        number >>= 7
    into.append(number)


def varint(payload: bytes, at: int) -> tuple[int, int]:
    """Return (the number at `at`, the position after it)."""
    if at < len(payload) and (byte := payload[at]) < 0x80:
        return byte, at + 1
    number = shift = 0
    for position in range(at, min(at + LONGEST, len(payload))):
        byte = payload[position]
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, position + 1
        shift += 7
    raise _unfinished(payload, at)


def varints(payload: bytes, at: int, count: int) -> tuple[NDArray[np.int64], int]:
    """Return (the `count` numbers from `at` on, the position after them), without a loop a number.

    Parameters
    ----------
    payload, at
        Where they stand.
    count
        At least 1.
    """
    raw = np.frombuffer(payload, np.uint8, offset=at)
    ends = np.flatnonzero(raw < 0x80)[:count]
    if len(ends) < count:
        raise _unfinished(payload, at + (int(ends[-1]) + 1 if len(ends) else 0))
    starts = np.concatenate(([0], ends[:-1] + 1))
    more = ends - starts  # bytes of each but its last
    longest = int(more.max())
    if longest >= LONGEST:
        raise _unfinished(payload, at + int(starts[more.argmax()]))
    numbers: NDArray[np.int64] = raw[ends].astype(np.int64) << (7 * more)
    for k in range(longest):
        reach = more > k
        numbers[reach] |= (raw[starts[reach] + k] & 0x7F).astype(np.int64) << (7 * k)
    return numbers, at + int(ends[-1]) + 1


def _unfinished(payload: bytes, at: int) -> DecodeError:
    if len(payload) - at < LONGEST:
        return DecodeError("", f"truncated: ends after {len(payload)} bytes")
    return DecodeError("", f"byte {at}: a number of more than {LONGEST} bytes")
