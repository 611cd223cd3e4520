"""kill -9 while discharge is derived again: the next start finishes it, and audit finds nothing."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT
from tests.station import Station, from_the_start, registry, same, v_notch

KILLED = """
import os, signal, sys
from pathlib import Path
from tests.station import Station, registry, v_notch

def at(step):
    if step == sys.argv[2]:
        os.kill(os.getpid(), signal.SIGKILL)

station = Station.over(Path(sys.argv[1]))
station.restate(registry(v_notch("2020-01-01", zero=0.01)), at)
"""


@pytest.mark.parametrize("step", ["discharge written", "discharge marked"])
def test_a_process_killed_between_store_and_book_is_made_good_at_the_next_start(
    tmp_path: Path, step: str
) -> None:
    station = from_the_start(registry(v_notch("2020-01-01")), station=Station.over(tmp_path))
    station.close()
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", KILLED, str(tmp_path), step]
    killed = subprocess.run(command, cwd=ROOT, env=environment, timeout=60, check=False)
    known = registry(v_notch("2020-01-01", zero=0.01))
    after = Station.over(tmp_path)

    assert killed.returncode == -signal.SIGKILL
    assert not same(after, from_the_start(known))
    after.restate(known)
    after.sum_up(known)
    assert same(after, from_the_start(known))
    after.close()
