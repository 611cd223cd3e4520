"""Processes under measurement, and what they cost by the kernel's own count."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import orjson

ROOT = Path(__file__).parents[1]
_TICK = os.sysconf("SC_CLK_TCK")
# As deployed (kahriz/deploy/broker.py): mosquitto's defaults would throttle whoever consumes. Of
# the log, which the tests want whole, only who subscribed: a line a message costs the broker a
# third of its speed.
BROKER = """\
allow_anonymous true
max_inflight_messages 20000
max_queued_messages 1000000
max_queued_bytes 1073741824
set_tcp_nodelay true
log_type none
log_type error
log_type subscribe
"""
PATIENCE_S = 180.0
_LEAST_PAUSE_S, _MOST_PAUSE_S = 0.02, 0.25


@dataclass(frozen=True, slots=True)
class Cost:
    """What a process has used so far: CPU seconds of all its threads, and its greatest memory."""

    cpu_s: float
    rss_mb: float


def cost(pid: int) -> Cost:
    """Return what process `pid` has used so far."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM:"))
    return Cost((int(fields[11]) + int(fields[12])) / _TICK, int(peak.split()[1]) / 1024)


@contextmanager
def process(
    module: str,
    arguments: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[subprocess.Popen[str]]:
    """Run ``python -m module``; it is stopped at the end, whatever happens."""
    with program([sys.executable, "-m", module, *arguments], environment, log) as running:
        yield running


@contextmanager
def program(
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
    *,
    is_heard: bool = True,
) -> Iterator[subprocess.Popen[str]]:
    """Run `command`; it is stopped at the end.

    Its errors are added to `log`, and all it says is where nobody reads its lines.
    """
    with (log or Path(os.devnull)).open("a", encoding="utf-8") as errors:
        running = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, **(environment or {})},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE if is_heard else errors,
            stderr=errors,
            text=True,
        )
        try:
            yield running
        finally:
            _stop(running)


def _stop(running: subprocess.Popen[str]) -> None:
    running.send_signal(signal.SIGTERM)
    try:
        running.communicate(timeout=15)
    except subprocess.TimeoutExpired:
        running.kill()
        running.communicate()


def line(running: subprocess.Popen[str]) -> str:
    """Return the next line a process prints; one that says nothing for too long is ended."""
    assert running.stdout is not None
    too_long = threading.Timer(PATIENCE_S, running.kill)
    too_long.start()
    text = running.stdout.readline().strip()
    too_long.cancel()
    if not text:
        raise RuntimeError(f"{running.args!r} ended with {running.wait()}")
    return text


def wait_until(is_so: Callable[[], bool], what: str, pause_s: float = 0.05) -> float:
    """Return the instant `is_so` became true, seconds since 1970."""
    deadline = time.time() + PATIENCE_S
    while not is_so():
        if time.time() > deadline:
            raise RuntimeError(f"not within {PATIENCE_S:.0f} s: {what}")
        time.sleep(pause_s)
    return time.time()


class Watch(Protocol):
    """What tells the time and lets it pass; the module `time` in earnest."""

    def time(self) -> float:
        """Return seconds since 1970."""
        ...

    def sleep(self, seconds: float, /) -> None:
        """Let so many seconds pass."""
        ...


def wait_for(count: Callable[[], int], total: int, what: str, watch: Watch = time) -> float:
    """Return the instant `count` reached `total`, seconds since 1970.

    To count costs the server that is measured: it is asked seldom, and often only when little is
    missing at the pace of the last two answers.
    """
    began = then = watch.time()
    before = n = count()
    while n < total:
        now = watch.time()
        if now - began > PATIENCE_S:
            raise RuntimeError(f"not within {PATIENCE_S:.0f} s: {what}; there are {n} of {total}")
        pace = (n - before) / (now - then) if now > then else 0.0
        left_s = (total - n) / pace if pace else _MOST_PAUSE_S
        then, before = now, n
        watch.sleep(min(max(left_s / 3, _LEAST_PAUSE_S), _MOST_PAUSE_S))
        n = count()
    return watch.time()


def settled(count: Callable[[], int], total: int, quiet_s: float, watch: Watch = time) -> int:
    """Return `count` once it is `total`, or has not grown for `quiet_s` seconds."""
    n, grew = -1, watch.time()
    while watch.time() - grew < quiet_s:
        before, n = n, count()
        if n >= total:
            break
        if n != before:
            grew = watch.time()
        watch.sleep(_MOST_PAUSE_S)
    return n


def answers(url: str) -> bool:
    """Return whether there is a 200 at `url`."""
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except OSError:
        return False


@dataclass(frozen=True, slots=True)
class Influx:
    """A database of an InfluxDB 1.x."""

    url: str
    database: str

    def ask(self, query: str, epoch: str = "ms") -> list[dict[str, Any]]:
        """Return the series a query answers with."""
        form = urllib.parse.urlencode({"q": query, "db": self.database, "epoch": epoch})
        with urllib.request.urlopen(f"{self.url}/query", data=form.encode(), timeout=60) as answer:
            result = orjson.loads(answer.read())["results"][0]
        if "error" in result:
            raise RuntimeError(f"InfluxDB: {result['error']}: {query}")
        return list(result.get("series", []))

    def write(self, lines: bytes) -> None:
        """Write lines with times in ms."""
        address = f"{self.url}/write?db={self.database}&precision=ms"
        urllib.request.urlopen(address, data=lines, timeout=60).close()

    def count(self, since_ms: int = 0) -> int:
        """Return how many values of `since_ms` and later can be queried."""
        series = self.ask(f"SELECT count(value) FROM observation WHERE time >= {since_ms}ms")
        return int(series[0]["values"][0][1]) if series else 0


@contextmanager
def database(url: str, name: str) -> Iterator[Influx]:
    """Make an empty database; it is dropped at the end."""
    influx = Influx(url, name)
    influx.ask(f"CREATE DATABASE {name}")
    try:
        yield influx
    finally:
        influx.ask(f"DROP DATABASE {name}")
