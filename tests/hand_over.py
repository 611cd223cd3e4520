"""Hand texts over as ingest does, and die by SIGKILL at one point: a process that tests start.

``python -m tests.hand_over FOLDER POINT NTH``: the book, ``messages.jsonl`` and SMSD's database are
in FOLDER; it dies when POINT is reached for the NTH time. Without POINT it comes to its end.
"""

from __future__ import annotations

import os
import signal
import sys
from datetime import UTC, datetime
from pathlib import Path

from ingest.sender import Sender
from kahriz.book import Book
from kahriz.notify import Notifier
from kahriz.notify.file import FileNotifier
from kahriz.notify.gammu import GammuNotifier
from kahriz.notify.gammu_sql import Smsd

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)


def hand_over(folder: Path, point: str = "", nth: int = 1) -> None:
    """Recover, and hand over what is due."""
    left = nth

    def at(name: str) -> None:
        nonlocal left
        left -= name == point
        if name == point and left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    smsd = Smsd(f"sqlite:///{folder / 'smsd.db'}")
    notifiers: list[Notifier] = [FileNotifier(folder / "messages.jsonl"), GammuNotifier(smsd)]
    sender = Sender(book, notifiers, at)
    sender.recover(NOW)
    sender.step(NOW)
    smsd.close()
    book.close()


if __name__ == "__main__":
    hand_over(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
