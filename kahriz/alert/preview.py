"""Every text a kahriz's people may get, with the figures of an example. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kahriz.alert.reason import Reason
from kahriz.contacts import Contact
from kahriz.detect import AUDIENCE, Audience, Kind
from kahriz.errors import NotFoundError
from kahriz.notify.texts import Facts, render
from kahriz.notify.texts.catalogue import Text
from kahriz.sites import Kahriz

CODE = "K7"
"""The alert's code in every example."""

BEGAN = timedelta(hours=2)
"""Before now, in every example."""

EXPECTED_LPS, OBSERVED_LPS, BACK_LPS = 3.0, 1.2, 2.9


@dataclass(frozen=True, slots=True)
class Preview:
    """One text as it would be sent, and the places of those who would get it among the contacts."""

    kind: Kind
    reason: Reason
    language: str
    alphabet: str
    text: Text
    readers: tuple[int, ...]


def previews(kahriz: Kahriz, contacts: Iterable[Contact], now: datetime) -> Iterator[Preview]:
    """Yield the texts of every kind and reason, once for those who read the same."""
    people = list(contacts)
    for kind in Kind:
        readers: dict[tuple[str, str], list[int]] = {}
        for place, contact in enumerate(people):
            if _is_told(contact, kind):
                readers.setdefault((contact.language, contact.alphabet), []).append(place)
        for reason in Reason:
            for (language, alphabet), places in readers.items():
                facts = _example(kahriz, kind, reason, now)
                try:
                    text = render(kind.value, reason.value, language, alphabet, facts)
                except NotFoundError:
                    continue  # nobody is told this of that kind
                yield Preview(kind, reason, language, alphabet, text, tuple(places))


def _is_told(contact: Contact, kind: Kind) -> bool:
    """Return whether a contact is ever told of a kind: a broken sensor is the engineer's alone."""
    return contact.role == "engineer" or AUDIENCE[kind] is Audience.COMMITTEE


def _example(kahriz: Kahriz, kind: Kind, reason: Reason, now: datetime) -> Facts:
    facts = Facts(
        CODE,
        kahriz.name,
        kahriz.village,
        kahriz.zone,
        since=now - BEGAN,
        now=now,
        expected_lps=EXPECTED_LPS,
        device=kahriz.site[0].sensor[0].device if kahriz.site[0].sensor else "",
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
    )
    facts = replace(facts, **_FIGURES.get(kind, _LOSS))
    if reason is Reason.RESOLVED:
        facts = replace(facts, observed_lps=BACK_LPS, deviation=None)
    return replace(facts, lpcd=_lpcd(kahriz, facts.observed_lps))


def _lpcd(kahriz: Kahriz, observed_lps: float | None) -> float | None:
    if observed_lps is None or not kahriz.served or kahriz.use != "drinking":
        return None
    return observed_lps * 86400 / kahriz.served


_LOSS: Mapping[str, Any] = {
    "observed_lps": OBSERVED_LPS,
    "deviation": OBSERVED_LPS / EXPECTED_LPS - 1,
}
_FIGURES: dict[Kind, Mapping[str, Any]] = {
    Kind.SURGE: {"observed_lps": 4.7, "deviation": 4.7 / EXPECTED_LPS - 1},
    Kind.DROUGHT: {"observed_lps": 2.5, "fall": -0.17},
    Kind.TAP_LEAK: {"loss": 0.23, "loss_lps": 0.55},
    Kind.SENSOR: {"fault": "flat_line"},
    Kind.OFFLINE: {"silent_h": BEGAN / timedelta(hours=1)},
    Kind.BATTERY: {"volts": 11.6, "usual_volts": 12.4},
}
