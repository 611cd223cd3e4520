"""A store that was lost or changed is found, and made anew from what came; and so is the rest."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import delete, update

from ingest.allowance import Allowance
from ingest.clocks import keep_in, recall_from
from ingest.history import History
from ingest.judge import Assessor
from ingest.lease import Lease
from ingest.metrics import Health, Metrics
from ingest.pipeline import Pipeline
from ingest.replay import gatherer_of, incoming, take_lease
from ingest.restate import Restating
from kahriz import cli
from kahriz.book import Book, checkpoints, days, dead_letters, devices, ledger
from kahriz.book import audit as audit_log
from kahriz.book.lease import Holder
from kahriz.book.tables import device_day, received_range
from kahriz.book.tables import lease as lease_table
from kahriz.clock import to_ms
from kahriz.intake_log import IntakeLog, Record, read
from kahriz.observations import DatastreamId, ObservationBatch, Quality, Series
from kahriz.quality.flagger import Flagger
from kahriz.quality.limits import limits_of
from kahriz.settings import IngestSettings
from kahriz.sites import Registry, load_registry
from kahriz.store.sqlite import SqliteStore
from tests.e2e.test_lorawan import SITES as LORAWAN
from tests.fakes import FakeBroker, FakeClock
from tests.uplinks import frame, topic

EXAMPLE = Path(__file__).parents[2] / "sites.example.toml"
NOW = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
DEVICE = "agh-dere-outlet"
UP = f"kahriz/v1/{DEVICE}/up"
STAGE = DatastreamId("agh-dere.outlet.stage")
DISCHARGE = DatastreamId("agh-dere.outlet.discharge")
LONG_AGO, LATER = NOW - timedelta(days=4000), NOW + timedelta(days=1)

Run = Callable[..., tuple[int, str, str]]


class Ingest:
    """Ingest without a broker, over the files a command line will look at."""

    def __init__(self, folder: Path, sites: Path = EXAMPLE) -> None:
        self.folder = folder
        self.registry = load_registry(sites)
        self.clock = FakeClock(NOW - timedelta(hours=5))

    def take(self, *batches: Sequence[tuple[str, bytes]], registry: Registry | None = None) -> None:
        """Start, take each batch a minute after the one before, stop."""
        registry = registry or self.registry
        store, book = self.store(), self.book()
        limits = limits_of(registry)
        log = IntakeLog(self.folder / "intake", timedelta(hours=48), 2**30)
        gatherer = gatherer_of(registry, IngestSettings(), keep_in(book))
        recall_from(book, gatherer.clocks)
        with book.read() as connection:
            gatherer.one_by_one.lorawan.restore(devices.list_devices(connection))
        pipeline = Pipeline(
            gatherer,
            Assessor(registry, Flagger(limits, History(registry, store, limits))),
            store,
            book,
            FakeBroker(),
            self.clock,
            Metrics(),
            Health(),
            Allowance(rate=1, burst=1000),
            intake_log=log,
        )
        self.restate(registry, store, book)
        for batch in batches:
            self.clock.advance(timedelta(minutes=1))
            pipeline.process([incoming(topic, payload) for topic, payload in batch])
        log.close()
        store.close()
        book.close()

    def restate(self, registry: Registry, store: SqliteStore, book: Book, steps: int = 99) -> None:
        """Derive discharge again where its rating changed, as a start of ingest does."""
        restating = Restating(registry, store, book)
        while steps and restating.step(self.clock()):
            steps -= 1

    def store(self) -> SqliteStore:
        return SqliteStore(f"sqlite:///{self.folder}/observations.sqlite")

    def book(self) -> Book:
        book = Book(f"sqlite:///{self.folder}/book.sqlite")
        book.migrate()
        return book

    def series(self) -> dict[DatastreamId, Series]:
        store = self.store()
        try:
            return {d.id: store.series(d.id, LONG_AGO, LATER) for d in self.registry.datastreams}
        finally:
            store.close()

    def lose_store(self) -> None:
        for path in self.folder.glob("observations.sqlite*"):
            path.unlink()

    def rewrite_store(self, change: Callable[[Series], Series]) -> None:
        """Make a store that holds what this one does, but for a change to the stage."""
        kept = self.series()
        self.lose_store()
        store = self.store()
        for name, series in kept.items():
            part = change(series) if name == STAGE else series
            stream = np.zeros(len(part), np.int32)
            store.write(ObservationBatch((name,), stream, part.time, part.value, part.quality))
        store.close()

    def counts(self) -> tuple[Any, Any]:
        """Return what the books say: the days, and the devices."""
        book = self.book()
        with book.read() as connection:
            said = days.days(connection), devices.list_devices(connection)
        book.close()
        return said


def message(
    seq: int, n: int = 1, *, minutes_ago: float = 600, **channels: Any
) -> tuple[str, bytes]:
    start = to_ms(NOW - timedelta(minutes=minutes_ago))
    said = channels or {"stage_m": 0.1}
    r = [[start + (seq + i) * 60_000, {**said, "battery_v": 12.0 + i}] for i in range(n)]
    return UP, json.dumps({"boot": 3, "seq": seq, "r": r}).encode()


def stamp(seq: int) -> str:
    return f"{NOW - timedelta(minutes=600) + timedelta(minutes=seq):%Y-%m-%dT%H:%M:%SZ}"


@pytest.fixture
def ingest(tmp_path: Path) -> Ingest:
    ingest = Ingest(tmp_path)
    ingest.take(
        [message(0, 5), message(5, 5)],
        [message(5, 5), (UP, b"poison"), ("kahriz/v1/stranger/up", message(1)[1])],
        [message(20, 10), message(40, 1, minutes_ago=60 * 24 * 40)],
        [message(12, 1, stage_cm=10)],
        [(UP, b'[{"bt":1795580000,"n":"stage","u":"m","v":0.2}]')],
    )
    return ingest


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command at `NOW`; gives exit code, standard output and standard error."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAHRIZ_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAHRIZ_SITES", str(EXAMPLE))
    monkeypatch.setenv("KAHRIZ_CLOCK__ORIGIN", NOW.isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__STARTED", datetime.now(UTC).isoformat())
    monkeypatch.setenv("COLUMNS", "160")
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    root.handlers[:] = handlers
    root.setLevel(level)


def findings(out: str) -> list[str]:
    parts = ("files: ", "days: ", "intake: ", "ledger: ", "store: ")
    return [line for line in out.splitlines() if line.startswith(parts)]


def test_where_everything_is_as_it_came_nothing_is_found(ingest: Ingest, run: Run) -> None:
    code, out, _ = run("audit")

    assert (code, findings(out)) == (0, []), out
    assert "9 messages" in out
    assert f"{DEVICE}: 22 of 41, 19 pending" in out


def test_a_lost_store_is_named_made_anew_and_as_it_was(ingest: Ingest, run: Run) -> None:
    before, counts = ingest.series(), ingest.counts()
    ingest.lose_store()
    code, out, _ = run("audit")
    assert code == 1
    assert findings(out)[0] == f"files: store {ingest.folder}/observations.sqlite: no such file"

    code, out, err = run("replay", "--since", "2026-11-25T00:00Z")
    assert code == 0, err
    assert out.startswith("30 readings taken in again; of 3 messages something could not be used")

    assert run("audit")[0] == 0
    after = ingest.series()
    assert sum(len(series) for series in before.values()) > 60
    for name, series in before.items():
        assert series.time.tolist() == after[name].time.tolist()
        assert series.value.tolist() == after[name].value.tolist()
        assert series.quality.tolist() == after[name].quality.tolist()
    assert ingest.counts() == counts, "what came is not counted twice"


def test_what_came_while_the_clock_ran_ahead_is_taken_in_again_too(
    ingest: Ingest, run: Run
) -> None:
    ingest.clock.now = NOW + timedelta(days=1)
    ingest.take([message(60)])
    before = ingest.series()
    ingest.lose_store()

    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    assert ingest.series()[STAGE].time.tolist() == before[STAGE].time.tolist()


def test_where_several_share_the_load_others_may_have_what_we_have_not(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = ingest.book()
    with book.begin() as connection:
        connection.execute(
            update(received_range).where(received_range.c.first_seq == 20).values(last_seq=32)
        )
    book.close()
    ingest.rewrite_store(without_row(1 + 3))
    monkeypatch.setenv("KAHRIZ_MQTT__SHARED_GROUP", "two")
    code, out, _ = run("audit")

    assert code == 1, "what came here has to be there all the same"
    assert findings(out) == [f"store: {STAGE} {stamp(3)} 0.1 came, and is not stored"]


def test_a_device_that_gives_no_numbers_is_held_to_its_values(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(LORAWAN, encoding="utf-8")
    monkeypatch.setenv("KAHRIZ_SITES", str(sites))
    ingest = Ingest(tmp_path, sites)
    start_ms = to_ms(NOW - timedelta(hours=6))
    sessions = [(5, 0), (6, 60), (9, 240), (0, 1800), (1, 1860)]
    frames = [(topic(), frame(f_cnt, start_ms + 1000 * s)) for f_cnt, s in sessions]
    ingest.take(frames[:3], frames[3:], [frames[0]])
    before = ingest.series()
    assert run("audit")[:1] == (0,)

    ingest.lose_store()
    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    assert run("audit")[0] == 0
    assert ingest.series()[STAGE].value.tolist() == before[STAGE].value.tolist() == [0.127] * 5
    ingest.rewrite_store(without_row(3))
    assert len(findings(run("audit")[1])) == 1


@pytest.mark.parametrize("is_book_lost", [False, True])
def test_a_replay_makes_no_holes_in_the_count_of_a_device_that_gives_no_numbers(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch, is_book_lost: bool
) -> None:
    sites = tmp_path / "sites.toml"
    sites.write_text(LORAWAN, encoding="utf-8")
    monkeypatch.setenv("KAHRIZ_SITES", str(sites))
    ingest = Ingest(tmp_path, sites)
    start_ms = to_ms(NOW - timedelta(hours=6))
    sessions = [(50, 0), (51, 60), (9, 240), (10, 300), (0, 1800), (1, 1860)]
    frames = [(topic(), frame(f_cnt, start_ms + 1000 * s)) for f_cnt, s in sessions]
    ingest.take(frames[:3], frames[3:])
    if is_book_lost:
        for path in ingest.folder.glob("book.sqlite*"):
            path.unlink()
    ingest.lose_store()
    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    book = ingest.book()
    with book.read() as connection:
        gaps = ledger.gaps(connection)
    book.close()

    assert [(gap.boot, gap.first, gap.last) for gap in gaps] == [(1, 50, 51), (2, 9, 10), (3, 0, 1)]
    assert [(gap.received, gap.lost, gap.pending) for gap in gaps] == [(2, 0, 0)] * 3
    assert len(ingest.series()[STAGE]) == 6


def unset_clock(seq: int, uptime_s: int, boot: int = 9) -> tuple[str, bytes]:
    """Return a reading of a device whose clock began at 1970 when it started."""
    r = [[uptime_s * 1000, {"stage_m": 0.2 + seq / 1000}]]
    said = {"boot": boot, "seq": seq, "uptime_ms": uptime_s * 1000, "r": r}
    return UP, json.dumps(said).encode()


def test_a_clock_that_was_corrected_is_corrected_alike_by_audit_and_replay(
    ingest: Ingest, run: Run
) -> None:
    ingest.take(
        [unset_clock(0, 600)],
        [unset_clock(1, 660), unset_clock(2, 670)],
        [unset_clock(0, 600)],
        [unset_clock(0, 30, boot=10)],
    )
    before = ingest.series()[STAGE]
    assert (before.value >= 0.2).sum() >= 3, "they were believed, by the uptime"
    assert findings(run("audit")[1]) == []

    ingest.lose_store()
    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    assert findings(run("audit")[1]) == []
    after = ingest.series()[STAGE]
    assert after.time.tolist() == before.time.tolist()
    assert after.value.tolist() == before.value.tolist()


def test_a_backlog_of_a_device_without_a_date_is_found_whole_and_made_anew_at_its_times(
    tmp_path: Path, run: Run
) -> None:
    def since_boot(first: int, n: int, uptime_min: int) -> tuple[str, bytes]:
        # A reading a minute, by a clock that began at 1970 with the device.
        r = [
            [(1 + seq) * 60_000, {"stage_m": (1000 + seq) / 10_000}]
            for seq in range(first, first + n)
        ]
        said = {"boot": 9, "seq": first, "oldest": 0, "uptime_ms": uptime_min * 60_000, "r": r}
        return UP, json.dumps(said).encode()

    ingest = Ingest(tmp_path)
    # Up for ten hours without signal; then it sends what it kept, and goes on measuring.
    began = ingest.clock() + timedelta(minutes=1, hours=-10)
    backlog = [since_boot(first, 100, 600) for first in range(0, 600, 100)]
    ingest.take(backlog[:2], [*backlog[2:], since_boot(600, 1, 601)], [since_boot(601, 1, 602)])
    ingest.take([backlog[1], since_boot(602, 1, 603)], [since_boot(602, 1, 603)])  # again, anew
    before, counts = ingest.series(), ingest.counts()

    since_start = before[STAGE].time - np.datetime64(began.replace(tzinfo=None))
    minutes = (since_start / np.timedelta64(1, "m")).tolist()
    assert before[STAGE].value.tolist() == [(1000 + seq) / 10_000 for seq in range(603)]
    assert minutes == list(range(1, 604)), "each at the minute it was measured"
    assert set(before[STAGE].quality.tolist()) == {Quality.SUSPECT}
    code, out, _ = run("audit")
    assert (code, findings(out)) == (0, []), out

    ingest.lose_store()
    code, out, err = run("replay", "--since", "2026-11-25T00:00Z")
    assert (code, out.split(";")[0]) == (0, "704 readings taken in again"), err
    code, out, _ = run("audit")
    assert (code, findings(out)) == (0, []), out
    after = ingest.series()
    for name, series in before.items():
        assert series.time.tolist() == after[name].time.tolist()
        assert series.value.tolist() == after[name].value.tolist()
        assert series.quality.tolist() == after[name].quality.tolist()
    assert ingest.counts() == counts


def test_a_clock_that_ingest_could_not_judge_is_not_judged_by_audit_or_replay_either(
    tmp_path: Path, run: Run
) -> None:
    ingest = Ingest(tmp_path)
    start_ms = to_ms(ingest.clock())

    def losing(seq: int) -> tuple[str, bytes]:
        # From the eleventh minute on the clock loses twenty seconds a minute.
        said_ms = start_ms + 60_000 * seq - 20_000 * max(0, seq - 10)
        r = [[said_ms, {"stage_m": 0.1 + seq / 1000}]]
        said = {"boot": 5, "seq": seq, "oldest": 1, "uptime_ms": 60_000 * seq, "r": r}
        return UP, json.dumps(said).encode()

    # Started anew in between, it has lost the pace by which a clock that falls behind is found.
    ingest.take(*[[losing(seq)] for seq in range(1, 15)])
    ingest.take(*[[losing(seq)] for seq in range(15, 30)])
    before = ingest.series()[STAGE]
    assert len(before) == 29
    code, out, _ = run("audit")
    assert (code, findings(out)) == (0, []), out

    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    after = ingest.series()[STAGE]
    assert after.time.tolist() == before.time.tolist(), "none is there under two times"
    assert after.value.tolist() == before.value.tolist()


def test_replaying_what_is_there_changes_nothing(ingest: Ingest, run: Run) -> None:
    before, counts = ingest.series(), ingest.counts()
    code, _, _ = run("replay", "--since", "2026-11-25T00:00Z")

    assert code == 0
    assert ingest.counts() == counts
    assert [s.value.tolist() for s in ingest.series().values()] == [
        s.value.tolist() for s in before.values()
    ]


def test_a_lost_book_gets_its_ledger_and_letters_back_and_no_counts(
    ingest: Ingest, run: Run
) -> None:
    for path in ingest.folder.glob("book.sqlite*"):
        path.unlink()
    code, out, _ = run("audit")
    assert (code, findings(out)) == (1, [f"files: book {ingest.folder}/book.sqlite: no such file"])
    assert not list(ingest.folder.glob("book.sqlite*")), "an audit makes nothing"

    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    code, out, _ = run("audit")
    assert (code, findings(out)) == (0, [])
    assert f"{DEVICE}: 22 of 41, 19 pending" in out
    assert ingest.counts()[0] == []


def without_row(at: int) -> Callable[[Series], Series]:
    def change(series: Series) -> Series:
        keep = np.arange(len(series)) != at
        return Series(
            series.datastream, series.time[keep], series.value[keep], series.quality[keep]
        )

    return change


def test_one_row_that_is_gone_is_found(ingest: Ingest, run: Run) -> None:
    ingest.rewrite_store(without_row(1 + 3))  # the first is forty days old
    code, out, _ = run("audit")

    assert code == 1
    assert findings(out) == [f"store: {STAGE} {stamp(3)} 0.1 came, and is not stored"]


def test_a_row_older_than_the_window_that_is_gone_is_found(ingest: Ingest, run: Run) -> None:
    ingest.rewrite_store(without_row(0))
    code, out, _ = run("audit")

    assert code == 1
    assert len(findings(out)) == 1
    assert findings(out)[0].startswith(f"store: {STAGE} 2026-10-16T12:40:00Z 0.1 came, and is not")


def test_one_value_that_was_changed_is_found(ingest: Ingest, run: Run) -> None:
    def change(series: Series) -> Series:
        value = series.value.copy()
        value[1 + 3] = 0.5
        return Series(series.datastream, series.time, value, series.quality)

    ingest.rewrite_store(change)
    code, out, _ = run("audit")

    came = f"{0.1:.17g}"
    assert code == 1
    assert findings(out) == [f"store: {STAGE} {stamp(3)} 0.5 is stored, and {came} came"]


def test_a_row_that_nobody_sent_is_found(ingest: Ingest, run: Run) -> None:
    store = ingest.store()
    at = np.array([NOW.replace(tzinfo=None) - timedelta(minutes=30)], "datetime64[ms]")
    one = ObservationBatch((STAGE,), np.zeros(1, np.int32), at, np.array([0.7]), np.ones(1, "u1"))
    store.write(one)
    store.close()
    code, out, _ = run("audit")

    assert code == 1
    assert findings(out) == [
        f"store: {STAGE} 2026-11-25T11:30:00Z 0.7 is stored, and nobody sent it"
    ]


def test_a_row_of_the_ledger_that_is_gone_is_found(ingest: Ingest, run: Run) -> None:
    book = ingest.book()
    with book.begin() as connection:
        connection.execute(delete(received_range).where(received_range.c.first_seq == 20))
    book.close()
    code, out, _ = run("audit")

    assert code == 1
    assert findings(out) == [
        f"ledger: {DEVICE} boot 3 seq 20 to 29 came, and the ledger does not have it"
    ]


def test_numbers_the_ledger_made_up_are_found(ingest: Ingest, run: Run) -> None:
    book = ingest.book()
    with book.begin() as connection:
        connection.execute(
            update(received_range).where(received_range.c.first_seq == 20).values(last_seq=32)
        )
    book.close()
    code, out, _ = run("audit")

    assert code == 1
    assert findings(out) == [f"ledger: {DEVICE} boot 3 seq 30 to 32 never came, by the raw intake"]


def test_books_that_do_not_balance_are_found(ingest: Ingest, run: Run) -> None:
    book = ingest.book()
    with book.begin() as connection:
        own = device_day.c.device == DEVICE
        connection.execute(update(device_day).where(own).values(stored=device_day.c.stored - 2))
    book.close()
    code, out, _ = run("audit")

    assert code == 1
    assert findings(out) == [f"days: {DEVICE} 2026-11-25: 2 of 29 readings have no fate"]


def test_a_damaged_frame_is_found_and_said_by_a_replay_too(ingest: Ingest, run: Run) -> None:
    (path,) = (ingest.folder / "intake").glob("*.kzi")
    raw = bytearray(path.read_bytes())
    raw[60] ^= 1
    path.write_bytes(raw)
    code, out, _ = run("audit")

    assert code == 1
    assert [line[:40] for line in findings(out)] == [f"intake: damaged: {path.name}"[:40]]
    code, _, err = run("replay", "--since", "2026-11-25T00:00Z")
    assert code == 1
    assert f"damaged, stepped over: {path.name}: byte 9" in err


def test_a_damaged_database_is_found(ingest: Ingest, run: Run) -> None:
    path = ingest.folder / "observations.sqlite"
    raw = bytearray(path.read_bytes())
    for page in range(4096, len(raw), 4096):  # the beginning of each, but of the first
        raw[page : page + 104] = bytes(104)
    path.write_bytes(raw)
    code, out, _ = run("audit")

    assert code == 1
    assert any(line.startswith(f"files: store {path}: ") for line in findings(out))


@pytest.mark.parametrize("table", ["unsealed", "sealed"])
def test_a_flipped_bit_that_the_database_itself_does_not_see_is_found(
    ingest: Ingest, run: Run, table: str
) -> None:
    path = ingest.folder / "observations.sqlite"
    if table == "sealed":
        store = SqliteStore(f"sqlite:///{path}")
        while store.tidy(NOW + timedelta(days=2)):
            pass
        store.close()
    with closing(sqlite3.connect(path)) as database, database:
        (data,) = database.execute(f"SELECT data FROM {table} LIMIT 1").fetchone()
        flipped = bytes([data[0] ^ 1]) + data[1:]
        database.execute(f"UPDATE {table} SET data = ? WHERE data = ?", (flipped, data))
    code, out, _ = run("audit")

    assert code == 1
    assert any(line.startswith(f"files: store {path}: ") for line in findings(out))


def test_what_has_just_come_may_be_on_its_way(ingest: Ingest, run: Run) -> None:
    log = IntakeLog(ingest.folder / "intake", timedelta(hours=48), 2**30)
    topic, payload = message(30)
    log.append(to_ms(NOW - timedelta(seconds=20)), [topic], [payload])
    log.close()

    assert run("audit")[0] == 0
    code, out, _ = run("audit", "--settle-s", "1")
    assert code == 1
    assert findings(out) == [
        f"ledger: {DEVICE} boot 3 seq 30 came, and the ledger does not have it"
    ]


def test_more_findings_than_can_be_shown_are_counted(ingest: Ingest, run: Run) -> None:
    ingest.lose_store()
    ingest.store().write(
        ObservationBatch(
            (STAGE,), np.empty(0, np.int32), np.empty(0, "M8[ms]"), np.empty(0), np.empty(0, "u1")
        )
    )
    store = ingest.store()
    store.latest()
    store.close()
    code, out, _ = run("audit", "--limit", "3")

    assert code == 1
    assert len([line for line in findings(out) if "is not stored" in line]) == 3
    n = sum(len(s) for s in (ingest.series()).values())
    assert n == 0
    assert any(line.startswith("store: ... and ") for line in out.splitlines())


def test_a_replay_is_refused_while_ingest_is_at_work(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = ingest.book()
    lease = Lease(book, "ingest:kahriz-ingest", Holder("elsewhere", 7, "", ""))
    assert lease.take() == ""
    monkeypatch.setattr(take_lease, "__defaults__", (lambda _: lease.renew(),))
    code, _, err = run("replay", "--since", "2026-11-25T00:00Z")
    lease.release()
    book.close()

    assert code == 2
    assert "kahriz: ingest: elsewhere pid 7 is at work since" in err
    assert err.endswith("(stop it first)\n")
    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0
    assert run("replay", "--since", "2026-11-25T00:00Z")[0] == 0, "the lease was given back"


def test_a_replay_that_lost_its_lease_writes_nothing_beside_who_took_over(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def taken_over(*arguments: Any) -> Iterator[Record]:
        for record in read(*arguments):
            with book.begin() as connection:
                connection.execute(update(lease_table).values(token="another"))
            yield record

    for path in ingest.folder.glob("book.sqlite*"):
        path.unlink()
    ingest.lose_store()
    book = ingest.book()
    monkeypatch.setattr("ingest.replay.read", taken_over)
    code, _, err = run("replay", "--since", "2026-11-25T00:00Z")
    with book.read() as connection:
        boots = ledger.all_boots(connection)
    book.close()

    assert code == 1
    assert "kahriz: the lease 'ingest:kahriz-ingest' is not ours any more" in err
    assert boots == {}


@pytest.mark.parametrize("since", ["yesterday", "2026-13-01", "2027-01-01"])
def test_a_since_that_makes_no_sense_is_wrong_use(ingest: Ingest, run: Run, since: str) -> None:
    assert run("replay", "--since", since)[0] == 2


def test_dead_letters_are_listed_shown_and_chosen(ingest: Ingest, run: Run) -> None:
    code, out, _ = run("dead-letters", "list")
    assert code == 0
    assert out.splitlines()[-1] == "3 of 3"
    assert all(kind in out for kind in ("decode_error", "unknown_device", "wrong_unit"))
    assert len(out.splitlines()) == 5, "head, a line a letter, and the sum"
    code, out, _ = run("dead-letters", "list", "--device", DEVICE, "--reason", "decode_error")
    assert out.splitlines()[-1] == "1 of 3"
    number = out.splitlines()[1].split()[0]
    code, out, _ = run("dead-letters", "show", number)
    assert (code, out.splitlines()[-1]) == (0, "poison")
    code, _, err = run("dead-letters", "show", "99")
    assert (code, err) == (1, "kahriz: dead letter '99' does not exist\n")


def test_a_letter_that_can_be_used_now_is_stored_and_leaves(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = ingest.folder / "sites.toml"
    sites.write_text(EXAMPLE.read_text().replace(f'"{DEVICE}"', '"stranger"'))
    monkeypatch.setenv("KAHRIZ_SITES", str(sites))
    counts, n = ingest.counts(), len(ingest.series()[STAGE])
    code, out, err = run("dead-letters", "replay", "--all")

    assert code == 1, "poison stays poison"
    assert err == "", "the reasons are in the answer"
    assert out.splitlines()[-1] == "1 taken in, 2 still cannot be used"
    assert len(ingest.series()[STAGE]) == n, "its instant is known, and stored again"
    code, out, _ = run("dead-letters", "list")
    assert out.splitlines()[-1] == "2 of 2"
    assert "not in sites.toml" in out, "the reason is today's"
    assert ingest.counts()[0] == counts[0]
    book = ingest.book()
    with book.read() as connection:
        times = [letter.times for letter in dead_letters.newest(connection, 9)]
        entry = audit_log.list_entries(connection)[0]
    book.close()
    assert times == [1, 1], "it did not come once more"
    assert (entry.what, entry.detail) == ("dead_letters.replay", {"taken": 3, "failed": 2})


def test_letters_that_take_longer_than_a_lease_lasts_are_taken_in_all_the_same(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("kahriz.cli.opened.RENEW_S", 0.0)  # the lease is renewed after each letter
    code, out, err = run("dead-letters", "replay", "--all")

    assert (code, out.splitlines()[-1]) == (1, "0 taken in, 3 still cannot be used"), err


def test_a_letter_of_which_only_a_part_was_kept_cannot_be_taken_in(
    ingest: Ingest, run: Run
) -> None:
    ingest.take([(UP, b"{" + b" " * 20_000)])
    code, out, _ = run("dead-letters", "replay", "--device", DEVICE)

    assert code == 1
    assert "only the first 4096 of 20001 bytes were kept" in out


@pytest.mark.parametrize("words", [(), ("--all", "--device", DEVICE), ("1", "--all")])
def test_which_letters_to_replay_has_to_be_said_once(
    ingest: Ingest, run: Run, words: tuple[str, ...]
) -> None:
    assert run("dead-letters", "replay", *words)[0] == 2


def test_the_books_of_the_last_days_are_shown(ingest: Ingest, run: Run) -> None:
    ingest.clock.now = NOW - timedelta(days=2)
    ingest.take([message(50)])
    _, out, _ = run("audit", "--days", "1")
    (own,) = [line for line in out.splitlines() if f"2026-11-25 │ {DEVICE}" in line]
    (strange,) = [line for line in out.splitlines() if "2026-11-25 │ (strangers)" in line]

    assert own.split("│")[3:7] == [" 29       ", " 22     ", " 5         ", " 0    "]
    assert "1 decode_error, 1 wrong_unit" in own
    assert "1 unknown_device" in strange
    assert "2026-11-23 │" not in out
    assert "2026-11-23 │" in run("audit", "--days", "3")[1]


@pytest.mark.parametrize(("age_s", "code"), [(2, 0), (20, 1)])
def test_what_ingest_waits_to_store_is_not_asked_for_while_it_says_so(
    ingest: Ingest, run: Run, age_s: int, code: int
) -> None:
    log = IntakeLog(ingest.folder / "intake", timedelta(hours=48), 2**30)
    topic, payload = message(30)
    log.append(to_ms(NOW - timedelta(minutes=8)), [topic], [payload])
    log.close()
    wall_ms = int(datetime.now(UTC).timestamp() * 1000)
    said = {"wall_ms": wall_ms - age_s * 1000, "since_ms": wall_ms - 600_000, "store": "disk full"}
    book = ingest.book()
    with book.begin() as connection:
        checkpoints.put(connection, "ingest", said)
    book.close()
    found, out, _ = run("audit")

    assert (found, "ingest waits for the store: disk full" in out) == (code, code == 0), out


@pytest.mark.parametrize("change", ["zero_offset_m = 0.01", "max_head_m = 0.15"])
@pytest.mark.parametrize("steps", [0, 1, 99])
def test_a_changed_rating_is_no_damage_before_while_and_after_it_is_applied(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch, change: str, steps: int
) -> None:
    ingest.clock.now = NOW - timedelta(minutes=30)
    ingest.take([message(500, stage_m=0.2)])
    sites = ingest.folder / "sites.toml"
    kept = EXAMPLE.read_text(encoding="utf-8")
    sites.write_text(kept.replace("valid_from = 2020", change + "\nvalid_from = 2020"), "utf-8")
    monkeypatch.setenv("KAHRIZ_SITES", str(sites))
    store, book = ingest.store(), ingest.book()
    ingest.restate(load_registry(sites), store, book, steps)
    store.close()
    book.close()
    code, out, _ = run("audit")

    assert (code, findings(out)) == (0, []), out


def test_damage_to_discharge_is_found_though_its_rating_changed(
    ingest: Ingest, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    sites = ingest.folder / "sites.toml"
    kept = EXAMPLE.read_text(encoding="utf-8")
    sites.write_text(
        kept.replace("valid_from = 2020", "max_head_m = 0.15\nvalid_from = 2020"), "utf-8"
    )
    monkeypatch.setenv("KAHRIZ_SITES", str(sites))
    registry = load_registry(sites)
    store, book = ingest.store(), ingest.book()
    ingest.restate(registry, store, book)
    series = store.series(DISCHARGE, NOW - timedelta(hours=12), LATER)
    wrong = ObservationBatch(
        (DISCHARGE,),
        np.zeros(2, np.int32),
        series.time[:2],
        np.array([1.0, 2.0]),
        series.quality[:2],
    )
    store.write(wrong)
    store.close()
    book.close()
    code, out, _ = run("audit")

    assert code == 1
    assert len(findings(out)) == 2, out


def test_a_rating_that_is_new_is_no_damage_before_ingest_has_heard_of_it(
    tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = EXAMPLE.read_text(encoding="utf-8")
    rating = '[[kahriz.site.rating]]\nmethod = "v_notch_90"\nvalid_from = 2020-01-01\n'
    rating += "stage_uncertainty_m = 0.002\n"
    (tmp_path / "without.toml").write_text(kept.replace(rating, "", 1), "utf-8")
    Ingest(tmp_path, tmp_path / "without.toml").take([message(0, 5)])
    code, out, _ = run("audit")

    assert (code, findings(out)) == (0, []), out
    assert "10 values" in out, "stage and battery"
