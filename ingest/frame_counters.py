"""Which start of a LoRaWAN device a frame belongs to: its counter, made into (boot, seq).

A frame counter counts the frames of one session and begins at 0 after a join or, with a device of
fixed keys, after a loss of power. A counter that fell while time went on is therefore a new boot.
A counter that fell because an old frame is told again is not: the network's time of it is old too.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass

FIRST_BOOT = 1
"""The boot of a device never heard of; 0 is left for what turns out to be older."""

REPEAT_MS = 120_000
"""A device sends a frame that nobody confirmed again, under the same counter, for so long."""

MAX_SESSIONS = 16
"""Boots of one device whose times are remembered."""

MAX_IDS = 20_000
"""Frames whose number is remembered by their deduplication id."""


@dataclass(slots=True)
class _Session:
    """One boot as far as it was heard; `first_ms` is None where only the book knows its start."""

    boot: int
    first_ms: int | None
    last_f_cnt: int
    last_ms: int

    def has(self, f_cnt: int, time_ms: int) -> bool:
        """Return whether an old frame belongs here, or else to a boot before."""
        if self.first_ms is None:
            return f_cnt <= self.last_f_cnt
        return self.first_ms <= time_ms


class FrameCounters:
    """Numbers frames by (boot, seq): the same frame always has the same number.

    What comes again is numbered again and not dropped: whether the first copy became durable is
    the ledger's to know.

    Limits: a boot whose first heard counter is above the last one of the boot before cannot be
    told from lost frames. After a restart only the newest boot's last frame is known: of an older
    frame told again then, the boot is a guess, and its count may be one of the newest boot's.
    """

    def __init__(self) -> None:
        self._sessions: dict[str, list[_Session]] = {}
        self._numbers: OrderedDict[tuple[str, str], tuple[int, int]] = OrderedDict()

    def restore(self, device: str, boot: int, last_seq: int, last_time_ms: int) -> None:
        """Go on from what the book knows of a device."""
        self._sessions[device] = [_Session(boot, None, last_seq, last_time_ms)]

    def number(
        self, device: str, frame: str, f_cnt: int, time_ms: int, latest_ms: int
    ) -> tuple[int, int]:
        """Return (boot, seq) of a frame.

        Parameters
        ----------
        device, frame
            Whose it is, and its deduplication id.
        f_cnt, time_ms
            Its counter, and when the network heard it.
        latest_ms
            The latest instant to believe. A gateway whose clock runs ahead must not make every
            frame after it an old one.
        """
        known = self._numbers.get((device, frame))
        if known is not None:
            return known
        if time_ms > latest_ms:
            sessions = self._sessions.get(device)
            return (sessions[-1].boot if sessions else FIRST_BOOT), f_cnt
        number = self._boot(device, f_cnt, time_ms), f_cnt
        self._numbers[device, frame] = number
        if len(self._numbers) > MAX_IDS:
            self._numbers.popitem(last=False)
        return number

    def _boot(self, device: str, f_cnt: int, time_ms: int) -> int:
        sessions = self._sessions.setdefault(device, [])
        if not sessions:
            sessions.append(_Session(FIRST_BOOT, time_ms, f_cnt, time_ms))
            return FIRST_BOOT
        newest = sessions[-1]
        if time_ms >= newest.last_ms and f_cnt > newest.last_f_cnt:
            newest.last_f_cnt, newest.last_ms = f_cnt, time_ms
            return newest.boot
        if time_ms <= newest.last_ms:
            found = next((s.boot for s in reversed(sessions) if s.has(f_cnt, time_ms)), None)
            return max(sessions[0].boot - 1, 0) if found is None else found
        if f_cnt == newest.last_f_cnt and time_ms - newest.last_ms <= REPEAT_MS:
            return newest.boot
        sessions.append(_Session(newest.boot + 1, time_ms, f_cnt, time_ms))
        del sessions[:-MAX_SESSIONS]
        return newest.boot + 1
