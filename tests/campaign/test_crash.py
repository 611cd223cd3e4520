"""kill -9 of ingest during a backlog: devices' ledger, store and book agree afterwards."""

from __future__ import annotations

import subprocess
from contextlib import suppress
from pathlib import Path

import pytest

from tests.campaign.world import World, world
from tests.e2e.processes import wait_until

SEED = 20260501
KILLS = 6
DAYS = 25

pytestmark = [pytest.mark.server, pytest.mark.timeout(180)]


def test_readings_acknowledged_to_devices_are_stored_though_ingest_was_killed_at_random(
    tmp_path: Path,
) -> None:
    """Nine devices deliver a backlog while ingest is killed again and again."""
    with world(tmp_path, SEED, history_days=DAYS) as w:
        n_early = sum(_run_and_kill(w) for _ in range(KILLS))
        w.start_ingest()
        w.wait_for_all(90)
    found = w.judge()

    assert n_early >= KILLS // 2, "the kills fell into the backlog"
    assert w.counts.measured >= 9 * DAYS * 288
    assert found.is_right, found
    assert found.values >= 2 * 9 * DAYS * 288


def _run_and_kill(world: World) -> bool:
    """Let ingest begin, then kill -9 it; return whether there was more to do."""
    world.start_ingest()
    world.house.wait_for_ingest()
    # The moment of the kill is what varies; there is nothing to wait for.
    with suppress(subprocess.TimeoutExpired):
        world.running.wait(world.chance.uniform(0.0, 0.3))
    world.kill_ingest()
    return world.counts.behind > 9


def test_ingest_ends_cleanly_on_sigterm_under_load_and_goes_on_where_it_was(
    tmp_path: Path,
) -> None:
    with world(tmp_path, SEED, history_days=40) as w:
        w.start_ingest()
        w.house.wait_for_ingest()
        wait_until(lambda: w.counts.acked > 0, "load")
        w.stop_ingest()
        behind = w.counts.behind
        w.start_ingest()
        w.wait_for_all(60)
    found = w.judge()

    assert behind > 0, "it was told to end in the midst of it"
    assert found.is_right, found
