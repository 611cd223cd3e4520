"""Killed in the middle: how much is missing of what the broker had acknowledged to the devices.

A fleet publishes at an even rate while the consumer is killed (kill -9) and started again, several
times, at instants drawn from a seed. The broker lives, and keeps the session of whoever is away:
what is missing at the end was acknowledged by the consumer before it was durable.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable

from bench import consumers, nodered, rig
from bench.consumers import Start
from bench.intake import Intake, Load, go, publisher
from bench.result import Result, lost

NAME, NAME_NODE_RED = "acked_only_when_durable", "acked_only_when_durable_vs_nodered"
NAMES = (NAME, NAME_NODE_RED)
_LOAD = Load("killed", 40_000, 1)
_PER_S = 4000
_KILLS = 3
# After its last restart the slowest peer, batches of a second, has written everything by then.
_QUIET_S = 10.0


def rows(
    intake: Intake,
    wanted: set[str],
    say: Callable[[str], None],
    node_red: nodered.NodeRed | None,
    seed: int = 1,
) -> list[Result]:
    """Kill ours on either store, and each peer that is here, at the same instants."""
    peers: dict[str, tuple[str, Start]] = {
        NAME: ("the tutorial with a session", consumers.tutorial("tutorial"))
    }
    if node_red is not None:
        peers[NAME_NODE_RED] = ("Node-RED", consumers.node_red(node_red))
    chosen = {name: peer for name, peer in peers.items() if name in wanted}
    if not chosen:
        return []
    instants = kill_instants(seed)
    ours: dict[str, Start] = {
        "ours, influx": consumers.ours_into_influx,
        "ours, sqlite": consumers.ours_into_sqlite,
    }
    mine = sum(_lost(intake, who, start, instants, say) for who, start in ours.items())
    results = []
    for name, (who, start) in chosen.items():
        what = f"readings lost, killed {_KILLS} times at {_PER_S}/s: ours on both stores, {who}"
        theirs = _lost(intake, who, start, instants, say)
        results.append(lost(name, what, mine, theirs, of=_LOAD.readings))
    return results


def kill_instants(seed: int) -> list[float]:
    """Return seconds after the first publish, one in each part of the stream."""
    each = _LOAD.readings / _PER_S / _KILLS
    chance = random.Random(seed)
    return [each * (n + chance.uniform(0.2, 0.8)) for n in range(_KILLS)]


def _lost(
    intake: Intake, who: str, start: Start, instants: list[float], say: Callable[[str], None]
) -> int:
    with (
        intake.place(persistence=True) as place,
        publisher(_LOAD, place.broker.port, _PER_S) as fleet,
    ):
        began = 0.0
        for instant in instants:
            with start(place) as consuming:
                began = began or go(fleet)
                time.sleep(max(0.0, began + instant - time.time()))
                consuming.kill()
        with start(place) as consuming:
            rig.line(fleet)  # everything is acknowledged to the devices
            stored = rig.settled(consuming.stored, _LOAD.readings, _QUIET_S)
    missing = _LOAD.readings - stored
    say(f"{_LOAD.name:8} {who:27} {missing:6,} of {_LOAD.readings:,} readings lost")
    return missing
