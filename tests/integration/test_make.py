"""What `make` says and does before anything is installed, and that Ctrl-C ends it well."""

from __future__ import annotations

import os
import pty
import re
import select
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="apt-get install make")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Return a folder with a space in its name and nothing but what `make` itself reads."""
    folder = tmp_path / "a checkout"
    folder.mkdir()
    for name in ("Makefile", "pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


def _make(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    # Not as part of the make that may run these tests.
    environment = {k: v for k, v in os.environ.items() if not k.startswith("MAKE")}
    return subprocess.run(
        ["make", *words], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


def _python(folder: Path, script: str) -> Path:
    path = folder / "python of old"
    path.write_text("#!/bin/sh\n" + script, encoding="utf-8")
    path.chmod(0o755)
    return path


def test_help_names_every_word(checkout: Path) -> None:
    text = (ROOT / "Makefile").read_text(encoding="utf-8")
    words = next(re.finditer(r"^\.PHONY: (.*)$", text, re.MULTILINE)).group(1).split()
    said = _make(checkout, "help").stdout

    assert [word for word in words if f"  {word} " not in said] == []


def test_an_old_python_is_refused_in_one_line_that_names_it(checkout: Path) -> None:
    old = _python(checkout, 'case "$1" in --version) echo Python 3.9.2;; *) exit 1;; esac\n')
    done = _make(checkout, "demo", f"PYTHON={old}")

    assert done.returncode != 0
    assert f"kahriz needs Python 3.11 or newer; {old} is Python 3.9.2." in done.stderr
    assert not (checkout / ".venv").exists()


def test_a_python_without_venv_is_told_what_debian_calls_it(checkout: Path) -> None:
    bare = _python(checkout, 'case "$2" in *venv*) exit 1;; *) exit 0;; esac\n')
    done = _make(checkout, "test", f"PYTHON={bare}")

    assert done.returncode != 0
    assert "apt-get install python3-venv" in done.stderr


def test_demo_clean_removes_what_the_demo_kept_and_nothing_else(checkout: Path) -> None:
    for name in ("var/demo/book.sqlite", "var/mine/book.sqlite"):
        (checkout / name).parent.mkdir(parents=True)
        (checkout / name).touch()
    done = _make(checkout, "demo-clean")

    assert done.returncode == 0
    assert not (checkout / "var/demo").exists()
    assert (checkout / "var/mine/book.sqlite").exists()


_BODY = """
import signal, threading
from kahriz.cli.terminal import foreground
stopping = threading.Event()
signal.signal(signal.SIGINT, lambda *_: stopping.set())
with foreground():
    print("running", flush=True)
    stopping.wait(30)
print("ended well", flush=True)
"""


def test_ctrl_c_on_a_terminal_ends_the_recipe_and_make_with_0(tmp_path: Path) -> None:
    (tmp_path / "body.py").write_text(_BODY, encoding="utf-8")
    recipe = f'run:\n\t@exec "{sys.executable}" body.py\n\t@echo and after it\n'
    (tmp_path / "Makefile").write_text(recipe, encoding="utf-8")
    command = [shutil.which("make") or "make", "run"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "MAKEFLAGS": ""}
    code, said = _on_a_terminal(command, tmp_path, environment)

    assert "ended well" in said
    assert "and after it" in said
    assert code == 0


# Opening a terminal in a session that has none makes it the one whose Ctrl-C counts.
_IN_A_SESSION = """
import os, sys
os.setsid()
os.dup2(os.open(sys.argv[1], os.O_RDWR), 0)
os.execvp(sys.argv[2], sys.argv[2:])
"""


def _on_a_terminal(
    command: list[str], folder: Path, environment: dict[str, str]
) -> tuple[int, str]:
    """Run `command` on a terminal of its own, press Ctrl-C once it runs; return (exit, output)."""
    master, slave = pty.openpty()
    running = subprocess.Popen(
        [sys.executable, "-c", _IN_A_SESSION, os.ttyname(slave), *command],
        cwd=folder,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env=environment,
    )
    os.close(slave)
    said, is_pressed = b"", False
    deadline = time.monotonic() + 30
    try:
        while time.monotonic() < deadline and running.poll() is None:
            if select.select([master], [], [], 0.05)[0]:
                said += _read(master)
            if not is_pressed and b"running" in said:
                os.write(master, b"\x03")
                is_pressed = True
        while select.select([master], [], [], 0.05)[0] and (more := _read(master)):
            said += more
    finally:
        running.kill()
        os.close(master)
    return running.wait(), said.decode()


def _read(master: int) -> bytes:
    try:
        return os.read(master, 65536)
    except OSError:
        # The other side is closed.
        return b""
