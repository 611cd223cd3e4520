"""The API as a process of its own: what an operator starts and stops."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from kahriz.clock import system_clock
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store import open_store
from tests.integration.api.client import EXAMPLE, assert_problem
from tests.servers import free_port

ROOT = Path(__file__).parents[3]


def environment(folder: Path, **settings: str) -> dict[str, str]:
    own = {k: v for k, v in os.environ.items() if not k.startswith("KAHRIZ_")}
    usual = {
        "KAHRIZ_DATA_DIR": str(folder),
        "KAHRIZ_SITES": str(EXAMPLE),
        "KAHRIZ_API__OPEN_READS": "true",
        "PYTHONPATH": str(ROOT),
    }
    return own | usual | settings


def started(folder: Path, *command: str, **settings: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", *(command or ("api",))],
        cwd=folder,
        env=environment(folder, **settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@dataclass
class Running:
    process: subprocess.Popen[str]
    url: str


@contextmanager
def running(folder: Path, *command: str, **settings: str) -> Iterator[Running]:
    """Run the API until the block ends; it has answered when the block begins."""
    port = free_port()
    process = started(folder, *command, KAHRIZ_API__PORT=str(port), **settings)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_for(url, process)
        yield Running(process, url)
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def wait_for(url: str, process: subprocess.Popen[str]) -> None:
    until = time.monotonic() + 20
    while time.monotonic() < until:
        if process.poll() is not None:
            raise AssertionError(process.communicate())
        try:
            httpx.get(f"{url}/health", timeout=5)
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("the API did not answer within 20 s")


def observe(folder: Path, value: float) -> None:
    store = open_store(f"sqlite:///{folder / 'observations.sqlite'}")
    name = DatastreamId("agh-dere.line.discharge")
    store.write(ObservationBatch.of([Observation(name, system_clock(), value, Quality.GOOD)]))
    store.close()


@pytest.mark.parametrize(
    ("number", "command"), [(signal.SIGTERM, ("api",)), (signal.SIGINT, ("kahriz", "api"))]
)
def test_it_answers_and_a_signal_ends_it_cleanly_with_a_stream_open(
    folder: Path, number: signal.Signals, command: tuple[str, ...]
) -> None:
    observe(folder, 2.4)
    with running(folder, *command) as api:
        latest = httpx.get(f"{api.url}/api/v1/latest").json()
        with httpx.stream("GET", f"{api.url}/api/v1/events", timeout=10) as stream:
            lines = stream.iter_lines()
            hello = next(lines)
            began = time.monotonic()
            api.process.send_signal(number)
            rest = list(lines)
        out, err = api.process.communicate(timeout=10)
        took = time.monotonic() - began

    assert latest["observations"][0]["value"] == 2.4
    assert hello == "retry: 3000"
    assert [line for line in rest if line.startswith("data")] == []
    assert api.process.returncode == 0
    assert took < 5
    assert out == ""
    assert "Traceback" not in err
    assert "stopped" in err


def test_a_new_observation_is_told_to_every_open_stream_within_seconds(folder: Path) -> None:
    observe(folder, 2.4)
    address = "/api/v1/events"
    with (
        running(folder) as api,
        httpx.Client(base_url=api.url, timeout=10) as client,
        client.stream("GET", address) as first,
        client.stream("GET", address) as second,
    ):
        streams = [first.iter_lines(), second.iter_lines()]
        everything = [next_change(lines) for lines in streams]
        observe(folder, 1.2)
        news = [next_change(lines) for lines in streams]

    assert first.headers["content-type"].startswith("text/event-stream")
    assert first.headers["cache-control"] == "no-store"
    assert everything == [["alerts", "devices", "latest", "messages", "people", "water"]] * 2
    assert news == [["latest"]] * 2


def test_a_client_that_goes_gives_its_stream_back(folder: Path) -> None:
    with running(folder) as api, httpx.Client(base_url=api.url, timeout=10) as client:
        with client.stream("GET", "/api/v1/events") as stream:
            lines = stream.iter_lines()  # dropped, it would close the stream
            next(lines)
            while_open = streams_open(client)
        until = time.monotonic() + 5
        while streams_open(client) > 0 and time.monotonic() < until:
            time.sleep(0.02)
        afterwards = streams_open(client)

    assert (while_open, afterwards) == (1, 0)


def test_the_hundredth_stream_is_served_and_the_next_one_is_a_503(folder: Path) -> None:
    limits = httpx.Limits(max_connections=None)
    with (
        running(folder) as api,
        httpx.Client(base_url=api.url, timeout=20, limits=limits) as client,
    ):
        open_streams = []
        for _ in range(100):
            request = client.build_request("GET", "/api/v1/events")
            open_streams.append(client.send(request, stream=True))
        refused = client.get("/api/v1/events")
        statuses = {stream.status_code for stream in open_streams}
        for stream in open_streams:
            stream.close()

    assert statuses == {200}
    assert_problem(refused, 503, "all 100 streams")
    assert refused.headers["retry-after"] == "5"


def test_a_port_in_use_is_one_line_naming_it_and_the_setting(folder: Path) -> None:
    with closing(socket.socket()) as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        process = started(folder, KAHRIZ_API__PORT=str(port))
        _, err = process.communicate(timeout=20)

    assert process.returncode == 2
    (line,) = err.splitlines()
    assert f"127.0.0.1:{port}" in line
    assert "KAHRIZ_API__PORT" in line


def test_without_a_store_yet_it_starts_answers_503_and_finds_the_store_when_it_is_there(
    folder: Path,
) -> None:
    with running(folder) as api:
        before = httpx.get(f"{api.url}/api/v1/latest")
        kahrizes = httpx.get(f"{api.url}/api/v1/alerts")
        observe(folder, 2.4)
        after = httpx.get(f"{api.url}/api/v1/latest")

    assert_problem(before, 503, "store unavailable")
    assert kahrizes.status_code == 200
    assert after.json()["observations"][0]["value"] == 2.4


def next_change(lines: Iterator[str]) -> list[str]:
    for line in lines:
        if line.startswith("data: "):
            topics: list[str] = json.loads(line.removeprefix("data: "))["topics"]
            return topics
    raise AssertionError("the stream ended")


def streams_open(client: httpx.Client) -> float:
    for line in client.get("/metrics").text.splitlines():
        if line.startswith("kahriz_api_event_streams "):
            return float(line.split()[1])
    raise AssertionError("not counted")
