"""The scoreboard: ``python -m bench.score report``, ``run`` and ``stations``.

0: every bar was reached; 1: one was missed, or could not be measured; 2: wrong use.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bench.score import report, stations, table
from bench.score.bars import STATION, Bar, bars_for
from bench.score.data import Collection, read_collection, write_collection
from bench.score.detectors import Contestant, ours, peer, written
from bench.score.peers import PEERS, SANITY
from bench.score.report import OURS, Standing
from kahriz.errors import ConfigError


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what the words say."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.do(options))
    except ConfigError as error:
        sys.stderr.write(f"score: {error}\n")
        return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.score", description=__doc__)
    words = parser.add_subparsers(required=True, metavar="WORD")
    full = words.add_parser("report", help="ours and the peers, on fresh stations and on folders")
    full.add_argument("--data", type=Path, action="append", default=[], help="a folder; repeatable")
    full.add_argument("--role", action="append", default=[], help="COLUMN=property@site, for ours")
    full.add_argument("--seeds", type=int, nargs="*", default=list(stations.REPORT_SEEDS))
    full.add_argument("--stations", type=_count, default=stations.STATIONS, help="a seed")
    full.add_argument("--without", nargs="*", default=[], choices=_names(), help="detectors")
    full.set_defaults(do=_report)
    run = words.add_parser("run", help="judge alarms that a detector has written, quickly")
    run.add_argument("--data", type=Path, required=True, help="folder of stations and events.csv")
    run.add_argument("--det", type=Path, required=True, help="folder of STATION.csv: alarms")
    run.add_argument("--flags", type=Path, help="folder of STATION.csv: time,flag")
    run.add_argument("--peers", action="store_true", help="the peers beside it")
    run.set_defaults(do=_run)
    make = words.add_parser("stations", help="write fresh stations as a folder")
    make.add_argument("--out", type=Path, required=True)
    make.add_argument("--seed", type=int, default=stations.DEV_SEEDS[0])
    make.add_argument("--stations", type=_count, default=stations.STATIONS)
    make.set_defaults(do=_stations)
    return parser


def _names() -> list[str]:
    return [*SANITY, *PEERS, OURS]


def _count(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is less than 1")
    return number


def _peers() -> dict[str, Contestant]:
    return {name: peer(its) for name, its in {**SANITY, **PEERS}.items()}


def _report(options: argparse.Namespace) -> int:
    contestants = _peers() | {OURS: ours(options.role)}
    contestants = {n: its for n, its in contestants.items() if n not in options.without}
    folders = [read_collection(folder) for folder in options.data]
    standings: list[Standing] = []
    if options.seeds:
        fresh = (stations.simulated(seed, options.stations) for seed in options.seeds)
        title = f"{len(options.seeds)} seeds of {options.stations} fresh stations"
        standings.append(_standing(title, STATION, fresh, contestants, len(options.seeds)))
    standings += [_standing(its.name, bars_for(its), [its], contestants, 1) for its in folders]
    missed = sum(_show(its, OURS) for its in standings)
    report.save(standings)
    return 1 if missed else 0


def _run(options: argparse.Namespace) -> int:
    collection = read_collection(options.data)
    name = options.det.name
    contestants = _peers() if options.peers else {}
    # Asked before the peers: what cannot be read is said at once.
    answers = written(options.det, options.flags)(collection)
    contestants[name] = lambda _: answers
    its = _standing(collection.name, bars_for(collection), [collection], contestants, 1)
    return 1 if _show(its, name) else 0


def _stations(options: argparse.Namespace) -> int:
    collection = stations.simulated(options.seed, options.stations)
    write_collection(options.out, collection)
    events = sum(len(its) for its in collection.events.values())
    print(f"{options.out}: {len(collection.recordings)} stations, {events} events")
    return 0


def _standing(
    title: str,
    bars: Sequence[Bar],
    collections: Iterable[Collection],
    contestants: dict[str, Contestant],
    count: int,
) -> Standing:
    columns = (TextColumn("{task.description:32}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True)) as progress:
        task = progress.add_task(title, total=count * len(contestants))

        def say(line: str) -> None:
            progress.update(task, advance=1, description=line)

        return report.standing(title, bars, collections, contestants, say)


def _show(its: Standing, who: str) -> int:
    """Print what was reached; return how many bars `who` does not reach."""
    scores = its.scores()
    table.show_detectors(its.name, scores)
    for name, reason in its.not_run.items():
        print(f"not run: {name}: {reason}")
    if who not in scores:
        return len(its.bars)
    table.show_types(f"{its.name}: {who} by type", scores[who])
    return table.show_bars(f"{its.name}: {who}", its.bars, scores[who], its.parts[who])


if __name__ == "__main__":
    raise SystemExit(main())
