"""Alarms: what a detector would have sent, read from its files or made of its flags.

Flags become alarms by one policy for every peer, so that what is compared is the detector and not
the care taken with its messages: an alarm is raised when ``on`` of the last ``win`` readings are
flagged, and is over when no reading was flagged for ``clear_h``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.score.data import Collection, Flags, Recording, TimesMs, columns, instants
from bench.score.rules import HOUR_MS, Rules
from kahriz.errors import ConfigError


@dataclass(frozen=True, slots=True, order=True)
class Alarm:
    """One message: when it left, when its trouble was over, what it named ("" for nothing)."""

    onset_ms: int
    end_ms: int
    kind: str = ""


Alarms = Mapping[str, tuple[Alarm, ...]]
"""By station."""


def raised(time_ms: TimesMs, is_flagged: Flags, rules: Rules) -> tuple[Alarm, ...]:
    """Return the alarms of one station's flags (n,) by the common policy."""
    total = np.concatenate([[0], np.cumsum(is_flagged)])
    last = np.arange(1, len(is_flagged) + 1)
    is_many = total[last] - total[np.maximum(last - rules.win, 0)] >= rules.on
    clear_ms = rules.clear_h * HOUR_MS
    spans: list[tuple[int, int]] = []
    is_on, flagged_ms = False, 0
    for i in np.flatnonzero(is_flagged | is_many).tolist():
        now_ms = int(time_ms[i])
        is_on = is_on and now_ms - flagged_ms <= clear_ms
        if is_flagged[i]:
            flagged_ms = now_ms
        if is_on:
            spans[-1] = (spans[-1][0], flagged_ms)
        elif is_many[i]:
            is_on = True
            spans.append((now_ms, max(now_ms, flagged_ms)))
    return tuple(Alarm(onset, end) for onset, end in spans)


def read_alarms(folder: Path, collection: Collection) -> Alarms:
    """Return the alarms in ``STATION.csv`` of `folder`; a station without a file raised none.

    A file is ``start,end[,kind]``, or ``time,flag`` whose flags become alarms by the policy.
    """
    _must_hold_one(folder, collection)
    return {
        name: _alarms_of(path, recording, collection.rules) if path else ()
        for name, recording in collection.recordings.items()
        for path in [_file(folder, name)]
    }


def read_flags(folder: Path, collection: Collection) -> dict[str, Flags]:
    """Return the flags (n,) in ``STATION.csv`` (``time,flag``) of `folder`, by station."""
    _must_hold_one(folder, collection)
    return {
        name: _flags_of(path, recording) if path else np.zeros(len(recording.time_ms), bool)
        for name, recording in collection.recordings.items()
        for path in [_file(folder, name)]
    }


def _must_hold_one(folder: Path, collection: Collection) -> None:
    # A mistyped folder must not look like a detector that never said anything.
    if not any(_file(folder, name) for name in collection.recordings):
        raise ConfigError(str(folder), f"holds no file of a station of {collection.name}")


def _file(folder: Path, station: str) -> Path | None:
    names = (folder / f"{station}.csv", folder / f"{station}.csv.gz")
    return next((path for path in names if path.exists()), None)


def _alarms_of(path: Path, recording: Recording, rules: Rules) -> tuple[Alarm, ...]:
    said = columns(path)
    if "start" not in said:
        return raised(recording.time_ms, _flags_of(path, recording), rules)
    starts = instants(said["start"], path).tolist()
    ends = instants(said["end"], path).tolist() if "end" in said else starts
    kinds = said.get("kind", [""] * len(starts))
    return tuple(sorted(Alarm(*row) for row in zip(starts, ends, kinds, strict=True)))


def _flags_of(path: Path, recording: Recording) -> Flags:
    said = columns(path)
    if not {"time", "flag"} <= said.keys():
        raise ConfigError(str(path), "neither start,end nor time,flag")
    is_set = np.array([flag not in ("", "0", "0.0", "False") for flag in said["flag"]], bool)
    return np.isin(recording.time_ms, instants(said["time"], path)[is_set])
