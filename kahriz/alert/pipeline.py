"""Alerts into the book, and the texts they call for into the outbox.

One transaction a kahriz holds all of a judgement: rows, timeline, texts and the checkpoint of who
judged. A crash before it leaves nothing, a crash after it repeats nothing: a text is unique by
(alert, phone, reason, step).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import Connection

from kahriz.alert.lifecycle import Alerts, Place, Standing, State, Step, Transition
from kahriz.alert.reason import EXPIRES_AFTER, Reason, is_worth_telling_the_end, recipients
from kahriz.book import alerts as alert_rows
from kahriz.book import messages
from kahriz.clock import from_ms, to_ms
from kahriz.contacts import Contact
from kahriz.detect import AUDIENCE, Kind
from kahriz.notify.texts import Facts, render
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


def write(connection: Connection, judgement: Judgement) -> int:
    """Write a judgement down and queue the texts it calls for; return how many were queued."""
    queued = 0
    for alert in _touched(judgement):
        steps = [t for t in judgement.moved if _is_of(t, alert)]
        row = _put(connection, judgement, alert, steps)
        if row is not None:
            queued += _tell(connection, judgement, alert, row, steps)
    return queued


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
) -> alert_rows.Alert | None:
    values = _values(alert) | {"updated_at_ms": to_ms(judgement.now)}
    if alert.row is not None:
        alert_rows.change(connection, alert.row, values)
        row = alert_rows.find(connection, alert.row)
    elif alert.fired_at is None and not alert.is_open:
        return None  # came and went while catching up: it was nothing
    else:
        row = alert_rows.add(connection, values | {"kahriz": judgement.kahriz.id})
    alert_rows.note(connection, row.id, [(t.at, t.step.value, t.detail) for t in steps])
    return row


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


def _tell(
    connection: Connection,
    judgement: Judgement,
    alert: Standing,
    row: alert_rows.Alert,
    steps: Iterable[Transition],
) -> int:
    """Queue what people have to know now; nothing that is over already."""
    moved = {t.step for t in steps}
    if Step.REOPENED in moved:
        messages.withdraw(connection, row.id, Reason.RESOLVED, "the trouble came back")
    told = _told_of(connection, row.id, Reason.FIRST)
    if alert.state is State.FIRING:
        # Only what the newest readings still say is told; and once.
        if told or alert.last_seen < judgement.now:
            return 0
        return _queue_all(connection, judgement, alert, row, Reason.FIRST)
    if not told:
        return 0
    if Step.SUPERSEDED in moved:
        messages.withdraw(connection, row.id, Reason.FIRST, "a graver alert took its place")
        return 0
    if Step.RESOLVED in moved:
        return _tell_the_end(connection, judgement, alert, row, told)
    return 0


def _tell_the_end(
    connection: Connection,
    judgement: Judgement,
    alert: Standing,
    row: alert_rows.Alert,
    told: set[str],
) -> int:
    messages.withdraw(connection, row.id, Reason.FIRST, "over before it left")
    lasted = alert.last_seen - (alert.fired_at or alert.last_seen)
    if not is_worth_telling_the_end(alert.kind, alert.evidence, judgement.observed_lps, lasted):
        detail = "not back to what was expected: taken as the new normal, nobody told"
        alert_rows.note(connection, row.id, [(judgement.now, "accepted", detail)])
        return 0
    return _queue_all(connection, judgement, alert, row, Reason.RESOLVED, told)


def _told_of(connection: Connection, alert: int, reason: Reason) -> set[str]:
    rows = messages.list_messages(connection, alert, limit=1000)
    return {m.phone for m in rows if m.reason == reason}


def _queue_all(
    connection: Connection,
    judgement: Judgement,
    alert: Standing,
    row: alert_rows.Alert,
    reason: Reason,
    phones: set[str] | None = None,
) -> int:
    queued = 0
    for contact in recipients(judgement.kahriz, alert.kind):
        if phones is None or contact.phone in phones:
            values = _message(judgement, alert, row, reason, contact)
            queued += messages.queue(connection, values)
    return queued


def _message(
    judgement: Judgement,
    alert: Standing,
    row: alert_rows.Alert,
    reason: Reason,
    contact: Contact,
) -> dict[str, Any]:
    facts = facts_of(judgement, alert, row.code, reason)
    text = render(alert.kind.value, reason.value, contact.language, contact.alphabet, facts)
    return {
        "alert_id": row.id,
        "contact": contact.name,
        "phone": contact.phone,
        "reason": reason.value,
        "step": 0,
        "language": contact.language,
        "text": text.text,
        "encoding": text.encoding,
        "parts": text.parts,
        "created_at_ms": to_ms(judgement.now),
        "due_at_ms": to_ms(judgement.now),
        "expires_at_ms": to_ms(judgement.now + EXPIRES_AFTER[reason]),
    }


def facts_of(judgement: Judgement, alert: Standing, code: str, reason: Reason) -> Facts:
    """Return the figures a text about an alert may name."""
    kahriz, evidence = judgement.kahriz, alert.evidence
    facts = Facts(
        code,
        kahriz.name,
        kahriz.village,
        kahriz.zone,
        since=alert.since,
        now=judgement.now,
        observed_lps=_figure(evidence, "observed_lps", "week_lps"),
        expected_lps=_figure(evidence, "expected_lps"),
        deviation=_figure(evidence, "deviation"),
        lpcd=_figure(evidence, "water_left_lpcd"),
        silent_h=_figure(evidence, "silent_h"),
        fall=_figure(evidence, "change_3_weeks"),
        loss=_figure(evidence, "loss"),
        loss_lps=_figure(evidence, "loss_lps"),
        volts=_figure(evidence, "battery_v"),
        usual_volts=_figure(evidence, "usual_v"),
        device=alert.key,
        fault=str(evidence.get("fault", "alone")),
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
    )
    return facts if reason is Reason.FIRST else _at_the_end(facts, judgement)


def _at_the_end(facts: Facts, judgement: Judgement) -> Facts:
    observed, people = judgement.observed_lps, judgement.kahriz.served
    is_drunk = judgement.kahriz.use == "drinking"
    lpcd = observed * 86400 / people if observed is not None and people and is_drunk else None
    return replace(facts, observed_lps=observed, lpcd=lpcd, deviation=None)


def _figure(evidence: Mapping[str, float | str], *names: str) -> float | None:
    value = next((evidence[name] for name in names if name in evidence), None)
    return float(value) if isinstance(value, int | float) else None


LOOKS_BACK = timedelta(days=4)
"""Alerts resolved longer ago are forgotten by detectors and never reopened."""
