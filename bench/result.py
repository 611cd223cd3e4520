"""What a benchmark found, and how it is told: a table for people, a file for programs."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

RESULTS = Path(__file__).parent / "results.json"


@dataclass(frozen=True, slots=True)
class Result:
    """One row: ours beside a peer's, medians of the rounds; ratio > 1 means ours is better.

    ``min`` and ``max`` are the ratio of the worst and of the best round: the machine is shared, so
    figures drift, and only what was measured in turn compares. Where ours should be 0 there is no
    ratio: all three are None.
    """

    name: str
    what: str
    unit: str
    ours: float
    peer: float
    ratio: float | None
    min: float | None
    max: float | None
    runs: int


def compare(
    name: str,
    what: str,
    unit: str,
    ours: Sequence[float],
    peer: Sequence[float],
    *,
    less_is_better: bool = False,
) -> Result:
    """Return the row of figures measured in turn: ours[i] beside peer[i]."""
    pairs = list(zip(ours, peer, strict=True))
    ratios = [p / o if less_is_better else o / p for o, p in pairs]
    mine, theirs = median(ours), median(peer)
    ratio = theirs / mine if less_is_better else mine / theirs
    return Result(name, what, unit, mine, theirs, ratio, min(ratios), max(ratios), len(pairs))


def lost(name: str, what: str, ours: int, peer: int, *, of: int) -> Result:
    """Return the row of readings lost by each, of so many."""
    return Result(name, what, f"of {of:,}", ours, peer, None, None, None, 1)


def show(results: Sequence[Result]) -> None:
    """Print the table."""
    table = Table("name", "what", "unit")
    for column in ("ours", "peer", "ratio", "worst", "best", "runs"):
        table.add_column(column, justify="right")
    for r in results:
        ratios = ["-" if x is None else f"{x:.2f}" for x in (r.ratio, r.min, r.max)]
        table.add_row(r.name, r.what, r.unit, _short(r.ours), _short(r.peer), *ratios, str(r.runs))
    Console(width=150).print(table)


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def save(results: Sequence[Result], path: Path = RESULTS) -> None:
    """Write, or renew, these rows of the file; others stay as they were."""
    try:
        known = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        known = {}
    for result in results:
        fields = asdict(result)
        known[result.name] = {
            key: fields[key] for key in ("ours", "peer", "ratio", "min", "max", "runs")
        }
    path.write_text(json.dumps(known, indent=2) + "\n", encoding="utf-8")
