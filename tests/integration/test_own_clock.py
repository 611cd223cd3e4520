"""Ingest on a machine whose clock is wrong: nothing is taken, nothing is lost, /health says why."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.device import GOOD_TOPIC, publisher, reading, said, stages
from tests.e2e.processes import ROOT, House, get, wait_until
from tests.servers import Server

pytestmark = pytest.mark.server

# The machine's clock, as ingest sees it: so many seconds off as the file says at that moment.
_WITH_A_WRONG_CLOCK = """
import datetime, pathlib, sys, time
real, file = time.time, pathlib.Path(sys.argv[1])
time.time = lambda: real() + float(file.read_text())
from kahriz import settings
settings.system_clock = lambda: datetime.datetime.fromtimestamp(time.time(), datetime.UTC)
from ingest.__main__ import main
raise SystemExit(main())
"""


class Machine:
    """A house whose ingest reads its clock from a file."""

    def __init__(self, folder: Path, port: int) -> None:
        self.house = House(folder, port)
        self._file = folder / "seconds-off"
        self.set_clock(0)

    def set_clock(self, seconds_off: float) -> None:
        fresh = self._file.with_suffix(".new")
        fresh.write_text(str(seconds_off))
        fresh.rename(self._file)

    @contextmanager
    def ingest(self) -> Iterator[None]:
        with (self.house.folder / "ingest.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-c", _WITH_A_WRONG_CLOCK, str(self._file)],
                cwd=ROOT,
                env=self.house.environment,
                stdout=log,
                stderr=log,
            )
        try:
            self.house.wait_for_ingest()
            yield
            process.terminate()
            assert process.wait(15) == 0
        finally:
            process.kill()
            process.wait()

    def health(self) -> dict[str, Any]:
        return get(f"http://127.0.0.1:{self.house.status_port}/health") or {}

    def publish(self, *seqs: int) -> None:
        now_ms = int(time.time() * 1000)
        with publisher(self.house.mqtt_port) as publish:
            for seq in seqs:
                publish(GOOD_TOPIC, reading(0.1 + seq / 1000, seq, now_ms - 60_000 + seq))

    def wait_until_held(self, n: int, says: str) -> None:
        def is_held() -> bool:
            said = self.health()
            return says in said["reason"] and said["queue"] == n

        wait_until(is_held, f"{n} messages wait because {says}", 10)


@pytest.fixture
def machine(tmp_path: Path, mosquitto: Server) -> Machine:
    return Machine(tmp_path, mosquitto.port)


def test_started_in_1970_it_takes_nothing_until_the_clock_is_set(machine: Machine) -> None:
    machine.set_clock(-time.time() + 60)
    with machine.ingest(), machine.house.run("api"):
        machine.publish(0, 1, 2)
        machine.wait_until_held(3, "our clock says 1970-01-01T00:01")
        machine.set_clock(0)
        wait_until(lambda: len(stages(machine.house, "velibey.outlet.stage")) == 3, "stored")
        wait_until(lambda: machine.health()["status"] == "ok", "all is well")

    assert said(machine.house, "ingest", "dead letter") == []


def test_set_back_by_an_hour_it_waits_and_goes_on_when_that_is_undone(machine: Machine) -> None:
    with machine.ingest(), machine.house.run("api"):
        machine.publish(0)
        wait_until(lambda: len(stages(machine.house, "velibey.outlet.stage")) == 1, "stored")
        machine.set_clock(-3600)
        wait_until(lambda: "went back" in machine.health()["reason"], "it is seen", 5)
        machine.publish(1, 2)
        machine.wait_until_held(2, "our clock went back by 3600 s")
        machine.set_clock(0)
        wait_until(lambda: len(stages(machine.house, "velibey.outlet.stage")) == 3, "stored")

    assert said(machine.house, "ingest", "dead letter") == []


def test_started_before_its_own_last_sign_of_life_it_waits(machine: Machine) -> None:
    with machine.ingest():
        wait_until(lambda: machine.health()["status"] == "ok", "all is well")
    machine.set_clock(-86_400)
    with machine.ingest(), machine.house.run("api"):
        machine.publish(0)
        machine.wait_until_held(1, "ingest was at work at")
        machine.set_clock(0)
        wait_until(lambda: len(stages(machine.house, "velibey.outlet.stage")) == 1, "stored")

    assert said(machine.house, "ingest", "dead letter") == []
