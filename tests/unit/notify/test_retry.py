from __future__ import annotations

from datetime import timedelta

import pytest

from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify.retry import LONGEST_ASKED, RETRIES, THE_TEXTS_OWN, pause

MINUTE = timedelta(minutes=1)


def error(reason: DeliveryReason, retry_after: timedelta | None = None) -> DeliveryError:
    return DeliveryError(reason, permanent=False, retry_after=retry_after)


def test_every_reason_has_its_row() -> None:
    assert set(RETRIES) == set(DeliveryReason)


@pytest.mark.parametrize("reason", sorted(THE_TEXTS_OWN))
def test_what_is_wrong_with_the_text_itself_is_not_tried_again(reason: DeliveryReason) -> None:
    assert pause(error(reason), 1) is None


def test_a_gateway_that_is_down_is_asked_later_and_later_and_then_every_hour() -> None:
    pauses = [pause(error(DeliveryReason.GATEWAY), attempts) for attempts in (1, 2, 3, 7, 8, 100)]

    assert pauses == [m * MINUTE for m in (1, 2, 4, 60, 60, 60)]


def test_a_text_that_may_have_been_taken_is_tried_three_times_in_all() -> None:
    pauses = [pause(error(DeliveryReason.NO_ANSWER), attempts) for attempts in (1, 2, 3)]

    assert pauses == [5 * MINUTE, 30 * MINUTE, None]


def test_what_a_gateway_asks_for_is_kept_within_an_hour() -> None:
    asked = [timedelta(seconds=3), 20 * MINUTE, timedelta(days=2)]
    pauses = [pause(error(DeliveryReason.RATE_LIMITED, each), 1) for each in asked]

    assert pauses == [MINUTE, 20 * MINUTE, LONGEST_ASKED]


def test_a_gateway_that_says_never_is_believed() -> None:
    assert pause(DeliveryError(DeliveryReason.GATEWAY, permanent=True), 1) is None
