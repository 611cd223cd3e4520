"""What can go wrong around the embedded store: kill -9, a full disk, a lock, a damaged file."""

from __future__ import annotations

import shutil
import signal
import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store import open_store
from kahriz.store.sqlite import SqliteStore
from kahriz.store.sqlite_file import SqliteFile
from kahriz.store.sqlite_schema import set_up
from tests.servers import ProgramMissingError

STAGE = DatastreamId("agh-dere.outlet.stage")
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)
ALWAYS = (datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC))
ONE = ObservationBatch.of([Observation(STAGE, T0, 1.0, Quality.GOOD)])
ROOT = Path(__file__).parents[2]

# Writes batch after batch of 100 rows and names each only when `write` has returned.
WRITER = """
import sys, numpy as np
from kahriz.observations import DatastreamId, ObservationBatch
from kahriz.store import open_store
store = open_store(sys.argv[1])
for number in range(100_000):
    time = (np.arange(100) + 100 * number).astype("datetime64[ms]")
    store.write(ObservationBatch((DatastreamId("agh-dere.outlet.stage"),), np.zeros(100, np.int32),
        time, np.full(100, float(number)), np.ones(100, np.uint8)))
    print(number, flush=True)
"""


def minute(n: int) -> ObservationBatch:
    return ObservationBatch.of(
        [Observation(STAGE, T0 + timedelta(minutes=n), float(n), Quality.GOOD)]
    )


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/observations.sqlite"


@contextmanager
def another_process(script: str, *arguments: str) -> Iterator[subprocess.Popen[str]]:
    command = [sys.executable, "-c", textwrap.dedent(script), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as process:
        try:
            yield process
        finally:
            process.kill()


def test_kill_9_right_after_write_loses_nothing(url: str) -> None:
    with another_process(WRITER, url) as writer:
        assert writer.stdout is not None
        heard = [int(writer.stdout.readline()) for _ in range(30)]
        writer.send_signal(signal.SIGKILL)
        heard += [int(line) for line in writer.stdout]
    with closing(open_store(url)) as store:
        value = store.series(STAGE, *ALWAYS).value
        latest = store.latest()[STAGE].value
        store.write(ONE)

    batches, rows = np.unique(value, return_counts=True)
    assert set(heard) <= set(batches.tolist())
    assert set(rows.tolist()) == {100}, "a batch is stored whole or not at all"
    assert latest == batches[-1], "the latest belong to the same transaction"


def test_another_process_sees_a_batch_as_soon_as_write_returns(url: str) -> None:
    with another_process(WRITER, url) as writer, closing(open_store(url, read_only=True)) as reader:
        assert writer.stdout is not None
        for _ in range(20):
            number = int(writer.stdout.readline())
            value = reader.series(STAGE, *ALWAYS).value

            assert len(value) % 100 == 0
            assert value[-1] >= number
            assert reader.latest()[STAGE].value >= number


def test_a_file_that_is_not_there_yet_is_found_once_it_is(url: str, tmp_path: Path) -> None:
    reader = open_store(url, read_only=True)
    with pytest.raises(StoreUnavailable, match=r"observations\.sqlite: no such file yet"):
        reader.latest()
    assert list(tmp_path.iterdir()) == [], "reading made something"
    with closing(open_store(url)) as writer:
        writer.write(ONE)
        found = reader.latest()
    reader.close()

    assert list(found) == [STAGE]


def test_a_file_that_is_no_database_is_named(url: str, tmp_path: Path) -> None:
    (tmp_path / "observations.sqlite").write_text("stage,0.12\n" * 200, encoding="utf-8")
    with (
        closing(open_store(url)) as store,
        pytest.raises(StoreUnavailable, match=r"observations\.sqlite: .*not an SQLite database"),
    ):
        store.write(ONE)


def test_a_damaged_file_is_said_to_be_damaged(url: str, tmp_path: Path) -> None:
    time = np.arange(50_000).astype("datetime64[ms]")
    value = np.random.default_rng(1).random(50_000)
    batch = ObservationBatch(
        (STAGE,), np.zeros(50_000, np.int32), time, value, np.ones(50_000, np.uint8)
    )
    with closing(open_store(url)) as store:
        store.write(batch)
    with (tmp_path / "observations.sqlite").open("r+b") as file:
        file.seek(20 * 4096)
        file.write(b"\xff" * 40 * 4096)

    with (
        closing(open_store(url)) as store,
        pytest.raises(StoreUnavailable, match="the file is damaged"),
    ):
        store.series(STAGE, *ALWAYS)


def test_a_file_another_process_writes_to_is_waited_for_and_then_named(
    url: str, tmp_path: Path
) -> None:
    with (
        closing(SqliteStore(url, busy_s=0.05)) as store,
        closing(sqlite3.connect(tmp_path / "observations.sqlite")) as other,
    ):
        store.write(ONE)
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(StoreUnavailable, match="locked by another process"):
            store.write(ONE)
        other.execute("ROLLBACK")
        store.write(ONE)

        assert len(store.series(STAGE, *ALWAYS)) == 1


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "var").write_text("a file where the folder should be", encoding="utf-8")
    store = open_store(f"sqlite:///{tmp_path}/var/observations.sqlite")
    with pytest.raises(StoreUnavailable, match=r"var/observations\.sqlite: .*(exists|directory)"):
        store.write(ONE)
    store.close()


def test_a_file_of_a_newer_version_is_left_alone(url: str, tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "observations.sqlite")) as file:
        file.execute("PRAGMA user_version = 7")
    with (
        closing(open_store(url)) as store,
        pytest.raises(StoreUnavailable, match=r"newer version .*format 7"),
    ):
        store.write(ONE)


def test_a_closed_store_says_so(url: str) -> None:
    store = open_store(url)
    store.write(ONE)
    store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        store.write(ONE)
    with pytest.raises(StoreUnavailable, match="closed"):
        store.latest()


def test_an_address_without_a_file_is_refused() -> None:
    with pytest.raises(ConfigError, match="names no file"):
        open_store("sqlite:///")


def test_the_newest_of_each_datastream_equals_what_the_history_says(url: str) -> None:
    rng = np.random.default_rng(7)
    names = tuple(DatastreamId(f"agh-dere.s{i}.stage") for i in range(5))
    with closing(open_store(url)) as store:
        for _ in range(30):
            time = rng.integers(0, 1000, 40).astype("datetime64[ms]")
            store.write(
                ObservationBatch(
                    names, rng.integers(0, 5, 40, np.int32), time, rng.random(40), np.ones(40, "u1")
                )
            )
        latest = store.latest()
        histories = {name: store.series(name, *ALWAYS) for name in names}

    assert {name: latest[name].value for name in names} == {
        name: history.value[-1] for name, history in histories.items()
    }


# Fills a small disk, sees the refusal, seals what can be sealed, frees the disk and goes on.
FULL_DISK = """
import sys, numpy as np
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch
from kahriz.store import open_store
folder = Path(sys.argv[1])
(folder / "ballast").write_bytes(bytes(300_000))
store = open_store(f"sqlite:///{folder}/observations.sqlite")
stored = 0
def write(first):
    time = (np.arange(2000) + first).astype("datetime64[ms]")
    store.write(ObservationBatch((DatastreamId("a.b.c"),), np.zeros(2000, np.int32), time,
        np.arange(2000.0), np.ones(2000, np.uint8)))
try:
    while stored < 1_000_000:
        write(stored)
        stored += 2000
except StoreUnavailable as error:
    print(error)
now = datetime(2026, 11, 22, tzinfo=UTC)
with suppress(StoreUnavailable):
    while store.tidy(now):
        pass
(folder / "ballast").unlink()
write(stored)
while store.tidy(now + timedelta(days=1)):
    pass
always = datetime(1970, 1, 1, tzinfo=UTC), datetime(1971, 1, 1, tzinfo=UTC)
series = store.series(DatastreamId("a.b.c"), *always)
is_whole = np.array_equal(series.value, np.arange(stored + 2000) % 2000)
print(is_whole and len(series) == stored + 2000, stored > 0)
store.close()
"""


def test_a_full_disk_is_said_loses_nothing_and_is_recovered_from(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    may = [unshare or "", "--user", "--map-root-user", "--mount", "sh", "-c"]
    mount = 'mount -t tmpfs -o size=1m none "$1"'
    if unshare is None or subprocess.run([*may, mount, "-", tmp_path], check=False).returncode:
        raise ProgramMissingError("a disk to fill: unshare may not mount here (util-linux)")
    script = [sys.executable, "-c", textwrap.dedent(FULL_DISK), str(tmp_path)]
    done = subprocess.run(
        [*may, mount + ' && shift && exec "$@"', "-", tmp_path, *script],
        check=False,
        cwd=ROOT,
        text=True,
        stdout=subprocess.PIPE,
    )

    reason, result = done.stdout.splitlines()
    assert "observations.sqlite: the disk is full" in reason
    assert result == "True True"


@pytest.mark.parametrize("other", [False, True])
def test_a_file_that_is_taken_away_while_it_is_open_swallows_nothing(
    url: str, tmp_path: Path, other: bool
) -> None:
    """Deleted, or replaced by a backup: SQLite would write on into what nobody can open."""
    path, copy = tmp_path / "observations.sqlite", tmp_path / "copy"
    store, reader = open_store(url), open_store(url, read_only=True)
    store.write(minute(0))
    with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    store.write(minute(1))
    seen = len(reader.series(STAGE, *ALWAYS))
    for part in tmp_path.glob("observations*"):
        part.unlink()
    if other:
        copy.rename(path)
    with pytest.raises(StoreUnavailable, match="taken away while it was open"):
        store.write(minute(2))
    store.write(minute(2))

    assert seen == 2
    assert reader.series(STAGE, *ALWAYS).value.tolist() == ([0.0, 2.0] if other else [2.0])
    store.close()
    reader.close()


def test_who_was_reading_while_the_file_was_replaced_leaves_no_way_to_the_old_one(
    tmp_path: Path,
) -> None:
    path = tmp_path / "file.sqlite"
    file = SqliteFile(path, read_only=False, busy_s=1.0)
    with file.reader(), file.reader():  # two at once: two ways to it
        for part in tmp_path.glob("file*"):
            part.unlink()
        with closing(sqlite3.connect(path)) as other:
            set_up(other, path)
            other.execute("INSERT INTO datastream (name) VALUES ('new')")
            other.commit()
        with file.reader() as reader:
            seen = [reader.execute("SELECT name FROM datastream").fetchall()]
    for _ in range(3):
        with file.reader() as one, file.reader() as another:
            seen += [r.execute("SELECT name FROM datastream").fetchall() for r in (one, another)]
    file.close()

    assert seen == [[("new",)]] * 7
