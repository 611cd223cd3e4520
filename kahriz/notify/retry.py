"""When a text that a gateway did not take is tried again: one table for every gateway.

A gateway that is down, busy, unpaid or locked is not the text's fault: it is asked again until the
text expires. One that was asked and did not answer may have taken the text: it is asked twice more
and then left, because a phone that rings all night with the same text is switched off.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta

from kahriz.errors import DeliveryError, DeliveryReason

_MINUTE = timedelta(minutes=1)
LONGEST_ASKED = timedelta(hours=1)
"""Of what a gateway asks for by ``Retry-After``; beyond, the text would only grow old."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Pauses before the second, third ... try; the last one again and again where `goes_on`."""

    pauses: tuple[timedelta, ...] = ()
    goes_on: bool = False

    def after(self, attempts: int) -> timedelta | None:
        """Return the pause after that many tries (1 or more); None: no other try."""
        if attempts <= len(self.pauses):
            return self.pauses[attempts - 1]
        return self.pauses[-1] if self.goes_on else None


_NEVER = Retry()
_SOON = Retry(tuple(m * _MINUTE for m in (1, 2, 4, 8, 16, 32, 60)), goes_on=True)
_WHEN_SOMEBODY_HAS_SEEN_TO_IT = Retry(tuple(m * _MINUTE for m in (5, 15, 30)), goes_on=True)

RETRIES: Mapping[DeliveryReason, Retry] = {
    DeliveryReason.INVALID_NUMBER: _NEVER,
    DeliveryReason.REJECTED: _NEVER,
    DeliveryReason.RATE_LIMITED: _SOON,
    DeliveryReason.GATEWAY: _SOON,
    DeliveryReason.AUTH: _WHEN_SOMEBODY_HAS_SEEN_TO_IT,
    DeliveryReason.NO_CREDIT: _WHEN_SOMEBODY_HAS_SEEN_TO_IT,
    DeliveryReason.NO_ANSWER: Retry((5 * _MINUTE, 30 * _MINUTE)),
}

THE_TEXTS_OWN = frozenset({DeliveryReason.INVALID_NUMBER, DeliveryReason.REJECTED})
"""Reasons that say nothing against the gateway."""


def pause(error: DeliveryError, attempts: int) -> timedelta | None:
    """Return how long to wait after `attempts` tries that ended in `error`; None: give it up."""
    if error.permanent:
        return None
    planned = RETRIES[error.reason].after(attempts)
    if planned is None or error.retry_after is None:
        return planned
    return max(planned, min(error.retry_after, LONGEST_ASKED))
