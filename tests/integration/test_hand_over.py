"""kill -9 at every commit of the hand-over: each text at least once, at most once more a crash."""

from __future__ import annotations

import json
import signal
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

import pytest

from kahriz.book import Book, alerts, messages
from tests.hand_over import hand_over
from tests.smsd import sqlite_tables
from tests.unit.book import test_alerts, test_messages

pytestmark = pytest.mark.server

ROOT = Path(__file__).parents[2]
NUMBERS = ("+994500000001", "+994500000002")
# Of each text: claimed, the file has it, the book says so, the modem's outbox has it, marked.
POINTS = [("claimed", 1), ("handed over", 1), ("noted", 1), ("handed over", 2), ("marked", 1)]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    sqlite_tables(tmp_path)
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.begin() as connection:
        alerts.add(connection, test_alerts.values())
        for number in NUMBERS:
            messages.queue(connection, test_messages.values(address=number))
    book.close()
    return tmp_path


def killed(folder: Path, point: str, nth: int) -> None:
    command = [sys.executable, "-m", "tests.hand_over", str(folder), point, str(nth)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == -signal.SIGKILL, done.stderr


def in_file(folder: Path) -> Counter[str]:
    file = folder / "messages.jsonl"
    lines = file.read_text(encoding="utf-8").splitlines() if file.exists() else []
    return Counter(json.loads(line)["address"] for line in lines)


def in_outbox(folder: Path) -> Counter[str]:
    with closing(sqlite3.connect(folder / "smsd.db")) as database:
        rows = database.execute("SELECT DestinationNumber FROM outbox")
        return Counter(number for (number,) in rows)


def states(folder: Path) -> set[str]:
    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    with book.read() as connection:
        found = {message.state for message in messages.list_messages(connection)}
    book.close()
    return found


@pytest.mark.parametrize(
    "crashes",
    [
        *([point] for point in POINTS),
        [("claimed", 2), ("handed over", 2)],  # of the second text too
        [("claimed", 1), ("claimed", 1), ("claimed", 1)],
        [("handed over", 1), ("handed over", 1), ("handed over", 1)],
    ],
    ids=lambda crashes: " ".join(f"{name}-{nth}" for name, nth in crashes).replace(" ", "_"),
)
def test_a_text_is_handed_over_at_least_once_and_at_most_once_more_a_crash(
    folder: Path, crashes: Sequence[tuple[str, int]]
) -> None:
    for point, nth in crashes:
        killed(folder, point, nth)
    hand_over(folder)
    hand_over(folder)
    files = in_file(folder)

    assert states(folder) == {"accepted"}
    assert set(files) == set(NUMBERS)
    assert sum(files.values()) <= len(NUMBERS) + len(crashes)
    assert all(1 <= n <= 1 + len(crashes) for n in files.values())
    # SMSD's outbox knows whose a row is: there it is once, whatever happened.
    assert in_outbox(folder) == Counter(NUMBERS)


def test_a_crash_behind_the_note_sends_nothing_twice(folder: Path) -> None:
    killed(folder, "noted", 1)
    hand_over(folder)

    assert in_file(folder) == Counter(NUMBERS)


def test_a_crash_before_the_note_sends_one_text_twice_by_that_gateway(folder: Path) -> None:
    killed(folder, "handed over", 1)
    hand_over(folder)

    assert sorted(in_file(folder).values()) == [1, 2]
