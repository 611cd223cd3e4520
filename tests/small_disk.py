"""A disk that is soon full: a small file system in memory."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

_HINT = "no file system can be mounted here: run as root, or all of pytest under `unshare -Urm`"


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """Mount one of so many megabytes at `folder`; skip where that is not allowed."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)]
    try:
        done = subprocess.run(mount, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        pytest.skip(_HINT)
    if done.returncode:
        pytest.skip(f"{_HINT} ({done.stderr.strip()})")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def free_bytes(folder: Path) -> int:
    said = os.statvfs(folder)
    return said.f_bavail * said.f_frsize


def fill(folder: Path, leave: int = 0) -> Path:
    """Fill the disk up to `leave` bytes, while others write, too; return the file that does it."""
    file = folder / "somebody-elses"
    with file.open("wb", buffering=0) as out, suppress(OSError):
        while free_bytes(folder) > leave:
            out.write(bytes(min(free_bytes(folder) - leave, 65_536)))
    return file
