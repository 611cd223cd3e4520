"""Recorded series with known troubles: one CSV a station, the truth beside it in ``events.csv``.

The format: ``STATION.csv`` or ``.csv.gz`` with ``time``, one column a channel and perhaps ``label``
(1 where something is wrong); ``events.csv`` with ``series,start,end,type``; ``meta.json``, see
`rules`. A folder without ``events.csv`` is one where nothing happened. Instants name no zone, or
UTC.
"""

from __future__ import annotations

import csv
import gzip
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, cast

import numpy as np
from numpy.typing import NDArray

from bench.score.rules import Rules, as_json, read_rules
from kahriz.errors import ConfigError

TimesMs = NDArray[np.int64]
Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

_EVENTS = "events.csv"
_NO_CHANNEL = ("time", "label", "qual", "cor", "leak_lps")
"""Columns that are an answer, or a technician's word, and no measurement."""


@dataclass(frozen=True, slots=True)
class Event:
    """Trouble that is known to have happened, both ends included."""

    start_ms: int
    end_ms: int
    kind: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What one station measured, in order of time; NaN where nothing was said.

    Attributes
    ----------
    time_ms
        (n,) milliseconds since 1970.
    channels
        By column: (n,) values.
    is_labelled
        (n,) where something is wrong; None where the file does not say it by reading.
    """

    name: str
    time_ms: TimesMs
    channels: Mapping[str, Floats]
    is_labelled: Flags | None = None

    def main(self, rules: Rules) -> Floats:
        """Return the channel (n,) that a detector with one channel reads."""
        column = rules.var if rules.var in self.channels else next(iter(self.channels))
        return self.channels[column]


@dataclass(frozen=True, slots=True)
class Collection:
    """Stations that are judged together, what happened at each, and the rules."""

    name: str
    recordings: Mapping[str, Recording]
    events: Mapping[str, tuple[Event, ...]]
    rules: Rules

    def events_of(self, station: str) -> tuple[Event, ...]:
        """Return what happened at `station`, in order."""
        return self.events.get(station, ())


def read_collection(folder: Path) -> Collection:
    """Read every station of `folder`, the truth and the rules.

    Raises
    ------
    ConfigError
        There is no station, or a file cannot be read as what it should be.
    """
    paths = {_station(path): path for path in sorted(folder.glob("*.csv*")) if _is_station(path)}
    if not paths:
        raise ConfigError(str(folder), "no STATION.csv or STATION.csv.gz in it")
    recordings = {name: read_recording(name, path) for name, path in paths.items()}
    name = folder.name if folder.name != "dev" else folder.resolve().parent.name
    truth = folder / _EVENTS
    events = read_events(truth) if truth.exists() else {}
    return Collection(name, recordings, events, read_rules(folder / "meta.json"))


def _is_station(path: Path) -> bool:
    return path.name.endswith((".csv", ".csv.gz")) and path.name != _EVENTS


def _station(path: Path) -> str:
    return path.name.removesuffix(".gz").removesuffix(".csv")


def open_text(path: Path) -> TextIO:
    """Open a CSV file, gzip or not."""
    if path.suffix == ".gz":
        return cast(TextIO, gzip.open(path, "rt", encoding="utf-8", newline=""))
    return path.open(encoding="utf-8", newline="")


def columns(path: Path) -> dict[str, Sequence[str]]:
    """Return the file's columns by name, as text."""
    with open_text(path) as file:
        rows = csv.reader(file)
        names = next(rows, [])
        try:
            content = list(zip(*rows, strict=True)) or [()] * len(names)
        except ValueError as error:
            raise ConfigError(str(path), f"rows of different lengths: {error}") from error
    if len(content) != len(names):
        raise ConfigError(str(path), f"{len(names)} names for {len(content)} columns")
    return dict(zip(names, content, strict=True))


def read_recording(name: str, path: Path) -> Recording:
    """Read one station's file."""
    said = columns(path)
    if "time" not in said:
        raise ConfigError(str(path), "no column 'time'")
    time_ms = instants(said["time"], path)
    order = np.argsort(time_ms, kind="stable")
    channels = {
        column: _floats(text, column, path)[order]
        for column, text in said.items()
        if column not in _NO_CHANNEL
    }
    label = said.get("label")
    marked = None if label is None else np.nan_to_num(_floats(label, "label", path))[order] != 0
    return Recording(name, time_ms[order], channels, marked)


def instants(text: Sequence[str], path: Path) -> TimesMs:
    """Return milliseconds (n,) of ISO 8601 instants without a zone, or in UTC (``Z``)."""
    bare = [t.removesuffix("Z").removesuffix("+00:00") for t in text]
    try:
        return np.array(bare, dtype="datetime64[ms]").astype(np.int64)
    except ValueError as error:
        raise ConfigError(str(path), f"no instant: {error}") from error


def _floats(text: Iterable[str], column: str, path: Path) -> Floats:
    try:
        return np.array([float(t) if t else np.nan for t in text], dtype=np.float64)
    except ValueError as error:
        raise ConfigError(f"{path}: column {column!r}", str(error)) from error


def read_events(path: Path) -> dict[str, tuple[Event, ...]]:
    """Return what happened, by station, in order of time."""
    said = columns(path)
    missing = {"series", "start", "end", "type"} - said.keys()
    if missing:
        raise ConfigError(str(path), f"no column {sorted(missing)[0]!r}")
    starts, ends = instants(said["start"], path).tolist(), instants(said["end"], path).tolist()
    found: dict[str, list[Event]] = {}
    for station, start, end, kind in zip(said["series"], starts, ends, said["type"], strict=True):
        found.setdefault(station, []).append(Event(start, end, kind))
    return {s: tuple(sorted(e, key=lambda event: event.start_ms)) for s, e in found.items()}


def write_collection(folder: Path, collection: Collection) -> None:
    """Write every station, the truth and the rules, as `read_collection` reads them."""
    write_recordings(folder, collection)
    with (folder / _EVENTS).open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["series", "start", "end", "type"])
        for station, events in collection.events.items():
            for event in events:
                table.writerow([station, _iso(event.start_ms), _iso(event.end_ms), event.kind])
    (folder / "meta.json").write_text(as_json(collection.rules), encoding="utf-8")


def write_recordings(folder: Path, collection: Collection) -> None:
    """Write what every station measured, and no word of what happened."""
    folder.mkdir(parents=True, exist_ok=True)
    for recording in collection.recordings.values():
        _write_recording(folder / f"{recording.name}.csv.gz", recording)


def _write_recording(path: Path, recording: Recording) -> None:
    names = list(recording.channels)
    texts = [np.datetime_as_string(recording.time_ms.astype("datetime64[ms]"), unit="s").tolist()]
    texts += [_numbers(values) for values in recording.channels.values()]
    if recording.is_labelled is not None:
        names.append("label")
        texts.append(["1" if is_set else "0" for is_set in recording.is_labelled.tolist()])
    with gzip.open(path, "wt", compresslevel=3, encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(["time", *names])
        table.writerows(zip(*texts, strict=True))


def _numbers(values: Floats) -> list[str]:
    return ["" if math.isnan(value) else f"{value:g}" for value in values.tolist()]


def _iso(time_ms: int) -> str:
    return str(np.datetime_as_string(np.datetime64(time_ms, "ms"), unit="s"))
