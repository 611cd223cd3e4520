"""Faults in the middle: how much is missing of what the broker had acknowledged to the devices.

A fleet publishes at an even rate. Either the consumer is killed (kill -9) and started again, some
times, at instants drawn from a seed; or InfluxDB is, once, and is away for seconds. The broker
lives, and keeps the session of whoever is away: what is missing at the end was acknowledged by the
consumer before it was durable.
"""

from __future__ import annotations

import random
import subprocess
import time
from collections.abc import Callable
from dataclasses import dataclass

from bench import consumers, nodered, rig
from bench.consumers import Consuming, Place, Start
from bench.intake import Intake, Load, go, publisher
from bench.result import Result, lost

_LOAD = Load("faults", 40_000, 1)
_PER_S = 4000
_KILLS = 3
_AWAY_S = 3.0


@dataclass(frozen=True, slots=True)
class Fault:
    """What is done to whom; without `is_store` the consumer is killed.

    After so many quiet seconds nothing more is expected: the tutorial writes once a second, and
    tries again some five seconds after a write that failed.
    """

    name: str
    what: str
    is_store: bool
    quiet_s: float


_CONSUMER = Fault(
    "acked_only_when_durable", f"killed {_KILLS} times at {_PER_S}/s", is_store=False, quiet_s=10.0
)
_STORE = Fault(
    "kept_when_store_dies", f"InfluxDB killed at {_PER_S}/s", is_store=True, quiet_s=20.0
)
_FAULTS = (_CONSUMER, _STORE)
_BESIDE_NODE_RED = "_vs_nodered"
NAMES = tuple(fault.name + suffix for fault in _FAULTS for suffix in ("", _BESIDE_NODE_RED))


def rows(
    intake: Intake,
    wanted: set[str],
    say: Callable[[str], None],
    node_red: nodered.NodeRed | None,
    seed: int = 1,
) -> list[Result]:
    """Do to ours, and to each peer that is here, the same at the same instants."""
    peers: dict[str, tuple[str, Start]] = {
        "": ("the tutorial with a session", consumers.tutorial("tutorial"))
    }
    if node_red is not None:
        peers[_BESIDE_NODE_RED] = ("Node-RED", consumers.node_red(node_red))
    results = []
    for fault in _FAULTS:
        chosen = {s: peer for s, peer in peers.items() if fault.name + s in wanted}
        if not chosen:
            continue
        ours: dict[str, Start] = {"ours into InfluxDB": consumers.ours_into_influx}
        if not fault.is_store:
            ours["ours into SQLite"] = consumers.ours_into_sqlite
        trial = _Trial(intake, fault, fault_instants(seed, _KILLS), say)
        mine = sum(trial.lost(who, start) for who, start in ours.items())
        for suffix, (who, start) in chosen.items():
            what = f"readings lost, {fault.what}: {', '.join(ours)}; beside {who}"
            theirs = trial.lost(who, start)
            results.append(lost(fault.name + suffix, what, mine, theirs, of=_LOAD.readings))
    return results


def fault_instants(seed: int, n: int) -> list[float]:
    """Return seconds after the first publish, one in each of `n` parts of the stream."""
    each = _LOAD.readings / _PER_S / n
    chance = random.Random(seed)
    return [each * (part + chance.uniform(0.2, 0.8)) for part in range(n)]


class _Trial:
    """One fault, done to one consumer after the other."""

    def __init__(
        self, intake: Intake, fault: Fault, instants: list[float], say: Callable[[str], None]
    ) -> None:
        self._intake = intake
        self._fault = fault
        self._instants = instants
        self._say = say

    def lost(self, who: str, start: Start) -> int:
        """Return how many readings are missing in the end."""
        with (
            self._intake.place(persistence=True) as place,
            publisher(_LOAD, place.broker.port, _PER_S) as fleet,
        ):
            suffer = self._lose_the_store if self._fault.is_store else self._be_killed
            stored = suffer(place, start, fleet)
        missing = _LOAD.readings - stored
        self._say(f"{self._fault.name} {who}: {missing:,} of {_LOAD.readings:,} readings lost")
        return missing

    def _be_killed(self, place: Place, start: Start, fleet: subprocess.Popen[str]) -> int:
        began = 0.0
        for instant in self._instants:
            with start(place) as consuming:
                began = began or go(fleet)
                _sleep_until(began + instant)
                consuming.kill()
        with start(place) as consuming:
            return self._stored(consuming, fleet)

    def _lose_the_store(self, place: Place, start: Start, fleet: subprocess.Popen[str]) -> int:
        with start(place) as consuming:
            _sleep_until(go(fleet) + self._instants[0])
            place.influxd.kill()
            time.sleep(_AWAY_S)
            place.influxd.start()
            return self._stored(consuming, fleet)

    def _stored(self, consuming: Consuming, fleet: subprocess.Popen[str]) -> int:
        rig.line(fleet)  # everything is acknowledged to the devices
        quiet_s = self._fault.quiet_s
        return rig.settled(lambda: consuming.stored(0), _LOAD.readings, quiet_s)


def _sleep_until(instant: float) -> None:
    time.sleep(max(0.0, instant - time.time()))
