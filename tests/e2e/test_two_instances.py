"""Two ingest processes by mistake: one works, the other stands by, and nothing is lost."""

from __future__ import annotations

import signal
import sqlite3
import subprocess
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from kahriz.observations import DatastreamId
from kahriz.store.sqlite import SqliteStore
from tests.e2e.device import GOOD_TOPIC, NOW_MS, publisher, reading, said
from tests.e2e.processes import House, get, wait_until
from tests.servers import Server

pytestmark = pytest.mark.server

STAGE = DatastreamId("velibey.outlet.stage")


def health(house: House) -> dict[str, Any]:
    return get(f"http://127.0.0.1:{house.status_port}/health") or {}


def is_working(house: House) -> bool:
    return health(house).get("mqtt") == "connected"


def is_standing_by(house: House) -> bool:
    return health(house).get("status") == "standing by"


def values(folder: Path) -> Counter[float]:
    store = SqliteStore(f"sqlite:///{folder / 'observations.sqlite'}", read_only=True)
    series = store.series(STAGE, datetime(2020, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC))
    store.close()
    return Counter(series.value.tolist())


def counts(folder: Path) -> dict[str, int]:
    asked = "SELECT received, duplicate, quarantined, lost FROM device WHERE device = ?"
    with closing(sqlite3.connect(f"file:{folder / 'book.sqlite'}?mode=ro", uri=True)) as db:
        row = db.execute(asked, ["velibey-outlet"]).fetchone()
    return dict(zip(("received", "duplicate", "quarantined", "lost"), row, strict=True))


def stop_between_two_writes(process: subprocess.Popen[bytes], folder: Path) -> None:
    """Stop it, but not while it holds SQLite's lock: then nobody could write until it goes on."""
    files = [folder / "book.sqlite", folder / "observations.sqlite"]
    while True:
        process.send_signal(signal.SIGSTOP)
        if all(map(is_free, files)):
            return
        process.send_signal(signal.SIGCONT)
        # Stopped again at once, it would never get to the end of what it writes.
        wait_until(lambda: all(map(is_free, files)), "its write has ended")


def is_free(file: Path) -> bool:
    with closing(sqlite3.connect(file, timeout=1.0, isolation_level=None)) as db:
        try:
            db.execute("BEGIN IMMEDIATE")
        except sqlite3.OperationalError:
            return False
        db.execute("ROLLBACK")
        return True


class Device:
    """Publishes readings that all differ."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.sent: Counter[float] = Counter()

    def send(self, n: int) -> None:
        with publisher(self._port) as publish:
            for _ in range(n):
                seq = len(self.sent)
                value = round(0.1 + seq / 10_000, 4)
                publish(GOOD_TOPIC, reading(value, seq, NOW_MS - 3_600_000 + seq * 1000))
                self.sent[value] += 1


@contextmanager
def running(house: House) -> Iterator[subprocess.Popen[bytes]]:
    process = house.start("ingest")
    try:
        yield process
    finally:
        process.kill()
        process.wait()


@pytest.mark.alone
def test_the_second_stands_by_and_works_within_5_s_once_the_first_was_killed(
    tmp_path: Path, mosquitto: Server
) -> None:
    first, second = House(tmp_path, mosquitto.port), House(tmp_path, mosquitto.port)
    device = Device(mosquitto.port)
    with running(first) as one:
        wait_until(lambda: is_working(first), "the first works")
        with running(second) as other:
            wait_until(lambda: is_standing_by(second), "the second stands by")
            device.send(50)
            reason = health(second)["reason"]
            one.kill()
            one.wait()
            killed_at = time.monotonic()
            device.send(50)
            wait_until(lambda: is_working(second), "the second works", 5)
            took_s = time.monotonic() - killed_at
            device.send(50)
            wait_until(lambda: values(tmp_path) == device.sent, "everything is stored once")
            other.send_signal(signal.SIGTERM)

            assert other.wait(15) == 0, second.log("ingest")
    assert f"pid {one.pid} is at work since" in reason
    assert len(said(second, "ingest", "standing by")) == 1
    assert len(said(second, "ingest", "taking over")) == 1
    assert took_s < 5


@pytest.mark.alone
def test_told_to_end_who_stands_by_ends_at_once_and_who_works_hands_over(
    tmp_path: Path, mosquitto: Server
) -> None:
    first, second = House(tmp_path, mosquitto.port), House(tmp_path, mosquitto.port)
    with running(first) as one:
        wait_until(lambda: is_working(first), "the first works")
        with running(second) as other:
            wait_until(lambda: is_standing_by(second), "the second stands by")
            began = time.monotonic()
            other.send_signal(signal.SIGTERM)

            assert other.wait(5) == 0, second.log("ingest")
            assert time.monotonic() - began < 2
        with running(second):
            wait_until(lambda: is_standing_by(second), "the second stands by again")
            one.send_signal(signal.SIGTERM)
            assert one.wait(15) == 0, first.log("ingest")
            wait_until(lambda: is_working(second), "the second works", 5)
    assert "Traceback" not in first.log("ingest")


def test_one_that_was_stopped_for_a_while_stands_by_when_it_comes_back(
    tmp_path: Path, mosquitto: Server
) -> None:
    first, second = House(tmp_path, mosquitto.port), House(tmp_path, mosquitto.port)
    device = Device(mosquitto.port)
    with running(first) as one:
        wait_until(lambda: is_working(first), "the first works")
        with running(second):
            wait_until(lambda: is_standing_by(second), "the second stands by")
            device.send(30)
            stop_between_two_writes(one, tmp_path)
            device.send(30)
            wait_until(lambda: is_working(second), "the second works", 20)
            device.send(30)
            one.send_signal(signal.SIGCONT)
            wait_until(lambda: is_standing_by(first), "the first stands by")
            device.send(30)
            wait_until(lambda: is_working(second), "the second works on")
            wait_until(lambda: values(tmp_path) == device.sent, "everything is stored once")
            wait_until(lambda: is_standing_by(first), "the first stands by still")
    found = counts(tmp_path)
    assert found["lost"] == found["quarantined"] == 0
    assert found["received"] - found["duplicate"] == len(device.sent), "the books balance"
    assert "Traceback" not in first.log("ingest")
