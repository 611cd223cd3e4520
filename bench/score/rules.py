"""How a collection of series is judged: its ``meta.json``, with the usual rules where it is silent.

An alarm is judged by its *onset*, the instant a message leaves. What counts as in time, how long a
station may learn, who is told of what: each collection says for itself, because an abrupt blockage
and a drought of a hundred days cannot share a deadline.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

from kahriz.errors import ConfigError

MINUTE_MS = 60_000
HOUR_MS = 60 * MINUTE_MS
DAY_MS = 24 * HOUR_MS
MONTH_DAYS = 30.4375


@dataclass(frozen=True, slots=True)
class Audience:
    """Those who act on some types of trouble, and the kinds of alarms that reach them."""

    types: frozenset[str]
    kinds: frozenset[str]


COMMITTEE_KINDS = frozenset(
    {"blockage", "decline", "drought", "overabstraction", "tap_leak", "surge"}
)
TECHNICIAN_KINDS = frozenset({"sensor", "offline", "battery"})


@dataclass(frozen=True, slots=True)
class Rules:
    """What ``meta.json`` may say, under the same names; durations carry their unit."""

    step_min: float = 15
    merge_h: float | None = 24
    """Events of a station this close are one incident; None: never."""
    early_min: float = 30
    late_h: float = 2
    warmup_d: float = 7
    """A station learns so long: nothing is judged."""
    min_dur_min: float = 60
    """Shorter incidents are nobody's business: neither missed nor false."""
    horizon_h: float | Mapping[str, float] | None = None
    """An onset later than this after an incident's start is no detection; by type, ``*`` else."""
    var: str = "value"
    """The column a detector with one channel reads."""
    exclude: tuple[str, ...] = ()
    neutral: tuple[str, ...] = ()
    """Types that are nature's own: an alarm there is neither found nor false."""
    kinds: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By type: the kinds that name it right; unnamed types are called by their own name."""
    audience: Mapping[str, Audience] = field(default_factory=dict)
    on: int = 3
    win: int = 4
    clear_h: float = 6
    """The common policy for flags: an alarm when ``on`` of ``win`` are flagged, see `policy`."""

    @property
    def ignored(self) -> frozenset[str]:
        """Types in whose time an alarm is neither found nor false."""
        return frozenset(self.exclude) | frozenset(self.neutral)

    def horizon(self, kind: str) -> float | None:
        """Return the hours after its start in which an incident of type `kind` can be found."""
        if isinstance(self.horizon_h, Mapping):
            return self.horizon_h.get(kind, self.horizon_h.get("*"))
        return self.horizon_h

    def right_names(self, kind: str) -> tuple[str, ...]:
        """Return the kinds of alarm that name trouble of type `kind`."""
        return self.kinds.get(kind, (kind,))


def read_rules(path: Path) -> Rules:
    """Return the rules in `path`; the usual ones where there is no such file.

    Raises
    ------
    ConfigError
        The file is no JSON object.
    """
    if not path.exists():
        return Rules()
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise ConfigError(str(path), f"no JSON: {error}") from error
    if not isinstance(said, dict):
        raise ConfigError(str(path), "not a JSON object")
    known = {f.name for f in fields(Rules)}
    return Rules(**{name: _value(name, said[name]) for name in known & said.keys()})


def _value(name: str, value: Any) -> Any:
    if name in ("exclude", "neutral"):
        return tuple(value or ())
    if name == "kinds":
        return {kind: tuple(names) for kind, names in value.items()}
    if name == "audience":
        return {who: _audience(its) for who, its in value.items()}
    return value


def _audience(said: Mapping[str, list[str]]) -> Audience:
    return Audience(frozenset(said["types"]), frozenset(said["kinds"]))


def as_json(rules: Rules) -> str:
    """Return the rules as a ``meta.json`` says them."""
    said = {f.name: getattr(rules, f.name) for f in fields(rules)}
    said["audience"] = {
        who: {"types": sorted(its.types), "kinds": sorted(its.kinds)}
        for who, its in rules.audience.items()
    }
    return json.dumps(said, indent=1) + "\n"
