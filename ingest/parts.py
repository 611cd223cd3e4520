"""What each payload of a batch contributed, by column: whose it is, its place in the count."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from kahriz.codec.json_columns import NONE, Longs
from kahriz.observations import Readings


@dataclass(frozen=True, slots=True)
class Parts:
    """One entry a payload that was used, wholly or in part; each column is (p,).

    Attributes
    ----------
    message
        Place of its message in the batch: the order they came in.
    device
        Index into the gatherer's devices.
    boot, first_seq, oldest_seq
        The place in the device's own count; `NONE` where the format has none.
    n_rows
        Readings in it.
    last_time_ms
        Its newest believable instant; `NONE` where it has none.
    firmware
        Texts or None.
    """

    message: Longs
    device: Longs
    boot: Longs
    first_seq: Longs
    oldest_seq: Longs
    n_rows: Longs
    last_time_ms: Longs
    firmware: list[str | None]

    def __len__(self) -> int:
        return len(self.device)


@dataclass(slots=True)
class PartList:
    """Parts one by one, for payloads that are looked at one by one."""

    columns: list[tuple[int, ...]] = field(default_factory=list)
    firmware: list[str | None] = field(default_factory=list)

    def add(
        self,
        message: int,
        device: int,
        readings: Readings,
        last_time_ms: int | None,
    ) -> None:
        """Add what one payload contributed."""
        r = readings
        has_place = r.boot is not None and r.first_seq is not None
        said = (r.boot, r.first_seq, r.oldest_seq) if has_place else (None, None, None)
        place = tuple(NONE if number is None else number for number in said)
        last = NONE if last_time_ms is None else last_time_ms
        self.columns.append((message, device, *place, r.n_rows, last))
        self.firmware.append(r.firmware)


def joined(parts: Parts, more: PartList) -> Parts:
    """Return both, in the order given."""
    if not more.columns:
        return parts
    table = np.array(more.columns, np.int64).T
    return Parts(
        np.concatenate((parts.message, table[0])),
        np.concatenate((parts.device, table[1])),
        np.concatenate((parts.boot, table[2])),
        np.concatenate((parts.first_seq, table[3])),
        np.concatenate((parts.oldest_seq, table[4])),
        np.concatenate((parts.n_rows, table[5])),
        np.concatenate((parts.last_time_ms, table[6])),
        parts.firmware + more.firmware,
    )
