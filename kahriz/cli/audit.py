"""`kahriz audit`: whether raw intake, ledger, store and books say the same of each reading."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date, timedelta
from typing import Annotated

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from ingest.audit import Audit, Report
from ingest.replay import gatherer_of
from kahriz.book import check, checkpoints, days, ledger
from kahriz.book.days import DayCount
from kahriz.book.ledger import Gaps
from kahriz.cli.dead_letters import printable
from kahriz.cli.opened import Opened, opened
from kahriz.clock import from_ms, iso

_FRESH_MS = 15_000
_PARTS = ("files", "days", "intake", "ledger", "store")


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(audit)


def audit(
    hours: Annotated[float, typer.Option(min=0.01, help="How far back, at most.")] = 48.0,
    settle_s: Annotated[
        float, typer.Option(min=0, help="What came in the last seconds may be on its way.")
    ] = 30.0,
    limit: Annotated[int, typer.Option(min=1, help="Findings of a part shown at most.")] = 20,
    gaps: Annotated[bool, typer.Option(help="Show every boot of every device.")] = False,
    last_days: Annotated[
        int, typer.Option("--days", min=0, help="Show the books of the last days, UTC.")
    ] = 0,
) -> None:
    """Compare raw intake, ledger, store and books; exit 1 where they disagree.

    Reads only, and may be run while ingest runs.

    Example: kahriz audit --hours 6
    """
    with opened(read_only=True) as house:
        now = house.settings.clock.clock()()
        settle = timedelta(seconds=(settle_s + _waits_s(house)) * house.settings.clock.speed)
        with _reaching() as reached:
            report = _audit(house, limit).run(now, timedelta(hours=hours), settle, reached)
        can_read = "days" in report.compared
        boots = _gaps(house) if can_read else []
        since = now.date() - timedelta(days=last_days - 1)
        counts = _days(house, since) if can_read and last_days else []
    Console().print(_table(report))
    if counts:
        Console().print(_books(counts))
    for line in _complete(boots, each=gaps):
        typer.echo(line)
    for finding in report.findings:
        typer.echo(f"{finding.part}: {printable(finding.what)}")
    for part, n in report.counts.items():
        if n > limit:
            typer.echo(f"{part}: ... and {n - limit} more")
    if report.counts.total():
        raise typer.Exit(1)


def _audit(house: Opened, limit: int) -> Audit:
    settings = house.settings
    return Audit(
        house.registry,
        house.store,
        house.book,
        settings.store_url,
        settings.intake_log,
        gatherer_of(house.registry, settings.ingest),
        timedelta(seconds=settings.ingest.future_tolerance_s),
        limit,
    )


def _gaps(house: Opened) -> list[Gaps]:
    with house.book.read() as connection:
        return ledger.gaps(connection)


def _days(house: Opened, since: date) -> list[DayCount]:
    with house.book.read() as connection:
        return days.days(connection, since=since)


def _waits_s(house: Opened, wall: Callable[[], float] = time.time) -> float:
    """Return for how long ingest has been waiting for its store, if it says that it does [s].

    What came since then lies in the raw intake and cannot be in the store yet.
    """
    if check.problems(house.book):
        return 0.0
    with house.book.read() as connection:
        said = checkpoints.get(connection, "ingest")
    if said is None or said.get("store", "ok") == "ok" or said.get("since_ms") is None:
        return 0.0
    now_ms = wall() * 1000
    if now_ms - said["wall_ms"] > _FRESH_MS:
        return 0.0  # it does not wait, it is gone
    typer.echo(f"ingest waits for the store: {said['store']}; what came since is not asked for")
    return float(now_ms - said["since_ms"]) / 1000


def _books(counts: list[DayCount]) -> Table:
    names = ("received", "stored", "duplicate", "lost")
    table = Table("day", "device", *names, "quarantined and shed")
    for count in counts:
        why = ", ".join(f"{n} {reason}" for reason, n in sorted(count.reasons.items()))
        figures = (str(getattr(count, name)) for name in names)
        table.add_row(str(count.day), escape(count.device) or "(strangers)", *figures, why)
    return table


def _table(report: Report) -> Table:
    table = Table("part", "compared", "findings")
    for part in _PARTS:
        compared = report.compared.get(part, "not compared")
        table.add_row(part, escape(compared), str(report.counts[part]))
    return table


def _complete(boots: list[Gaps], *, each: bool) -> Iterator[str]:
    """Yield "1412 of 1440, 28 lost": by device where something is missing, or every boot."""
    by_device: dict[str, list[Gaps]] = defaultdict(list)
    for boot in boots:
        by_device[boot.device].append(boot)
    for device, own in by_device.items():
        if each:
            for boot in own:
                span = f"seq {boot.first} to {boot.last}"
                yield f"{device} boot {boot.boot} ({span}): {_said([boot])}"
        elif any(boot.lost or boot.pending for boot in own):
            yield f"{device}: {_said(own)}"


def _said(boots: list[Gaps]) -> str:
    received, due = sum(b.received for b in boots), sum(b.due for b in boots)
    lost, pending = sum(b.lost for b in boots), sum(b.pending for b in boots)
    parts = [f"{received} of {due}"]
    parts += [f"{n} {word}" for n, word in ((lost, "lost"), (pending, "pending")) if n]
    return ", ".join(parts)


@contextmanager
def _reaching() -> Iterator[Callable[[int], None]]:
    with Console(stderr=True).status("reading") as status:
        yield lambda ms: status.update(f"reading what came {iso(from_ms(ms))}")
