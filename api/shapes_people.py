"""Rows about people as the objects that answers are made of."""

from __future__ import annotations

from api.shapes import Shape, masked
from kahriz.alert.gauged import uncertainty_lps
from kahriz.alert.preview import Preview
from kahriz.book.audit import Entry
from kahriz.book.contacts import Person
from kahriz.book.gaugings import Gauging
from kahriz.book.inbound import IGNORED, Inbound
from kahriz.book.maintenance import Works
from kahriz.book.silences import Silence
from kahriz.clock import iso


def contact(person: Person, *, is_whole: bool) -> Shape:
    """Return one contact, its addresses whole or masked."""
    return {
        "id": person.id,
        "kahriz": person.kahriz,
        "name": person.name,
        "role": person.role,
        "phone": _shown(person.phone, is_whole=is_whole),
        "email": _shown(person.email, is_whole=is_whole),
        "language": person.language,
        "alphabet": person.alphabet,
        "quiet_hours": person.quiet_hours,
        "consent_on": None if person.consent_on is None else person.consent_on.isoformat(),
        "source": person.source,
        "position": person.position,
        "is_opted_out": person.is_opted_out,
    }


def _shown(address: str | None, *, is_whole: bool) -> str | None:
    return address if address is None or is_whole else masked(address)


def inbound_text(each: Inbound, *, is_whole: bool) -> Shape:
    """Return one text that came in; of what is ignored only its address, to those who read."""
    is_shown = is_whole or each.state != IGNORED
    return {
        "id": each.id,
        "received_at": iso(each.received_at),
        "gateway": each.gateway,
        "address": _shown(each.address, is_whole=is_whole),
        "text": each.text if is_shown else None,
        "state": each.state,
        "command": each.command,
        "outcome": each.outcome,
        "kahriz": each.kahriz,
        "alert": each.alert_id,
    }


def silence(each: Silence) -> Shape:
    """Return one silence."""
    return {
        "id": each.id,
        "kahriz": each.kahriz,
        "kind": each.kind,
        "start": iso(each.start),
        "end": iso(each.end),
        "note": each.note,
        "by": each.by,
    }


def works(each: Works) -> Shape:
    """Return works at a kahriz."""
    return {
        "id": each.id,
        "kahriz": each.kahriz,
        "start": iso(each.start),
        "end": None if each.end is None else iso(each.end),
        "is_new_normal": each.is_new_normal,
        "note": each.note,
        "by": each.by,
    }


def gauging(each: Gauging) -> Shape:
    """Return one flow measured by hand."""
    return {
        "id": each.id,
        "site": each.site,
        "at": iso(each.at),
        "method": each.method,
        "volume_l": each.volume_l,
        "duration_s": each.duration_s,
        "trials": each.trials,
        "discharge_lps": each.discharge_lps,
        "uncertainty_lps": uncertainty_lps(each),
        "rated_lps": each.rated_lps,
        "stage_m": each.stage_m,
        "deviation": each.deviation,
        "by": each.by,
    }


def entry(each: Entry) -> Shape:
    """Return one line of the audit log."""
    return {
        "id": each.id,
        "at": iso(each.at),
        "who": each.who,
        "what": each.what,
        "detail": dict(each.detail),
    }


def preview(each: Preview, ids: list[int]) -> Shape:
    """Return one text as it would be sent; `ids` are the contacts' by their place."""
    return {
        "kind": each.kind.value,
        "reason": each.reason.value,
        "language": each.language,
        "alphabet": each.alphabet,
        "text": each.text.text,
        "characters": len(each.text.text),
        "encoding": each.text.encoding,
        "parts": each.text.parts,
        "contacts": [ids[place] for place in each.readers],
    }
