"""Every error the service raises on purpose; its class says whether trying again helps.

::

    KahrizError
    +- ConfigError(where, problem, hint)     start-up only, one line, exit 2
    +- DecodeError(topic, reason)            never retried: the payload goes to the dead letters
    +- UnknownSensorError(sensor)            never retried: likewise
    +- StoreUnavailable(reason, retry_after) try later: nothing is acknowledged meanwhile
    +- StoreRejected(reason)                 never again: the store refuses this very content
    +- DeliveryError(reason, detail, permanent)
    +- NotFoundError(kind, id)
"""

from __future__ import annotations

from datetime import timedelta
from enum import StrEnum


class KahrizError(Exception):
    """Something the service knows by name went wrong."""


class ConfigError(KahrizError):
    """What was configured cannot work; says where, what is wrong and what would be right."""

    def __init__(self, where: str, problem: str, hint: str = "") -> None:
        self.where = where
        self.problem = problem
        self.hint = hint
        super().__init__(f"{where}: {problem}" + (f" ({hint})" if hint else ""))


class DecodeError(KahrizError):
    """A payload does not say what the wire format lets it say."""

    def __init__(self, topic: str, reason: str) -> None:
        self.topic = topic
        self.reason = reason
        super().__init__(f"{topic}: {reason}" if topic else reason)


class UnknownSensorError(KahrizError):
    """A device, or one of its channels, is not in the registry."""

    def __init__(self, sensor: str, reason: str = "not in sites.toml") -> None:
        self.sensor = sensor
        self.reason = reason
        super().__init__(f"{sensor}: {reason}")


class StoreUnavailable(KahrizError):  # noqa: N818 - the name says a state, not a mistake
    """The store cannot take or give anything now; the same call may succeed later."""

    def __init__(self, reason: str, retry_after: timedelta | None = None) -> None:
        self.reason = reason
        self.retry_after = retry_after
        super().__init__(reason)


class StoreRejected(KahrizError):  # noqa: N818
    """The store refuses this content for good; ``rows`` are its positions in the batch, when known.

    Every row not named in ``rows`` is durable when this is raised.
    """

    def __init__(self, reason: str, rows: tuple[int, ...] = ()) -> None:
        self.reason = reason
        self.rows = rows
        super().__init__(reason)


class DeliveryReason(StrEnum):
    """Why a message was not delivered; `kahriz.notify.retry` says what follows from it."""

    INVALID_NUMBER = "invalid_number"
    REJECTED = "rejected"
    """The gateway refuses this very text, not the number."""
    RATE_LIMITED = "rate_limited"
    AUTH = "auth"
    NO_CREDIT = "no_credit"
    GATEWAY = "gateway"
    NO_ANSWER = "no_answer"
    """It was asked and did not answer: it may have taken the text."""


class DeliveryError(KahrizError):
    """A message could not be handed over; ``permanent`` says whether another try is pointless.

    ``retry_after`` is how long the gateway itself asks to be left alone, where it says so.
    """

    def __init__(
        self,
        reason: DeliveryReason,
        detail: str = "",
        *,
        permanent: bool,
        retry_after: timedelta | None = None,
    ) -> None:
        self.reason = reason
        self.detail = detail
        self.permanent = permanent
        self.retry_after = retry_after
        super().__init__(f"{reason.value}: {detail}" if detail else reason.value)


class NotFoundError(KahrizError):
    """Nothing of this kind carries this name."""

    def __init__(self, kind: str, id: str) -> None:
        self.kind = kind
        self.id = id
        super().__init__(f"{kind} {id!r} does not exist")
