"""The words of a text: the catalogue's, with the figures of the alerts it tells of."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from kahriz.alert.telling.facts import facts_of
from kahriz.alert.telling.world import Text
from kahriz.book.alerts import Alert
from kahriz.notify.texts import Text as Words
from kahriz.notify.texts import render
from kahriz.sites import Kahriz


def words_of(
    text: Text, kahrizes: Sequence[Kahriz], alerts: Sequence[Alert], now: datetime
) -> Words:
    """Return a text in its reader's language.

    Parameters
    ----------
    text
        What is told to whom.
    kahrizes, alerts
        By wish.
    now
        When it is told.
    """
    first = text.first
    facts = facts_of(kahrizes[0], alerts, first.reason, now)
    person = first.person
    return render(
        first.case.kind.value, first.reason.value, person.language, person.alphabet, facts
    )
