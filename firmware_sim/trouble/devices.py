"""Troubles of a whole device: what arrives late, twice or not at all says nothing of the water."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from firmware_sim.buffer import Span
from firmware_sim.chance import Floats, TimesMs, key, uniform
from firmware_sim.hydrology import HOUR_MS
from firmware_sim.passage import Leave
from firmware_sim.trouble import Trouble

_MINUTE_MS = 60_000


class Boot(NamedTuple):
    """A start of a device: when, and whether it still holds what it has not delivered."""

    at_ms: int
    keeps_memory: bool = True


class DeviceTrouble(Trouble):
    """What a device's trouble may act through; each hook is pure, and changes nothing here."""

    needs: ClassVar[str] = "device"

    def is_powered(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device runs at each instant (n,)."""
        return np.ones(len(time_ms), dtype=bool)

    def measures(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device, if it runs, takes a reading at each instant (n,) it ought to."""
        return np.ones(len(time_ms), dtype=bool)

    def has_signal(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device, if it runs, can reach the broker at each instant (n,)."""
        return np.ones(len(time_ms), dtype=bool)

    def sunshine(self, time_ms: TimesMs) -> Floats:
        """Return the part (n,) of the sun that reaches the device's panel."""
        return np.ones(len(time_ms))

    def boots(self, after_ms: int, until_ms: int) -> Sequence[Boot]:
        """Return the starts it causes in (after, until], in order."""
        return ()

    def change_clock(self, said_ms: TimesMs, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Return what the device's clock says (n,) at `time_ms` (n,), in place of `said_ms`.

        `booted_ms` is when the device started last, by the true time.
        """
        return said_ms

    def leaves(self, leaves: Sequence[Leave], span: Span, now_ms: int) -> Sequence[Leave]:
        """Return when the payload that holds `span` leaves, in place of `leaves`."""
        return leaves

    def _is_now(self, now_ms: int) -> bool:
        return self.start_ms <= now_ms < self.end_ms

    def _hits(self, span: Span) -> bool:
        """Whether chance, with `severity` as its share, hits this payload: the same each time."""
        chance = key(0, self.kind, self.device, str(self.at_h), str(span.boot))
        return bool(uniform(chance, np.array([span.first], np.int64))[0] < self.severity)


class Gap(DeviceTrouble):
    """The device runs and is connected but takes no readings: its numbers go on without a hole."""

    def measures(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Take none while it lasts."""
        return np.asarray(~self.is_on(time_ms))


class Silent(DeviceTrouble):
    """The device has no power: it measures nothing, a gap remains; afterwards it boots anew."""

    def is_powered(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Off while it lasts."""
        return np.asarray(~self.is_on(time_ms))

    def boots(self, after_ms: int, until_ms: int) -> Sequence[Boot]:
        """Start once the power is back."""
        return [Boot(self.end_ms)] if after_ms < self.end_ms <= until_ms else ()


class NoSignal(DeviceTrouble):
    """The device measures on but reaches no broker, or comes through in between only.

    `severity` is the part of the time it is out of reach, in spells of `spell_min`; 1, the
    default, is all of it. What it could not deliver it delivers in order afterwards.
    """

    severity: float = Field(1.0, gt=0, le=1)
    spell_min: float = Field(15.0, gt=0)

    def has_signal(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Out of reach in the spells that chance hits."""
        spell = time_ms // round(self.spell_min * _MINUTE_MS)
        chance = key(0, self.kind, self.device, str(self.at_h))
        return np.asarray(~(self.is_on(time_ms) & (uniform(chance, spell) < self.severity)))


class Backlog(DeviceTrouble):
    """No signal for hours or weeks; then the device pours out everything at once.

    A device in order has a few payloads on the way and waits. This one hands over all it holds
    without waiting, with `alone` each reading in a payload of its own.
    """

    alone: bool = False

    def has_signal(self, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Out of reach while it lasts."""
        return np.asarray(~self.is_on(time_ms))

    def rows_poured(self, now_ms: int) -> int | None:
        """Return how many readings a payload has when it pours, 0 for all that fit; None: never."""
        return int(self.alone) if self._is_now(now_ms) else None


class Reboot(DeviceTrouble):
    """The device starts anew, once or `every_h` hours until the end: numbers begin at 0 again.

    What it had not delivered it still has (``unsent = "kept"``: flash), or not (``"lost"``: RAM).
    """

    every_h: float | None = Field(None, ge=0.01)
    unsent: Literal["kept", "lost"] = "kept"

    def boots(self, after_ms: int, until_ms: int) -> Sequence[Boot]:
        """Start at the onset, and again and again."""
        step = (
            self.end_ms - self.start_ms if self.every_h is None else round(self.every_h * HOUR_MS)
        )
        first = max(-(-(after_ms + 1 - self.start_ms) // step), 0)
        instants = range(self.start_ms + first * step, min(until_ms + 1, self.end_ms), step)
        return [Boot(at, self.unsent == "kept") for at in instants]


class NoSun(DeviceTrouble):
    """Snow, dust or a branch on the panel: `severity` is the part of the light it takes.

    It acts on a device whose ``battery`` is modelled: that one empties, dies, and comes back.
    """

    severity: float = Field(1.0, gt=0, le=1)

    def sunshine(self, time_ms: TimesMs) -> Floats:
        """Take the light while it lasts."""
        return np.where(self.is_on(time_ms), 1.0 - self.severity, 1.0)


class Duplicates(DeviceTrouble):
    """Firmware loses its place: it sends payloads again, `times` each, that were acknowledged.

    `severity` is the share of the payloads; the same bytes go again `after_min` later at the
    earliest, and not before their readings are acknowledged.
    """

    severity: float = Field(1.0, gt=0, le=1)
    times: int = Field(1, ge=1, le=100)
    after_min: float = Field(10.0, ge=0)

    def leaves(self, leaves: Sequence[Leave], span: Span, now_ms: int) -> Sequence[Leave]:
        """Let it leave again."""
        if not (self._is_now(now_ms) and self._hits(span)):
            return leaves
        wait_ms = max(round(self.after_min * _MINUTE_MS), 1)
        return [*leaves, *(Leave(wait_ms * n, is_repeat=True) for n in range(1, self.times + 1))]


class Reordering(DeviceTrouble):
    """Payloads overtake one another: some wait `late_min` in the modem while later ones go.

    `severity` is the share of the payloads that wait.
    """

    severity: float = Field(0.3, gt=0, le=1)
    late_min: float = Field(15.0, gt=0)

    def leaves(self, leaves: Sequence[Leave], span: Span, now_ms: int) -> Sequence[Leave]:
        """Let it wait."""
        if not (self._is_now(now_ms) and self._hits(span)):
            return leaves
        late_ms = round(self.late_min * _MINUTE_MS)
        return [Leave(leave.after_ms + late_ms, leave.is_repeat) for leave in leaves]


class Clone(DeviceTrouble):
    """A second device of the same id: it measures the same water, `offset_s` later, and sends too.

    The broker lets one of the two in at a time, so they throw each other out and come again. The
    clone cannot know the other's count of starts: its own begins behind `boot`.
    """

    offset_s: float = Field(30.0, gt=0)
    boot: int = Field(1_000_000, ge=0, le=4_000_000_000)

    @property
    def unit(self) -> str:
        """What the ledger calls the clone."""
        return f"{self.device}~clone"
