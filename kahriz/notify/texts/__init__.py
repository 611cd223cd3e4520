"""What people read: texts from one catalogue a language, in as few SMS as they need.

Every text carries the alert's code, the kahriz's name and village, what happened, how much water
is left where that is known, whom to call, and the access note wherever somebody may walk to a
shaft. The catalogue offers wordings from rich to short; the first that fits is taken: one SMS
folded to GSM-7, two at most in full letters. A phone number or an access note is never cut: where
even the shortest wording is too long, it takes another part.
"""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from kahriz.errors import NotFoundError
from kahriz.notify.fold import fold
from kahriz.notify.segments import encoding, parts

LANGUAGES = ("az", "en", "ru")

MOST_PARTS = {"folded": 1, "full": 2}
"""SMS a text may take, by alphabet."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures a text may name; None where unknown: that part of the text is left out.

    ``deviation``, ``fall`` (over three weeks) and ``loss`` (of what the outlet gives) are fractions
    (-0.38), ``lpcd`` litres a person and day at the present flow, ``fault`` a key of the
    catalogue's ``[fault]``.
    """

    code: str
    kahriz: str
    village: str
    zone: ZoneInfo
    since: datetime
    now: datetime
    observed_lps: float | None = None
    expected_lps: float | None = None
    deviation: float | None = None
    lpcd: float | None = None
    silent_h: float | None = None
    fall: float | None = None
    loss: float | None = None
    loss_lps: float | None = None
    volts: float | None = None
    usual_volts: float | None = None
    device: str = ""
    fault: str = ""
    contact_for_repair: str = ""
    access_note: str = ""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it leaves; ``encoding`` is ``gsm7`` or ``ucs2``."""

    text: str
    encoding: str
    parts: int


def render(kind: str, reason: str, language: str, alphabet: str, facts: Facts) -> Text:
    """Return the text that tells a contact of an alert.

    Parameters
    ----------
    kind, reason
        E.g. ``blockage`` and ``first``.
    language
        One of `LANGUAGES`.
    alphabet
        ``folded`` to GSM-7, or ``full``.
    facts
        What is known.

    Raises
    ------
    NotFoundError
        There is no such language, or no text for this kind and reason in it.
    """
    catalogue = _catalogue(language)
    try:
        says: list[str] = catalogue[kind][reason]["says"]
    except KeyError as error:
        raise NotFoundError(f"text ({language})", f"{kind}.{reason}") from error
    figures = _figures(facts, catalogue)
    text = ""
    for wording in _complete(catalogue["head"], says, figures):
        text = fold(wording) if alphabet == "folded" else wording
        if parts(text) <= MOST_PARTS[alphabet]:
            break
    return Text(text, encoding(text), parts(text))


@cache
def _catalogue(language: str) -> Mapping[str, Any]:
    if language not in LANGUAGES:
        raise NotFoundError("language", language)
    source = resources.files(__name__).joinpath(f"{language}.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def _complete(head: str, says: list[str], figures: Mapping[str, str]) -> Iterator[str]:
    for wording in says:
        first, *rest = wording.split("|")
        # Without the figure of its first part a wording says nothing; the last one needs none.
        if _is_known(first, figures):
            kept = [first, *(part for part in rest if _is_known(part, figures))]
            yield (head + "".join(kept)).format_map(figures)


def _is_known(part: str, figures: Mapping[str, str]) -> bool:
    return all(figures[name] for _, name, _, _ in string.Formatter().parse(part) if name)


def _figures(facts: Facts, catalogue: Mapping[str, Any]) -> dict[str, str]:
    decimal: str = catalogue["decimal"]
    return {
        "code": facts.code,
        "kahriz": facts.kahriz,
        "village": facts.village,
        "observed": _number(facts.observed_lps, decimal),
        "expected": _number(facts.expected_lps, decimal),
        "change": _percent(facts.deviation, "+"),
        "fall": _percent(facts.fall, "+"),
        "loss": _percent(facts.loss, ""),
        "loss_lps": _number(facts.loss_lps, decimal),
        "volts": _number(facts.volts, decimal),
        "usual_volts": _number(facts.usual_volts, decimal),
        "lpcd": "" if facts.lpcd is None else f"{facts.lpcd:.0f}",
        "hours": "" if facts.silent_h is None else f"{facts.silent_h:.0f}",
        "since": _local(facts),
        "device": facts.device,
        "fault": catalogue["fault"].get(facts.fault, ""),
        # A phone recognises a number without spaces, and they cost.
        "call": re.sub(r"(?<=[+\d])[ \u00a0](?=\d)", "", facts.contact_for_repair).rstrip("."),
        "access": facts.access_note.rstrip("."),
    }


def _percent(value: float | None, sign: str) -> str:
    return "" if value is None else f"{100 * value:{sign}.0f}%"


def _number(value: float | None, decimal: str) -> str:
    if value is None:
        return ""
    digits = 2 if abs(value) < 0.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}".replace(".", decimal)


def _local(facts: Facts) -> str:
    since, now = facts.since.astimezone(facts.zone), facts.now.astimezone(facts.zone)
    return since.strftime("%H:%M" if since.date() == now.date() else "%d.%m %H:%M")
