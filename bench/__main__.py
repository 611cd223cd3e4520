"""Measure ours beside the peers: ``python -m bench [--only NAME]``; at most 15 minutes."""

from __future__ import annotations

import argparse
import sys

from bench import detection, durable, intake_rows, nodered, serving, storage, water
from bench.intake import Intake
from bench.result import Result, save, show
from tests import servers

NAMES = (
    *intake_rows.NAMES,
    *durable.NAMES,
    water.NAME,
    *storage.NAMES,
    *serving.NAMES,
    *detection.NAMES,
)
_BESIDE_NODE_RED = "_vs_nodered"


def _say(line: str) -> None:
    sys.stderr.write(line + "\n")


def run(wanted: set[str], rounds: int) -> list[Result]:
    """Return the `wanted` rows, measured now; those whose peer cannot be had are left out."""
    results: list[Result] = []
    node_red = _node_red(wanted)
    with servers.influxd() as influxd:
        url = f"http://{influxd.host}:{influxd.port}"
        intake = Intake(influxd, _say, node_red)
        results += intake_rows.rows(intake, wanted, rounds)
        results += durable.rows(intake, wanted, _say, node_red)
        if water.NAME in wanted:
            results.append(water.row(url, _say, rounds=max(rounds, 5)))
        results += storage.rows(url, _say, wanted, rounds)
        results += serving.rows(url, _say, wanted, rounds)
    results += detection.rows(_say, wanted, rounds)
    return sorted(results, key=lambda result: NAMES.index(result.name))


def _node_red(wanted: set[str]) -> nodered.NodeRed | None:
    if not any(name.endswith(_BESIDE_NODE_RED) for name in wanted):
        return None
    try:
        return nodered.install(_say)
    except nodered.MissingError as missing:
        _say(f"bench: rows {_BESIDE_NODE_RED} are left out: {missing}")
        return None


def main() -> int:
    """Measure, print the table, keep ``bench/results.json``; 1: ours lost a reading."""
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    parser.add_argument("--only", choices=NAMES, help="one row")
    parser.add_argument("--rounds", type=int, default=3, help="each is measured so often, in turn")
    options = parser.parse_args()
    try:
        results = run({options.only} if options.only else set(NAMES), options.rounds)
    except servers.ProgramMissingError as missing:
        _say(f"bench: {missing}")
        return 2
    if not results:
        return 2
    show(results)
    save(results)
    return 1 if any(r.ours for r in results if r.name in durable.NAMES) else 0


if __name__ == "__main__":
    raise SystemExit(main())
