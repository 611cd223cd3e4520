"""Whether an embedded store's file is there and whole."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

_MOST = 20


def problems(url: str) -> list[str]:
    """Return what is wrong with the file of ``sqlite:///FILE``; nothing for any other store."""
    name = url.removeprefix("sqlite:///")
    if name == url:
        return []
    path = Path(name).absolute()
    if not path.exists():
        return [f"{path}: no such file"]
    try:
        with closing(sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True)) as reader:
            said = [row[0] for row in reader.execute(f"PRAGMA quick_check({_MOST})")]
    except sqlite3.Error as error:
        return [f"{path}: {error}"]
    return [f"{path}: {line}" for line in said if line != "ok"]
