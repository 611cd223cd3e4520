"""The registry's limits as columns, one row a datastream."""

from __future__ import annotations

from datetime import timedelta
from math import isnan, nan

import numpy as np

from kahriz.quality import LimitTable
from kahriz.sites import Datastream, Registry
from kahriz.units import PROPERTIES, Property

SHORTEST_LOOK_BACK = timedelta(days=1)

_HOUR_MS = 3_600_000


def limits_of(registry: Registry) -> LimitTable:
    """Return the limits of every datastream, rows as in ``registry.datastreams``.

    Where a sensor has no ``range_fail``, and where no sensor measures the datastream but a rating
    derives it, the gross range is what is possible at any kahriz.
    """
    columns = zip(*(_limits(d) for d in registry.datastreams), strict=True)
    return LimitTable(*(np.array(column, np.float64) for column in columns))


def possible(measures: Property) -> LimitTable:
    """Return the limits, one row, of a sensor of which nobody has said any."""
    columns = (*PROPERTIES[measures].possible, *(nan,) * 6)
    return LimitTable(*(np.array([column]) for column in columns))


def look_back_ms(limits: LimitTable, stream: int) -> int:
    """Return how far back [ms] the tests need to see of a stream: a day, or the flat line's.

    By the limits as they are now: what is learned changes them.
    """
    hours = float(limits.flat_line_h[stream])
    shortest = SHORTEST_LOOK_BACK // timedelta(milliseconds=1)
    return shortest if isnan(hours) else max(round((hours + 1) * _HOUR_MS), shortest)


def _limits(datastream: Datastream) -> tuple[float, ...]:
    possible = PROPERTIES[datastream.measures].possible
    sensor = datastream.sensor
    if sensor is None:
        return (*possible, *(nan,) * 6)
    others = (sensor.max_rate_per_h, sensor.spike, sensor.noise, sensor.flat_line_h)
    return (
        *(sensor.range_fail or possible),
        *(sensor.range_suspect or (nan, nan)),
        *(nan if limit is None else limit for limit in others),
    )
