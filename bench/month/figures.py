"""What a month was for people, in figures, out of the book; and what it would have been once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from statistics import mean, median

from bench.month.district import District, is_about_water
from bench.month.people import NIGHT, fired_at
from bench.month.truth import Truth
from firmware_sim.trouble import Trouble
from kahriz.alert.reason import EndedAs, Reason
from kahriz.alert.telling.facts import facts_of
from kahriz.book import Book, alerts, messages
from kahriz.book.alerts import Alert
from kahriz.book.messages import Notified, OutboxMessage
from kahriz.clock import from_ms
from kahriz.contacts import Contact
from kahriz.detect import Kind
from kahriz.notify.texts import render
from kahriz.sites import Kahriz

Figures = dict[str, dict[str, float]]
"""By section and row; NaN where there is nothing to say."""

BY_DAY = (8, 21)
"""Local hours in which what is told within the hour is told by day."""

_ALL = 1_000_000


@dataclass(frozen=True, slots=True)
class Month:
    """All that stands in the book of a month.

    Attributes
    ----------
    fired
        Every alert that fired, oldest first.
    texts
        Every SMS that left.
    told
        Who was told of which alert, oldest first.
    held
        How many wishes each stage held.
    """

    district: District
    fired: Sequence[Alert]
    texts: Sequence[OutboxMessage]
    told: Sequence[Notified]
    held: Mapping[str, int]

    @property
    def roles(self) -> dict[str, str]:
        """By number who it is."""
        people = (c for k in self.district.registry.kahriz for c in k.contact)
        return {contact.phone: contact.role for contact in people}

    def at_night(self, at_ms: int) -> bool:
        """Return whether people sleep at an instant."""
        zone = self.district.registry.kahriz[0].zone
        return NIGHT.covers(from_ms(at_ms).astimezone(zone).time())


def read_month(district: District, book: Book) -> Month:
    """Return what a book says of the month."""
    with book.read() as connection:
        fired = [a for a in alerts.list_alerts(connection, limit=_ALL) if a.fired_at_ms]
        fired.sort(key=lambda a: a.id)
        texts = [m for m in messages.list_messages(connection, limit=_ALL) if m.sent_at_ms]
        told = messages.told(connection, [a.id for a in fired])
        held = Counter(
            event.detail.split(": ")[1]
            for a in fired
            for event in alerts.timeline(connection, a.id)
            if event.what == "held"
        )
    return Month(district, fired, texts, told, held)


def figures(month: Month, price: float) -> Figures:
    """Return every figure of a month; `price` is that of one SMS."""
    parts = sum(text.parts for text in month.texts)
    once = list(everybody_at_once(month))
    once_parts = sum(text.parts for text in once)
    return {
        "alerts": _alerts(month),
        "troubles": _troubles(month),
        "SMS": {"texts": len(month.texts), "parts": parts, "cost": parts * price},
        "texts by reason": _by(text.reason for text in month.texts),
        "parts by role": _parts_by_role(month),
        "a person": _a_person([(t.address, month.at_night(t.created_at_ms)) for t in month.texts]),
        "a kahriz": _a_kahriz(month),
        "held by": {stage: float(n) for stage, n in sorted(month.held.items())},
        "answers": _answers(month),
        "everybody at once": {
            "texts": len(once),
            "parts": once_parts,
            "cost": once_parts * price,
            **_a_person([(text.address, text.is_at_night) for text in once]),
        },
    }


def _by(names: Iterable[str]) -> dict[str, float]:
    return {name: float(n) for name, n in sorted(Counter(names).items())}


def _alerts(month: Month) -> dict[str, float]:
    truth = Truth(month.district)
    found: Counter[str] = Counter()
    for alert in month.fired:
        right = truth.judge(alert)
        found["all"] += 1
        found[right.value] += 1
        found[f"{alert.kind} {right.value}"] += 1
    return dict(sorted((name, float(n)) for name, n in found.items()))


def _troubles(month: Month) -> dict[str, float]:
    water = [t for t in month.district.world.troubles if is_about_water(t)]
    truth = Truth(month.district)
    n = sum(any(truth.is_about(alert, t) for alert in month.fired) for t in water)
    return {"of the water": len(water), "of the water, alerted": n}


def _parts_by_role(month: Month) -> dict[str, float]:
    roles, found = month.roles, Counter[str]()
    for text in month.texts:
        found[roles[text.address]] += text.parts
    return {role: float(found[role]) for role in ("chair", "deputy", "digger", "engineer")}


def _a_person(texts: Sequence[tuple[str, bool]]) -> dict[str, float]:
    every = Counter(address for address, _ in texts)
    night = Counter(address for address, is_night in texts if is_night)
    return {
        "people told": len(every),
        "mean of those": mean(every.values()) if every else 0.0,
        "most": max(every.values(), default=0),
        "at night, all": night.total(),
        "at night, most": max(night.values(), default=0),
    }


def _a_kahriz(month: Month) -> dict[str, float]:
    own = Counter(text.kahriz for text in month.texts if text.kahriz)
    every = [own[k.id] for k in month.district.registry.kahriz]
    return {"mean": mean(every), "most": max(every)}


def _answers(month: Month) -> dict[str, float]:
    first: dict[int, int] = {}
    for told in month.told:
        first.setdefault(told.alert_id, told.at_ms)
    waits = [
        (a.acknowledged_at_ms - first[a.id]) / 60_000
        for a in month.fired
        if a.id in first and a.acknowledged_at_ms is not None
    ]
    escalated = {t.alert_id for t in month.told if t.reason == Reason.ESCALATED}
    return {
        "alerts told": len(first),
        "answered": len(waits),
        "median minutes": median(waits) if waits else float("nan"),
        "escalated": len(escalated),
        "by day, told within the hour": told_in_time(month)[0],
        "of true ones by day": told_in_time(month)[1],
        "on site": sum(a.on_site_at_ms is not None for a in month.fired),
        "said to be false": sum(a.false_alarm_at_ms is not None for a in month.fired),
    }


def told_in_time(month: Month) -> tuple[int, int]:
    """Return how many true water alerts that fired by day were told within the hour, and of all.

    What ended within the hour, or gave way to something graver, was not to be told.
    """
    due = list(due_by_day(month))
    told = {t.alert_id: t.at_ms for t in reversed(month.told)}
    hour = timedelta(hours=1)
    in_time = [a for a in due if a.id in told and from_ms(told[a.id]) - fired_at(a) <= hour]
    return len(in_time), len(due)


def due_by_day(month: Month) -> Iterator[Alert]:
    """Yield the true alerts of the water that fired by day and stood for an hour, unhidden."""
    truth = Truth(month.district)
    zone = month.district.registry.kahriz[0].zone
    for alert in month.fired:
        at = fired_at(alert)
        is_short = alert.resolved_at_ms is not None and (
            from_ms(alert.resolved_at_ms) - at <= timedelta(hours=1)
        )
        is_by_day = BY_DAY[0] <= at.astimezone(zone).hour < BY_DAY[1]
        if is_by_day and not is_short and alert.audience == "committee" and truth.is_true(alert):
            yield alert


# ---- what it would have been


@dataclass(frozen=True, slots=True)
class Once:
    """A text as it would have gone to everybody."""

    address: str
    parts: int
    is_at_night: bool


def everybody_at_once(month: Month) -> Iterator[Once]:
    """Yield the texts of the same month without turns and stages.

    Every alert goes to every contact of its kahriz when it fires, whatever the hour, and so does
    its end; nobody's answer costs anything.
    """
    by_id = {k.id: k for k in month.district.registry.kahriz}
    for alert in month.fired:
        kahriz = by_id[alert.kahriz]
        told = [(Reason.FIRST, alert.fired_at_ms)]
        if alert.ended_as == EndedAs.OVER:
            told.append((Reason.RESOLVED, alert.resolved_at_ms))
        for reason, at_ms in told:
            assert at_ms is not None
            for contact in kahriz.contact:
                parts = _parts(kahriz, alert, reason, contact, at_ms)
                yield Once(contact.phone, parts, month.at_night(at_ms))


def _parts(kahriz: Kahriz, alert: Alert, reason: Reason, contact: Contact, at_ms: int) -> int:
    facts = facts_of(kahriz, [alert], reason, from_ms(at_ms))
    kind = Kind(alert.kind).value
    return render(kind, reason.value, contact.language, contact.alphabet, facts).parts


def outage_texts(month: Month, outage: Sequence[Trouble]) -> Counter[str]:
    """Return by address the texts that told of an outage, its end aside."""
    start, end = outage[0].start_ms, outage[0].end_ms + 86_400_000
    silent = {a.id for a in month.fired if a.kind == "offline" and start <= (a.fired_at_ms or 0)}
    ids = {
        t.message_id
        for t in month.told
        if t.alert_id in silent and t.reason == Reason.FIRST and t.at_ms < end
    }
    return Counter(text.address for text in month.texts if text.id in ids)
