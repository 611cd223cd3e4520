"""How far a run is: a bar on a terminal, else a line where something begins and ends."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

_LOG = logging.getLogger(__name__)


@contextmanager
def shown_backlog(total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of the backlog is delivered; the function given takes what is left."""
    console = Console(stderr=True)
    if not console.is_terminal or not total:
        _LOG.info("backlog to deliver", extra={"readings": total})
        yield lambda left: None
        return
    columns = (TextColumn("backlog"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("backlog", total=total)
        yield lambda left: bar.update(task, completed=total - left)


@contextmanager
def shown_time(seconds: float) -> Iterator[Callable[[float, int], None]]:
    """Show how much of a run's pretended time is over, and how many readings are held."""
    console = Console(stderr=True)
    if not console.is_terminal:
        _LOG.info("plays on", extra={"pretended_days": round(seconds / 86400, 3)})
        yield lambda over, held: None
        return
    held_column = TextColumn("{task.fields[held]} held")
    columns = (TextColumn("pretended time"), BarColumn(), TaskProgressColumn(), held_column)
    with Progress(*columns, TimeRemainingColumn(), console=console) as bar:
        task = bar.add_task("time", total=seconds, held=0)
        yield lambda over, held: bar.update(task, completed=min(over, seconds), held=held)
