"""Which alerts and which kahriz somebody means who names none, or only half. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from kahriz.alert.answer import Command, understand
from kahriz.alert.answering.scene import Scene
from kahriz.book.alerts import Alert
from kahriz.detect import AUDIENCE, Audience, Kind
from kahriz.notify.fold import fold
from kahriz.sites import Kahriz

SHORTEST_NAME = 3
"""Letters of a kahriz's name that is looked for in a text."""


@dataclass(frozen=True, slots=True)
class Meant:
    """Alerts that are meant; or, where that is not clear, those that may be; or none."""

    alerts: tuple[Alert, ...] = ()
    choice: tuple[Alert, ...] = ()


def alerts_meant(scene: Scene) -> Meant:
    """Return the alerts a text is about.

    Those whose code it names; else all of the digest that was the last text to the sender; else
    the only one the sender was told of and nobody has answered yet; else the only one that is open;
    else, where all are answered, that of the last text.
    """
    if codes := scene.said.codes:
        named = tuple(alert for alert in scene.firing if alert.code in codes)
        return Meant(named) if named else Meant(choice=tuple(_heard_of(scene)))
    known = [a for a in _heard_of(scene) if not scene.named or a.kahriz in scene.named]
    of_digest = tuple(a for a in known if a.id in scene.last_told)
    if len(scene.last_told) > 1 and of_digest:
        return Meant(of_digest)
    open_still = [a for a in known if not _is_said(a, scene.said.command)]
    # Where all is taken already, the last text is what somebody has before their eyes.
    for few in (open_still, known, () if open_still else of_digest):
        if len(few) == 1:
            return Meant(tuple(few))
    return Meant(choice=tuple(open_still or known))


def kahriz_meant(scene: Scene) -> str | None:
    """Return the kahriz a text is about; None: the sender has several and names none."""
    of_codes = {a.kahriz for a in scene.firing if a.code in scene.said.codes}
    for few in (of_codes, set(scene.named), set(scene.own), scene.last_kahrizes & set(scene.own)):
        if len(few) == 1:
            return next(iter(few))
    return None


def without_names(text: str, kahrizes: Iterable[Kahriz]) -> tuple[str, tuple[str, ...]]:
    """Return a text without the names of some kahrizes, and the ids of those it names.

    ``SU Barana`` is a question of Barana's water. A name that is also a word that we understand is
    that word.
    """
    plain = fold(text).lower()
    named: list[str] = []
    for kahriz in kahrizes:
        for name in {fold(kahriz.name).lower(), kahriz.id}:
            is_word = understand(name).command is not Command.UNKNOWN
            if len(name) < SHORTEST_NAME or is_word:
                continue
            rest, times = re.subn(rf"(?<!\w){re.escape(name)}(?!\w)", " ", plain)
            if times:
                plain = rest
                named.append(kahriz.id)
    return (plain, tuple(dict.fromkeys(named))) if named else (text, ())


def _heard_of(scene: Scene) -> Sequence[Alert]:
    """Return the open alerts the sender was told of; else those such people are told of."""
    told = [alert for alert in scene.firing if alert.id in scene.told]
    return told or [alert for alert in scene.firing if is_told(scene, alert)]


def is_told(scene: Scene, alert: Alert) -> bool:
    """Return whether an alert is the sender's business: a broken sensor is the engineer's alone."""
    person = scene.own[alert.kahriz]
    return person.role == "engineer" or AUDIENCE[Kind(alert.kind)] is Audience.COMMITTEE


def _is_said(alert: Alert, command: Command) -> bool:
    said = {
        Command.ACKNOWLEDGE: alert.acknowledged_at_ms,
        Command.ON_SITE: alert.on_site_at_ms,
        Command.FALSE_ALARM: alert.false_alarm_at_ms,
    }
    return said.get(command) is not None
