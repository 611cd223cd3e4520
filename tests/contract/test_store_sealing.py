"""Sealing in the embedded store: no answer ever changes by it, whatever happens meanwhile."""

from __future__ import annotations

import functools
import shutil
import sqlite3
import subprocess
import sys
import tempfile
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.clock import from_ms, to_ms
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store import Store, open_store
from kahriz.store.memory import MemoryStore
from kahriz.store.sqlite import MOST_ROWS, SEAL_AFTER, SEAL_ROWS, SqliteStore

NAMES = tuple(DatastreamId(f"agh-dere.s{i}.stage") for i in range(3))
STAGE = NAMES[0]
T0 = datetime(2026, 11, 22, tzinfo=UTC)
DAY = timedelta(days=1)
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ROOT = Path(__file__).parents[2]

# The tables of format 1, as they were.
FORMAT_1 = """
CREATE TABLE datastream (id INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE);
CREATE TABLE observation (
    stream INTEGER NOT NULL, t INTEGER NOT NULL, v REAL NOT NULL, q INTEGER NOT NULL,
    PRIMARY KEY (stream, t)) WITHOUT ROWID;
CREATE TABLE latest (
    stream INTEGER PRIMARY KEY, t INTEGER NOT NULL, v REAL NOT NULL, q INTEGER NOT NULL);
PRAGMA user_version = 1;
"""

Answer = dict[str, list[Any]]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "observations.sqlite"


@pytest.fixture
def store(file: Path) -> Iterator[SqliteStore]:
    with closing(SqliteStore(f"sqlite:///{file}")) as opened:
        yield opened


def batch(
    minutes: Sequence[int], value: float, name: DatastreamId = STAGE, quality: int = 1
) -> ObservationBatch:
    n = len(minutes)
    time = (to_ms(T0) + 60_000 * np.array(minutes, np.int64)).astype("datetime64[ms]")
    return ObservationBatch(
        (name,), np.zeros(n, np.int32), time, np.full(n, value), np.full(n, quality, np.uint8)
    )


def answer(store: Store) -> Answer:
    """Everything a store can be asked."""
    found: Answer = {}
    for name in NAMES:
        series = store.series(name, *ALWAYS)
        columns = (series.time.astype(np.int64), series.value, series.quality)
        found[name] = list(zip(*(column.tolist() for column in columns), strict=True))
    found["latest"] = sorted(store.latest().items())
    return found


def seal_all(store: Store, now: datetime = T0) -> int:
    """Seal until nothing is left to do; return in how many steps."""
    steps = 0
    while store.tidy(now):
        steps += 1
    return steps + 1


def said(file: Path, query: str) -> Any:
    """Ask as a person with plain sqlite3 would."""
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as plain:
        return plain.execute(query).fetchall()


def fill(store: Store) -> None:
    """Write days of three datastreams, with late data and changed values, in 15 batches."""
    for i in range(12):
        store.write(batch(range(360 * i, 360 * i + 360, 3), i, NAMES[i % 2]))
    store.write(batch(range(0, 3000, 7), -1, NAMES[2], 3))
    store.write(batch(range(0, 50 * 1440, 700), 0.5, NAMES[1]))  # more than one transaction seals
    store.write(batch(range(100, 900, 5), 99, NAMES[0], 4))


def test_sealing_changes_no_answer_and_leaves_no_batch(store: SqliteStore, file: Path) -> None:
    fill(store)
    before = answer(store)
    seal_all(store)

    assert answer(store) == before
    assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]
    assert said(file, "SELECT count(*) FROM sealing") == [(0,)]
    assert said(file, "SELECT readings FROM stored") == [(sum(map(len, before.values())) - 3,)]


def test_late_data_and_a_changed_value_go_into_a_sealed_day(store: SqliteStore) -> None:
    store.write(batch(range(0, 1440, 2), 1.0))
    seal_all(store)
    store.write(batch([1, 2], 5.0))
    before = answer(store)
    seal_all(store, T0 + DAY)

    assert answer(store) == before
    assert store.series(STAGE, *ALWAYS).value[:5].tolist() == [1, 5, 5, 1, 1]


def test_a_day_of_minutes_becomes_one_row_however_often_it_is_sealed(
    store: SqliteStore, file: Path
) -> None:
    for hour in range(24):
        store.write(batch(range(60 * hour, 60 * hour + 60), hour))
        seal_all(store, T0 + timedelta(hours=hour))

    assert said(file, "SELECT datastream, first, last, readings, min, max FROM stretch") == [
        (STAGE, "2026-11-22T00:00:00.000Z", "2026-11-22T23:59:00.000Z", 1440, 0, 23)
    ]
    assert said(file, "SELECT * FROM newest") == [(STAGE, "2026-11-22T23:59:00.000Z", 23, 1)]


def test_a_day_of_seconds_becomes_stretches_and_stays_in_order(
    store: SqliteStore, file: Path
) -> None:
    second = np.random.default_rng(2).permutation(86_400)
    for i, part in enumerate(np.array_split(second, 9)):
        time = (to_ms(T0) + 1000 * part.astype(np.int64)).astype("datetime64[ms]")
        n = len(part)
        store.write(
            ObservationBatch((STAGE,), np.zeros(n, np.int32), time, part / 8, np.ones(n, np.uint8))
        )
        seal_all(store, T0 + i * SEAL_AFTER)
    found = store.series(STAGE, *ALWAYS)

    assert np.array_equal(found.value, np.arange(86_400) / 8)
    assert said(file, "SELECT max(n) <= 4096, sum(n) FROM sealed") == [(1, 86_400)]


def test_it_rests_until_an_hour_has_passed(store: SqliteStore, file: Path) -> None:
    store.write(batch([0], 1.0))
    seal_all(store)
    store.write(batch([1], 1.0))
    too_early = store.tidy(T0 + SEAL_AFTER - timedelta(seconds=1))
    waiting = said(file, "SELECT count(*) FROM unsealed")
    seal_all(store, T0 + SEAL_AFTER)

    assert (too_early, waiting) == (False, [(1,)])
    assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]


def test_much_at_once_is_sealed_at_once_and_the_file_shrinks(
    store: SqliteStore, file: Path
) -> None:
    store.write(batch([-1], 1.0))
    seal_all(store)
    for i in range(4):
        store.write(batch(range(100_000 * i, 100_000 * i + 100_000), i))
    steps = seal_all(store)
    found = store.series(STAGE, *ALWAYS)
    store.close()

    assert steps > 5, "in short transactions"
    assert len(found) == 400_001 > SEAL_ROWS
    assert file.stat().st_size < 4 * 400_000
    assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]


def test_a_clock_that_was_set_back_does_not_stop_it(store: SqliteStore, file: Path) -> None:
    store.write(batch([0], 1.0))
    seal_all(store, T0 + 1000 * DAY)
    store.write(batch([1], 1.0))
    seal_all(store, T0)

    assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]


def test_where_nobody_tidies_writing_does_it(store: SqliteStore, file: Path) -> None:
    n = MOST_ROWS // 8
    for i in range(20):
        store.write(batch(range(n * i, n * i + n), i))
        (waiting,) = said(file, "SELECT sum(n) FROM unsealed")[0]
        assert waiting <= 2 * MOST_ROWS + n

    assert said(file, "SELECT sum(n) > 0 FROM sealed") == [(1,)]
    assert len(store.series(STAGE, *ALWAYS)) == 20 * n


def test_a_store_opened_for_reading_has_nothing_to_tidy(store: SqliteStore, file: Path) -> None:
    store.write(batch([0], 1.0))
    with closing(open_store(f"sqlite:///{file}", read_only=True)) as reader:
        assert reader.tidy(T0) is False
    assert said(file, "SELECT count(*) FROM unsealed") == [(1,)]


def test_readers_that_were_there_before_see_the_same_during_and_after(
    store: SqliteStore, file: Path
) -> None:
    many = [
        ObservationBatch.of(
            [Observation(STAGE, T0 + DAY * d + timedelta(hours=h), d, Quality.GOOD) for h in (1, 2)]
        )
        for d in range(100)
    ]
    with closing(open_store(f"sqlite:///{file}", read_only=True)) as reader:
        for one in many[:50]:
            store.write(one)
        assert len(reader.series(STAGE, *ALWAYS)) == 100
        for one in many[50:]:
            store.write(one)
        seen = set()
        more = True
        while more:
            seen.add(len(reader.series(STAGE, *ALWAYS)))
            more = store.tidy(T0)

        assert seen == {200}
        assert len(reader.series(STAGE, *ALWAYS)) == 200


STEPS = ["seal a part", "seal", "reopen", "the other writes from now on"]
# More days than one transaction seals.
_MANY_DAYS = st.sampled_from([0.5, 2.5]).map(lambda v: [(1, 1440 * d, v, 1) for d in range(50)])
_BATCH = st.lists(
    st.tuples(
        st.integers(0, 2),
        # Two instants in three fall on the same few, so that values are overwritten.
        st.one_of(
            st.integers(0, 5), st.integers(-3, 3).map(lambda d: d * 720), st.integers(0, 9999)
        ),
        st.sampled_from([0.125, 1.5, 1 / 3, -7.0]),
        st.sampled_from([1, 3, 4]),
    ),
    max_size=12,
)


@settings(max_examples=120, deadline=None)
@given(steps=st.lists(st.one_of(_BATCH, _MANY_DAYS, st.sampled_from(STEPS))))
def test_it_answers_as_a_store_in_memory_whatever_is_written_and_sealed_when(
    steps: list[Any],
) -> None:
    memory = MemoryStore()
    with tempfile.TemporaryDirectory() as folder:
        url = f"sqlite:///{folder}/observations.sqlite"
        now = T0
        with (
            closing(open_store(url, read_only=True)) as reader,
            closing(open_store(url)) as store,
            closing(open_store(url)) as other,
        ):
            store.latest()
            for step in steps:
                now += SEAL_AFTER
                if isinstance(step, list):
                    given = ObservationBatch.of(
                        [
                            Observation(NAMES[s], T0 + timedelta(minutes=m), v, Quality(q))
                            for s, m, v, q in step
                        ]
                    )
                    store.write(given)
                    memory.write(given)
                elif step == "seal a part":
                    store.tidy(now)
                elif step == "seal":
                    seal_all(store, now)
                elif step == "reopen":
                    store.close()
                    store = open_store(url)
                else:
                    store, other = other, store
                assert answer(reader) == answer(memory)
            assert answer(store) == answer(memory) == answer(other)
            store.close()
            other.close()


class Failing(sqlite3.Connection):
    """A connection on which the statement number `at` fails; they are counted over all of them."""

    at = 0
    done = 0

    def _count(self) -> None:
        Failing.done += 1
        if Failing.done == Failing.at:
            raise sqlite3.OperationalError("disk I/O error")

    def execute(self, *arguments: Any) -> sqlite3.Cursor:
        self._count()
        return super().execute(*arguments)

    def executemany(self, *arguments: Any) -> sqlite3.Cursor:
        self._count()
        return super().executemany(*arguments)

    def executescript(self, *arguments: Any) -> sqlite3.Cursor:
        self._count()
        return super().executescript(*arguments)


def test_an_error_at_any_statement_of_the_sealing_loses_and_doubles_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = tmp_path / "begun.sqlite"
    with closing(SqliteStore(f"sqlite:///{begun}")) as store:
        fill(store)
        seal_all(store)
        store.write(batch(range(90, 60 * 1440, 511), 7.5))
        store.write(batch(range(90, 2000, 11), 8.5))
        before = answer(store)
    monkeypatch.setattr(sqlite3, "connect", functools.partial(sqlite3.connect, factory=Failing))
    failed = 0
    for at in range(1, 1000):
        file = tmp_path / f"{at}.sqlite"
        shutil.copy(begun, file)
        Failing.at, Failing.done = at, 0
        with closing(SqliteStore(f"sqlite:///{file}")) as store:
            try:
                seal_all(store)
            except StoreUnavailable:
                failed += 1
            else:
                break
            with closing(SqliteStore(f"sqlite:///{file}", read_only=True)) as reader:
                assert answer(reader) == before
            assert answer(store) == before
            seal_all(store)  # it is tried again at once
            assert answer(store) == before
        assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]
        file.unlink()

    assert failed == at - 1 > 15


# Seals a copy of a file, killed by SIGKILL at the statement number given, for each in turn; prints
# how many it was before one came through.
KILLED = """
import os, shutil, signal, sqlite3, sys
from datetime import UTC, datetime
from kahriz.store.sqlite import SqliteStore
made, work = sys.argv[1:]
class Killing(sqlite3.Connection):
    done = 0
    def _count(self):
        Killing.done += 1
        if Killing.done == at:
            os.kill(os.getpid(), signal.SIGKILL)
    def execute(self, *arguments):
        self._count()
        return super().execute(*arguments)
    def executemany(self, *arguments):
        self._count()
        return super().executemany(*arguments)
    def executescript(self, *arguments):
        self._count()
        return super().executescript(*arguments)
connect = sqlite3.connect
sqlite3.connect = lambda *a, **k: connect(*a, factory=Killing, **k)
for at in range(1, 1000):
    file = f"{work}/{at}.sqlite"
    shutil.copy(made, file)
    child = os.fork()
    if child == 0:
        store = SqliteStore(f"sqlite:///{file}")
        while store.tidy(datetime(2026, 11, 22, tzinfo=UTC)):
            pass
        os._exit(0)
    if os.waitpid(child, 0)[1] == 0:
        break
    print(file, flush=True)
"""


@contextmanager
def killed_at_every_statement(made: Path, work: Path) -> Iterator[list[Path]]:
    """Give the files that sealing `made` left behind, killed with -9 at each statement in turn."""
    work.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(made), str(work)],
        check=True,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )
    yield [Path(line) for line in done.stdout.splitlines()]


def test_kill_9_at_any_statement_of_the_sealing_loses_and_doubles_nothing(
    tmp_path: Path, file: Path
) -> None:
    with closing(SqliteStore(f"sqlite:///{file}")) as store:
        fill(store)
        seal_all(store)
        store.write(batch(range(90, 60 * 1440, 511), 7.5))
        store.write(batch(range(90, 2000, 11), 8.5))
        before = answer(store)
    with killed_at_every_statement(file, tmp_path / "killed") as left:
        for each in left:
            with closing(SqliteStore(f"sqlite:///{each}")) as store:
                assert answer(store) == before
                seal_all(store)
                assert answer(store) == before

        assert len(left) > 15


def make_format_1(file: Path) -> Answer:
    """Make a file of format 1 with some days of three datastreams; return what it holds."""
    rng = np.random.default_rng(5)
    memory = MemoryStore()
    with closing(sqlite3.connect(file)) as old:
        old.execute("PRAGMA journal_mode = WAL")
        old.executescript(FORMAT_1)
        for id, name in enumerate(NAMES, 1):
            old.execute("INSERT INTO datastream VALUES (?, ?)", (id, name))
            minutes = np.unique(rng.integers(-2000, 9000, 3000))
            value = rng.random(len(minutes)).round(3)
            rows = [
                (id, to_ms(T0) + 60_000 * m, v, 1)
                for m, v in zip(minutes.tolist(), value.tolist(), strict=True)
            ]
            old.executemany("INSERT INTO observation VALUES (?, ?, ?, ?)", rows)
            old.execute("INSERT INTO latest VALUES (?, ?, ?, ?)", rows[-1])
            memory.write(
                ObservationBatch.of(
                    [Observation(name, from_ms(t), v, Quality.GOOD) for _, t, v, _ in rows]
                )
            )
        old.commit()
    return answer(memory)


def test_a_file_of_format_1_is_brought_up_to_date_without_loss(file: Path) -> None:
    held = make_format_1(file)
    with closing(SqliteStore(f"sqlite:///{file}")) as store:
        found = answer(store)
        store.write(batch([0], 5.5))
        seal_all(store)
        found_then = store.series(STAGE, T0, T0 + timedelta(minutes=1)).value.tolist()

    assert found == held
    assert found_then == [5.5]
    assert said(file, "SELECT name FROM sqlite_master WHERE name = 'observation'") == []


def test_a_reader_of_a_file_of_format_1_is_told_to_start_ingest(file: Path) -> None:
    held = make_format_1(file)
    with closing(open_store(f"sqlite:///{file}", read_only=True)) as reader:
        with pytest.raises(StoreUnavailable, match=r"older version \(format 1\); ingest brings it"):
            reader.latest()
        with closing(open_store(f"sqlite:///{file}")) as writer:
            writer.latest()
        found = answer(reader)

    assert found == held


def test_kill_9_at_any_statement_of_bringing_it_up_to_date_loses_nothing(
    file: Path, tmp_path: Path
) -> None:
    held = make_format_1(file)
    with killed_at_every_statement(file, tmp_path / "killed") as left:
        for each in left:
            with closing(SqliteStore(f"sqlite:///{each}")) as store:
                assert answer(store) == held

        assert len(left) > 15


def damage(file: Path, table: str, where: str = "1") -> None:
    """Change one bit of what is kept, as a failing disk would, without SQLite noticing."""
    with closing(sqlite3.connect(file)) as plain:
        id, data = plain.execute(f"SELECT id, data FROM {table} WHERE {where}").fetchone()
        changed = bytes([*data[:9], data[9] ^ 4, *data[10:]])
        plain.execute(f"UPDATE {table} SET data = ? WHERE id = ?", (changed, id))
        plain.commit()


def test_a_damaged_day_is_named_and_the_others_are_read(store: SqliteStore, file: Path) -> None:
    store.write(batch(range(3 * 1440), 1.0))
    store.write(batch(range(1440), 2.0, NAMES[1]))
    seal_all(store)
    second_day = to_ms(T0 + DAY)
    damage(file, "sealed", f"first = {second_day}")
    wanted = (
        r"agh-dere\.s0\.stage on 2026-11-23: the checksum does not match \(row \d+ of table sea"
    )
    with pytest.raises(StoreUnavailable, match=wanted):
        store.series(STAGE, *ALWAYS)

    assert len(store.series(STAGE, T0, T0 + DAY)) == 1440
    assert len(store.series(NAMES[1], *ALWAYS)) == 1440
    assert len(store.latest()) == 2


def test_a_reading_for_a_damaged_day_is_kept_and_the_damage_stays_known(
    store: SqliteStore, file: Path
) -> None:
    store.write(batch(range(1440), 1.0))
    seal_all(store)
    damage(file, "sealed")
    store.write(batch([5, 3000], 9.0))
    seal_all(store, T0 + DAY)
    with pytest.raises(StoreUnavailable, match="on 2026-11-22: the checksum"):
        store.series(STAGE, *ALWAYS)
    with closing(sqlite3.connect(file)) as plain:  # as docs/operations.md says
        plain.execute("DELETE FROM sealed WHERE id = (SELECT min(id) FROM sealed)")
        plain.commit()

    assert store.series(STAGE, *ALWAYS).value.tolist() == [9.0, 9.0]


def test_a_damaged_batch_is_named_and_never_sealed(store: SqliteStore, file: Path) -> None:
    store.write(batch(range(10), 1.0))
    damage(file, "unsealed")
    with pytest.raises(StoreUnavailable, match="damaged: row 1 of table unsealed"):
        store.series(STAGE, *ALWAYS)
    with pytest.raises(StoreUnavailable, match="damaged: row 1 of table unsealed"):
        store.tidy(T0)

    assert said(file, "SELECT count(*) FROM sealed") == [(0,)]
    with closing(sqlite3.connect(file)) as plain:  # as docs/operations.md says
        plain.execute("DELETE FROM unsealed WHERE id = 1")
        plain.commit()
    store.write(batch([20], 2.0))
    seal_all(store)
    assert store.series(STAGE, *ALWAYS).value.tolist() == [2.0]


def test_of_two_writers_the_slower_one_does_not_undo_what_the_other_sealed(
    store: SqliteStore, file: Path
) -> None:
    store.write(batch(range(0, 60 * 1440, 1440), 1.0))
    assert store.tidy(T0) is True
    with closing(SqliteStore(f"sqlite:///{file}")) as other:
        seal_all(other)
        other.write(batch([59 * 1440], 2.0))
        seal_all(other, T0 + DAY)
    seal_all(store)

    assert store.series(STAGE, *ALWAYS).value.tolist() == [1.0] * 59 + [2.0]
    assert said(file, "SELECT readings FROM stored") == [(60,)]


def test_batches_deleted_while_they_are_sealed_do_not_stop_the_sealing(
    store: SqliteStore, file: Path
) -> None:
    store.write(batch(range(0, 60 * 1440, 30), 1.0))
    assert store.tidy(T0) is True
    with closing(sqlite3.connect(file)) as plain:
        plain.execute("DELETE FROM unsealed")
        plain.commit()
    seal_all(store)
    store.write(batch([7], 2.0))
    seal_all(store, T0 + DAY)

    assert said(file, "SELECT count(*) FROM unsealed") == [(0,)]
    assert said(file, "SELECT count(*) FROM sealing") == [(0,)]
    assert 2.0 in store.series(STAGE, *ALWAYS).value


# Writes and seals; each batch is 200 rows of one value, of all three datastreams.
SEALER = """
import sys, numpy as np
from datetime import UTC, datetime, timedelta
from kahriz.observations import DatastreamId, ObservationBatch
from kahriz.store import open_store
store = open_store(sys.argv[1])
names = tuple(DatastreamId(f"agh-dere.s{i}.stage") for i in range(3))
now = datetime(2026, 11, 22, tzinfo=UTC)
for number in range(100_000):
    time = (np.arange(200) * 3_600_000 + number).astype("datetime64[ms]")
    store.write(ObservationBatch(names, np.arange(200, dtype=np.int32) % 3, time,
        np.full(200, float(number)), np.ones(200, np.uint8)))
    print(number, flush=True)
    now += timedelta(minutes=10)
    store.tidy(now)
"""


def test_another_process_sees_whole_batches_while_one_writes_and_seals(file: Path) -> None:
    url = f"sqlite:///{file}"
    command = [sys.executable, "-c", textwrap.dedent(SEALER), url]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer,
        closing(open_store(url, read_only=True)) as reader,
    ):
        assert writer.stdout is not None
        try:
            for _ in range(60):
                number = int(writer.stdout.readline())
                whole = {name: reader.series(name, *ALWAYS).value for name in NAMES}
                for name, rows in zip(NAMES, (67, 67, 66), strict=True):
                    batches, counted = np.unique(whole[name], return_counts=True)
                    assert set(counted.tolist()) == {rows}
                    assert len(batches) > number
        finally:
            writer.kill()
    assert said(file, "SELECT count(*) > 0 FROM sealed") == [(1,)]
