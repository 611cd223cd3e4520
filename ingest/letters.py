"""What cannot be used: why, as one of a few classes and in words, and what is kept of it."""

from __future__ import annotations

import logging
import re
from datetime import datetime

from ingest import topics
from ingest.waiting import Incoming
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import from_ms, iso, to_ms
from kahriz.errors import DecodeError, UnknownSensorError
from kahriz.units import property_of

_LOG = logging.getLogger(__name__)

SHOWN = 120
"""Characters of a topic in a line of the log."""

_SHOWN_REASON = 400
_WAYS_KEPT = 1000
_FIGURES = re.compile(r"\d+")  # times and values differ each time, the fault does not


def refusal_of(
    device: str, channel: str, time_ms: int, stream: int | None, bounds: tuple[int, int]
) -> tuple[Reason, str] | None:
    """Return why one value cannot be used, as a class and in words; None: it can.

    Parameters
    ----------
    device, channel, time_ms
        What was said.
    stream
        Which datastream the channel is; None: none.
    bounds
        The earliest and the latest time that is believed [ms].
    """
    if stream is None:
        try:
            property_of(channel)
        except UnknownSensorError as error:
            is_unit = error.reason.startswith("unit ")
            kind = Reason.WRONG_UNIT if is_unit else Reason.UNKNOWN_CHANNEL
            return kind, f"device {device!r}: channel {error}"
        said = f"device {device!r}: channel {channel!r} is not in sites.toml"
        return Reason.UNKNOWN_CHANNEL, said
    if time_ms < bounds[0]:
        said = f"device {device!r}: time {_shown(time_ms)} is too long ago to be true"
        return Reason.TIME_PAST, said
    if time_ms > bounds[1]:
        said = f"device {device!r}: time {_shown(time_ms)} lies in the future"
        return Reason.TIME_FUTURE, said
    return None


def _shown(time_ms: int) -> str:
    try:
        return iso(from_ms(time_ms))
    except OverflowError:
        return f"{time_ms} ms"


def reason_of(error: DecodeError | UnknownSensorError) -> str:
    """Return the reason in words."""
    return error.reason if isinstance(error, DecodeError) else str(error)


def kind_of(error: DecodeError | UnknownSensorError) -> Reason:
    """Return the class of the reason."""
    is_strange = isinstance(error, UnknownSensorError)
    return Reason.UNKNOWN_DEVICE if is_strange else Reason.DECODE_ERROR


def letter_of(message: Incoming, reason: str, now: datetime, kind: Reason) -> DeadLetter:
    """Return what is kept of a message that cannot be used, for `reason`."""
    device = topics.sender(message.topic)
    return DeadLetter(to_ms(now), message.topic, device, reason, message.payload, kind)


class Spokesman:
    """Writes one line for each way a payload was wrong, not one for each payload."""

    def __init__(self) -> None:
        self._said: dict[str, None] = {}

    def say(self, letter: DeadLetter) -> None:
        """Write the line, unless it is said already."""
        way = _FIGURES.sub("#", f"{letter.topic}: {letter.reason}")
        if way in self._said:
            return
        if len(self._said) >= _WAYS_KEPT:
            self._said.pop(next(iter(self._said)))
        self._said[way] = None
        _LOG.warning(
            "dead letter",
            extra={"topic": letter.topic[:SHOWN], "reason": letter.reason[:_SHOWN_REASON]},
        )
