"""What a text that somebody sends comes to: what is done, and what is answered. Pure.

::

    text --noise--> understood --which alert, which kahriz--> acts + one answer, or a question

Like `kahriz.alert.telling` it is a function of the state: what is done is written down with the
answer, in one transaction. A number can be forged; so a text acknowledges, mutes for a day at
most, stops what goes to that very number, asks, gauges. It never configures anything.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from kahriz.alert.answer import Command
from kahriz.alert.answering.bucket import agrees
from kahriz.alert.answering.leaving import notices
from kahriz.alert.answering.meant import alerts_meant, is_told, kahriz_meant
from kahriz.alert.answering.replies import headed, known_of, to_choose, warned, worded
from kahriz.alert.answering.scene import (
    Act,
    Decision,
    Gauge,
    Mark,
    Mute,
    Scene,
    Start,
    Stop,
    Water,
)
from kahriz.book.alerts import Alert
from kahriz.clock import iso
from kahriz.notify.texts.answers import Known, Reply
from kahriz.sites import Kahriz, Site, SiteKind

__all__ = ["decide", "outlet", "wants_water"]

_ANSWERS = (Command.ACKNOWLEDGE, Command.ON_SITE, Command.FALSE_ALARM)
_SAYS = {
    Command.ACKNOWLEDGE: (Reply.ACKNOWLEDGED, "acknowledged"),
    Command.ON_SITE: (Reply.ON_SITE, "on site"),
    Command.FALSE_ALARM: (Reply.FALSE_ALARM, "false alarm"),
}


def wants_water(scene: Scene) -> str | None:
    """Return the kahriz whose water `decide` has to know of; None: it needs none."""
    command, said = scene.said.command, scene.said
    if command in _ANSWERS:
        meant = alerts_meant(scene)
        return None if meant.alerts or meant.choice else kahriz_meant(scene)
    if command is Command.STATUS or (command is Command.GAUGING and said.gauging is not None):
        return kahriz_meant(scene)
    return None


def decide(scene: Scene, water: Water) -> Decision:
    """Return what a text comes to; `water` is that of the kahriz which `wants_water` named."""
    made = _MADE.get(scene.said.command, _simply)
    return made(scene, water)


def outlet(kahriz: Kahriz) -> Site:
    """Return the site whose flow is a kahriz's water, and where a bucket is held."""
    found = kahriz.sites_of(SiteKind.OUTLET) or kahriz.sites_of(SiteKind.DELIVERY_LINE)
    return found[0] if found else kahriz.site[0]


# ---- an alert is answered


def _answered(scene: Scene, water: Water) -> Decision:
    meant = alerts_meant(scene)
    if meant.choice:
        return _asked_which(scene, meant.choice)
    if not meant.alerts:
        return _none_open(scene, water)
    alerts, command = meant.alerts, scene.said.command
    acts = tuple(Mark(command, a.id, scene.own[a.kahriz].name) for a in alerts)
    reply, says = _SAYS[command]
    known = _about(scene, alerts)
    if command is Command.ACKNOWLEDGE and (other := _taken_by(scene, alerts)):
        reply, known = Reply.ALREADY, replace(known, who=other)
    outcome = f"{' '.join(a.code for a in alerts)} {says}"
    return _told(scene, reply, known, outcome, acts, alerts[0].kahriz, alerts[0].id)


def _about(scene: Scene, alerts: Sequence[Alert]) -> Known:
    kahrizes = list({a.kahriz: scene.kahrizes[a.kahriz] for a in alerts}.values())
    person = scene.own[alerts[0].kahriz]
    known = replace(
        known_of(scene, kahrizes[0], person),
        code=headed([a.code for a in alerts]),
        access_note=warned(kahrizes, person.language),
    )
    return known if len(kahrizes) == 1 else replace(known, kahriz="", contact_for_repair="")


def _taken_by(scene: Scene, alerts: Sequence[Alert]) -> str | None:
    """Return who has taken all of some alerts, where that is one other than the sender."""
    takers = {a.acknowledged_by for a in alerts}
    taker = takers.pop() if len(takers) == 1 else None
    return None if taker in {p.name for p in scene.people} else taker


def _asked_which(scene: Scene, choice: Sequence[Alert]) -> Decision:
    known = replace(_about(scene, choice), alerts=to_choose(scene, choice))
    codes = ", ".join(a.code for a in choice)
    return _told(scene, Reply.WHICH, known, f"which of {codes}?", (), choice[0].kahriz)


def _none_open(scene: Scene, water: Water) -> Decision:
    kahriz = kahriz_meant(scene)
    if kahriz is None:
        known = _known_of_first(scene)
        return _told(scene, Reply.NONE_OPEN, known, "no alert is open")
    return replace(_status(scene, water), outcome="no alert is open: how the water is")


# ---- the water is asked for, or measured


def _status(scene: Scene, water: Water) -> Decision:
    id = kahriz_meant(scene)
    if id is None:
        return _asked_which_kahriz(scene)
    kahriz, person = scene.kahrizes[id], scene.own[id]
    own = [a for a in scene.firing if a.kahriz == id and is_told(scene, a)]
    flow = water.flow_lps
    known = replace(
        known_of(scene, kahriz, person),
        observed_lps=flow,
        lpcd=kahriz.lpcd(flow),
        since=water.measured_at,
        alerts=tuple(a.code for a in own),
    )
    reply = Reply.STATUS_UNKNOWN if flow is None else Reply.STATUS
    outcome = "how the water is" + (": not measured lately" if flow is None else "")
    return _told(scene, reply, known, outcome, (), id)


def _asked_which_kahriz(scene: Scene) -> Decision:
    names = tuple(scene.kahrizes[id].name for id in scene.own)
    known = replace(_known_of_first(scene), alerts=names)
    return _told(scene, Reply.WHICH_KAHRIZ, known, "which kahriz?")


def _gauged(scene: Scene, water: Water) -> Decision:
    gauging, id = scene.said.gauging, kahriz_meant(scene)
    if gauging is None:
        why = f"no gauging: {scene.said.problem}"
        return _told(scene, Reply.GAUGING_REFUSED, _known_of_first(scene), why)
    if id is None:
        return _asked_which_kahriz(scene)
    kahriz, person = scene.kahrizes[id], scene.own[id]
    site = outlet(kahriz)
    # A weir can be cleaned; of another meter it is not said that it agrees.
    rated = water.rated_lps if site.rating else None
    known = replace(
        known_of(scene, kahriz, person),
        litres=gauging.litres,
        seconds=gauging.mean_s,
        gauged_lps=gauging.discharge_lps,
        rated_lps=rated,
    )
    is_dirty = rated is not None and not agrees(gauging, rated, water.uncertainty_lps)
    reply = Reply.GAUGED_DISAGREES if is_dirty else Reply.GAUGED
    act = Gauge(f"{id}.{site.id}", gauging, water, person.name)
    outcome = f"gauged {gauging.discharge_lps:.3g} L/s" + (": the weir disagrees" * is_dirty)
    return _told(scene, reply, known, outcome, (act,), id)


# ---- who is told is changed


def _silenced(scene: Scene, _: Water) -> Decision:
    hours = scene.said.silence
    if hours is None:
        known = _known_of_first(scene)
        return _told(scene, Reply.SILENCE_REFUSED, known, f"no silence: {scene.said.problem}")
    named = [a for a in scene.firing if a.code in scene.said.codes]
    until = scene.now + hours
    if named:
        acts = [Mute(a.kahriz, a.kind, until, scene.own[a.kahriz].name) for a in named]
        known = replace(_about(scene, named), until=until)
        id: str | None = named[0].kahriz
    else:
        id = kahriz_meant(scene)
        if id is None:
            return _asked_which_kahriz(scene)
        acts = [Mute(id, None, until, scene.own[id].name)]
        known = replace(known_of(scene, scene.kahrizes[id], scene.own[id]), until=until)
    outcome = f"silent until {iso(until)}"
    return _told(scene, Reply.SILENCED, known, outcome, tuple(acts), id)


def _stopped(scene: Scene, _: Water) -> Decision:
    if scene.is_stopped:
        return Decision("wants no texts, as before")
    acts: tuple[Act, ...] = (Stop(scene.people[0].name), *notices(scene))
    return _told(scene, Reply.STOPPED, _known_of_first(scene), "no more texts", acts)


def _started(scene: Scene, _: Water) -> Decision:
    act = Start(scene.people[0].name)
    return _told(scene, Reply.STARTED, _known_of_first(scene), "texts again", (act,))


def _simply(scene: Scene, _: Water) -> Decision:
    if scene.said.command is Command.HELP:
        return _told(scene, Reply.HELP, _known_of_first(scene), "help")
    return _told(scene, Reply.NOT_UNDERSTOOD, _known_of_first(scene), "not understood")


def _known_of_first(scene: Scene) -> Known:
    person = scene.people[0]
    return known_of(scene, scene.kahrizes[person.kahriz], person)


def _told(
    scene: Scene,
    reply: Reply,
    known: Known,
    outcome: str,
    acts: tuple[Act, ...] = (),
    kahriz: str | None = None,
    alert: int | None = None,
) -> Decision:
    person = scene.people[0] if kahriz is None else scene.own[kahriz]
    text, why_not = worded(scene, reply, person, known)
    said = "; ".join(filter(None, (outcome, why_not)))
    return Decision(said, acts, person, text, kahriz, alert)


_MADE: Mapping[Command, Callable[[Scene, Water], Decision]] = {
    **dict.fromkeys(_ANSWERS, _answered),
    Command.STATUS: _status,
    Command.SILENCE: _silenced,
    Command.STOP: _stopped,
    Command.START: _started,
    Command.GAUGING: _gauged,
}
