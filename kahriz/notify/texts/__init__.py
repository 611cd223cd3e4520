"""What people read: texts from one catalogue a language, in as few SMS as they need.

Every text about an alert carries its code, the kahriz's name and village, what happened, how much
water is left where that is known, whom to call, and the access note wherever somebody may walk to
a shaft. The catalogue offers wordings from rich to short; the first that fits is taken: one SMS
folded to GSM-7, two at most in full letters. With long names the village gives way first, then the
end of the kahriz's name. A phone number or an access note is never cut; within the limits of the
registry (``kahriz/sites.py``) everything fits.

Here: alerts. ``digest``: one text for several kahrizes. ``answers``: to what somebody sent, and
to engineers of the service itself. ``catalogue``: languages, and the choice of what fits.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from kahriz.errors import NotFoundError
from kahriz.notify.texts.catalogue import (
    Text,
    catalogue,
    complete,
    cut_names,
    dialled,
    extended,
    fitting,
    is_known,
    moment,
    number,
    percent,
    whole,
)

REASONS = ("first", "worse", "repeat", "escalated", "resolved")
"""Why somebody gets a text about an alert."""

_NAMED = 2
"""Of those who were told before, so many are named."""


@dataclass(frozen=True, slots=True)
class Facts:
    """The figures a text may name; None where unknown: that part of the text is left out.

    ``deviation``, ``fall`` (over three weeks) and ``loss`` (of what the outlet gives) are fractions
    (-0.38), ``lpcd`` litres a person and day at the present flow, ``fault`` a key of the
    catalogue's ``[fault]``. ``before`` is what the kind's main figure (flow, water lost, volts) was
    when people were told before; ``unanswered`` and ``told`` how long nobody has answered, and
    who was told. ``can_answer``: a text to the number it comes from is read.
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
    before: float | None = None
    unanswered: timedelta | None = None
    told: tuple[str, ...] = ()
    can_answer: bool = False


_OWN = ("what", "short", "do", "keep_out", "whom", "now", "figures")
"""What the texts of `[any.*]` take from their kind."""


def reasons(kind: str) -> tuple[str, ...]:
    """Return the reasons there are texts of a kind for; what has no figure gets no worse."""
    has_figure = bool(catalogue("en")[kind]["now"])
    return tuple(reason for reason in REASONS if has_figure or reason != "worse")


def render(kind: str, reason: str, language: str, alphabet: str, facts: Facts) -> Text:
    """Return the text that tells a contact of an alert.

    Parameters
    ----------
    kind, reason
        E.g. ``blockage`` and ``first``.
    language
        One of ``catalogue.LANGUAGES``.
    alphabet
        ``folded`` to GSM-7, or ``full``.
    facts
        What is known.

    Raises
    ------
    NotFoundError
        There is no such language, or no text for this kind and reason in it.
    """
    words = catalogue(language)
    says = _says(words, kind, reason, language)
    figures = _figures(facts, words, kind)
    wordings = list(complete(says, figures))
    head = words["head"].format_map(figures)
    candidates = _headed(wordings, head, words["head_short"], figures)
    text = fitting(candidates, head + wordings[-1], alphabet)
    if reason != "first" or not facts.can_answer:
        return text
    # How to answer takes only the room that is left: no figure gives way for it, and no SMS more.
    return extended(text, (figures["answer"], figures["answer_short"]), alphabet)


def _says(words: Mapping[str, Any], kind: str, reason: str, language: str) -> Sequence[str]:
    says: Sequence[str] | None = None
    if kind in words and kind != "any" and "what" in words[kind] and reason in reasons(kind):
        says = (words[kind].get(reason) or words["any"][reason])["says"]
    if says is None:
        raise NotFoundError(f"text ({language})", f"{kind}.{reason}")
    return says


def _headed(
    wordings: Sequence[str], head: str, head_short: str, figures: Mapping[str, str]
) -> Iterator[str]:
    # The last wording leaves out that nobody may go down: the village's name gives way before.
    keep_out = figures["keep_out"]
    is_last_safe = not keep_out or not any(keep_out in wording for wording in wordings)
    yield from (head + wording for wording in (wordings if is_last_safe else wordings[:-1]))
    short = head_short.format_map(figures)
    yield from (short + wording for wording in wordings)
    for name in cut_names(figures["kahriz"]):
        yield head_short.format_map({**figures, "kahriz": name}) + wordings[-1]


def _figures(facts: Facts, words: Mapping[str, Any], kind: str) -> dict[str, str]:
    decimal: str = words["decimal"]
    minutes = None if facts.unanswered is None else facts.unanswered / timedelta(minutes=1)
    figures = {
        "code": facts.code,
        "kahriz": facts.kahriz,
        "village": facts.village,
        "observed": number(facts.observed_lps, decimal),
        "expected": number(facts.expected_lps, decimal),
        "before": number(facts.before, decimal),
        "change": percent(facts.deviation, "+"),
        "fall": percent(facts.fall, "+"),
        "loss": percent(facts.loss),
        "loss_lps": number(facts.loss_lps, decimal),
        "volts": number(facts.volts, decimal),
        "usual_volts": number(facts.usual_volts, decimal),
        "lpcd": whole(facts.lpcd),
        "hours": whole(facts.silent_h),
        "since": moment(facts.since, facts.now, facts.zone),
        "device": facts.device,
        "fault": words["fault"].get(facts.fault, ""),
        "call": dialled(facts.contact_for_repair),
        "access": facts.access_note.rstrip("."),
        "minutes": whole(minutes),
        "told": _told(facts.told),
        "answer": words["answer"] if facts.can_answer else "",
        "answer_short": words["answer_short"] if facts.can_answer else "",
    }
    own = {name: words[kind][name] for name in _OWN}
    # A kind's own words name figures in turn; what lacks one is not said.
    said = {k: v.format_map(figures) if is_known(v, figures) else "" for k, v in own.items()}
    return figures | said | {"what": said["what"] or said["short"]}


def _told(names: Sequence[str]) -> str:
    more = f" +{len(names) - _NAMED}" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more
