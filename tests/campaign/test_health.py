"""Whether the API says in five seconds that ingest is gone, which cannot say it itself."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from tests.campaign.runner import SHOWN_S
from tests.campaign.world import world
from tests.e2e.processes import get, wait_until

pytestmark = [pytest.mark.server, pytest.mark.alone]

SEED = 20260501
SPEED = 600
DAYS = 0.1


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
def test_the_api_says_within_5_s_that_ingest_is_gone(tmp_path: Path, number: int) -> None:
    with world(tmp_path, SEED, history_days=DAYS, speed=SPEED) as w:
        w.start_ingest()
        w.wait_for_all(30)
        with w.house.run("api"):
            w.house.wait_for_api()
            url = f"{w.house.api}/health"
            wait_until(lambda: bool(get(url)["status"] == "ok"), "all is well", 10)
            os.kill(w.running.pid, number)
            try:
                wait_until(lambda: bool(get(url)["status"] == "degraded"), "said so", SHOWN_S)
            finally:
                os.kill(w.running.pid, signal.SIGCONT)
                if number == signal.SIGKILL:
                    w.running.wait()
                    w.start_ingest()
