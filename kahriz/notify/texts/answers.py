"""What the service answers to a text, and what it tells engineers of itself.

A number that is nobody's contact gets no answer: it would tell a stranger what lives here, cost
an SMS for every advertisement, and two machines would answer each other for ever.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from zoneinfo import ZoneInfo

from kahriz.notify.texts.catalogue import (
    Text,
    as_given,
    catalogue,
    complete,
    dialled,
    fitting,
    listed,
    moment,
    number,
    percent,
    whole,
)


class Reply(StrEnum):
    """An answer to what somebody sent."""

    ACKNOWLEDGED = "acknowledged"
    ALREADY = "already"
    """Somebody else (`who`) has taken it."""
    ON_SITE = "on_site"
    FALSE_ALARM = "false_alarm"
    STATUS = "status"
    STATUS_UNKNOWN = "status_unknown"
    """Nothing recent was measured; `since`: when the last was."""
    SILENCED = "silenced"
    STOPPED = "stopped"
    STARTED = "started"
    HELP = "help"
    GAUGED = "gauged"
    GAUGED_DISAGREES = "gauged_disagrees"
    """The weir says something else: it has to be cleaned."""
    GAUGING_REFUSED = "gauging_refused"
    SILENCE_REFUSED = "silence_refused"
    WHICH = "which"
    """Several alerts are open, and the answer names none."""
    WHICH_KAHRIZ = "which_kahriz"
    """The sender is told of several, `alerts`, and the answer names none."""
    NONE_OPEN = "none_open"
    NOT_UNDERSTOOD = "not_understood"
    TOO_MANY = "too_many"
    """The last answer within an hour."""


OF_ALL = frozenset(
    {
        Reply.STOPPED,
        Reply.STARTED,
        Reply.HELP,
        Reply.GAUGING_REFUSED,
        Reply.SILENCE_REFUSED,
        Reply.WHICH,
        Reply.WHICH_KAHRIZ,
        Reply.NONE_OPEN,
        Reply.NOT_UNDERSTOOD,
        Reply.TOO_MANY,
    }
)
"""Answers about no one alert and no one kahriz: neither heads them."""


class Notice(StrEnum):
    """What engineers are told of the service itself."""

    LAST_CONTACT = "last_contact"
    """The last one of a kahriz opted out."""
    GATEWAY_DEAD = "gateway_dead"
    GATEWAY_BACK = "gateway_back"
    INGEST_SILENT = "ingest_silent"
    INGEST_BACK = "ingest_back"
    BUDGET_WARNING = "budget_warning"
    BUDGET_SPENT = "budget_spent"


@dataclass(frozen=True, slots=True)
class Known:
    """What an answer or a notice may name; None or empty: not known, and not said.

    ``code`` and ``kahriz`` head an answer that is about one, ``code`` a notice. ``alerts`` are the
    codes of what is open, each perhaps with its kahriz's name (``K7 Barana``), or names of kahrizes
    alone; None: not looked at. ``litres``, ``seconds`` (the mean), ``gauged_lps`` and ``rated_lps``
    (what the weir says) are of a gauging. ``count`` and ``limit`` are SMS. ``cause`` is why a
    gateway is dead, in its words.
    """

    zone: ZoneInfo
    now: datetime
    code: str = ""
    kahriz: str = ""
    village: str = ""
    who: str = ""
    since: datetime | None = None
    until: datetime | None = None
    observed_lps: float | None = None
    lpcd: float | None = None
    alerts: tuple[str, ...] | None = None
    litres: float | None = None
    seconds: float | None = None
    gauged_lps: float | None = None
    rated_lps: float | None = None
    contact_for_repair: str = ""
    access_note: str = ""
    gateway: str = ""
    cause: str = ""
    count: int | None = None
    limit: int | None = None


def render_reply(reply: Reply, language: str, alphabet: str, known: Known) -> Text:
    """Return an answer to what somebody sent.

    Raises
    ------
    NotFoundError
        There is no such language.
    ValueError
        Names a figure that is not known and without which the text says nothing.
    """
    head = "" if reply in OF_ALL else _head(known.code, known.kahriz)
    return _rendered("reply", reply, head, language, alphabet, known)


def render_notice(notice: Notice, language: str, alphabet: str, known: Known) -> Text:
    """Return what engineers are told of the service itself; raises as `render_reply` does."""
    # It names its kahriz in its own words.
    return _rendered("notice", notice, _head(known.code, ""), language, alphabet, known)


def _head(code: str, kahriz: str) -> str:
    return (f"#{code} " if code else "") + (f"{kahriz}: " if kahriz else "")


def _rendered(
    section: str, name: str, head: str, language: str, alphabet: str, known: Known
) -> Text:
    words = catalogue(language)
    says: Sequence[str] = words[section][name]
    wordings = list(_wordings(says, words, known))
    if not wordings:
        raise ValueError(f"{section} {name!r}: not known what {says[-1]!r} names")
    candidates = [head + w if head else _begun(w, language) for w in wordings]
    return fitting(candidates, candidates[-1], alphabet)


def _wordings(says: Sequence[str], words: Mapping[str, Any], known: Known) -> Iterator[str]:
    for wording in says:
        lists = list(listed(known.alerts or ()))
        for codes in lists:
            yield from complete([wording], _figures(known, words, codes))


def _begun(text: str, language: str) -> str:
    """Return a text with a capital at its beginning: that of i has a dot in Azerbaijani."""
    first = "İ" if language == "az" and text.startswith("i") else text[:1].upper()
    return first + text[1:]


def _figures(known: Known, words: Mapping[str, Any], codes: str) -> dict[str, str]:
    decimal: str = words["decimal"]
    gauged, rated = known.gauged_lps, known.rated_lps
    difference = None if gauged is None or not rated else gauged / rated - 1
    share = None if known.count is None or not known.limit else known.count / known.limit
    return {
        "kahriz": known.kahriz,
        "village": known.village,
        "who": known.who,
        "since": moment(known.since, known.now, known.zone),
        "until": moment(known.until, known.now, known.zone),
        "observed": number(known.observed_lps, decimal),
        "lpcd": whole(known.lpcd),
        "codes": codes,
        "alerts": _alerts(known, words, codes),
        "example": (known.alerts or ("",))[0].partition(" ")[0],
        "litres": as_given(known.litres, decimal),
        "seconds": as_given(known.seconds, decimal),
        "gauged": number(gauged, decimal),
        "rated": number(rated, decimal),
        "difference": percent(difference, "+"),
        "call": dialled(known.contact_for_repair),
        "access": known.access_note.rstrip("."),
        "gateway": known.gateway,
        "cause": known.cause.rstrip("."),
        "count": whole(known.count),
        "limit": whole(known.limit),
        "share": percent(share),
    }


def _alerts(known: Known, words: Mapping[str, Any], codes: str) -> str:
    if known.alerts is None:
        return ""
    reply = words["reply"]
    said: str = reply["alerts_open"].format(codes=codes) if known.alerts else reply["no_alerts"]
    return said
