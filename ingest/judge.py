"""Columns to observations: a flag for every value, and discharge from stage where a curve is."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.gathered import Gathered
from ingest.hours import Hour, hours_of
from kahriz.errors import ConfigError
from kahriz.observations import ObservationBatch, Quality, Values, combine_flags, datastream_id
from kahriz.quality.flagger import Flagger
from kahriz.quality.learned import LearnedLimits
from kahriz.rating.dated import DatedRating
from kahriz.sites import Registry
from kahriz.units import Property


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch of observations, and which message each row came from.

    Attributes
    ----------
    n_unratable
        How many stages the ratings say nothing of.
    unsettled
        Hours of which somebody has to judge the flags again: what was measured around these
        values may come later, or came before, or the limits were not those of their day.
    late
        Those of them with values that are not newer than all before.
    corrected
        Hours with a value whose time is not as its device said it.
    """

    observations: ObservationBatch
    source: NDArray[np.int32]
    n_unratable: int
    unsettled: Sequence[Hour] = ()
    late: Sequence[Hour] = ()
    corrected: Sequence[Hour] = ()


@dataclass(frozen=True, slots=True)
class Derived:
    """A discharge that is derived: the indices of it and of its stage, and by which ratings."""

    stage: int
    discharge: int
    rating: DatedRating


class Assessor:
    """Flags values as they come and derives discharge.

    Parameters
    ----------
    registry
        What is measured, with limits and ratings.
    flagger
        The quality tests with what they remember of each datastream.
    limits
        What they judge by where limits are learned; None: by what is given, for good.
    """

    def __init__(
        self, registry: Registry, flagger: Flagger, limits: LearnedLimits | None = None
    ) -> None:
        self._ids = tuple(d.id for d in registry.datastreams)
        self._flagger = flagger
        self._limits = limits
        self._derived = {derived.stage: derived for derived in derived_of(registry)}
        self._is_stage = np.zeros(len(self._ids), np.bool_)
        self._is_stage[list(self._derived)] = True

    def assess(self, batch: Gathered) -> Judged:
        """Return the observations of `batch`: those measured first, then those derived."""
        stream, time_ms, value = batch.stream, batch.time_ms, batch.value
        unsettled, late = self._unsettled(stream, time_ms)
        corrected: Sequence[Hour] = ()
        flags = self._flagger.flag(stream, time_ms, value)
        if batch.is_corrected is not None:  # a time that is not as the device said is flagged
            rows = np.flatnonzero(batch.is_corrected)
            corrected = hours_of(self._ids, stream[rows], time_ms[rows])
            is_suspect = np.full(len(rows), Quality.SUSPECT, np.uint8)
            flags[rows] = combine_flags([flags[rows], is_suspect])
        columns = [(stream, time_ms, value, flags, batch.source)]
        n_unratable = 0
        for derived, rows in self._to_rate(stream, value):
            rated = derived.rating.discharge(time_ms[rows], value[rows])
            is_rated = np.isfinite(rated.discharge_lps)
            n_unratable += int(np.count_nonzero(~is_rated))
            rows = rows[is_rated]
            columns.append(
                (
                    np.full(len(rows), derived.discharge, np.int32),
                    time_ms[rows],
                    rated.discharge_lps[is_rated],
                    combine_flags([flags[rows], rated.quality[is_rated]]),
                    batch.source[rows],
                )
            )
        stream, time_ms, value, flags, source = (
            np.concatenate(column) for column in zip(*columns, strict=True)
        )
        flags = np.where(np.isfinite(value), flags, np.uint8(Quality.MISSING))
        observations = ObservationBatch(
            self._ids, stream, time_ms.astype("datetime64[ms]"), value, flags
        )
        return Judged(observations, source, n_unratable, unsettled, late, corrected)

    def _unsettled(
        self, stream: NDArray[np.int32], time_ms: NDArray[np.int64]
    ) -> tuple[Sequence[Hour], Sequence[Hour]]:
        """Return the hours of rows that are not settled, and of those that are late."""
        is_late = self._flagger.is_late(stream, time_ms)
        is_unsettled = is_late
        if self._limits is not None:
            is_unsettled = is_late | ~self._limits.are_of(stream, time_ms)
        if not is_unsettled.any():
            return (), ()
        return (
            hours_of(self._ids, stream[is_unsettled], time_ms[is_unsettled]),
            hours_of(self._ids, stream[is_late], time_ms[is_late]),
        )

    def _to_rate(
        self, stream: NDArray[np.int32], value: Values
    ) -> Iterator[tuple[Derived, NDArray[np.intp]]]:
        """Yield each rating that is needed, with the rows (k,) of its stage, in their order."""
        rows = np.flatnonzero(self._is_stage[stream] & np.isfinite(value))
        order = rows[np.argsort(stream[rows], kind="stable")]
        for part in np.split(order, np.flatnonzero(np.diff(stream[order])) + 1):
            if len(part):
                yield self._derived[int(stream[part[0]])], part


def derived_of(registry: Registry) -> list[Derived]:
    """Return every discharge of the registry that a rating derives from a stage."""
    found: list[Derived] = []
    for i, d in enumerate(registry.datastreams):
        if d.sensor is None:
            stage = registry.index.get(datastream_id(d.kahriz.id, d.site.id, Property.STAGE))
            if stage is None:
                raise ConfigError(
                    f"kahriz {d.kahriz.id!r} site {d.site.id!r}",
                    "has a rating but no sensor for stage",
                    'add a sensor with channel = "stage_m"',
                )
            found.append(Derived(stage, i, DatedRating(d.site.rating, d.kahriz.zone)))
    return found
