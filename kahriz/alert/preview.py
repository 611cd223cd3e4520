"""Every text a kahriz's people may get, with the figures of an example. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from kahriz.alert.reason import LEVELS, Reason
from kahriz.contacts import Contact
from kahriz.detect import AUDIENCE, Kind
from kahriz.notify.texts import Facts, reasons, render
from kahriz.notify.texts.catalogue import Text
from kahriz.sites import Kahriz

CODE = "K7"
"""The alert's code in every example."""

BEGAN, UNANSWERED = timedelta(hours=2), timedelta(minutes=15)
"""How long it has lasted, and nobody has answered, in every example."""

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


def previews(
    kahriz: Kahriz, contacts: Sequence[Contact], now: datetime, *, can_answer: bool
) -> Iterator[Preview]:
    """Yield the texts of every kind and reason, once for those who read the same.

    Parameters
    ----------
    kahriz, contacts
        What is told of, and who may be told.
    now
        When it would be told; the trouble began `BEGAN` before.
    can_answer
        What is sent to the number it comes from is read.
    """
    for kind in Kind:
        readers: dict[tuple[str, str], list[int]] = {}
        for place, contact in enumerate(contacts):
            if any(contact.role in level for level in LEVELS[AUDIENCE[kind]]):
                readers.setdefault((contact.language, contact.alphabet), []).append(place)
        for reason in map(Reason, reasons(kind.value)):
            facts = replace(_example(kahriz, kind, reason, now), can_answer=can_answer)
            facts = replace(facts, told=tuple(contact.name for contact in contacts[:1]))
            for (language, alphabet), places in readers.items():
                text = render(kind.value, reason.value, language, alphabet, facts)
                yield Preview(kind, reason, language, alphabet, text, tuple(places))


def _example(kahriz: Kahriz, kind: Kind, reason: Reason, now: datetime) -> Facts:
    facts = Facts(
        CODE,
        kahriz.name,
        kahriz.village,
        kahriz.zone,
        since=now - BEGAN,
        now=now,
        expected_lps=EXPECTED_LPS,
        device=next((s.device for site in kahriz.site for s in site.sensor), ""),
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
        unanswered=UNANSWERED,
    )
    facts = replace(facts, **_FIGURES.get(kind, _LOSS))
    if reason is Reason.RESOLVED:
        facts = replace(facts, observed_lps=BACK_LPS, deviation=None)
    return replace(facts, lpcd=kahriz.lpcd(facts.observed_lps))


_LOSS: Mapping[str, Any] = {
    "observed_lps": OBSERVED_LPS,
    "deviation": OBSERVED_LPS / EXPECTED_LPS - 1,
    "before": 2.1,
}
_FIGURES: dict[Kind, Mapping[str, Any]] = {
    Kind.SURGE: {"observed_lps": 4.7, "deviation": 4.7 / EXPECTED_LPS - 1, "before": 4.0},
    Kind.DROUGHT: {"observed_lps": 2.5, "fall": -0.17, "before": 2.8},
    Kind.TAP_LEAK: {"loss": 0.23, "loss_lps": 0.55, "before": 0.4},
    Kind.SENSOR: {"fault": "flat_line"},
    Kind.OFFLINE: {"silent_h": BEGAN / timedelta(hours=1)},
    Kind.BATTERY: {"volts": 11.6, "usual_volts": 12.4, "before": 11.9},
}
