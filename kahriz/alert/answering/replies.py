"""What is answered in which words, and when nothing is. Pure.

At most three answers go to a number in an hour, so that two machines that answer each other cost
three SMS and not the month's. What a text asks for is done all the same.
"""

from __future__ import annotations

from collections.abc import Sequence

from kahriz.alert.answering.scene import Scene
from kahriz.book.alerts import Alert
from kahriz.book.contacts import Person
from kahriz.notify.texts.answers import Known, Reply, render_reply
from kahriz.notify.texts.catalogue import Text, catalogue, extended
from kahriz.sites import Kahriz

MOST_ANSWERS = 3
"""To one number, within an hour; the last says that it is."""

MOST_A_DAY = 24
"""To one number: whoever forges it must not cost a month's texts."""

_QUESTIONS = (Reply.WHICH, Reply.WHICH_KAHRIZ, Reply.NOT_UNDERSTOOD)
"""Not asked again within the hour."""

_HAS_TO_BE_SAID = (Reply.ACKNOWLEDGED, Reply.ON_SITE, Reply.STOPPED, Reply.STARTED)
"""Where somebody walks to a shaft, or wants to know that it is quiet now, that goes before it."""

_CODES_NAMED = 3


def worded(scene: Scene, reply: Reply, person: Person, known: Known) -> tuple[Text | None, str]:
    """Return an answer in its reader's language, or None, and why not."""
    if scene.is_stopped and reply is not Reply.STARTED:
        return None, "not answered: wants no texts"
    if len(scene.answers) >= MOST_ANSWERS:
        return None, f"not answered: {MOST_ANSWERS} answers in an hour"
    if scene.answers_today >= MOST_A_DAY:
        return None, f"not answered: {MOST_A_DAY} answers in a day"
    text = render_reply(reply, person.language, person.alphabet, known)
    if reply in _QUESTIONS and any(said.startswith(text.text) for said in scene.answers):
        return None, "not asked again within an hour"
    if len(scene.answers) == MOST_ANSWERS - 1:
        return _last(reply, text, person, known), ""
    return text, ""


def _last(reply: Reply, text: Text, person: Person, known: Known) -> Text:
    """Return an answer that says that no more come for an hour, if need be instead."""
    end = render_reply(
        Reply.TOO_MANY, person.language, person.alphabet, Known(known.zone, known.now)
    )
    longer = extended(text, [end.text], person.alphabet)
    if longer is not text or reply in _HAS_TO_BE_SAID:
        return longer
    return render_reply(Reply.TOO_MANY, person.language, person.alphabet, known)


def known_of(scene: Scene, kahriz: Kahriz, person: Person) -> Known:
    """Return what an answer about a kahriz may name, whatever it says."""
    return Known(
        kahriz.zone,
        scene.now,
        kahriz=kahriz.name,
        village=kahriz.village,
        who=person.name,
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
    )


def headed(codes: Sequence[str]) -> str:
    """Return the codes that head an answer: ``K7``, ``K7 #K9 #K12 +4``."""
    more = len(codes) - _CODES_NAMED
    return " #".join(codes[:_CODES_NAMED]) + (f" +{more}" if more > 0 else "")


def warned(kahrizes: Sequence[Kahriz], language: str) -> str:
    """Return the one note on the way to some shafts; of several, that there are."""
    notes = {k.access_note.rstrip("."): None for k in kahrizes if k.access_note}
    careful: str = catalogue(language)["digest"]["careful"]
    return careful if len(notes) > 1 else "".join(notes)


def to_choose(scene: Scene, alerts: Sequence[Alert]) -> tuple[str, ...]:
    """Return alerts as somebody can name them; with their kahriz where there are several."""
    if len({alert.kahriz for alert in alerts}) < 2:
        return tuple(alert.code for alert in alerts)
    return tuple(f"{a.code} {scene.kahrizes[a.kahriz].name}" for a in alerts)
