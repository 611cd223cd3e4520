"""What tests of the local modem share: SMSD's tables as Debian ships them, and waiting for SMSD."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import TypeVar

from sqlalchemy import create_engine, text

from tests import servers

T = TypeVar("T")

_LOOK_S = 0.1


def sqlite_tables(folder: Path) -> str:
    """Make SMSD's database in `folder` and return its SQLAlchemy URL."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(sqlite3.connect(folder / "smsd.db")) as database:
        database.executescript(servers.smsd_tables("sqlite"))
    return f"sqlite:///{folder / 'smsd.db'}"


def postgres_tables(url: str) -> str:
    """Make SMSD's tables in an empty PostgreSQL database and return its URL."""
    # That language is there since PostgreSQL 9.
    statements = servers.smsd_tables("pgsql").replace("CREATE LANGUAGE plpgsql;", "")
    engine = create_engine(url)
    with engine.begin() as connection:
        connection.execute(text(statements.replace(":=", r"\:=")))
    engine.dispose()
    return url


def in_sqlite(folder: Path) -> str:
    """Return the lines of smsdrc that name the database of `sqlite_tables`."""
    return f"driver = sqlite3\ndbdir = {folder}/\ndatabase = smsd.db"


def within(seconds: float, look: Callable[[], T | None]) -> T:
    """Return what `look` finds, as soon as it finds something; another process works meanwhile."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not within {seconds} s"
        time.sleep(_LOOK_S)
    return found


def sent_statuses(folder: Path) -> list[str]:
    """Return what SMSD wrote of every part it sent, or could not send."""
    with closing(sqlite3.connect(folder / "smsd.db")) as database:
        return [status for (status,) in database.execute("SELECT Status FROM sentitems")]
