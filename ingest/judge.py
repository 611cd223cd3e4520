"""Columns to observations: a flag for every value, and discharge from stage where a curve is."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ingest.gathered import Gathered
from kahriz.errors import ConfigError
from kahriz.observations import ObservationBatch, Quality, Values, combine_flags, datastream_id
from kahriz.quality.flagger import Flagger
from kahriz.rating.dated import DatedRating
from kahriz.sites import Registry
from kahriz.units import Property


@dataclass(frozen=True, slots=True)
class Judged:
    """A batch of observations, which message each row came from, and how many were unratable."""

    observations: ObservationBatch
    source: NDArray[np.int32]
    n_unratable: int


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
    """

    def __init__(self, registry: Registry, flagger: Flagger) -> None:
        self._ids = tuple(d.id for d in registry.datastreams)
        self._flagger = flagger
        self._derived = {derived.stage: derived for derived in derived_of(registry)}
        self._is_stage = np.zeros(len(self._ids), np.bool_)
        self._is_stage[list(self._derived)] = True

    def assess(self, batch: Gathered) -> Judged:
        """Return the observations of `batch`: those measured first, then those derived."""
        stream, time_ms, value = batch.stream, batch.time_ms, batch.value
        flags = self._flagger.flag(stream, time_ms, value)
        if batch.is_corrected is not None:  # a time that is not as the device said is flagged
            rows = np.flatnonzero(batch.is_corrected)
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
        return Judged(observations, source, n_unratable)

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
