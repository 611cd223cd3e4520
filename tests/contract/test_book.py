"""The book behaves the same on a SQLite file and on a real PostgreSQL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Engine, create_engine, inspect, text

from kahriz.book import Book, checkpoints, late, migrations, rollups
from kahriz.book.tables import dirty_hour, metadata
from kahriz.book.upsert import excluded, upsert
from kahriz.clock import from_ms, to_ms
from kahriz.errors import ConfigError
from kahriz.observations import DatastreamId
from tests import servers

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
LATER = NOW + timedelta(hours=1)
FLOW = DatastreamId("agh-dere.line.discharge")
HOUR_MS = 3_600_000
KINDS = ["sqlite", pytest.param("postgres", marks=pytest.mark.server)]


@pytest.fixture(scope="module")
def postgres_book(request: pytest.FixtureRequest) -> str:
    """Return one PostgreSQL database for all tests: making one a test would take minutes."""
    return servers.postgres_database(request.getfixturevalue("postgres"), "contract_book")


@pytest.fixture(params=KINDS)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "postgres":
        found = str(request.getfixturevalue("postgres_book"))
        engine = create_engine(found)
        with engine.begin() as connection:
            for schema in ("said", "public"):
                connection.execute(text(f"DROP SCHEMA IF EXISTS {schema} CASCADE"))
            connection.execute(text("CREATE SCHEMA public"))
        engine.dispose()
        return found
    return f"sqlite:///{tmp_path / 'data' / 'book.sqlite'}"


@pytest.fixture
def book(url: str) -> Iterator[Book]:
    opened = Book(url)
    opened.migrate()
    yield opened
    opened.close()


def described(engine: Engine) -> dict[str, Any]:
    """Say everything that tells two schemas apart, in words."""
    seen = inspect(engine)
    return {
        name: {
            "columns": [
                (c["name"], str(c["type"]), c["nullable"], _default(c["default"]))
                for c in seen.get_columns(name)
            ],
            "key": seen.get_pk_constraint(name)["constrained_columns"],
            "unique": sorted(str(u["column_names"]) for u in seen.get_unique_constraints(name)),
            "indexes": sorted(
                (str(i["name"]), str(i["column_names"]), bool(i["unique"]))
                for i in seen.get_indexes(name)
            ),
            "foreign": sorted(
                (str(f["constrained_columns"]), f["referred_table"])
                for f in seen.get_foreign_keys(name)
            ),
        }
        for name in seen.get_table_names()
        if name != "alembic_version"
    }


def _default(text: str | None) -> str | None:
    # PostgreSQL's default of an id names its sequence by schema.
    return text and text.replace("said.", "")


def test_the_migrations_make_what_the_tables_say(book: Book, tmp_path: Path) -> None:
    migrated = described(book.engine)
    if book.engine.dialect.name == "postgresql":
        with book.engine.begin() as connection:
            connection.execute(text("CREATE SCHEMA said"))
        direct = create_engine(book.url, connect_args={"options": "-csearch_path=said"})
    else:
        direct = create_engine(f"sqlite:///{tmp_path / 'direct.sqlite'}")
    metadata.create_all(direct)
    said = described(direct)
    direct.dispose()

    assert migrated == said
    assert set(migrated) == set(metadata.tables)


def test_several_processes_may_migrate_at_once(url: str) -> None:
    books = [Book(url) for _ in range(6)]
    together = threading.Barrier(len(books))

    def migrate(one: Book) -> None:
        together.wait(timeout=30)
        one.migrate()

    with ThreadPoolExecutor(len(books)) as pool:
        list(pool.map(migrate, books))
    with books[0].read() as connection:
        assert migrations.is_current(connection)
    for one in books:
        one.close()


def test_migrating_again_changes_nothing(book: Book) -> None:
    with book.begin() as connection:
        checkpoints.put(connection, "ingest", 1)
    book.migrate()

    with book.read() as connection:
        assert checkpoints.get(connection, "ingest") == 1


def test_a_migration_that_fails_leaves_the_book_as_it_was(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = migrations.upgrade

    def killed(connection: Any) -> None:
        whole(connection)
        raise RuntimeError("killed before the commit")

    book = Book(url)
    monkeypatch.setattr(migrations, "upgrade", killed)
    with pytest.raises(RuntimeError):
        book.migrate()
    left = inspect(book.engine).get_table_names()
    monkeypatch.undo()
    book.migrate()

    assert left == []
    assert set(metadata.tables) < set(inspect(book.engine).get_table_names())
    book.close()


def test_a_book_of_a_newer_release_is_refused_in_one_line(book: Book) -> None:
    with book.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(ConfigError) as refused:
        book.migrate()

    assert "'9999'" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_transaction_that_raises_leaves_nothing(book: Book) -> None:
    with pytest.raises(ZeroDivisionError), book.begin() as connection:  # noqa: PT012
        checkpoints.put(connection, "a", 1)
        raise ZeroDivisionError

    with book.read() as connection:
        assert checkpoints.get(connection, "a") is None


def test_a_reader_sees_one_state_while_another_writes(book: Book) -> None:
    with book.begin() as connection:
        checkpoints.put(connection, "a", 1)
    with book.read() as reader:
        before = checkpoints.get(reader, "a")
        with book.begin() as writer:
            checkpoints.put(writer, "a", 2)
        during = checkpoints.get(reader, "a")

    with book.read() as reader:
        assert (before, during, checkpoints.get(reader, "a")) == (1, 1, 2)


def test_who_only_reads_cannot_write(book: Book) -> None:
    with pytest.raises(Exception, match=r"read-?only"), book.read() as connection:
        checkpoints.put(connection, "a", 1)
    with book.begin() as connection:
        checkpoints.put(connection, "a", 2)

    with book.read() as connection:
        assert checkpoints.get(connection, "a") == 2


@pytest.mark.parametrize("value", [0, "text", {"a": [1, None, {"ə": True}]}, [], False])
def test_a_checkpoint_comes_back_as_it_was_put(book: Book, value: Any) -> None:
    with book.begin() as connection:
        checkpoints.put(connection, "ingest", "before")
        checkpoints.put(connection, "ingest", value)

    with book.read() as connection:
        assert checkpoints.get(connection, "ingest") == value
        assert checkpoints.get(connection, "another") is None


def marks(book: Book) -> dict[tuple[str, int], int]:
    with book.read() as connection:
        return {(d.datastream, d.hour_ms): d.mark for d in rollups.dirty(connection, 10_000)}


def test_upsert_changes_as_told(book: Book) -> None:
    key = ("datastream", "hour_ms")
    row = {"datastream": "a.b.c", "hour_ms": 0, "mark": 5}
    with book.begin() as connection:
        upsert(connection, dirty_hour, [row, row | {"hour_ms": 1}], key, ())
        upsert(connection, dirty_hour, [row | {"mark": 99}], key, ())
        added = {"mark": dirty_hour.c.mark + excluded(dirty_hour).mark}
        upsert(connection, dirty_hour, [row | {"mark": 2}], key, added)
        upsert(connection, dirty_hour, [row | {"mark": 1000}], key, added, dirty_hour.c.mark > 7)
        upsert(connection, dirty_hour, [row | {"hour_ms": 1, "mark": 6}], key, ("mark",))
        upsert(connection, dirty_hour, [], key, ())

    assert marks(book) == {("a.b.c", 0): 7, ("a.b.c", 1): 6}


def test_of_two_rows_with_one_key_the_later_counts(book: Book) -> None:
    row = {"datastream": "a.b.c", "hour_ms": 0, "mark": 1}
    with book.begin() as connection:
        upsert(
            connection, dirty_hour, [row, row | {"mark": 2}], ("datastream", "hour_ms"), ["mark"]
        )

    assert marks(book) == {("a.b.c", 0): 2}


def test_an_hour_marked_again_while_it_was_computed_stays_dirty(book: Book) -> None:
    with book.begin() as connection:
        rollups.mark_dirty(connection, [(FLOW, 0), (FLOW, HOUR_MS), (FLOW, 0)])
        read = rollups.dirty(connection, 10)
        rollups.mark_dirty(connection, [(FLOW, HOUR_MS)])
        rollups.clear(connection, read)
        rollups.clear(connection, [])

    assert list(marks(book)) == [(FLOW, HOUR_MS)]


def test_an_hour_cleared_and_marked_again_is_not_cleared_by_who_read_it_before(book: Book) -> None:
    with book.begin() as connection:
        rollups.mark_dirty(connection, [(FLOW, 0)])
        slow = rollups.dirty(connection, 10)
        rollups.clear(connection, slow)
        rollups.mark_dirty(connection, [(FLOW, 0)])
        rollups.clear(connection, slow)

    assert list(marks(book)) == [(FLOW, 0)]


def test_the_newest_hours_come_first(book: Book) -> None:
    with book.begin() as connection:
        rollups.mark_dirty(connection, [(FLOW, h * HOUR_MS) for h in (3, 9, 1)])
        newest = rollups.dirty(connection, 2)

    assert [d.hour_ms // HOUR_MS for d in newest] == [9, 3]


def hour(start: int, **figures: float | None) -> dict[str, Any]:
    row: dict[str, Any] = dict.fromkeys(rollups.FIGURES, 0)
    row |= {"min": 1.0, "max": 3.0, "mean": 2.0, "volume_m3": 7.2, "covered_s": 3600.0, "n": 12}
    times = {"start_ms": start * HOUR_MS, "end_ms": (start + 1) * HOUR_MS}
    return {"datastream": FLOW, "period": "hour"} | row | times | figures


def kept(book: Book) -> list[rollups.Rollup]:
    with book.read() as connection:
        return rollups.rows(connection, FLOW, "hour", 0, 100 * HOUR_MS)


def test_the_figures_of_many_datastreams_are_those_of_each(book: Book) -> None:
    names = [DatastreamId(f"k{i}.line.discharge") for i in range(1500)]
    days = [
        hour(start) | {"datastream": name, "period": period}
        for name in names[::3]
        for start in range(3)
        for period in ("hour", "day")
    ]
    with book.begin() as connection:
        rollups.put(connection, days, NOW)
    span = (HOUR_MS, 3 * HOUR_MS)
    with book.read() as connection:
        each = {name: rollups.rows(connection, name, "day", *span) for name in names}
        many = rollups.rows_of_many(connection, names, "day", *span)
        none = rollups.rows_of_many(connection, [], "day", *span)
        volumes = rollups.volumes(connection, names, "day", *span)

    assert many == each
    assert volumes == {n: [(r.start_ms, r.volume_m3) for r in rows] for n, rows in each.items()}
    assert [len(many[name]) for name in names[:3]] == [2, 0, 0]
    assert none == {}


def test_a_figure_that_changed_is_a_new_revision_and_one_that_did_not_is_as_it_was(
    book: Book,
) -> None:
    with book.begin() as connection:
        rollups.put(connection, [hour(0), hour(1)], NOW)
    with book.begin() as connection:
        changed = rollups.put(connection, [hour(0), hour(1, max=3.5), hour(2)], LATER)

    assert [row["start_ms"] // HOUR_MS for row in changed] == [1, 2]
    assert [(r.revision, r.max) for r in kept(book)] == [(1, 3.0), (2, 3.5), (1, 3.0)]
    assert [r.computed_at_ms for r in kept(book)] == [
        int(t.timestamp() * 1000) for t in (NOW, LATER, LATER)
    ]


def test_an_hour_that_grows_while_it_runs_is_not_revised(book: Book) -> None:
    instants = [datetime.fromtimestamp(s, UTC) for s in (900, 1800, 3601, 3900, 7000)]
    seen = []
    for n, now in enumerate(instants):
        with book.begin() as connection:
            rollups.put(connection, [hour(0, n=n + 1)], now)
        seen += [r.revision for r in kept(book)]

    assert seen == [1, 1, 1, 2, 3]


@pytest.mark.parametrize("name", rollups.FIGURES)
def test_every_figure_counts_as_a_change(book: Book, name: str) -> None:
    other = {"end_ms": 1800_000}.get(name, 17)
    with book.begin() as connection:
        rollups.put(connection, [hour(0)], NOW)
        rollups.put(connection, [hour(0, **{name: other})], LATER)

    assert [(r.revision, getattr(r, name)) for r in kept(book)] == [(2, other)]


def test_the_last_digit_of_a_float_is_no_revision_but_unknown_and_nought_differ(book: Book) -> None:
    with book.begin() as connection:
        rollups.put(connection, [hour(0), hour(1, volume_m3=None)], NOW)
        rollups.put(connection, [hour(0, mean=2.0 + 4e-16), hour(1, volume_m3=0.0)], LATER)

    assert [r.revision for r in kept(book)] == [1, 2]


def test_an_hour_that_knows_nothing_is_not_begun_but_one_that_is_there_may_become_so(
    book: Book,
) -> None:
    nothing: dict[str, float | None] = dict.fromkeys(("min", "max", "mean", "volume_m3"))
    nothing |= {"n": 0, "covered_s": 0.0}
    with book.begin() as connection:
        rollups.put(connection, [hour(0), hour(1, **nothing)], NOW)
        rollups.put(connection, [hour(0, **nothing)], LATER)

    assert [(r.start_ms, r.n, r.mean, r.revision) for r in kept(book)] == [(0, 0, None, 2)]


def test_rows_begin_in_a_half_open_interval_of_one_period_of_one_datastream(book: Book) -> None:
    others = [hour(1) | {"period": "day"}, hour(1) | {"datastream": "agh-dere.outlet.discharge"}]
    with book.begin() as connection:
        rollups.put(connection, [hour(3), hour(1), hour(2), *others], NOW)
        found = rollups.rows(connection, FLOW, "hour", HOUR_MS, 3 * HOUR_MS)

    assert [r.start_ms // HOUR_MS for r in found] == [1, 2]


def unsettled(book: Book, before: datetime = LATER) -> list[tuple[str, int]]:
    with book.read() as connection:
        return [(h.datastream, h.hour_ms) for h in late.unsettled(connection, to_ms(before), 100)]


def test_an_unsettled_hour_is_given_once_it_has_rested_the_oldest_first(book: Book) -> None:
    with book.begin() as connection:
        late.mark(connection, [(FLOW, HOUR_MS), (FLOW, 0), (FLOW, 0)], to_ms(NOW))
        late.mark(connection, [(FLOW, HOUR_MS)], to_ms(NOW) + 5)

    assert unsettled(book) == [(FLOW, 0), (FLOW, HOUR_MS)]
    assert unsettled(book, from_ms(to_ms(NOW) + 5)) == [(FLOW, 0)]


def test_an_hour_marked_again_while_it_was_judged_stays_unsettled(book: Book) -> None:
    with book.begin() as connection:
        late.mark(connection, [(FLOW, 0), (FLOW, HOUR_MS)], 0)
        read = late.unsettled(connection, 1, 100)
        late.mark(connection, [(FLOW, HOUR_MS)], 0)
        late.clear(connection, read)
        late.clear(connection, [])

    assert unsettled(book) == [(FLOW, HOUR_MS)]


def test_hours_with_corrected_times_are_known_for_good(book: Book) -> None:
    with book.begin() as connection:
        late.mark_corrected(connection, [(FLOW, 0), (FLOW, HOUR_MS)])
        late.mark_corrected(connection, [(FLOW, HOUR_MS), ("a.b.c", HOUR_MS)])
        found = late.corrected(connection, FLOW, HOUR_MS, 9 * HOUR_MS)

    assert found == [HOUR_MS]


def test_of_late_values_detection_is_told_the_oldest_once_no_more_come_or_it_takes_too_long(
    book: Book,
) -> None:
    with book.begin() as connection:
        late.tell(connection, [(FLOW, 7 * HOUR_MS), (FLOW, 5 * HOUR_MS)], 100)
        late.tell(connection, [(FLOW, 6 * HOUR_MS), ("a.b.c", HOUR_MS)], 200)
        quiet = late.untold(connection, [FLOW], quiet_ms=201, patient_ms=0)
        patient = late.untold(connection, [FLOW], quiet_ms=200, patient_ms=101)
        too_soon = late.untold(connection, [FLOW], quiet_ms=200, patient_ms=100)

    assert [one.oldest_ms for one in quiet] == [5 * HOUR_MS]
    assert patient == quiet
    assert too_soon == []


def test_late_values_that_came_while_detection_looked_are_told_the_next_time(book: Book) -> None:
    with book.begin() as connection:
        late.tell(connection, [(FLOW, 5 * HOUR_MS), ("a.b.c", HOUR_MS)], 100)
        seen = late.untold(connection, [FLOW, "a.b.c"], 200, 200)
        late.tell(connection, [(FLOW, 9 * HOUR_MS)], 150)
        late.clear_told(connection, seen)
        late.clear_told(connection, [])
        left = late.untold(connection, [FLOW, "a.b.c"], 200, 200)

    assert [(one.datastream, one.oldest_ms) for one in left] == [(FLOW, 5 * HOUR_MS)]


def test_who_repeats_himself_while_detection_looks_is_waited_for_anew(book: Book) -> None:
    with book.begin() as connection:
        late.tell(connection, [(FLOW, 0)], 100)
        seen = late.untold(connection, [FLOW], quiet_ms=0, patient_ms=101)
        late.tell(connection, [(FLOW, 0)], 500)
        late.clear_told(connection, seen)
        at_once = late.untold(connection, [FLOW], quiet_ms=0, patient_ms=500)
        later = late.untold(connection, [FLOW], quiet_ms=0, patient_ms=501)

    assert len(seen) == len(later) == 1
    assert at_once == []
