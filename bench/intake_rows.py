"""Intake beside its peers: which figure of which two consumers, under which load, is which row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from bench import wall
from bench.intake import (
    BAR,
    EMBEDDED,
    NODE_RED,
    OURS,
    PACKS,
    SINGLES,
    TUTORIAL,
    WALL,
    Intake,
    Load,
    Run,
)
from bench.result import Result, compare


def _rate(run: Run) -> float:
    return run.readings_per_s


def _cpu(run: Run) -> float:
    return run.cpu_s_per_million


def _rss(run: Run) -> float:
    return run.rss_mb


@dataclass(frozen=True, slots=True)
class Row:
    """Which figure of which two consumers, under which load."""

    name: str
    what: str
    unit: str
    load: Load
    ours: str
    peer: str
    figure: Callable[[Run], float] = _rate

    def result(self, runs: dict[str, list[Run]]) -> Result:
        """Return the row, of what was measured in turn."""
        return compare(
            self.name,
            self.what.format(language=wall.language()),
            self.unit,
            [self.figure(run) for run in runs[self.ours]],
            [self.figure(run) for run in runs[self.peer]],
            less_is_better=self.figure is not _rate,
        )


_ONE, _FORTY = "one reading a message", "40 readings a message"
_RATE, _CPU = "readings/s", "s/million"
_AS_FAST = "publish to queryable, beside"
ROWS = (
    Row(
        "intake_influx_singles_vs_broker",
        f"{_ONE}, {_AS_FAST} a consumer (in {{language}}) that stores nothing",
        _RATE,
        SINGLES,
        OURS,
        WALL,
    ),
    Row(
        "intake_influx_singles_vs_tutorial",
        f"{_ONE}, {_AS_FAST} the tutorial",
        _RATE,
        SINGLES,
        OURS,
        TUTORIAL,
    ),
    Row(
        "intake_influx_singles_vs_nodered",
        f"{_ONE}, {_AS_FAST} Node-RED",
        _RATE,
        SINGLES,
        OURS,
        NODE_RED,
    ),
    Row(
        "intake_sqlite_singles_vs_influx",
        f"{_ONE}: ours into SQLite, beside ours into InfluxDB",
        _RATE,
        SINGLES,
        EMBEDDED,
        OURS,
    ),
    Row(
        "intake_influx_packs_vs_tutorial",
        f"{_FORTY}, {_AS_FAST} the tutorial",
        _RATE,
        PACKS,
        OURS,
        TUTORIAL,
    ),
    Row(
        "intake_influx_packs_vs_nodered",
        f"{_FORTY}, {_AS_FAST} Node-RED",
        _RATE,
        PACKS,
        OURS,
        NODE_RED,
    ),
    Row(
        "cpu_singles_vs_tutorial",
        f"CPU of the consumer, {_ONE}",
        _CPU,
        SINGLES,
        OURS,
        TUTORIAL,
        _cpu,
    ),
    Row(
        "cpu_packs_vs_tutorial", f"CPU of the consumer, {_FORTY}", _CPU, PACKS, OURS, TUTORIAL, _cpu
    ),
    Row("rss_mb", f"greatest memory, {_FORTY}; the peer is the bar", "MB", PACKS, OURS, BAR, _rss),
)
NAMES = tuple(row.name for row in ROWS)


def rows(intake: Intake, wanted: set[str], rounds: int) -> list[Result]:
    """Measure what the `wanted` rows need, in turn, and return them.

    A peer that does not get there in time loses its rows, and no others.
    """
    results: list[Result] = []
    for load in (SINGLES, PACKS):
        here = [r for r in ROWS if r.load is load and intake.has(r.ours) and intake.has(r.peer)]
        chosen = [row for row in here if row.name in wanted]
        who = list(dict.fromkeys(name for row in chosen for name in (row.ours, row.peer)))
        runs: dict[str, list[Run]] = {name: [] for name in who}
        for _ in range(rounds):
            for name in list(runs):
                try:
                    runs[name].append(intake.run(name, load))
                except RuntimeError as error:
                    if name in (OURS, EMBEDDED):
                        raise
                    intake.say(f"bench: rows beside {name} are left out: {error}")
                    del runs[name]
        results += [row.result(runs) for row in chosen if row.peer in runs]
    return results
