"""Let one fault after the other happen, and say at the end what became of every reading."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from tests.campaign.faults import Fault
from tests.campaign.oracle import Found
from tests.campaign.world import World
from tests.e2e.processes import wait_until

SHOWN_S = 5.0
"""A lasting fault is on /health within so long."""

RECOVERED_S = 30.0
"""After a fault's end everything measured by then is delivered within so long."""

MOST_MB = 250
MOST_HANDLES = 100
MOST_QUEUED = 8000
"""Messages in ingest's own memory: `mqtt.max_inflight`."""


@dataclass(slots=True)
class Campaign:
    """What happened, by fault, and how long the service took to say so and to be well again."""

    seed: int
    lasting_s: float = 0.0
    """A fault that is shown lasts up to so much longer."""
    n: Counter[str] = field(default_factory=Counter)
    shown_s: dict[str, float] = field(default_factory=dict)
    recovered_s: dict[str, float] = field(default_factory=dict)
    untrue: list[str] = field(default_factory=list)

    def run(self, world: World, faults: Iterable[Fault]) -> None:
        """Let each of `faults` happen and pass."""
        for fault in faults:
            wait_until(world.is_well, f"all is well before {fault.name}: {world.health()}", 30)
            self._happen(world, fault)
            world.look()

    def _happen(self, world: World, fault: Fault) -> None:
        self.n[fault.name] += 1
        began, wall_ms = time.monotonic(), time.time() * 1000
        fault.begin(world)
        try:
            if fault.shows is not None:
                self._await_shown(world, fault, began, wall_ms)
                world.pass_(world.chance.uniform(0, self.lasting_s))
        finally:
            fault.end(world)
        ended = time.monotonic()
        what = f"all is delivered after {fault.name} (seed {self.seed})"
        world.wait_for_all(RECOVERED_S)
        left = RECOVERED_S - (time.monotonic() - ended)
        wait_until(world.is_well, f"health after {fault.name}: {world.health()}; {what}", left)
        _note(self.recovered_s, fault.name, time.monotonic() - ended)

    def _await_shown(self, world: World, fault: Fault, began: float, wall_ms: float) -> None:
        """Wait until /health names what is wrong, at most for a while; note what it said."""
        part = fault.shows
        while (seconds := time.monotonic() - began) < 3 * SHOWN_S:
            said = world.health()
            if said is not None and said["status"] == "degraded" and f"{part}" in said["reason"]:
                if not wall_ms - 1000 <= said["since_ms"] <= time.time() * 1000 + 1:
                    self.untrue.append(f"{fault.name}: began at {wall_ms:.0f}, said {said}")
                break
            world.pass_(0.05)
        _note(self.shown_s, fault.name, seconds)
        if seconds > SHOWN_S:
            self.untrue.append(f"{fault.name}: not shown after {seconds:.1f} s")

    def table(self, world: World, found: Found) -> str:
        """Return the summary."""
        c = world.counts
        lines = [f"{'fault':<26} times  shown after  delivered after"]
        for name, n in sorted(self.n.items()):
            shown = f"{self.shown_s[name]:9.1f} s" if name in self.shown_s else " " * 10 + "-"
            lines.append(f"{name:<26} {n:5d}  {shown}  {self.recovered_s.get(name, -1):13.1f} s")
        lines += [f"not truthful: {said}" for said in self.untrue]
        most = [max(getattr(k, what) for k in world.looks) for what in ("mb", "handles", "queue")]
        lines.append(
            f"seed {self.seed}: {self.n.total()} faults, {world.kills} kills; {c.measured} readings"
            f" measured, {c.acked} acknowledged to devices; {found.values} values: lost"
            f" {found.lost}, altered {found.altered}, never sent {found.never_sent}, duplicated"
            f" {found.duplicated}; books {'balance' if not found.unbalanced else 'do not balance'};"
            f" ingest at most {most[0]:.0f} MB, {most[1]} handles, {most[2]} messages waiting"
        )
        return "\n".join(lines)

    def assert_truthful(self, table: str) -> None:
        """Hold what /health said against what happened."""
        assert self.untrue == [], f"{self.untrue}\n{table}"

    def assert_held(self, world: World, found: Found) -> None:
        """Hold the promises; call it when the world has settled."""
        table = self.table(world, found)
        sys.stderr.write(f"\n{table}\n")
        assert found.is_right, f"{found}\n{table}"
        self.assert_truthful(table)
        assert max(look.mb for look in world.looks) <= MOST_MB, table
        assert max(look.handles for look in world.looks) <= MOST_HANDLES, table
        assert max(look.queue for look in world.looks) <= MOST_QUEUED, table


def _note(most: dict[str, float], name: str, seconds: float) -> None:
    most[name] = max(most.get(name, 0.0), seconds)
