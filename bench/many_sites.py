"""What a page asks of a thousand sites: how the water is now, and how much came each day."""

from __future__ import annotations

import urllib.parse
import urllib.request
from datetime import timedelta
from pathlib import Path

import numpy as np
import orjson

from bench import fleet, rig
from bench.fleet import START
from bench.result import Result, compare
from kahriz.book import Book, rollups
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, ObservationBatch, Series, split_datastream_id
from kahriz.stats.rollup import rollup

NAMES = ("latest_1000_vs_influxql", "water_week_1000_vs_influxql")
_SITES = 1000
_DAYS = 7
_EVERY = timedelta(minutes=5)
_END = START + timedelta(days=_DAYS)
_STATEMENTS = 200

Volumes = dict[DatastreamId, list[float]]
Newest = dict[DatastreamId, float]


def rows(folder: Path, influx_url: str, rounds: int) -> list[Result]:
    """Ask both what is newest and how much came, of a week of 1000 sites at 5 minutes."""
    streams = fleet.names(_SITES)
    batches = list(fleet.batches(streams, timedelta(days=_DAYS), _EVERY, at_once=48))
    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    book.migrate()
    _keep_days(book, batches)
    with (
        fleet.stored(folder / "many.sqlite", batches) as store,
        rig.database(influx_url, "many") as influx,
    ):
        for batch in batches:
            fleet.fill(influx, batch)
        mine, peer = fleet.in_turn(
            rounds,
            lambda: {name: seen.value for name, seen in store.latest().items()},
            lambda: _last(influx),
            _check_newest,
        )
        what = "the newest of 1000 sensors; beside last()"
        newest = compare(NAMES[0], what, "ms", mine, peer, less_is_better=True)
        mine, peer = fleet.in_turn(
            rounds,
            lambda: _volumes(book, streams),
            lambda: _integrals(influx, streams),
            _check_volumes,
        )
        what = "daily volumes of 1000 sites for a week at 5 minutes; beside integral() by day"
        week = compare(NAMES[1], what, "ms", mine, peer, less_is_better=True)
    book.close()
    return [newest, week]


def _last(influx: rig.Influx) -> Newest:
    series = influx.ask('SELECT last(value) FROM observation GROUP BY "kahriz", "site", "property"')
    return {
        DatastreamId(".".join(s["tags"][tag] for tag in ("kahriz", "site", "property"))): float(
            s["values"][0][1]
        )
        for s in series
    }


def _check_newest(mine: Newest, theirs: Newest) -> None:
    if mine != theirs or len(mine) != _SITES:
        raise RuntimeError(f"the two disagree: {len(mine)} and {len(theirs)} newest")


def _keep_days(book: Book, batches: list[ObservationBatch]) -> None:
    """Keep in the book what ingest computes of each day, by the same function."""
    days = [to_ms(START + timedelta(days=day)) for day in range(_DAYS + 1)]
    edges = np.array(days).astype("datetime64[ms]")
    parts: dict[DatastreamId, list[Series]] = {}
    for batch in batches:
        for name, part in batch.by_datastream().items():
            parts.setdefault(name, []).append(part)
    figures = []
    for name, of_one in parts.items():
        time = np.concatenate([part.time for part in of_one])
        value = np.concatenate([part.value for part in of_one])
        quality = np.concatenate([part.quality for part in of_one])
        for day in rollup(Series(name, time, value, quality), edges):
            row = {column: getattr(day, column) for column in day.__slots__}
            figures.append(row | {"datastream": name, "period": "day"})
    with book.begin() as connection:
        rollups.put(connection, figures, _END)


def _volumes(book: Book, streams: tuple[DatastreamId, ...]) -> Volumes:
    with book.read() as connection:
        found = rollups.volumes(connection, streams, "day", to_ms(START), to_ms(_END))
    return {name: [volume or 0.0 for _, volume in days] for name, days in found.items()}


def _integrals(influx: rig.Influx, streams: tuple[DatastreamId, ...]) -> Volumes:
    """Ask site by site, many in a request: of many series at once 1.6 answers one day only."""
    found: Volumes = {}
    for first in range(0, len(streams), _STATEMENTS):
        some = streams[first : first + _STATEMENTS]
        form = {"q": ";".join(map(_integral, some)), "db": influx.database, "epoch": "ms"}
        body = urllib.parse.urlencode(form).encode()
        with urllib.request.urlopen(f"{influx.url}/query", data=body, timeout=120) as answer:
            results = orjson.loads(answer.read())["results"]
        for name, result in zip(some, results, strict=True):
            found[name] = [float(v or 0.0) for _, v in result["series"][0]["values"]]
    return found


def _integral(name: DatastreamId) -> str:
    kahriz, site, prop = split_datastream_id(name)
    return (
        f"SELECT integral(value) / 1000 FROM observation WHERE kahriz = '{kahriz}' AND"
        f" site = '{site}' AND property = '{prop}' AND time >= {to_ms(START)}ms"
        f" AND time < {to_ms(_END)}ms GROUP BY time(1d)"
    )


def _check_volumes(mine: Volumes, theirs: Volumes) -> None:
    # A day of InfluxQL lacks the five minutes up to midnight: 1 part in 288.
    for name, days in mine.items():
        if len(days) != _DAYS or not np.allclose(days, theirs[name][:_DAYS], rtol=1e-2):
            raise RuntimeError(f"the two disagree on {name}: {days} and {theirs[name]}")
    if len(mine) != _SITES:
        raise RuntimeError(f"{len(mine)} sites")
