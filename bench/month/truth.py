"""Whether an alert was right, by what the simulator let happen."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum

from bench.month.district import District, names
from firmware_sim.trouble import Trouble
from kahriz.book.alerts import Alert
from kahriz.clock import from_ms
from kahriz.detect import AUDIENCE, Kind

LINGERS = timedelta(days=2)
"""So long after its end a trouble may still be the reason."""


class Right(StrEnum):
    """What an alert was worth."""

    TRUE = "true"
    NAMED_OTHERWISE = "named otherwise"
    """Something was wrong there that the same people are to hear of."""
    FALSE = "false"


class Truth:
    """What happens in a district.

    Parameters
    ----------
    district
        With its troubles.
    """

    def __init__(self, district: District) -> None:
        self._at = {k.id: district.troubles(k.id) for k in district.registry.kahriz}

    def judge(self, alert: Alert) -> Right:
        """Return what an alert that fired was worth."""
        on = list(self._when(alert))
        if any(alert.kind in names(t.kind) for t in on):
            return Right.TRUE
        audience = AUDIENCE[Kind(alert.kind)]
        named = [Kind(name) for t in on for name in names(t.kind)]
        is_theirs = any(AUDIENCE[kind] is audience for kind in named)
        return Right.NAMED_OTHERWISE if is_theirs else Right.FALSE

    def is_true(self, alert: Alert) -> bool:
        """Return whether who goes to look finds something wrong."""
        return self.judge(alert) is not Right.FALSE

    def is_about(self, alert: Alert, trouble: Trouble) -> bool:
        """Return whether an alert tells those who are to hear of it of a trouble that was on."""
        audience = AUDIENCE[Kind(alert.kind)]
        is_theirs = any(AUDIENCE[Kind(name)] is audience for name in names(trouble.kind))
        return is_theirs and trouble in self._when(alert)

    def _when(self, alert: Alert) -> Iterator[Trouble]:
        assert alert.fired_at_ms is not None
        fired = from_ms(alert.fired_at_ms)
        for trouble in self._at[alert.kahriz]:
            start, end = from_ms(trouble.start_ms), from_ms(trouble.end_ms)
            if start <= fired <= end + LINGERS and _is_there(trouble, alert):
                yield trouble


def _is_there(trouble: Trouble, alert: Alert) -> bool:
    """Return whether a trouble of a device is at the device that an alert is about."""
    is_devices = alert.kind in ("offline", "battery") and bool(trouble.device)
    return not is_devices or alert.key in ("", trouble.device)
