"""Whom it concerns that a kahriz has lost the last one who is told. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from kahriz.alert.answering.replies import known_of
from kahriz.alert.answering.scene import Scene, Tell
from kahriz.book.contacts import Person, is_village_told
from kahriz.notify.texts.answers import Notice, render_notice


def notices(scene: Scene) -> Iterator[Tell]:
    """Yield what engineers have to know when the sender is told nothing more."""
    left = [p for p in scene.everybody if not p.is_opted_out and p.phone != scene.address]
    for kahriz, person in scene.own.items():
        if not _is_last(person, [p for p in left if p.kahriz == kahriz]):
            continue
        for engineer in _engineers(scene, kahriz, left):
            known = known_of(scene, scene.kahrizes[kahriz], person)
            words = render_notice(Notice.LAST_CONTACT, engineer.language, engineer.alphabet, known)
            if engineer.phone is not None:
                yield Tell(kahriz, engineer, "sms", words)
            if engineer.email is not None:
                yield Tell(kahriz, engineer, "email", words)


def _is_last(leaving: Person, left: Sequence[Person]) -> bool:
    """Return whether nobody stays who is told: of a committee's member, nobody of the village."""
    return not left if leaving.role == "engineer" else not is_village_told(left)


def _engineers(scene: Scene, kahriz: str, left: Sequence[Person]) -> list[Person]:
    """Return the kahriz's own engineers; else those of its district; else all there are."""
    engineers = [p for p in left if p.role == "engineer" and p.kahriz in scene.kahrizes]
    district = scene.kahrizes[kahriz].district
    own = [p for p in engineers if p.kahriz == kahriz]
    near = [p for p in engineers if scene.kahrizes[p.kahriz].district == district]
    found = own or near or engineers
    return list({(p.phone, p.email): p for p in found}.values())
