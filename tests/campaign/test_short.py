"""The short form of the campaign, with a fixed seed; `test_soak` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import servers
from tests.campaign.device_faults import REPEATED, of_devices
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
WEEKS_DAYS = 15


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

    campaign.assert_held(w, found)


def test_what_devices_and_strangers_publish_amiss_changes_no_stored_value(tmp_path: Path) -> None:
    campaign = Campaign(SEED)
    with world(tmp_path, SEED, history_days=WEEKS_DAYS, speed=SPEED) as w:
        w.start_ingest()
        w.wait_for_all(60)
        campaign.run(w, of_devices())
    found = w.judge()
    n_repeated = sum(row.duplicate for row in w.device_rows().values())

    campaign.assert_held(w, found)
    assert n_repeated >= 4 * REPEATED + 2 * REPEATED, "each repeat was found to be one"


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

    campaign.assert_held(w, found)
