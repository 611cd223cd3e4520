"""What was found, told to people: a line a detector, its types, its names, and the bars."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from bench.score.bars import Bar, Scores
from bench.score.metric import AlarmScore, TypeScore, quantile

_WIDTH = 150


def figure(value: float) -> str:
    """Return a figure as the tables show it; "-" for what could not be measured."""
    if math.isnan(value):
        return "-"
    return f"{value:.2f}" if value < 100 else f"{value:.0f}"


def console() -> Console:
    """Return where tables go: as wide as they need, in a file as well."""
    return Console(width=_WIDTH, highlight=False)


def show_detectors(title: str, rows: Mapping[str, Scores]) -> None:
    """Print one line a detector and audience."""
    table = Table("detector", "for", title=title, title_justify="left")
    for column in ("P", "R", "F1", "found", "false", "false/month"):
        table.add_column(column, justify="right")
    for column in ("repeats", "delay h", "p90 h", "named", "flags: recall", "false/month"):
        table.add_column(column, justify="right")
    for name, scores in rows.items():
        for who, its in {"all": scores.everybody, **scores.audiences}.items():
            flags = _flags(scores) if who == "all" else ("", "")
            table.add_row(name if who == "all" else "", who, *_line(its), *flags)
    console().print(table)


def _line(its: AlarmScore) -> tuple[str, ...]:
    return (
        *(figure(x) for x in (its.precision, its.recall, its.f1)),
        f"{its.found}/{its.incidents}",
        str(its.false_messages),
        figure(its.false_per_month),
        str(its.repeats),
        *(figure(quantile(its.delays_h, part)) for part in (0.5, 0.9)),
        figure(its.named_right),
    )


def _flags(scores: Scores) -> tuple[str, str]:
    if scores.quality is None:
        return ("", "")
    return figure(scores.quality.event_recall), figure(scores.quality.false_runs_per_month)


def show_types(title: str, scores: Scores) -> None:
    """Print what was found of each type of trouble, and what it was called."""
    table = Table("type", title=title, title_justify="left")
    for column in ("found", "named right", "delay h", "p90 h"):
        table.add_column(column, justify="right")
    table.add_column("called")
    for kind, its in sorted(scores.everybody.types.items()):
        table.add_row(kind, *_type_line(its))
    false = scores.everybody.false
    table.add_row("(nothing)", "", "", "", "", _counts(false), style="dim")
    console().print(table)


def _type_line(its: TypeScore) -> tuple[str, ...]:
    right = f"{its.named_right}/{its.named.total()}" if its.named else "-"
    delays = [figure(quantile(its.delays_h, part)) for part in (0.5, 0.9)]
    return f"{its.found}/{its.incidents}", right, *delays, _counts(its.named)


def _counts(named: Mapping[str, int]) -> str:
    most = sorted(named.items(), key=lambda item: -item[1])
    return ", ".join(f"{kind or 'unnamed'} {n}" for kind, n in most)


def show_bars(title: str, bars: Sequence[Bar], all_of: Scores, parts: Sequence[Scores]) -> int:
    """Print each bar, what was reached, the spread over `parts`; return how many are missed."""
    table = Table("bar", "asked", title=title, title_justify="left")
    for column in ("reached", "least", "most", ""):
        table.add_column(column, justify="right")
    missed = 0
    for bar in bars:
        value = bar.measure(all_of)
        missed += not bar.is_met(value)
        word = "met" if bar.is_met(value) else ("not measured" if math.isnan(value) else "MISSED")
        asked = f"{bar.side} {bar.limit:g} {bar.unit}".rstrip()
        table.add_row(bar.what, asked, figure(value), *_spread(bar, parts), word)
    console().print(table)
    return missed


def _spread(bar: Bar, parts: Sequence[Scores]) -> tuple[str, str]:
    values = [value for part in parts if not math.isnan(value := bar.measure(part))]
    if len(parts) < 2 or not values:
        return "", ""
    return figure(min(values)), figure(max(values))
