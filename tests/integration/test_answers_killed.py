"""kill -9 while an answer is written: all of it is in the book afterwards, or nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.answering import CHAIR, House
from tests.e2e.processes import ROOT

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.answering import House

def at(name):
    if name == f"answer {sys.argv[2]}":
        os.kill(os.getpid(), signal.SIGKILL)

house = House(Path(sys.argv[1]), at=at)
house.answers.step(house.now)
"""


@pytest.mark.parametrize("place", ["noted", "acted", "queued", "done"])
def test_a_process_killed_while_it_answers_leaves_all_or_nothing(
    tmp_path: Path, place: str
) -> None:
    house = House(tmp_path)
    alert = house.fires()
    house.tells(CHAIR, alert)
    house.hears(CHAIR, "2")
    house.hears(CHAIR, "VEDRE 10 5")
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), place]
    killed = subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=False)
    left = [text.state for text in house.inbox()]
    is_there = house.alert(alert).on_site_by is not None
    answers = [m for m in house.texts() if m.reason == "answer"]

    assert killed.returncode == -signal.SIGKILL
    assert left == (["done", "new"] if place == "done" else ["new", "new"])
    assert (is_there, len(answers)) == ((True, 1) if place == "done" else (False, 0))

    house.answers.step(house.now)
    assert [text.state for text in house.inbox()] == ["done", "done"]
    assert house.timeline(alert) == [("acknowledged", "Chair"), ("on_site", "Chair")]
    assert len(house.gaugings()) == 1
    assert [m.reason for m in house.texts()] == ["first", "answer", "answer"]
    house.book.close()
