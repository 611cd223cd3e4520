"""The short form of the campaign, with a fixed seed; `test_soak` is the long one."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests import servers
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
from tests.campaign.store_faults import KillInflux, Refused, proxied
from tests.campaign.world import world

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

SEED = 20260501
SPEED = 600
DAYS = 2


def test_processes_that_are_killed_lose_nothing(tmp_path: Path) -> None:
    campaign = Campaign(SEED)
    faults: list[Fault] = [
        KillIngest(),
        *(KillIngestAt(step, 1 + i) for i, step in enumerate(STEPS)),
    ]
    faults += [KillBroker(), WipeBroker(), FreezeIngest(), StopIngest()]
    with world(tmp_path, SEED, history_days=DAYS, speed=SPEED) as w:
        w.chance.shuffle(faults)
        w.start_ingest()
        campaign.run(w, faults)
    found = w.judge()
    sys.stderr.write("\n" + campaign.table(w, found) + "\n")

    campaign.assert_held(w, found)


def test_a_store_that_fails_in_every_way_loses_nothing(tmp_path: Path) -> None:
    campaign = Campaign(SEED)
    with servers.influxd() as server:
        influx = InfluxFaults(f"{server.host}:{server.port}")
        influx.listen()
        faults: list[Fault] = [*proxied(), Refused(), KillInflux(server)]
        with world(tmp_path, SEED, history_days=DAYS, speed=SPEED, influx=influx) as w:
            w.chance.shuffle(faults)
            w.start_ingest()
            campaign.run(w, faults)
        found = w.judge()
    sys.stderr.write("\n" + campaign.table(w, found) + "\n")

    campaign.assert_held(w, found)
