"""Which texts nobody looks at: strangers', floods, and machines that answer machines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from kahriz.notify.fold import fold

MOST_LOOKED_AT = 60
"""Texts of one number within an hour that are looked at."""

REPEATED_WITHIN = timedelta(minutes=1)
"""The same text again so soon is the gateway's or a machine's doing, not a person's."""

SHORTEST_ECHO = 30
"""Letters from which on a piece of a text of ours is one; the whole text always is."""


@dataclass(frozen=True, slots=True)
class Heard:
    """One text that came in, and what is known of its number.

    Attributes
    ----------
    text
        As it came.
    is_known
        The number is a contact's.
    looked_at
        How many of its texts were looked at within the hour before.
    ours
        Our own texts to it, of the last day.
    repeats
        How long before this one the same text came, and nothing but an answer was told in
        between; None: it did not.
    """

    text: str
    is_known: bool
    looked_at: int = 0
    ours: Sequence[str] = ()
    repeats: timedelta | None = None


def why_ignored(heard: Heard) -> str | None:
    """Return why a text is not looked at; None: it is."""
    if not heard.is_known:
        return "no contact's number"
    if heard.looked_at >= MOST_LOOKED_AT:
        return f"more than {MOST_LOOKED_AT} texts within an hour"
    if _is_echo(heard):
        return "our own text"
    if heard.repeats is not None and heard.repeats < REPEATED_WITHIN:
        return "the same again within a minute"
    return None


def _is_echo(heard: Heard) -> bool:
    said = _plain(heard.text)
    ours = [_plain(text) for text in heard.ours]
    return said in ours or (len(said) >= SHORTEST_ECHO and any(said in text for text in ours))


def _plain(text: str) -> str:
    return " ".join(fold(text).lower().split())
