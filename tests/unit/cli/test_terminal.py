"""Taking the foreground does nothing where there is no terminal of ours to take."""

from __future__ import annotations

import os
import pty
import subprocess
import sys

SCRIPT = "from kahriz.cli.terminal import foreground\nwith foreground(): print('in it')"


def run(stdin: int) -> subprocess.CompletedProcess[bytes]:
    # By a shell, as `make` would: not the leader of its group, in a session without a terminal.
    command = ["sh", "-c", f'{sys.executable} -c "$0"; exit $?', SCRIPT]
    return subprocess.run(
        command, stdin=stdin, start_new_session=True, capture_output=True, check=False, timeout=20
    )


def test_a_terminal_of_another_session_is_left_alone() -> None:
    ours, theirs = pty.openpty()
    try:
        done = run(theirs)
    finally:
        os.close(ours)
        os.close(theirs)

    assert (done.returncode, done.stdout) == (0, b"in it\n"), done.stderr.decode()


def test_without_a_terminal_nothing_is_taken() -> None:
    done = run(subprocess.DEVNULL)

    assert (done.returncode, done.stdout) == (0, b"in it\n"), done.stderr.decode()
