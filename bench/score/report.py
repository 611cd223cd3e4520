"""Everybody on every collection: who found what, what it was worth, and where it is kept."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.score.bars import Bar, Scores
from bench.score.data import Collection
from bench.score.detectors import Contestant
from bench.score.judge import judge, together
from bench.score.metric import AlarmScore, quantile
from bench.score.peers import NotInstalledError
from kahriz.errors import ConfigError

RESULTS = Path(__file__).parent / "results.json"
OURS = "ours"

Say = Callable[[str], None]


@dataclass(slots=True)
class Standing:
    """What everybody reached on collections that are judged together, e.g. several seeds."""

    name: str
    bars: Sequence[Bar]
    parts: dict[str, list[Scores]] = field(default_factory=dict)
    """By detector: one score a collection."""
    not_run: dict[str, str] = field(default_factory=dict)
    """By detector: why there is no score."""

    def scores(self) -> dict[str, Scores]:
        """Return each detector's score over all collections."""
        return {name: together(parts) for name, parts in self.parts.items() if parts}


def standing(
    name: str,
    bars: Sequence[Bar],
    collections: Iterable[Collection],
    contestants: Mapping[str, Contestant],
    say: Say,
) -> Standing:
    """Let each contestant answer each collection; one that cannot run is named with the reason."""
    result = Standing(name, bars)
    for collection in collections:
        for who, contestant in contestants.items():
            if who in result.not_run:
                continue
            say(f"{collection.name}: {who}")
            try:
                scores = judge(collection, contestant(collection))
            except (NotInstalledError, ConfigError) as error:
                result.not_run[who] = str(error)
            else:
                result.parts.setdefault(who, []).append(scores)
    return result


def save(standings: Sequence[Standing], path: Path = RESULTS) -> None:
    """Write every figure, by collections and detector; what could not be measured is null."""
    told = {
        its.name: {
            "detectors": {who: _figures(scores) for who, scores in its.scores().items()},
            "not_run": its.not_run,
            "bars": _bars(its),
        }
        for its in standings
    }
    path.write_text(json.dumps(told, indent=1) + "\n", encoding="utf-8")


def _bars(its: Standing) -> list[dict[str, Any]]:
    ours = its.scores().get(OURS)
    if ours is None:
        return []
    return [
        {
            "bar": bar.what,
            "asked": bar.limit,
            "side": bar.side,
            "reached": _or_null(bar.measure(ours)),
            "spread": [_or_null(bar.measure(part)) for part in its.parts[OURS]],
            "met": bar.is_met(bar.measure(ours)),
        }
        for bar in its.bars
    ]


def _figures(scores: Scores) -> dict[str, Any]:
    figures = {"all": _alarms(scores.everybody)}
    figures |= {who: _alarms(its) for who, its in scores.audiences.items()}
    if scores.quality:
        figures["flags"] = {
            "event_recall": _or_null(scores.quality.event_recall),
            "false_runs_per_month": _or_null(scores.quality.false_runs_per_month),
            "flagged_share": _or_null(scores.quality.flagged_share),
            "good_flagged_share": _or_null(scores.quality.good_flagged_share),
        }
    return figures


def _alarms(its: AlarmScore) -> dict[str, Any]:
    return {
        "precision": _or_null(its.precision),
        "recall": _or_null(its.recall),
        "f1": _or_null(its.f1),
        "found": its.found,
        "incidents": its.incidents,
        "false": dict(its.false),
        "false_per_month": _or_null(its.false_per_month),
        "repeats": its.repeats,
        "delay_median_h": _or_null(quantile(its.delays_h, 0.5)),
        "delay_p90_h": _or_null(quantile(its.delays_h, 0.9)),
        "named_right": _or_null(its.named_right),
        "types": {
            kind: {
                "found": of.found,
                "incidents": of.incidents,
                "named_right": of.named_right,
                "called": dict(of.named),
                "delay_median_h": _or_null(quantile(of.delays_h, 0.5)),
            }
            for kind, of in sorted(its.types.items())
        },
    }


def _or_null(value: float) -> float | None:
    return None if math.isnan(value) else value
