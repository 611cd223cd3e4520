"""Alerts into the book, and out of it.

One transaction a kahriz holds all of a judgement: rows, timeline and the checkpoint of who judged.
A crash before it leaves nothing, a crash after it repeats nothing. Who is told of it is decided by
what the book says then (`kahriz.alert.telling`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from kahriz.alert.lifecycle import Alerts, Place, Standing, State, Step, Transition
from kahriz.alert.past import Known
from kahriz.alert.reason import EndedAs, is_worth_telling_the_end
from kahriz.book import alerts as alert_rows
from kahriz.clock import from_ms, iso, to_ms
from kahriz.detect import AUDIENCE, Kind
from kahriz.sites import Kahriz


@dataclass(frozen=True, slots=True)
class Judgement:
    """What judging one kahriz up to `now` came to.

    ``alerts`` as they are now, ``moved`` everything that moved on the way, oldest first;
    ``observed_lps`` the outlet's flow now, None where it is not known.
    """

    kahriz: Kahriz
    now: datetime
    alerts: Mapping[Place, Standing]
    moved: Sequence[Transition]
    observed_lps: float | None = None


def load(connection: Connection, kahriz: str, resolved_after: datetime) -> Alerts:
    """Return by place a kahriz's newest alert: open, or resolved since an instant."""
    rows = alert_rows.recent(connection, kahriz, resolved_after)
    found = [_standing(row) for row in rows]
    # Open ones last: nothing resolved may hide them.
    found.sort(key=lambda a: (a.is_open, a.last_seen))
    return {a.place: a for a in found}


def write(connection: Connection, judgement: Judgement) -> None:
    """Write a judgement down."""
    for alert in _touched(judgement):
        _put(connection, judgement, alert, [t for t in judgement.moved if _is_of(t, alert)])


def on_record(
    connection: Connection, kahriz: str, since: datetime, others: Collection[str]
) -> list[Standing]:
    """Return a kahriz's alerts that are open, or were after an instant, but for some detectors'."""
    rows = alert_rows.recent(connection, kahriz, since)
    return [_standing(row) for row in rows if row.detector not in others]


def put_right(connection: Connection, judgement: Judgement, known: Known) -> None:
    """Write down what late readings have shown; each alert's timeline says so."""
    now = judgement.now
    for alert, episode in known.corrected:
        assert alert.row is not None
        before = alert_rows.find(connection, alert.row)
        values = _values(alert)
        if episode.is_superseded and not alert.is_open:
            values |= {"ended_as": EndedAs.SUPERSEDED}
        elif before.resolved_at_ms is None and not alert.is_open:
            values |= {"ended_as": _over(judgement, alert), "end_lps": judgement.observed_lps}
        if all(getattr(before, name) == value for name, value in values.items()):
            continue
        alert_rows.change(connection, before.id, values | {"updated_at_ms": to_ms(now)})
        was, better = _span(_standing(before)), _span(alert)
        if was != better:
            detail = f"late readings: {was} was {better}"
            alert_rows.note(connection, before.id, [(now, RESTATED, detail)])
    for episode in known.missing:
        alert = episode.standing
        ended_as = EndedAs.SUPERSEDED if episode.is_superseded else EndedAs.ACCEPTED
        values = _values(alert) | {"updated_at_ms": to_ms(now), "ended_as": ended_as}
        id = alert_rows.add(connection, values | {"kahriz": judgement.kahriz.id}).id
        alert_rows.note(connection, id, [(now, RESTATED, "late readings show it")])
    for alert in known.unconfirmed:
        assert alert.row is not None
        said = {event.detail for event in alert_rows.timeline(connection, alert.row)}
        if UNCONFIRMED not in said:
            alert_rows.note(connection, alert.row, [(now, RESTATED, UNCONFIRMED)])


RESTATED = "restated"
"""In a timeline: late readings have changed what is known of an alert."""

UNCONFIRMED = "late readings do not show it"


def _span(alert: Standing) -> str:
    fired, end = (None if at is None else iso(at) for at in (alert.fired_at, alert.resolved_at))
    return f"{iso(alert.since)}/{end or ''} fired {fired}"


def _touched(judgement: Judgement) -> list[Standing]:
    """Return the last state of every alert that moved or stands; a place may have had several."""
    last = {(a.place, a.pending_at): a for a in (t.standing for t in judgement.moved)}
    last |= {(a.place, a.pending_at): a for a in judgement.alerts.values() if a.is_open}
    return list(last.values())


def _is_of(transition: Transition, alert: Standing) -> bool:
    moved = transition.standing
    return (moved.place, moved.pending_at) == (alert.place, alert.pending_at)


def _put(
    connection: Connection, judgement: Judgement, alert: Standing, steps: Sequence[Transition]
) -> None:
    ended_as = None if alert.is_open else _ended_as(judgement, alert, steps)
    values = _values(alert) | {"updated_at_ms": to_ms(judgement.now)}
    if alert.is_open or ended_as is not None:
        end_lps = None if alert.is_open else judgement.observed_lps
        values |= {"ended_as": ended_as, "end_lps": end_lps}
    if alert.row is not None:
        alert_rows.change(connection, alert.row, values)
        id = alert.row
    elif alert.fired_at is None and not alert.is_open:
        return  # came and went while catching up: it was nothing
    else:
        id = alert_rows.add(connection, values | {"kahriz": judgement.kahriz.id}).id
    alert_rows.note(connection, id, [(t.at, t.step.value, t.detail) for t in steps])
    if ended_as is EndedAs.ACCEPTED:
        detail = "not back to what was expected: taken as the new normal, nobody told"
        alert_rows.note(connection, id, [(judgement.now, "accepted", detail)])


def _ended_as(judgement: Judgement, alert: Standing, steps: Sequence[Transition]) -> EndedAs | None:
    """Return what the end of an alert was; None: it was nothing, or ended before this judgement."""
    how = {t.step for t in steps}
    if alert.fired_at is None:
        return None
    if Step.SUPERSEDED in how:
        return EndedAs.SUPERSEDED
    if Step.RESOLVED not in how:
        return None
    return _over(judgement, alert)


def _over(judgement: Judgement, alert: Standing) -> EndedAs:
    """Return what the end of an alert that fired is."""
    assert alert.fired_at is not None
    lasted = alert.last_seen - alert.fired_at
    is_good_news = is_worth_telling_the_end(
        alert.kind, alert.evidence, judgement.observed_lps, lasted
    )
    return EndedAs.OVER if is_good_news else EndedAs.ACCEPTED


def _values(alert: Standing) -> dict[str, Any]:
    return {
        "kind": alert.kind.value,
        "key": alert.key,
        "audience": AUDIENCE[alert.kind].value,
        "state": alert.state.value,
        "since_ms": to_ms(alert.since),
        "pending_at_ms": to_ms(alert.pending_at),
        "fired_at_ms": _ms(alert.fired_at),
        "last_seen_ms": to_ms(alert.last_seen),
        "resolved_at_ms": _ms(alert.resolved_at),
        "detector": alert.detector,
        "evidence": dict(alert.evidence),
        "explanation": alert.explanation,
    }


def _ms(instant: datetime | None) -> int | None:
    return None if instant is None else to_ms(instant)


def _standing(row: alert_rows.Alert) -> Standing:
    return Standing(
        Kind(row.kind),
        row.key,
        State(row.state),
        from_ms(row.since_ms),
        from_ms(row.pending_at_ms),
        from_ms(row.last_seen_ms),
        row.detector,
        row.evidence,
        row.explanation,
        None if row.fired_at_ms is None else from_ms(row.fired_at_ms),
        None if row.resolved_at_ms is None else from_ms(row.resolved_at_ms),
        row.id,
    )


LOOKS_BACK = timedelta(days=4)
"""Alerts resolved longer ago are forgotten by detectors, never reopened, and their end not told."""
