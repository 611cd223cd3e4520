"""The long form: days of live water in minutes while one thing after the other goes wrong.

``make soak MINUTES=10`` runs it, half of the time on each store; the plain test run leaves it
out. Chance is new each time; ``SOAK_SEED=...`` repeats what a summary names.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests import servers
from tests.campaign.device_faults import of_devices
from tests.campaign.faults import (
    Fault,
    FreezeIngest,
    KillBroker,
    KillIngest,
    KillIngestAt,
    StopIngest,
    WipeBroker,
)
from tests.campaign.influx_faults import InfluxFaults
from tests.campaign.ingest_at import STEPS
from tests.campaign.runner import Campaign
from tests.campaign.store_faults import FreezeInflux, KillInflux, Refused, frozen, proxied
from tests.campaign.world import world

pytestmark = [pytest.mark.soak, pytest.mark.server]

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
SEED = int(os.environ.get("SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SPEED = 600
DAYS = 20
LONGEST_S = 12.0
"""A fault that is on /health lasts at most so much longer."""


def of_processes(chance: random.Random) -> list[Fault]:
    """Return the faults of ingest and broker, the named steps at a batch by chance."""
    at = [KillIngestAt(step, chance.randint(1, 20)) for step in STEPS]
    return [KillIngest(), *at, FreezeIngest(), StopIngest(), KillBroker(), WipeBroker()]


def at_random(faults: Sequence[Fault], chance: random.Random, seconds: float) -> Iterator[Fault]:
    """Yield faults in any order until `seconds` have passed, each of them once before any twice."""
    end = time.monotonic() + seconds
    while True:
        for fault in chance.sample(list(faults), len(faults)):
            if time.monotonic() > end:
                return
            time.sleep(chance.uniform(0, 4))
            yield fault


@pytest.mark.parametrize("store", ["sqlite", "influx"])
def test_nothing_acknowledged_is_lost_however_long_things_go_wrong(
    tmp_path: Path, store: str
) -> None:
    campaign = Campaign(SEED, lasting_s=LONGEST_S)
    with ExitStack() as stack:
        influx, faults = None, [*of_processes(random.Random(SEED)), *of_devices()]
        if store == "influx":
            server = stack.enter_context(servers.influxd())
            influx = stack.enter_context(InfluxFaults(f"{server.host}:{server.port}"))
            faults += [*proxied(), frozen(), Refused(), KillInflux(server), FreezeInflux(server)]
        with world(tmp_path, SEED, history_days=DAYS, speed=SPEED, influx=influx) as w:
            w.start_ingest()
            campaign.run(w, at_random(faults, w.chance, MINUTES * 30))
        found = w.judge()

    campaign.assert_held(w, found)
