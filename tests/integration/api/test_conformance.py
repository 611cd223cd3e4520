"""Schemathesis holds a running API against its own OpenAPI document: every answer is in it.

It asks what the document allows, each limit and just beyond, wrong types, missing parts, wrong
methods, and at random (seed fixed); none may be a fault of the service, none a status, a media
type or a shape that the document does not have.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from kahriz.clock import system_clock
from kahriz.store import open_store
from tests.integration.api import rows
from tests.integration.api.client import Api
from tests.integration.api.test_documentation import fill
from tests.integration.api.test_process import running

# Credentials have tests of their own (test_auth.py). Valid data may be refused: JSON Schema cannot
# say that a start lies before an end, or that a cursor is one an answer gave.
NOT_CHECKED = ("ignored_auth", "positive_data_acceptance")


def populated(folder: Path) -> str:
    """Write some of everything; return a key that may write."""
    with Api(folder) as api:
        api.store = open_store(f"sqlite:///{folder / 'observations.sqlite'}")
        api.now = system_clock()
        api.wall = api.now.timestamp()
        fill(api)
        rows.add_contact(api)
        # Ingest is not run; what it says of itself must not grow old meanwhile.
        api.wall += 86_400
        api.beat()
        api.wall -= 86_400
        api.store.close()
        return api.key()["Authorization"]


def conform(folder: Path, examples: int, *phases: str) -> None:
    """Ask so many examples of each operation beside the fixed ones; fail with what is wrong."""
    key = populated(folder)
    with running(folder) as api:
        done = subprocess.run(
            [
                *(sys.executable, "-m", "schemathesis.cli", "run", f"{api.url}/openapi.json"),
                *("--header", f"Authorization: {key}", "--exclude-path", "/api/v1/events"),
                *("--phases", ",".join(phases), "--max-examples", str(examples), "--seed", "1"),
                *("--exclude-checks", ",".join(NOT_CHECKED), "--request-timeout", "20"),
                "--no-color",
            ],
            cwd=folder,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stdout[-8000:] + done.stderr[-2000:]
    assert "Tested: " in done.stdout
    generated = int(done.stdout.rpartition(" generated")[0].split()[-1])
    assert generated > 1000


def test_every_answer_is_one_of_the_document(folder: Path) -> None:
    conform(folder, 3, "examples", "coverage", "fuzzing")


@pytest.mark.soak
def test_every_answer_is_one_of_the_document_for_a_long_time(folder: Path) -> None:
    minutes = float(os.environ.get("SOAK_MINUTES", "10"))
    conform(folder, max(1, round(40 * minutes)), "examples", "coverage", "fuzzing", "stateful")
