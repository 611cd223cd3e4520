"""The long form: days of live water in minutes while one thing after the other is killed.

``make soak MINUTES=10`` runs it; the plain test run leaves it out. What it holds at the end is
what the short form (test_crash) holds: the devices' ledger and the store agree.
"""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests import servers
from tests.e2e.processes import House, wait_until
from tests.e2e.test_crash import compare, sim_counts
from tests.servers import Server

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
SEED = int(os.environ.get("SOAK_SEED", "0")) or random.SystemRandom().randrange(1, 10**6)
SPEED = 600
HISTORY_DAYS = 20
BEHIND = 60
MOST_MB = 250
MOST_HANDLES = 100

_BROKER = (
    "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 100000\n"
    "autosave_interval 5\n"
)


class _Trouble:
    """Ingest and broker, and what can happen to them."""

    def __init__(self, house: House, broker: Server, chance: random.Random) -> None:
        self._house = house
        self._broker = broker
        self._chance = chance
        self.ingest = house.start("ingest")
        self.most_mb = 0.0
        self.most_handles = 0

    def any(self) -> str:
        """Let one of them happen; return which."""
        happens: Callable[[], None] = self._chance.choice(
            [self.kill_ingest, self.kill_ingest, self.freeze_ingest, self.kill_broker, self.wipe]
        )
        happens()
        return happens.__name__

    def kill_ingest(self) -> None:
        """Kill it with -9, and start the next one at once."""
        self.ingest.kill()
        self.ingest.wait()
        self.ingest = self._house.start("ingest")

    def freeze_ingest(self) -> None:
        """Stop it in the middle of whatever it does, for some seconds."""
        self.ingest.send_signal(signal.SIGSTOP)
        self._pass(self._chance.uniform(1, 4))
        self.ingest.send_signal(signal.SIGCONT)

    def kill_broker(self) -> None:
        """Kill it with -9; what it had not saved is gone."""
        self._broker.kill()
        self._pass(self._chance.uniform(0, 3))
        self._broker.start()

    def wipe(self) -> None:
        """Bring the broker back without any session or message."""
        self._broker.kill()
        (self._broker.folder / "mosquitto.db").unlink(missing_ok=True)
        self._broker.start()

    def _pass(self, seconds: float) -> None:
        with suppress(subprocess.TimeoutExpired):
            self.ingest.wait(seconds)

    def look(self) -> None:
        """Note how much memory and how many handles ingest has by now."""
        process = Path(f"/proc/{self.ingest.pid}")
        status = (process / "status").read_text(encoding="utf-8")
        resident = next(line for line in status.splitlines() if line.startswith("VmRSS:"))
        self.most_mb = max(self.most_mb, int(resident.split()[1]) / 1024)
        self.most_handles = max(self.most_handles, len(list((process / "fd").iterdir())))

    def stop(self) -> None:
        """End ingest as an operator does; it has to end with 0."""
        self._house.wait_for_ingest()
        self.ingest.terminate()
        assert self.ingest.wait(20) == 0


@pytest.mark.soak
@pytest.mark.server
def test_nothing_acknowledged_is_lost_however_long_things_go_wrong(tmp_path: Path) -> None:
    chance = random.Random(SEED)
    ledger = tmp_path / "sim" / "ledger.sqlite"
    started = datetime.now(UTC)
    clock = {
        "KAHRIZ_CLOCK__SPEED": str(SPEED),
        "KAHRIZ_CLOCK__ORIGIN": (started - timedelta(minutes=MINUTES * SPEED * 2)).isoformat(),
        "KAHRIZ_CLOCK__STARTED": started.isoformat(),
    }
    with servers.mosquitto(_BROKER, persistence=True) as broker:
        house = House(tmp_path, broker.port, clock)
        arguments = ["run", "three_kahrizes", "--state", str(tmp_path / "sim")]
        arguments += ["--port", str(broker.port), "--history", str(HISTORY_DAYS)]
        with house.run("firmware_sim", *arguments):
            trouble = _Trouble(house, broker, chance)
            try:
                n_faults = _let_things_happen(trouble, ledger, chance)
                wait_until(lambda: _behind(ledger) <= BEHIND, "the devices have caught up", 120)
                trouble.stop()
            finally:
                trouble.ingest.kill()
                trouble.ingest.wait()
    found = compare(tmp_path, ledger)
    measured, acked = sim_counts(ledger)
    sys.stderr.write(
        f"\nsoak: seed {SEED}, {n_faults} faults in {MINUTES:g} min, {measured} readings, "
        f"{acked} acknowledged, ingest at most {trouble.most_mb:.0f} MB, {found}\n"
    )

    assert found["lost"] == found["altered"] == found["never_sent"] == 0, found
    assert trouble.most_mb <= MOST_MB
    assert trouble.most_handles <= MOST_HANDLES


def _let_things_happen(trouble: _Trouble, ledger: Path, chance: random.Random) -> int:
    """Return how many faults there were; after each, acknowledgements go on within 45 s."""
    end = time.monotonic() + MINUTES * 60
    n_faults = 0
    while time.monotonic() < end:
        trouble._pass(chance.uniform(0.2, 8))
        trouble.look()
        before = sim_counts(ledger)[1]
        what = trouble.any()
        n_faults += 1
        _await_progress(ledger, before, what)
    return n_faults


def _await_progress(ledger: Path, before: int, what: str) -> None:
    def is_going_on() -> bool:
        return sim_counts(ledger)[1] > before

    wait_until(is_going_on, f"readings are acknowledged again after {what} (seed {SEED})", 45)


def _behind(ledger: Path) -> int:
    measured, acked = sim_counts(ledger)
    return measured - acked if measured else sys.maxsize
