"""kill -9 of ingest during a backlog: the devices' ledger and the store agree afterwards."""

from __future__ import annotations

import json
import random
import sqlite3
import subprocess
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from kahriz.book import Book
from kahriz.book.devices import list_devices
from kahriz.observations import datastream_id
from kahriz.sites import load_registry
from kahriz.store.sqlite import SqliteStore
from tests import servers
from tests.e2e.processes import ROOT, House, wait_until
from tests.servers import Server

SEED = 20260501
KILLS = 6
DAYS = 40


def sim_counts(ledger: Path) -> tuple[int, int]:
    """Return (readings measured, readings the devices were told to free)."""
    try:
        with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True, timeout=10)) as db:
            sums = "SELECT count(*), coalesce(sum(app_acked), 0) FROM reading"
            n_measured, n_acked = db.execute(sums).fetchone()
    except sqlite3.OperationalError:  # the simulator has not made it yet
        return 0, 0
    return int(n_measured), int(n_acked)


def compare(folder: Path, ledger: Path) -> dict[str, int]:
    """Hold every reading of the devices against the store; return how many are how."""
    registry = load_registry(ROOT / "sites.example.toml")
    store = SqliteStore(f"sqlite:///{folder / 'observations.sqlite'}", "", read_only=True)
    stored: dict[str, dict[int, float]] = {}
    start, end = datetime(2000, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)
    for d in registry.datastreams:
        if d.sensor is not None:
            series = store.series(datastream_id(d.kahriz.id, d.site.id, d.measures), start, end)
            key = f"{d.sensor.device}/{d.sensor.channel}"
            times = series.time.astype(np.int64).tolist()
            stored[key] = dict(zip(times, series.value.tolist(), strict=True))
            assert len(stored[key]) == len(series), "no time twice"
    store.close()
    n = {"values": 0, "lost": 0, "altered": 0, "never_sent": 0}
    sent: dict[str, set[int]] = {key: set() for key in stored}
    with closing(sqlite3.connect(f"file:{ledger}?mode=ro", uri=True)) as db:
        for device, time_ms, values, acked, times_sent in db.execute(
            'SELECT device, time_ms, "values", app_acked, sent FROM reading'
        ):
            for channel, value in json.loads(values).items():
                key = f"{device}/{channel}"
                if times_sent:
                    sent[key].add(time_ms)
                if acked and value is not None:
                    n["values"] += 1
                    n["lost"] += time_ms not in stored[key]
                    n["altered"] += stored[key].get(time_ms, value) != pytest.approx(value)
    n["never_sent"] = sum(len(set(stored[key]) - sent[key]) for key in stored)
    return n


@pytest.mark.server
@pytest.mark.timeout(180)
def test_readings_acknowledged_to_devices_are_stored_though_ingest_was_killed_at_random(
    tmp_path: Path,
) -> None:
    """Nine devices deliver a backlog while ingest is killed again and again."""
    chance = random.Random(SEED)
    ledger = tmp_path / "sim" / "ledger.sqlite"
    config = "allow_anonymous true\nmax_inflight_messages 1000\nmax_queued_messages 100000\n"
    with servers.mosquitto(config, persistence=True) as broker:
        house = House(tmp_path, broker.port)
        arguments = ["run", "three_kahrizes", "--state", str(tmp_path / "sim")]
        arguments += ["--port", str(broker.port), "--history", str(DAYS), "--speed", "1"]
        with house.run("firmware_sim", *arguments):
            n_early = sum(_run_and_kill(house, ledger, chance) for _ in range(KILLS))
            with house.run("ingest"):
                house.wait_for_ingest()  # all may be acknowledged before it hears SIGTERM
                wait_until(lambda: _all_acked(ledger), "every reading is acknowledged", 90)
    measured, acked = sim_counts(ledger)
    found = compare(tmp_path, ledger)

    assert n_early >= KILLS // 2, "the kills fell into the backlog"
    assert measured >= 9 * DAYS * 288
    assert acked >= measured - 9, "but for what was measured while we looked"
    assert found["lost"] == found["altered"] == found["never_sent"] == 0, found
    _the_books_balance(tmp_path)


def _run_and_kill(house: House, ledger: Path, chance: random.Random) -> bool:
    """Let ingest make some progress, then kill -9 it; return whether there was more to do."""
    before = sim_counts(ledger)[1]
    process = house.start("ingest")
    wait_until(
        lambda: sim_counts(ledger)[1] > before or _all_acked(ledger),
        "ingest makes progress",
    )
    # The moment of the kill is what varies; there is nothing to wait for.
    with suppress(subprocess.TimeoutExpired):
        process.wait(chance.uniform(0.0, 0.4))
    process.kill()
    process.wait()
    return not _all_acked(ledger)


def _all_acked(ledger: Path) -> bool:
    measured, acked = sim_counts(ledger)
    return measured > 0 and acked >= measured - 9


def _the_books_balance(folder: Path) -> None:
    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    with book.begin() as connection:
        devices = list_devices(connection)
    book.close()

    assert len(devices) == 9
    assert all(d.lost == 0 and d.quarantined == 0 for d in devices)


@pytest.mark.server
def test_ingest_ends_cleanly_on_sigterm_under_load(mosquitto: Server, tmp_path: Path) -> None:
    house = House(tmp_path, mosquitto.port)
    arguments = ["run", "three_kahrizes", "--state", str(tmp_path / "sim")]
    arguments += ["--port", str(mosquitto.port), "--history", "10", "--speed", "1"]
    with house.run("firmware_sim", *arguments), house.run("ingest"):
        house.wait_for_ingest()
        wait_until(lambda: sim_counts(tmp_path / "sim" / "ledger.sqlite")[1] > 0, "load")
        # `run` has asserted exit 0 within 15 s.
    found = compare(tmp_path, tmp_path / "sim" / "ledger.sqlite")

    assert found["lost"] == found["altered"] == 0
    assert found["values"] > 0
