"""`kahriz detect`: what the detectors would have said, over recorded series or a kahriz's past."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Annotated

import numpy as np
import typer
from pydantic import ValidationError

from kahriz.alert.lifecycle import Step, Transition
from kahriz.alert.walk import Silences, first_of, walk
from kahriz.book import maintenance
from kahriz.cli.opened import instant, opened
from kahriz.cli.recordings import Recording, read_folder, role
from kahriz.cli.replayed import replayed, report
from kahriz.clock import from_datetime64
from kahriz.configured import first_error, problem_of
from kahriz.detect.gallery import Gallery
from kahriz.errors import ConfigError
from kahriz.observations import Quality
from kahriz.sites import Detect

_ENDS = (Step.RESOLVED, Step.SUPERSEDED)


def register(app: typer.Typer) -> None:
    """Add the commands."""
    group = typer.Typer(help=__doc__, no_args_is_help=True)
    group.command()(run)
    group.command()(replay)
    app.add_typer(group, name="detect")


def run(
    data: Annotated[Path, typer.Option(help="Folder of series, one CSV (or .csv.gz) a station.")],
    out: Annotated[Path, typer.Option(help="Folder to write one CSV a station into.")],
    role_: Annotated[
        list[str], typer.Option("--role", help="COLUMN=property@place; once a column.")
    ],
    flags: Annotated[
        bool, typer.Option("--flags", help="Write the flags of the quality layer instead.")
    ] = False,
) -> None:
    """Run the live detectors over recorded series.

    Writes ``start,end,kind`` for each station: when a message would have left, when its trouble
    was over, what it was. With --flags ``time,flag``.

    Example: kahriz detect run --data series --out alarms --role flow=discharge@outlet
    """
    roles = [role(said) for said in role_]
    if not data.is_dir():
        raise ConfigError(str(data), "is no folder")
    out.mkdir(parents=True, exist_ok=True)
    for recording in read_folder(data, roles):
        path = out / f"{recording.name}.csv"
        if flags:
            _write(path, ("time", "flag"), _flag_rows(recording))
        else:
            _write(path, ("start", "end", "kind"), alarms(recording))


def replay(
    kahriz: Annotated[list[str], typer.Option(help="Id of a kahriz; may be given again.")],
    from_: Annotated[str, typer.Option("--from", help="First instant, ISO 8601.")],
    to: Annotated[str | None, typer.Option(help="Instant to end before; without: now.")] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option("--set", help="OPTION=VALUE of [kahriz.detect], to try it; may be repeated."),
    ] = None,
) -> None:
    """Say what would have been told of a kahriz's past, with other options perhaps.

    Reads what is stored and changes nothing. The 100 days before are walked through to learn.

    Example: kahriz detect replay --kahriz agh-dere --from 2025-11-01 --to 2026-03-01 --set fall=0.1
    """
    start = instant(from_, "--from")
    assert start is not None
    tried = _tried(set_ or [])
    with opened(read_only=True) as house:
        end = instant(to, "--to") or house.settings.clock.clock()()
        if start >= end:
            raise typer.BadParameter(f"{from_} is not before the end", param_hint="--from")
        for name in kahriz:
            found = [k for k in house.registry.kahriz if k.id == name]
            if not found:
                ids = ", ".join(k.id for k in house.registry.kahriz)
                raise ConfigError("--kahriz", f"{name!r} is not in the registry", ids)
            changed = found[0].model_copy(update={"detect": _with(found[0].detect, tried)})
            works = maintenance.known(house.book, name)
            past = replayed(changed, house.store, start, end, works)
            typer.echo(report(past, start, end))


def _tried(said: Sequence[str]) -> dict[str, str]:
    pairs = {}
    for option in said:
        name, is_set, value = option.partition("=")
        if not is_set or name not in Detect.model_fields:
            raise ConfigError("--set", f"{option!r} sets no option", ", ".join(Detect.model_fields))
        pairs[name] = value
    return pairs


def _with(detect: Detect, tried: Mapping[str, str]) -> Detect:
    try:
        return Detect.model_validate(detect.model_dump() | dict(tried))
    except ValidationError as error:
        first = first_error(error)
        raise ConfigError(f"--set {first['loc'][0]}", problem_of(first)) from error


def alarms(recording: Recording) -> Iterator[tuple[str, str, str]]:
    """Yield (start, end, kind) of each message that would have left, in order of time."""
    first = first_of(recording.log)
    if first is None:
        return
    gallery = Gallery(recording.kahriz)
    gallery.state.at = gallery.quarters.of(first) - 1
    newest = max(s.time[-1] for s in recording.log.values() if len(s))
    last = gallery.quarters.of(from_datetime64(newest))
    spans: list[list[datetime | str | None]] = []
    open_: dict[tuple[str, str], int] = {}
    for _, _, moved in walk(gallery, recording.log, last, {}, Silences(gallery, recording.log)):
        for transition in moved:
            _note(transition, spans, open_)
    for start, end, kind in spans:
        yield _said(start), _said(end or gallery.quarters.end(last)), str(kind)


def _note(
    transition: Transition,
    spans: list[list[datetime | str | None]],
    open_: dict[tuple[str, str], int],
) -> None:
    place = (transition.standing.kind.value, transition.standing.key)
    if transition.step is Step.FIRING:
        # Several devices that fall silent at once are one message.
        for i, (start, end, kind) in enumerate(spans):
            if start == transition.at and kind == place[0] and end is None:
                open_[place] = i
                return
        open_[place] = len(spans)
        spans.append([transition.at, None, place[0]])
    elif transition.step in _ENDS and place in open_:
        spans[open_[place]][1] = transition.at
    elif transition.step is Step.REOPENED and place in open_:
        spans[open_[place]][1] = None


def _said(at: datetime | str | None) -> str:
    assert isinstance(at, datetime)
    return at.strftime("%Y-%m-%d %H:%M:%S")


def _flag_rows(recording: Recording) -> Iterator[tuple[str, int]]:
    """Yield every instant of the recording and whether any of its values is doubted."""
    times = [s.time for s in recording.log.values()]
    every = np.unique(np.concatenate(times))
    bad = np.zeros(len(every), bool)
    for series in recording.log.values():
        doubted = (series.quality == Quality.SUSPECT) | (series.quality == Quality.FAIL)
        bad[np.searchsorted(every, series.time[doubted])] = True
    for at, is_bad in zip(every, bad.tolist(), strict=True):
        yield str(at.astype("datetime64[s]")).replace("T", " "), int(is_bad)


def _write(path: Path, header: tuple[str, ...], rows: Iterator[tuple[object, ...]]) -> None:
    part = path.with_name(path.name + ".part")
    with part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(rows)
    part.replace(path)
