"""The service's own processes, as an operator would run them, on free ports and own folders."""

from __future__ import annotations

import http.client
import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.servers import free_port

ROOT = Path(__file__).parents[2]


def wait_until(is_so: Callable[[], bool], what: str, timeout: float = 30.0) -> None:
    """Ask again and again until `is_so`; there is no event to wait for in another process."""
    deadline = time.monotonic() + timeout
    while not is_so():
        assert time.monotonic() < deadline, f"not within {timeout:g} s: {what}"
        time.sleep(0.05)


def get(url: str, timeout: float = 10.0) -> Any:
    """Return the JSON at `url`, or None where nobody answers yet, or not to the end."""
    try:
        with _opened(url, timeout) as answer:
            said = answer.read()
    except (OSError, http.client.HTTPException):
        return None
    try:
        return json.loads(said)
    except ValueError as error:
        raise AssertionError(f"{url} answered {answer.status}, no JSON: {said[:200]!r}") from error


def _opened(url: str, timeout: float) -> Any:
    try:
        return urllib.request.urlopen(url, timeout=timeout)
    except urllib.error.HTTPError as error:
        return error


@dataclass
class House:
    """Settings of one service, and its processes."""

    folder: Path
    mqtt_port: int
    extra: Mapping[str, str] = field(default_factory=dict)
    api_port: int = field(default_factory=free_port)
    status_port: int = field(default_factory=free_port)

    @property
    def environment(self) -> dict[str, str]:
        mine = {
            "KAHRIZ_DATA_DIR": str(self.folder),
            "KAHRIZ_SITES": str(ROOT / "sites.example.toml"),
            "KAHRIZ_MQTT__PORT": str(self.mqtt_port),
            "KAHRIZ_API__PORT": str(self.api_port),
            "KAHRIZ_API__OPEN_READS": "true",
            "KAHRIZ_INGEST__METRICS_PORT": str(self.status_port),
        }
        clean = {k: v for k, v in os.environ.items() if not k.startswith("KAHRIZ_")}
        return clean | mine | dict(self.extra)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.api_port}"

    @contextmanager
    def run(self, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
        """Run ``python -m ...`` and stop it with SIGTERM; it has to end with 0 then."""
        process = self.start(*arguments)
        try:
            yield process
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                assert process.wait(15) == 0, self.log(arguments[0])
        finally:
            process.kill()
            process.wait()

    def start(
        self, *arguments: str, environment: Mapping[str, str] | None = None
    ) -> subprocess.Popen[bytes]:
        with (self.folder / f"{arguments[0]}.log").open("ab") as log:
            return subprocess.Popen(
                [sys.executable, "-m", *arguments],
                cwd=ROOT,
                env=self.environment | dict(environment or {}),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )

    def log(self, name: str) -> str:
        return (self.folder / f"{name}.log").read_text(errors="replace")

    def wait_for_ingest(self) -> None:
        def is_up() -> bool:
            said = get(f"http://127.0.0.1:{self.status_port}/health")
            return said is not None and said["mqtt"] == "connected"

        wait_until(is_up, "ingest is subscribed")

    def wait_for_api(self) -> None:
        wait_until(lambda: get(f"{self.api}/health") is not None, "the API answers")


def run_to_end(house: House, arguments: Sequence[str], timeout: float = 60.0) -> str:
    """Run the command line to its end; it has to exit 0; return what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", *arguments],
        cwd=ROOT,
        env=house.environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        timeout=timeout,
        check=False,
    )
    said = (done.stdout + done.stderr).decode(errors="replace")
    assert done.returncode == 0, said
    return said
