"""The scoreboard's commands: ``python -m bench.score run``."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.score import table
from bench.score.alarms import read_alarms, read_flags
from bench.score.bars import bars_for
from bench.score.data import read_collection
from bench.score.judge import Answers, judge
from kahriz.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say; 1: a bar was missed, 2: wrong use."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except ConfigError as error:
        sys.stderr.write(f"score: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.score", description=__doc__)
    words = parser.add_subparsers(required=True, metavar="WORD")
    run = words.add_parser("run", help="judge alarms that a detector has written, quickly")
    run.add_argument("--data", type=Path, required=True, help="folder of stations and events.csv")
    run.add_argument("--det", type=Path, required=True, help="folder of STATION.csv: alarms")
    run.add_argument("--flags", type=Path, help="folder of STATION.csv: time,flag")
    run.set_defaults(do=_run)
    return parser


def _run(options: argparse.Namespace) -> int:
    collection = read_collection(options.data)
    alarms = read_alarms(options.det, collection)
    flags = read_flags(options.flags, collection) if options.flags else None
    scores = judge(collection, Answers(alarms, flags))
    table.show_detectors(collection.name, {options.det.name: scores})
    table.show_types("By type", scores)
    return 1 if table.show_bars("Against the bars", bars_for(collection), scores, []) else 0


if __name__ == "__main__":
    raise SystemExit(main())
