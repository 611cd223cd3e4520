"""What stands around each device: power, signal, its clock, and what it measures when.

The world is a pure function of time, so what a device is going to measure is worked out for some
readings ahead: one reading alone costs a hundred times its share of many.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from firmware_sim.battery import Supply
from firmware_sim.buffer import Span
from firmware_sim.chance import Floats, TimesMs, key, uniform
from firmware_sim.passage import AT_ONCE, Leave
from firmware_sim.scenario import DeviceSpec
from firmware_sim.trouble.devices import Backlog, Boot, Clone, DeviceTrouble
from firmware_sim.world import World

_AHEAD = 64
"""Readings worked out at once."""


@dataclass(frozen=True, slots=True)
class Passed:
    """What happened to a device in a stretch of time."""

    time_ms: TimesMs
    """When it took a reading (n,)."""
    columns: Mapping[str, Floats]
    """What its sensors said (n,), a channel."""
    boots: Sequence[Boot] = ()
    next_ms: int = 2**63 - 1
    """When something may happen to it next."""


class Surroundings(Protocol):
    """What stands around the devices."""

    def passed(self, device: str, after_ms: int, now_ms: int, interval_ms: int) -> Passed:
        """Return what happens to the device in (after, now]."""
        ...

    def clock(self, device: str, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Return what the device's clock says (n,) at `time_ms` (n,)."""
        ...

    def has_signal(self, device: str, now_ms: int) -> bool:
        """Whether the device runs and reaches the broker."""
        ...

    def rows_poured(self, device: str, now_ms: int) -> int | None:
        """Return how it delivers what it gathers now: see `Backlog`; None: in order."""
        ...

    def leaves(self, device: str, span: Span, now_ms: int) -> Sequence[Leave]:
        """Return when the payload that holds `span` leaves the device."""
        ...


class Conditions:
    """The surroundings of every device of a scenario, and of every clone of one."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._specs = {name: spec for name, (_, spec) in world.scenario.devices().items()}
        self._troubles: dict[str, list[DeviceTrouble]] = {name: [] for name in self._specs}
        self.clones: dict[str, Clone] = {}
        for trouble in world.troubles:
            if isinstance(trouble, Clone):
                self.clones[trouble.unit] = trouble
            elif isinstance(trouble, DeviceTrouble):
                self._troubles[trouble.device].append(trouble)
        self._ahead: dict[str, _Ahead] = {}

    def _of(self, unit: str) -> Iterable[DeviceTrouble]:
        return self._troubles.get(unit, ())

    def _spec(self, unit: str) -> DeviceSpec:
        clone = self.clones.get(unit)
        return self._specs[unit if clone is None else clone.device]

    def _supply(self, unit: str) -> Supply | None:
        return self._world.supplies.get(unit)

    def passed(self, device: str, after_ms: int, now_ms: int, interval_ms: int) -> Passed:
        """Return what happens to `device` in (after, now], from what was worked out ahead."""
        ahead = self._ahead.get(device)
        if ahead is None or not ahead.holds(after_ms, interval_ms):
            ahead = self._work_out(device, after_ms, interval_ms)
        if now_ms <= ahead.until_ms:
            return ahead.between(after_ms, now_ms)
        whole = self._between(device, after_ms, now_ms, interval_ms)
        ahead = self._work_out(device, now_ms, interval_ms)
        return Passed(whole.time_ms, whole.columns, whole.boots, ahead.next_after(now_ms))

    def _work_out(self, unit: str, after_ms: int, interval_ms: int) -> _Ahead:
        # Of the same stretches for all, so that devices of a kahriz look at the same water.
        stretch = _AHEAD * interval_ms
        since = after_ms // stretch * stretch
        found = self._between(unit, since, since + stretch, interval_ms)
        ahead = self._ahead[unit] = _Ahead(since, since + stretch, interval_ms, found)
        return ahead

    def _between(self, unit: str, after_ms: int, until_ms: int, interval_ms: int) -> Passed:
        times = self._due(unit, after_ms, until_ms, interval_ms)
        columns = self._world.measure(self._spec(unit).id, times)
        does = self.measures(unit, times)
        kept = {name: values[does] for name, values in columns.items()}
        return Passed(times[does], kept, self._boots(unit, after_ms, until_ms))

    def _due(self, unit: str, after_ms: int, until_ms: int, interval_ms: int) -> TimesMs:
        """Return the instants (n,) in (after, until]: whole intervals since 1970, and jitter."""
        clone, spec = self.clones.get(unit), self._spec(unit)
        offset = 0 if clone is None else round(clone.offset_s * 1000) % interval_ms
        jitter_ms = min(round(spec.jitter_s * 1000), interval_ms)
        begin = ((after_ms - offset - jitter_ms) // interval_ms + 1) * interval_ms + offset
        times = np.arange(begin, until_ms + 1, interval_ms, dtype=np.int64)
        if jitter_ms:
            chance = key(self._world.seed, unit, "jitter")
            times = times + (uniform(chance, times) * jitter_ms).astype(np.int64)
        return times[(times > after_ms) & (times <= until_ms)]

    def _boots(self, unit: str, after_ms: int, until_ms: int) -> list[Boot]:
        """Return the starts in (after, until], in order; those without power are none."""
        found = [b for t in self._of(unit) for b in t.boots(after_ms, until_ms)]
        if (supply := self._supply(unit)) is not None:
            found += [Boot(at) for at in supply.boots_ms(after_ms, until_ms)]
        if clone := self.clones.get(unit):
            found += [Boot(clone.start_ms)] if after_ms < clone.start_ms <= until_ms else []
        # Two at the same instant are one, and it loses the memory if either does.
        by_instant = {
            b.at_ms: b for b in sorted(found, key=lambda b: (b.at_ms, not b.keeps_memory))
        }
        instants = np.array(sorted(by_instant), dtype=np.int64)
        on = self.is_powered(unit, instants)
        return [by_instant[int(at)] for at in instants[on]]

    def measures(self, device: str, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device measures at each instant (n,): it runs, and nothing keeps it from."""
        does = self.is_powered(device, time_ms)
        for trouble in self._of(device):
            does &= trouble.measures(time_ms)
        return does

    def is_powered(self, device: str, time_ms: TimesMs) -> NDArray[np.bool_]:
        """Whether the device runs at each instant (n,)."""
        on = np.ones(len(time_ms), dtype=bool)
        for trouble in self._of(device):
            on &= trouble.is_powered(time_ms)
        if (supply := self._supply(device)) is not None:
            on &= supply.is_on(time_ms)
        if clone := self.clones.get(device):
            on &= clone.is_on(time_ms)
        return on

    def has_signal(self, device: str, now_ms: int) -> bool:
        """Whether the device can reach the broker now."""
        if not self._troubles.get(device) and device in self._specs and not self._supply(device):
            return True
        at = np.array([now_ms], dtype=np.int64)
        reaches = all(bool(t.has_signal(at)[0]) for t in self._of(device))
        return reaches and bool(self.is_powered(device, at)[0])

    def clock(self, device: str, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Return what the device's clock says (n,)."""
        said = time_ms
        for trouble in self._of(device):
            said = trouble.change_clock(said, time_ms, booted_ms)
        return said

    def rows_poured(self, device: str, now_ms: int) -> int | None:
        """Return how it pours what it gathers now; None: it does not."""
        pours = (t.rows_poured(now_ms) for t in self._of(device) if isinstance(t, Backlog))
        return next((rows for rows in pours if rows is not None), None)

    def leaves(self, device: str, span: Span, now_ms: int) -> Sequence[Leave]:
        """Return when the payload that holds `span` leaves."""
        at_once: Sequence[Leave] = AT_ONCE
        return reduce(lambda ls, t: t.leaves(ls, span, now_ms), self._of(device), at_once)


class _Ahead:
    """What happens to one device in (since, until], worked out before it does."""

    def __init__(self, since_ms: int, until_ms: int, interval_ms: int, found: Passed) -> None:
        self._since_ms = since_ms
        self._interval_ms = interval_ms
        self._found = found
        self.until_ms = until_ms

    def holds(self, after_ms: int, interval_ms: int) -> bool:
        """Whether what comes after `after_ms` is in it."""
        return interval_ms == self._interval_ms and self._since_ms <= after_ms < self.until_ms

    def between(self, after_ms: int, now_ms: int) -> Passed:
        """Return the part in (after, now]."""
        times = self._found.time_ms
        first, last = np.searchsorted(times, (after_ms, now_ms), side="right").tolist()
        columns = {name: values[first:last] for name, values in self._found.columns.items()}
        boots = [b for b in self._found.boots if after_ms < b.at_ms <= now_ms]
        return Passed(times[first:last], columns, boots, self.next_after(now_ms))

    def next_after(self, now_ms: int) -> int:
        """Return when something happens next; at the latest its own end, to look further."""
        times = self._found.time_ms
        place = int(np.searchsorted(times, now_ms, side="right"))
        readings = [int(times[place])] if place < len(times) else []
        boots = [b.at_ms for b in self._found.boots if b.at_ms > now_ms]
        return min([*readings, *boots, max(self.until_ms, now_ms + 1)])
