from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from kahriz.book import Book, checkpoints
from kahriz.errors import ConfigError, StoreUnavailable


def refusal(url: str) -> str:
    with pytest.raises(ConfigError) as refused:
        Book(url).migrate()
    return str(refused.value)


def test_the_folder_of_the_book_is_made(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'new' / 'folder' / 'book.sqlite'}")
    book.migrate()
    book.close()

    assert (tmp_path / "new" / "folder" / "book.sqlite").exists()


def test_a_folder_with_a_per_cent_sign_is_a_folder(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / '100%s' / 'book.sqlite'}")
    book.migrate()
    with book.begin() as connection:
        checkpoints.put(connection, "a", 1)
    book.close()

    assert (tmp_path / "100%s" / "book.sqlite").exists()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "'nonsense' is no URL of a database"),
        ("mysql://u:p@h/d", "'mysql' is no known database"),
    ],
)
def test_an_address_that_is_none_is_named_with_what_would_be_right(url: str, says: str) -> None:
    with pytest.raises(ConfigError) as refused:
        Book(url)

    assert str(refused.value).startswith(f"book.url: {says} (sqlite:///FILE or postgresql://")


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    assert f"{tmp_path}: unable to open database file" in refusal(f"sqlite:///{tmp_path}")


def test_a_file_that_is_no_database_is_named_and_left_as_it_was(tmp_path: Path) -> None:
    notes = tmp_path / "notes.txt"
    notes.write_text("not a database, but somebody's notes\n" * 100)
    before = notes.read_bytes()

    assert f"{notes}: file is not a database" in refusal(f"sqlite:///{notes}")
    assert notes.read_bytes() == before


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    says = refusal(f"sqlite:///{tmp_path / 'file' / 'inner' / 'book.sqlite'}")
    assert f"cannot make the folder {tmp_path / 'file' / 'inner'}" in says


def test_a_file_that_may_only_be_read_is_named(tmp_path: Path) -> None:
    file = tmp_path / "book.sqlite"
    sqlite3.connect(file).execute("PRAGMA journal_mode=WAL").connection.close()

    says = refusal(f"sqlite:///file:{file}?mode=ro&uri=true")
    assert "attempt to write a readonly database" in says


def test_a_new_file_that_another_process_is_setting_up_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = sqlite3.connect(tmp_path / "book.sqlite", isolation_level=None)
    # Writes in the old journal's way: SQLite refuses at once to change it under a writer.
    other.execute("BEGIN IMMEDIATE")
    other.execute("CREATE TABLE begun (n)")
    waited: list[float] = []

    def let_go(seconds: float) -> None:
        waited.append(seconds)
        if other.in_transaction:
            other.execute("COMMIT")

    monkeypatch.setattr("kahriz.book.book.time.sleep", let_go)
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.read() as connection:
        mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
    book.close()
    other.close()

    assert waited
    assert mode == "wal"


def test_a_server_that_is_down_may_come_back_and_its_password_is_not_told() -> None:
    book = Book("postgresql://kahriz:very-secret@127.0.0.1:1/kahriz")
    with pytest.raises(StoreUnavailable) as down:
        book.migrate()
    with pytest.raises(StoreUnavailable), book.begin():
        pass
    book.close()

    assert "kahriz:***@127.0.0.1:1/kahriz: connection failed" in str(down.value)
    assert "very-secret" not in str(down.value)
    assert "\n" not in str(down.value)


def test_a_full_disk_is_a_state_that_may_pass(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.read() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()
    with pytest.raises(StoreUnavailable, match="full"), book.begin() as connection:  # noqa: PT012
        connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")
        checkpoints.put(connection, "a", "x" * 1_000_000)
    with book.begin() as connection:
        connection.exec_driver_sql("PRAGMA max_page_count=1000000")
        checkpoints.put(connection, "a", "x")
        book_says = checkpoints.get(connection, "a")
    book.close()

    assert book_says == "x"


def test_our_own_mistake_is_not_called_a_state_of_the_book(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    with pytest.raises(Exception, match="no such table") as mistake, book.begin() as connection:
        checkpoints.get(connection, "a")
    book.close()

    assert not isinstance(mistake.value, StoreUnavailable)


def test_a_commit_is_on_disk_for_another_process(tmp_path: Path) -> None:
    file = tmp_path / "book.sqlite"
    book = Book(f"sqlite:///{file}")
    book.migrate()
    with book.begin() as connection:
        checkpoints.put(connection, "a", {"n": 1})
    other = sqlite3.connect(file)
    found = other.execute(
        "SELECT replace(value, ' ', '') FROM checkpoint WHERE name = 'a'"
    ).fetchall()
    other.close()
    with book.read() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    book.close()

    assert found == [('{"n":1}',)]
    assert pragmas == ["wal", 2, 1]


def test_writers_that_read_first_wait_for_each_other_and_lose_no_count(tmp_path: Path) -> None:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.begin() as connection:
        checkpoints.put(connection, "count", 0)

    def add(_: int) -> None:
        with book.begin() as connection:
            count = checkpoints.get(connection, "count")
            checkpoints.put(connection, "count", (count or 0) + 1)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(40)))

    with book.read() as connection:
        assert checkpoints.get(connection, "count") == 40
    book.close()
