"""Open the book: its engine, its transactions, and its schema brought up to date."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, exc, text
from sqlalchemy.engine import URL, make_url

from kahriz.book import migrations
from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.logs import without_secrets

_URL_HINT = "sqlite:///FILE or postgresql://USER:PASSWORD@HOST/DATABASE"
# Any number, the same in every process: who holds it is the one that migrates.
_MIGRATION_LOCK = 7_261_937
_PATIENCE_S = 10
# Primary result codes of SQLite that speak of the place or of the moment, not of our statement.
_WRONG_PLACE = {
    sqlite3.SQLITE_PERM,
    sqlite3.SQLITE_READONLY,
    sqlite3.SQLITE_CANTOPEN,
    sqlite3.SQLITE_NOTADB,
}
_WRONG_MOMENT = {
    sqlite3.SQLITE_BUSY,
    sqlite3.SQLITE_LOCKED,
    sqlite3.SQLITE_NOMEM,
    sqlite3.SQLITE_IOERR,
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_FULL,
    sqlite3.SQLITE_PROTOCOL,
}

REFUSED = (exc.DataError, exc.IntegrityError)
"""What a database says of the rows themselves: it will say the same the next time."""


class Book:
    """The book at one SQLAlchemy URL; safe to use from several threads and processes.

    It connects when first used, so a PostgreSQL that is down when the process starts is met by
    StoreUnavailable from `migrate`, `begin` and `read`, and by nothing once it is back.

    Raises
    ------
    ConfigError
        The URL is none, or names a database we do not speak to.
    """

    def __init__(self, url: str) -> None:
        self.url = _parsed(url)
        self._check: Callable[[Connection], None] = _no_check
        self._is_sqlite = self.url.get_backend_name() == "sqlite"
        self.engine = _sqlite_engine(self.url) if self._is_sqlite else _postgres_engine(self.url)
        # One state of the book for the whole block on both, and no way to change it.
        self._reader = (
            self.engine.execution_options(book_read=True)
            if self._is_sqlite
            else self.engine.execution_options(
                isolation_level="REPEATABLE READ", postgresql_readonly=True
            )
        )

    def fence(self, check: Callable[[Connection], None]) -> None:
        """Call `check` at the beginning of each transaction that may write.

        What it raises ends the transaction: a process that may not write any more cannot.
        """
        self._check = check

    @contextmanager
    def begin(self) -> Iterator[Connection]:
        """Open a transaction: committed at the end of the block, undone when it raises.

        On SQLite it is the only writer from its first moment on (it waits up to 10 s for the one
        before it), so what it has read stays true until it commits. Readers are not kept waiting.

        Raises
        ------
        StoreUnavailable
            The database cannot be reached or cannot take this now; nothing was changed.
        """
        with self._explained(), self.engine.begin() as connection:
            self._check(connection)
            yield connection

    @contextmanager
    def read(self) -> Iterator[Connection]:
        """Open a transaction that only reads: one state of the book; waits for no writer.

        Raises
        ------
        StoreUnavailable
            The database cannot be reached, or the block tried to write.
        """
        with self._explained(), self._reader.begin() as connection:
            yield connection

    def migrate(self) -> None:
        """Bring the schema up to date; several processes may do so at once.

        Raises
        ------
        StoreUnavailable
            The server cannot be reached now.
        ConfigError
            The file cannot be made or written, is no database, or a newer release wrote it.
        """
        if self._is_sqlite:
            self._make_folder()
        try:
            self._migrate()
        except StoreUnavailable as error:
            if _sqlite_code(error.__cause__) in _WRONG_PLACE:
                raise ConfigError(
                    "book.url", error.reason.removeprefix("book "), _URL_HINT
                ) from error
            raise

    def close(self) -> None:
        """Let go of every connection."""
        self.engine.dispose()

    def _migrate(self) -> None:
        with self.read() as connection:
            if migrations.is_current(connection):
                return
        with self.begin() as connection:
            if not self._is_sqlite:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            migrations.upgrade(connection)

    def _make_folder(self) -> None:
        if not self.url.database or self.url.database.startswith("file:"):
            return
        folder = Path(self.url.database).parent
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            problem = f"cannot make the folder {folder}: {error.strerror}"
            raise ConfigError("book.url", problem, "data_dir or book.url") from error

    @contextmanager
    def _explained(self) -> Iterator[None]:
        try:
            yield
        except (exc.DBAPIError, exc.TimeoutError) as error:
            if not _may_pass(error):
                raise
            cause = error.orig if isinstance(error, exc.DBAPIError) else error
            reason = " ".join(str(cause).split())
            raise StoreUnavailable(f"book {self.url}: {reason}") from cause


def _no_check(connection: Connection) -> None:
    """Let every transaction begin."""


def _parsed(url: str) -> URL:
    try:
        parsed = make_url(url)
    except exc.ArgumentError as error:
        raise ConfigError(
            "book.url", f"{without_secrets(url)!r} is no URL of a database", _URL_HINT
        ) from error
    if parsed.drivername in {"postgres", "postgresql"}:
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite", "postgresql+psycopg"}:
        raise ConfigError("book.url", f"{parsed.drivername!r} is no known database", _URL_HINT)
    return parsed


def _sqlite_engine(url: URL) -> Engine:
    engine = create_engine(url)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _postgres_engine(url: URL) -> Engine:
    try:
        return create_engine(url, pool_pre_ping=True)
    except ImportError as error:
        raise ConfigError(
            "book.url", f"{url}: PostgreSQL's driver is missing", "pip install 'psycopg[binary]'"
        ) from error


def _set_up_sqlite(connection: Any, _record: Any) -> None:
    # The driver's own idea of transactions begins them late and only for some statements; None
    # turns it off, and `_begin_sqlite` begins them for real.
    connection.isolation_level = None
    # FULL makes a commit survive a power cut.
    for pragma in (f"busy_timeout={_PATIENCE_S * 1000}", "synchronous=FULL", "foreign_keys=ON"):
        connection.execute(f"PRAGMA {pragma}")
    _let_readers_and_writer_be(connection)


def _let_readers_and_writer_be(connection: sqlite3.Connection) -> None:
    """Turn WAL on, by which the API reads while ingest writes."""
    deadline = time.monotonic() + _PATIENCE_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode=WAL")
        except sqlite3.OperationalError as error:
            # Where two turn it on in a new file at once, SQLite refuses one without waiting.
            if _sqlite_code(error) != sqlite3.SQLITE_BUSY or time.monotonic() > deadline:
                raise
            time.sleep(0.01)
        else:
            return


def _begin_sqlite(connection: Connection) -> None:
    is_read = bool(connection.get_execution_options().get("book_read"))
    # IMMEDIATE: a transaction that reads first and writes later could otherwise find another
    # writer's commit in between, and SQLite would refuse it at once instead of waiting.
    connection.exec_driver_sql(f"PRAGMA query_only={int(is_read)}")
    connection.exec_driver_sql("BEGIN" if is_read else "BEGIN IMMEDIATE")


def _sqlite_code(error: BaseException | None) -> int | None:
    code = getattr(error, "sqlite_errorcode", None)
    return None if code is None else code & 0xFF


def _may_pass(error: exc.DBAPIError | exc.TimeoutError) -> bool:
    """Say whether it is the database that is wrong, and not what we asked of it."""
    if isinstance(error, exc.TimeoutError):
        return True
    code = _sqlite_code(error.orig)
    if code is not None:
        return code in _WRONG_PLACE | _WRONG_MOMENT
    return isinstance(error, exc.OperationalError | exc.InterfaceError)
