"""Measure ours beside the peers: ``python -m bench [--only NAME]``; at most 15 minutes."""

from __future__ import annotations

import argparse
import sys

from bench import intake, storage, water
from bench.result import Result, save, show
from tests import servers

INTAKE = (
    "intake_influx_singles_vs_tutorial",
    "intake_sqlite_singles_vs_influx",
    "intake_influx_packs_vs_tutorial",
    "cpu_singles_vs_tutorial",
    "cpu_packs_vs_tutorial",
    "rss_mb",
)
NAMES = (*INTAKE, water.NAME, *storage.NAMES)


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def run(wanted: set[str], rounds: int) -> list[Result]:
    """Return the `wanted` rows, measured now."""
    results: list[Result] = []
    with servers.influxd() as influx:
        url = f"http://127.0.0.1:{influx.port}"
        results += intake.rows(intake.Intake(url, _say), wanted, rounds)
        if water.NAME in wanted:
            results.append(water.row(url, _say, rounds=max(rounds, 5)))
        results += storage.rows(url, _say, wanted, rounds)
    return sorted(results, key=lambda result: NAMES.index(result.name))


def main() -> int:
    """Measure, print the table, keep ``bench/results.json``."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="one row")
    parser.add_argument("--rounds", type=int, default=3, help="each is measured so often, in turn")
    options = parser.parse_args()
    try:
        results = run({options.only} if options.only else set(NAMES), options.rounds)
    except servers.ProgramMissingError as missing:
        _say(f"bench: {missing}")
        return 2
    show(results)
    save(results)
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
