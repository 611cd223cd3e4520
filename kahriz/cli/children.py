"""Child processes of the demo: started, watched, and never left behind."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

_PR_SET_PDEATHSIG = 1


class Child:
    """One process of the demo.

    Parameters
    ----------
    name
        What people call it.
    command
        Program and arguments.
    environment
        All of its environment.
    log
        File its standard error is added to.
    is_shown
        Whether its standard output goes to our terminal; else to the log too.
    """

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        *,
        is_shown: bool = False,
    ) -> None:
        self.name = name
        self.log = log
        log.parent.mkdir(parents=True, exist_ok=True)
        with log.open("ab") as file:
            self._begin = file.tell()
            self._process = subprocess.Popen(
                command,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=None if is_shown else file,
                stderr=file,
                # A group of its own: Ctrl-C is for the demo, which stops its children in order.
                start_new_session=True,
                preexec_fn=partial(_die_with, os.getpid()),
            )

    @property
    def is_running(self) -> bool:
        """Whether it has not ended."""
        return self._process.poll() is None

    def stop(self, timeout: float = 12.0) -> None:
        """Ask it to end, and make it end after `timeout` seconds."""
        if self.is_running:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(timeout)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()

    def last_words(self, lines: int = 8) -> str:
        """Return the end of what it logged since it was started."""
        with self.log.open("rb") as file:
            file.seek(self._begin)
            said = file.read().decode(errors="replace").splitlines()
        return "\n".join(said[-lines:])


def _die_with(parent: int) -> None:
    # kill -9 of the demo must not leave a broker behind; only Linux can promise that.
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != parent:  # it ended before we asked; in a container it may be process 1
            os._exit(1)
