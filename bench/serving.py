"""The API while ingest works: how long readers wait, and whether ingest notices that they ask.

200 devices send 1000 messages a second into the real ingest and the embedded store; the real API,
on one core, is asked 200 times a second for what is newest, for the water of 30 days, for a year's
summary and for alerts, each request with a key, at instants fixed beforehand (`bench.asking`).
Beside it ingest's own lag (from the arrival of a message until it is durable) while nobody asks.

The peer is what FastAPI's and InfluxDB's tutorials show (`bench.tutorial_api`), at a tenth of the
rate, while the tutorial's consumer takes the same messages.
"""

from __future__ import annotations

import itertools
import os
import random
import re
import subprocess
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import orjson

from bench import consumers, fleet, rig
from bench.result import Result, compare
from kahriz.book import Book, alerts, keys, rollups
from kahriz.clock import system_clock, to_ms
from kahriz.observations import DatastreamId, Quality, Series
from kahriz.sites import Registry, load_registry
from kahriz.stats.local_days import day_start, local_date
from kahriz.stats.rollup import rollup
from tests import servers

NAMES = ("api_p99_ms", "lag_while_asked_ms", "api_p99_vs_influxql")
BAR_MS = 25.0
ASKED_PER_S = 200
MESSAGES_PER_S = 1000
PEER_PER_S = 20
_SECONDS = 20
_QUIET_S = 8
_OF_THE_PEER = ("latest", "water", "summary")
_DAYS = 366
_ALERTS = 400

Say = Callable[[str], None]


def rows(influx_url: str, say: Say, wanted: set[str], rounds: int) -> list[Result]:
    """Measure the rows, which come of the same runs; the peer in turn, where it is wanted."""
    if not wanted & set(NAMES):
        return []
    p99s, comparable, peers, with_readers, without = [], [], [], [], []
    for _ in range(rounds):
        quiet, busy, latency = _round(say)
        p99s.append(_p99(latency, latency))
        comparable.append(_p99(latency, _OF_THE_PEER))
        with_readers.append(busy)
        without.append(quiet)
        if NAMES[2] in wanted:
            peers.append(_p99(_peer(influx_url, say), _OF_THE_PEER))
    what = f"p99 of the API on one core at {ASKED_PER_S}/s, ingest at {MESSAGES_PER_S}/s; bar"
    served = compare(NAMES[0], what, "ms", p99s, [BAR_MS] * rounds, less_is_better=True)
    what = "ingest's mean lag while the API is asked; beside while nobody asks"
    lag = compare(NAMES[1], what, "ms", with_readers, without, less_is_better=True)
    found = [served, lag]
    if peers:
        what = (
            f"the same but alerts at {ASKED_PER_S}/s; beside FastAPI's tutorial at {PEER_PER_S}/s"
        )
        found.append(compare(NAMES[2], what, "ms", comparable, peers, less_is_better=True))
    return [result for result in found if result.name in wanted]


def _p99(latency: Mapping[str, Sequence[float]], names: Iterable[str]) -> float:
    return float(np.percentile(np.concatenate([latency[name] for name in names]), 99))


def _round(say: Say) -> tuple[float, float, dict[str, list[float]]]:
    """Return ingest's mean lag [ms] without and with readers, and their latencies [ms] by name."""
    with (
        servers.mosquitto(rig.BROKER) as broker,
        tempfile.TemporaryDirectory(prefix="kahriz-bench-") as name,
    ):
        folder = Path(name)
        (folder / "sites.toml").write_text(consumers.sites(), encoding="utf-8")
        registry = load_registry(folder / "sites.toml")
        key = _history(folder, registry)
        plan = _plan(registry, folder, ASKED_PER_S, (*_OF_THE_PEER, "alerts"))
        with (
            _ingest(folder, broker.port) as ingest_port,
            _api(folder) as (api_port, api_pid),
            _messages(broker.port, 2 * _QUIET_S + _SECONDS + 10) as sending,
        ):
            sending()
            time.sleep(2)
            before = _lag(ingest_port, lambda: time.sleep(_QUIET_S))
            said: list[str] = []
            used_s = rig.cost(api_pid).cpu_s
            busy = _lag(ingest_port, lambda: said.append(_asked(api_port, key, plan, ASKED_PER_S)))
            used_s = rig.cost(api_pid).cpu_s - used_s
            quiet = (before + _lag(ingest_port, lambda: time.sleep(_QUIET_S))) / 2
    latency = _latency(said[0], "api", say)
    say(f"the API used {used_s / _SECONDS:.0%} of its core")
    say(f"ingest's mean lag {quiet:.1f} ms while nobody asks, {busy:.1f} ms while the API is asked")
    return quiet, busy, latency


def _peer(influx_url: str, say: Say) -> dict[str, list[float]]:
    """Return the latencies [ms] of the tutorial, which holds a year and takes the same messages."""
    with (
        servers.mosquitto(rig.BROKER) as broker,
        rig.database(influx_url, "serving") as influx,
        tempfile.TemporaryDirectory(prefix="kahriz-bench-") as name,
    ):
        folder = Path(name)
        (folder / "sites.toml").write_text(consumers.sites(), encoding="utf-8")
        registry = load_registry(folder / "sites.toml")
        _raw_history(influx, registry)
        plan = _plan(registry, folder, PEER_PER_S, _OF_THE_PEER)
        port = servers.free_port()
        where = ["--influx", influx.url, "--database", influx.database]
        consume = ["--mqtt-port", str(broker.port), *where]
        with (
            rig.process("bench.tutorial", consume, log=folder / "tutorial.log") as consuming,
            rig.process("bench.tutorial_api", ["--port", str(port), *where]) as serving,
            _messages(broker.port, _SECONDS + 10) as sending,
        ):
            os.sched_setaffinity(serving.pid, {min(os.sched_getaffinity(0))})
            assert rig.line(consuming) == "ready"
            rig.wait_until(lambda: rig.answers(f"http://127.0.0.1:{port}/health"), "it serves")
            sending()
            return _latency(_asked(port, "none", plan, PEER_PER_S), "peer", say)


def _raw_history(influx: rig.Influx, registry: Registry) -> None:
    """Write a year of each kahriz's delivery, every five minutes, up to now."""
    names = tuple(DatastreamId(f"{k.id}.delivery.discharge") for k in registry.kahriz)
    shift = np.datetime64(to_ms(system_clock()) - to_ms(fleet.START + timedelta(days=365)), "ms")
    for batch in fleet.batches(names, timedelta(days=365), timedelta(minutes=5), at_once=2000):
        fleet.fill(influx, replace(batch, time=batch.time + shift.astype("timedelta64[ms]")))


def _latency(said: str, who: str, say: Say) -> dict[str, list[float]]:
    told = orjson.loads(said)
    if told["failed"]:
        raise RuntimeError(f"{len(told['failed'])} were not answered: {told['failed'][:3]}")
    latency: dict[str, list[float]] = told["ms"]
    for name, ms in sorted(latency.items()):
        p50, p99 = np.percentile(ms, [50, 99])
        say(f"{who:4} {name:8} {len(ms):5} asked, p50 {p50:7.1f} ms, p99 {p99:7.1f} ms")
    return latency


def _history(folder: Path, registry: Registry) -> str:
    """Keep a year of days and some hundred alerts in the book; return a key that may read."""
    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    book.migrate()
    now = system_clock()
    with book.begin() as connection:
        for kahriz in registry.kahriz:
            assert kahriz.delivery is not None
            today = local_date(now, kahriz.zone)
            days = [day_start(today - timedelta(days=i), kahriz.zone) for i in range(_DAYS, -1, -1)]
            edges = np.array([to_ms(day) for day in days], np.int64).astype("datetime64[ms]")
            time_ = np.arange(edges[0], edges[-1], np.timedelta64(300_000, "ms"))
            flow = 3 + np.sin(np.arange(len(time_)) / 9000)
            flags = np.full(len(time_), Quality.GOOD, np.uint8)
            found = rollup(Series(kahriz.delivery, time_, flow, flags), edges)
            rollups.put(
                connection,
                [
                    {c: getattr(day, c) for c in day.__slots__}
                    | {"datastream": kahriz.delivery, "period": "day"}
                    for day in found
                ],
                now,
            )
        kahrizes = itertools.cycle(k.id for k in registry.kahriz)
        for i in range(_ALERTS):
            alerts.add(connection, _alert(next(kahrizes), i, now))
        _, token = keys.create(connection, "bench", keys.Scope.READ, now, None)
    book.close()
    return token


def _alert(kahriz: str, i: int, now: datetime) -> dict[str, object]:
    since = to_ms(now - timedelta(hours=20 * (_ALERTS - i)))
    is_over = i < _ALERTS - 20
    return {
        "kahriz": kahriz,
        "kind": "blockage",
        "key": "",
        "audience": "committee",
        "state": "resolved" if is_over else "firing",
        "since_ms": since,
        "pending_at_ms": since,
        "fired_at_ms": since + 900_000,
        "last_seen_ms": since + 1_800_000,
        "resolved_at_ms": since + 3_600_000 if is_over else None,
        "acknowledged_at_ms": None,
        "acknowledged_by": None,
        "detector": "station",
        "evidence": {"observed_lps": 1.4, "expected_lps": 2.3, "deviation": -0.39},
        "explanation": "1.4 L/s where 2.3 L/s was expected; the shaft upstream rose 0.21 m",
        "updated_at_ms": since,
    }


def _plan(registry: Registry, folder: Path, per_s: int, asked: Sequence[str]) -> Path:
    """Write down what is asked, in which order."""
    chance = random.Random(1)
    ids = [kahriz.id for kahriz in registry.kahriz]
    paths: dict[str, Callable[[], str]] = {
        "latest": lambda: "/api/v1/latest",
        "water": lambda: f"/api/v1/kahrizes/{chance.choice(ids)}/water?by=day",
        "summary": lambda: f"/api/v1/kahrizes/{chance.choice(ids)}/summary",
        "alerts": lambda: chance.choice(("/api/v1/alerts?limit=30", "/api/v1/alerts?state=firing")),
    }
    names = [chance.choice(asked) for _ in range(per_s * _SECONDS)]
    file = folder / "plan"
    file.write_text("".join(f"{name} {paths[name]()}\n" for name in names), encoding="utf-8")
    return file


@contextmanager
def _ingest(folder: Path, broker_port: int) -> Iterator[int]:
    port = servers.free_port()
    environment = _settings(folder) | {
        "KAHRIZ_MQTT__PORT": str(broker_port),
        "KAHRIZ_INGEST__METRICS_PORT": str(port),
        "KAHRIZ_NOTIFY__NOTIFIERS": '["null"]',
    }
    log = folder / "ingest.log"
    with rig.process("ingest", environment=environment, log=log):
        _await_well(port, log)
        yield port


@contextmanager
def _api(folder: Path) -> Iterator[tuple[int, int]]:
    port = servers.free_port()
    environment = _settings(folder) | {"KAHRIZ_API__PORT": str(port)}
    log = folder / "api.log"
    with rig.process("api", environment=environment, log=log) as running:
        # "On one core": wherever the others run.
        os.sched_setaffinity(running.pid, {min(os.sched_getaffinity(0))})
        _await_well(port, log)
        yield port, running.pid


def _settings(folder: Path) -> dict[str, str]:
    return {"KAHRIZ_DATA_DIR": str(folder), "KAHRIZ_SITES": str(folder / "sites.toml")}


@contextmanager
def _messages(port: int, seconds: int) -> Iterator[Callable[[], None]]:
    """Give what begins to publish at `MESSAGES_PER_S`, until the block ends."""
    n = MESSAGES_PER_S * seconds
    said = ["--port", str(port), "--devices", str(consumers.DEVICES), "--readings", str(n)]
    said += ["--pack", "1", "--now-ms", str(int(time.time() * 1000)), "--per-s"]
    with rig.process("bench.load", [*said, str(MESSAGES_PER_S)]) as running:
        assert rig.line(running) == "ready"
        yield lambda: _begin(running)


def _begin(running: subprocess.Popen[str]) -> None:
    assert running.stdin is not None
    running.stdin.write("\n")
    running.stdin.flush()


def _asked(port: int, key: str, plan: Path, per_s: int) -> str:
    said = ["--port", str(port), "--key", key, "--plan", str(plan), "--per-s", str(per_s)]
    with rig.process("bench.asking", said) as running:
        assert rig.line(running) == "ready"
        _begin(running)
        return rig.line(running)


def _lag(port: int, meanwhile: Callable[[], object]) -> float:
    """Return ingest's mean lag [ms] of the messages that came `meanwhile`."""
    before, n_before = _lag_so_far(port)
    meanwhile()
    after, n = _lag_so_far(port)
    if n <= n_before:
        raise RuntimeError("ingest took nothing")
    return (after - before) / (n - n_before) * 1000


def _lag_so_far(port: int) -> tuple[float, float]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
        text = answer.read().decode()
    found = dict(re.findall(r"^kahriz_intake_lag_seconds_(sum|count) (\S+)$", text, re.MULTILINE))
    return float(found["sum"]), float(found["count"])


def _await_well(port: int, log: Path) -> None:
    try:
        rig.wait_until(
            lambda: rig.answers(f"http://127.0.0.1:{port}/health"), f"{log.stem} is well"
        )
    except RuntimeError as error:
        raise RuntimeError(f"{error}\n{log.read_text(encoding='utf-8')[-2000:]}") from error
