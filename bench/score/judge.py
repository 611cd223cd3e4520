"""One detector on one collection: every figure the tables and the bars are made of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.score.alarms import Alarms
from bench.score.bars import Scores
from bench.score.data import Collection, Flags
from bench.score.metric import AlarmScore, score
from bench.score.quality_metric import QualityScore, quality_score
from bench.score.rules import COMMITTEE_KINDS


@dataclass(frozen=True, slots=True)
class Answers:
    """What a detector said of a collection: alarms, and flags if it makes any."""

    alarms: Alarms
    flags: Mapping[str, Flags] | None = None


def judge(collection: Collection, answers: Answers) -> Scores:
    """Return what the answers are worth, together and by audience."""
    alarms = answers.alarms if collection.events else _about_water(answers.alarms)
    return Scores(
        everybody=score(collection, alarms),
        audiences={who: score(collection, alarms, who) for who in collection.rules.audience},
        quality=None if answers.flags is None else quality_score(collection, answers.flags),
    )


def _about_water(alarms: Alarms) -> Alarms:
    """Return what a committee would hear where nothing happened but floods."""
    heard = COMMITTEE_KINDS - {"surge"} | {""}
    return {station: tuple(a for a in its if a.kind in heard) for station, its in alarms.items()}


def together(scores: Sequence[Scores]) -> Scores:
    """Return several collections' scores as those of one."""
    everybody, quality = AlarmScore(), QualityScore()
    audiences = {who: AlarmScore() for one in scores for who in one.audiences}
    for one in scores:
        everybody.add(one.everybody)
        for who, its in one.audiences.items():
            audiences[who].add(its)
        if one.quality:
            quality.add(one.quality)
    return Scores(everybody, audiences, quality if any(s.quality for s in scores) else None)
