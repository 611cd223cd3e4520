"""The words of a text: the catalogue's, with the figures of the alerts it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

from kahriz.alert.reason import Reason
from kahriz.alert.telling.facts import facts_of
from kahriz.alert.telling.world import Text, Told
from kahriz.book.alerts import Alert
from kahriz.notify.texts import Facts, render
from kahriz.notify.texts.catalogue import Text as Words
from kahriz.notify.texts.digest import render_digest
from kahriz.sites import Kahriz


def words_of(
    text: Text,
    kahrizes: Sequence[Kahriz],
    alerts: Sequence[Alert],
    told: Sequence[Told],
    now: datetime,
    *,
    can_answer: bool,
) -> Words:
    """Return a text in its reader's language.

    Parameters
    ----------
    text
        What is told to whom.
    kahrizes, alerts
        By wish.
    told
        Of the first alert: who knows of it.
    now
        When it is told.
    can_answer
        What is sent to the number it comes from is read.
    """
    if text.is_digest:
        return _digest(text, kahrizes, alerts, can_answer=can_answer)
    first, person = text.first, text.first.person
    facts = facts_of(kahrizes[0], alerts, first.reason, now)
    facts = replace(facts, can_answer=can_answer and first.channel == "sms")
    facts = _with_the_past(facts, text, told)
    kind, reason = first.case.kind.value, first.reason.value
    return render(kind, reason, person.language, person.alphabet, facts)


def _digest(
    text: Text, kahrizes: Sequence[Kahriz], alerts: Sequence[Alert], *, can_answer: bool
) -> Words:
    first, person = text.first, text.first.person
    names = list(dict.fromkeys(kahriz.name for kahriz in kahrizes))
    is_over = first.reason is Reason.RESOLVED
    return render_digest(
        first.case.kind.value,
        names,
        person.language,
        person.alphabet,
        reason="resolved" if is_over else "first",
        code=alerts[0].code,
        district=kahrizes[0].district,
        access_notes=[kahriz.access_note for kahriz in kahrizes],
        can_answer=can_answer and not is_over,
    )


def _with_the_past(facts: Facts, text: Text, told: Sequence[Told]) -> Facts:
    """Add what was known before: the flow people were told of, and who has not answered."""
    first = text.first
    gravity = max((t.gravity for t in told), default=0.0)
    before = None
    if first.reason is Reason.WORSE and facts.expected_lps is not None and gravity:
        before = facts.expected_lps * (1 - gravity)
    return replace(facts, before=before, unanswered=first.waited, told=first.told)
