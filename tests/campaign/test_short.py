"""The short form of the campaign, with a fixed seed; `test_soak` is the long one."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests import servers
from tests.campaign.calm import calm_run, different, figures, fired, is_computed
from tests.campaign.device_faults import REPEATED, Repeats, Replay, of_devices
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
from tests.e2e.processes import wait_until

pytestmark = [pytest.mark.server, pytest.mark.timeout(240)]

SEED = 20260501
SPEED = 600
SLOWLY = 300
"""So fast that two hours without a reading, which are an alert, are longer than any recovery."""
HOUR_MS = 3_600_000
COLLAPSE = ("agh-dere", "blockage")
DAYS = 2
WEEKS_DAYS = 15


def test_killed_processes_lose_nothing_and_change_no_statistic_and_no_alert(
    tmp_path: Path,
) -> None:
    """Stones fall into the gallery at Agh Dere meanwhile; the alert is the one of a calm day."""
    campaign = Campaign(SEED)
    faults: list[Fault] = [KillIngestAt(step, 1 + i) for i, step in enumerate(STEPS)]
    faults += [KillIngest(), KillBroker(), WipeBroker(), FreezeIngest(), StopIngest()]
    faults += [Repeats(), Replay()]
    faulty, calm = tmp_path / "faulty", tmp_path / "calm"
    faulty.mkdir()
    calm.mkdir()
    with world(faulty, SEED, history_days=1, speed=SLOWLY) as w:
        w.chance.shuffle(faults)
        w.start_ingest()
        campaign.run(w, faults)
        wait_until(lambda: any(a[:2] == COLLAPSE for a in fired(faulty)), f"{fired(faulty)}", 30)
        now_ms = w.now_ms
        wait_until(lambda: is_computed(faulty, now_ms - HOUR_MS), "every hour is computed", 30)
    found = w.judge()
    alerts = fired(faulty)
    in_calm = calm_run(calm, w.readings(), alerts)
    one, other = (figures(folder, now_ms - HOUR_MS) for folder in (faulty, calm))

    campaign.assert_held(w, found)
    assert in_calm == alerts
    assert len(other) > 20 * 24
    assert different(one, other) == []


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
    with (
        servers.influxd() as server,
        InfluxFaults(f"{server.host}:{server.port}") as influx,
    ):
        faults: list[Fault] = [*proxied(), frozen(), Refused()]
        faults += [KillInflux(server), FreezeInflux(server)]
        with world(tmp_path, SEED, history_days=DAYS, speed=SPEED, influx=influx) as w:
            w.chance.shuffle(faults)
            w.start_ingest()
            campaign.run(w, faults)
        found = w.judge()

    campaign.assert_held(w, found)
