"""A child of the demo ends when it is told to, and never outlives the demo."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from kahriz.cli.children import Child

LINUX = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent")


def child(log: Path, script: str) -> Child:
    return Child("child", [sys.executable, "-c", script], os.environ, log)


def wait_for(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


def test_a_child_that_ends_when_asked_is_asked_once(tmp_path: Path) -> None:
    script = "import signal; print('ready', flush=True); signal.pause()"
    started = child(tmp_path / "logs" / "c.log", script)
    wait_for(lambda: "ready" in started.last_words())
    assert started.is_running
    started.stop()
    started.stop()

    assert not started.is_running


def test_a_child_that_will_not_end_is_ended(tmp_path: Path) -> None:
    script = (
        "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN);"
        "print('deaf', flush=True); signal.pause()"
    )
    started = child(tmp_path / "c.log", script)
    wait_for(lambda: "deaf" in started.last_words())
    started.stop(timeout=0.2)

    assert not started.is_running


def test_the_last_words_are_those_of_this_run(tmp_path: Path) -> None:
    log = tmp_path / "c.log"
    log.write_text("from yesterday\n")
    started = child(log, "import sys; [print(i) for i in range(20)]; sys.exit('no port')")
    wait_for(lambda: not started.is_running)

    assert started.last_words(lines=1) == "no port"
    assert len(started.last_words().splitlines()) == 8
    assert "yesterday" not in started.last_words(lines=100)
    assert log.read_text().startswith("from yesterday")


PARENT = """
import os, sys, time
from pathlib import Path
from kahriz.cli.children import Child
child = Child("sleep", ["sleep", "60"], os.environ, Path(sys.argv[1]))
time.sleep(0.2)
print(child._process.pid, child.is_running, flush=True)
sys.stdin.read()
"""


@LINUX
def test_a_demo_that_is_killed_leaves_nobody_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-c", PARENT, str(tmp_path / "c.log")]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as parent:
        assert parent.stdout is not None
        pid = int(parent.stdout.readline().split()[0])
        assert Path(f"/proc/{pid}").exists()
        parent.send_signal(signal.SIGKILL)
    wait_for(lambda: not is_alive(pid))


def is_alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


@LINUX
def test_children_live_also_where_the_demo_is_process_1_of_a_container(tmp_path: Path) -> None:
    unshare = ["unshare", "--user", "--map-root-user", "--pid", "--fork", "--kill-child"]
    if subprocess.run([*unshare, "true"], check=False, capture_output=True).returncode:
        pytest.skip("this machine lets nobody make namespaces")
    command = [*unshare, sys.executable, "-c", PARENT, str(tmp_path / "c.log")]
    said = subprocess.run(command, input=b"", capture_output=True, timeout=20, check=True).stdout

    assert said.split()[1] == b"True"
