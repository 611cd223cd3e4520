"""One SQLite file: how it is opened, who shares it, and in words why it cannot be used."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from kahriz.errors import StoreUnavailable
from kahriz.store.sqlite_schema import VERSION, set_up, version_of

_REASONS = {
    "SQLITE_FULL": "the disk is full",
    "SQLITE_BUSY": "locked by another process that writes",
    "SQLITE_LOCKED": "locked by another process that writes",
    "SQLITE_CORRUPT": "the file is damaged",
    "SQLITE_NOTADB": "the file is not an SQLite database, or is damaged",
    "SQLITE_CANTOPEN": "cannot be opened",
    "SQLITE_READONLY": "cannot be written: file or folder is read-only",
    "SQLITE_IOERR": "the disk fails",
    "SQLITE_PERM": "no permission",
    "SQLITE_AUTH": "no permission",
}


Identity = tuple[int, int]
"""Device and inode: which file it is, whatever its name."""


class SqliteFile:
    """One writing connection behind a lock; as many reading ones as threads read at once.

    Attributes
    ----------
    opening
        Another number each time the writing connection is made or lost: what was remembered
        before may not be true any more.
    """

    def __init__(self, path: Path, *, read_only: bool, busy_s: float) -> None:
        self.path = path
        self._busy_s = busy_s
        self._lock = threading.Lock()
        self._writer: sqlite3.Connection | None = None
        self._written: Identity | None = None
        self._idle_lock = threading.Lock()
        self._idle: list[sqlite3.Connection] = []
        self._read: Identity | None = None
        self._is_made = read_only
        self.opening = 0
        self._is_closed = False

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection, alone; what was done is durable at the end, or undone."""
        with self.writer() as writer:
            writer.execute("BEGIN IMMEDIATE")
            yield writer
            writer.execute("COMMIT")

    @contextmanager
    def writer(self) -> Iterator[sqlite3.Connection]:
        """Give the writing connection, alone, for what makes its own transactions."""
        with self._lock, self._explained():
            writer = self._open_writer()
            try:
                yield writer
            except BaseException:
                # Closing rolls back, and whatever ails the connection is gone with it.
                self._drop_writer()
                raise

    @contextmanager
    def reader(self) -> Iterator[sqlite3.Connection]:
        """Give a connection that reads, nobody else's meanwhile."""
        with self._explained():
            self._forget_another_file()
            with self._idle_lock:
                reader, identity = self._idle.pop() if self._idle else None, self._read
            if reader is None:
                reader = self._open_reader()
            try:
                yield reader
            except BaseException:
                reader.close()
                raise
            with self._idle_lock:
                # Of a file that was taken away meanwhile nobody is to read any more.
                if not self._is_closed and identity == self._read:
                    self._idle.append(reader)
                    return
            reader.close()

    def close(self) -> None:
        """Close every connection; the last one empties the write-ahead log into the file."""
        with self._idle_lock:
            self._is_closed = True
            idle, self._idle = self._idle, []
        for reader in idle:
            reader.close()
        with self._lock:
            self._drop_writer()

    def _open_writer(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailable(f"{self.path}: closed")
        if self._writer is not None and self._identity() != self._written:
            # SQLite would go on writing into a file that nobody can open any more.
            self._drop_writer()
            raise StoreUnavailable(f"{self.path}: taken away while it was open; made anew")
        if self._writer is None:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            writer = self._connect("rwc")
            try:
                set_up(writer, self.path)
            except BaseException:
                writer.close()
                raise
            self._writer, self._is_made = writer, True
            self._written = self._identity()
            self.opening += 1
        return self._writer

    def _drop_writer(self) -> None:
        if self._writer is not None:
            self._writer.close()
            self._writer = None
            self.opening += 1

    def _identity(self) -> Identity | None:
        """Return which file stands at the path now; None: none does."""
        try:
            found = self.path.stat()
        except OSError:
            return None
        return found.st_dev, found.st_ino

    def _forget_another_file(self) -> None:
        """Close readers of a file that is not there any more: they would read it for ever."""
        identity = self._identity()
        with self._idle_lock:
            if identity == self._read:
                return
            idle, self._idle, self._read = self._idle, [], identity
            self.opening += 1
        for reader in idle:
            reader.close()

    def _connect(self, mode: str) -> sqlite3.Connection:
        return sqlite3.connect(
            f"{self.path.as_uri()}?mode={mode}",
            uri=True,
            timeout=self._busy_s,
            isolation_level=None,
            check_same_thread=False,
        )

    def _open_reader(self) -> sqlite3.Connection:
        if self._is_closed:
            raise StoreUnavailable(f"{self.path}: closed")
        if not self._is_made:
            with self._lock:
                self._open_writer()
        if not self.path.exists():
            raise StoreUnavailable(f"{self.path}: no such file yet; ingest makes it")
        reader = self._connect("ro")
        try:
            version = version_of(reader, self.path)
            if version == 0:
                raise StoreUnavailable(f"{self.path}: nothing in it yet; ingest makes its tables")
            if version < VERSION:
                raise StoreUnavailable(
                    f"{self.path}: of an older version (format {version}); ingest brings it up to"
                    f" format {VERSION} when it starts"
                )
        except BaseException:
            reader.close()
            raise
        return reader

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what SQLite or the file system says into one clear line."""
        try:
            yield
        except sqlite3.Error as error:
            raise StoreUnavailable(f"{self.path}: {_reason(error)}") from error
        except OSError as error:
            raise StoreUnavailable(f"{self.path}: {error.strerror or error}") from error


def _reason(error: sqlite3.Error) -> str:
    name = getattr(error, "sqlite_errorname", "") or ""
    known = next((text for code, text in _REASONS.items() if name.startswith(code)), "")
    return f"{known} ({error})" if known else str(error)
