"""What the alerts would have been, had everything come in time; and what is known better now. Pure.

Late readings never unsettle a present alert (see `kahriz.alert.lifecycle`): who was told was told.
But when a trouble began, when it was over and how grave it was is then known better than it was
when people were told. So beside the alerts as they stand a second life of them is led from before
the late readings on, and what is on record is put right by it: instants, figures, an end. Nobody
is told of that, and nothing is opened by it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from math import inf

from kahriz.alert import lifecycle
from kahriz.alert.lifecycle import Place, Standing, State, Step, Transition
from kahriz.detect import Detection

NEAR = timedelta(minutes=20)
"""A standing alert is looked at this often at least, between the quarters of an hour too: its
instants are not known better than that."""


class Past:
    """The alerts of one kahriz, led again from an instant on.

    Parameters
    ----------
    rows
        Those on record that are open, or were in the `REOPENS_WITHIN` before `since` or later, each
        with its ``row``; only of detectors that are asked about the past.
    since
        Up to then nothing is judged again.
    """

    def __init__(self, rows: Iterable[Standing], since: datetime) -> None:
        self.since = since
        self._alerts = _as_they_were(rows, since)
        self._at = since
        self._last: dict[tuple[Place, datetime], Transition] = {}

    def judge(self, detections: Iterable[Detection], now: datetime) -> None:
        """Let an instant pass at which detectors said so."""
        self._alerts, moved = lifecycle.judge(self._alerts, detections, now)
        self._note(moved, now)

    def stand(self, now: datetime) -> None:
        """Let an instant pass of which nobody may judge."""
        self._alerts, moved = lifecycle.stand(self._alerts, now)
        self._note(moved, now)

    def _note(self, moved: Iterable[Transition], now: datetime) -> None:
        self._at = now
        for transition in moved:
            standing = transition.standing
            self._last[standing.place, standing.pending_at] = transition

    def episodes(self) -> list[Episode]:
        """Return every alert that fired in this life, in the order of their beginnings."""
        lived = {key: Episode(t.standing, t.step) for key, t in self._last.items()}
        for alert in self._alerts.values():
            if alert.is_open:
                is_said = alert.last_seen == self._at
                lived[alert.place, alert.pending_at] = Episode(alert, None, is_said=is_said)
        found = [one for one in lived.values() if one.standing.fired_at is not None]
        return sorted(found, key=lambda one: one.standing.since)


@dataclass(frozen=True, slots=True)
class Episode:
    """One alert from its beginning on, and how it ended; None: it goes on.

    ``is_said`` is whether a detector said so at the last instant of all.
    """

    standing: Standing
    end: Step | None
    is_said: bool = False

    @property
    def is_superseded(self) -> bool:
        """Whether a graver kind took its place."""
        return self.end is Step.SUPERSEDED


@dataclass(frozen=True, slots=True)
class Known:
    """What is known better of what is on record.

    Attributes
    ----------
    corrected
        Alerts on record as they should be, each with the episode it was.
    missing
        Episodes that are over and of which there is no record.
    unconfirmed
        Alerts on record that are over and would not have been.
    """

    corrected: list[tuple[Standing, Episode]]
    missing: list[Episode]
    unconfirmed: list[Standing]


def known_better(rows: Sequence[Standing], past: Past) -> Known:
    """Return what `past` knows better than `rows`, on record and open then or later."""
    fired = [row for row in rows if row.fired_at is not None]
    episodes = past.episodes()
    same = _matched(fired, episodes)
    corrected = [
        (better, one)
        for row, one in same
        if (better := _corrected(row, one)) != row or one.is_superseded
    ]
    known_rows = {row.row for row, _ in same}
    known_episodes = {id(one) for _, one in same}
    missing = [one for one in episodes if id(one) not in known_episodes and one.end is not None]
    unconfirmed = [
        row
        for row in fired
        if row.row not in known_rows and not row.is_open and row.pending_at > past.since
    ]
    return Known(corrected, missing, unconfirmed)


def _matched(
    rows: Sequence[Standing], episodes: Sequence[Episode]
) -> list[tuple[Standing, Episode]]:
    """Return which alert on record was which episode: itself, else the one it stood with longest.

    Of two on record that were one, the one that is as open as it is that one.
    """
    pairs = [(row, one) for row in rows for one in episodes if _overlap(row, one.standing) >= 0]
    pairs.sort(key=lambda pair: _likeness(*pair), reverse=True)
    found: list[tuple[Standing, Episode]] = []
    for row, one in pairs:
        if all(row is not r and one is not o for r, o in found):
            found.append((row, one))
    return found


def _likeness(row: Standing, one: Episode) -> tuple[bool, bool, float]:
    was = one.standing
    return (row.row == was.row, row.is_open == was.is_open, _overlap(row, was))


def _corrected(row: Standing, one: Episode) -> Standing:
    was = one.standing
    better = row
    if not _is_near(row, was, ("since", "pending_at", "fired_at")):
        better = replace(row, since=was.since, pending_at=was.pending_at, fired_at=was.fired_at)
    better = replace(better, evidence=was.evidence, explanation=was.explanation)
    if was.is_open and not row.is_open:
        return better  # whether it is to be opened again is not for the past to say
    if not (_is_near(row, was, ("resolved_at",)) and (one.is_said or _is_near(row, was, _SEEN))):
        better = replace(
            better, state=was.state, last_seen=was.last_seen, resolved_at=was.resolved_at
        )
    return better


_SEEN = ("last_seen",)


def _is_near(row: Standing, was: Standing, names: Sequence[str]) -> bool:
    """Return whether the instants of these names are the same, as far as instants are known."""
    pairs = [(getattr(row, name), getattr(was, name)) for name in names]
    return all(a is b or (a and b and abs(a - b) <= NEAR) for a, b in pairs)


def _overlap(row: Standing, other: Standing) -> float:
    """Return for how many seconds two alerts of one place stood at once; below 0: not."""
    if row.place != other.place:
        return -1.0
    ends = [one.resolved_at for one in (row, other) if one.resolved_at is not None]
    if not ends:
        return inf
    return (min(ends) - max(row.since, other.since)).total_seconds()


def _as_they_were(rows: Iterable[Standing], since: datetime) -> dict[Place, Standing]:
    """Return by place the newest alert there was at an instant, as it was then."""
    found: dict[Place, Standing] = {}
    for row in sorted(rows, key=lambda r: r.pending_at):
        if row.pending_at <= since:
            found[row.place] = _as_it_was(row, since)
    return found


def _as_it_was(row: Standing, since: datetime) -> Standing:
    if row.resolved_at is not None and row.resolved_at <= since:
        return row
    has_fired = row.fired_at is not None and row.fired_at <= since
    return replace(
        row,
        state=State.FIRING if has_fired else State.PENDING,
        fired_at=row.fired_at if has_fired else None,
        resolved_at=None,
        last_seen=min(row.last_seen, since),
    )
