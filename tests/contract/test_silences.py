"""Silences are kept and told apart alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kahriz.book import Book, audit, silences
from kahriz.book.silences import Role, Silence, SilenceRefused, that_hide
from kahriz.errors import NotFoundError

AT = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
JUST = timedelta(milliseconds=1)


def add(
    book: Book,
    lasting: timedelta = HOUR,
    kahriz: str | None = "k",
    kind: str | None = None,
    start: datetime = AT,
    role: Role = Role.ENGINEER,
    now: datetime = AT,
) -> Silence:
    with book.begin() as connection:
        return silences.add(
            connection,
            kahriz,
            kind,
            start,
            start + lasting,
            note="known",
            by="Aydin",
            role=role,
            now=now,
        )


def end(book: Book, id: int, now: datetime) -> Silence:
    with book.begin() as connection:
        return silences.end(connection, id, by="Aydin", now=now)


def on(book: Book, at: datetime) -> list[Silence]:
    with book.read() as connection:
        return silences.list_silences(connection, at)


def test_a_silence_is_on_from_its_start_until_its_end(book: Book) -> None:
    begun = add(book, start=AT + HOUR)

    assert begun == Silence(begun.id, "k", None, AT + HOUR, AT + 2 * HOUR, "known", "Aydin")
    assert on(book, AT + HOUR - JUST) == []
    assert on(book, AT + HOUR) == on(book, AT + 2 * HOUR - JUST) == [begun]
    assert on(book, AT + 2 * HOUR) == []


def test_a_silence_hides_its_kahriz_and_kind_and_no_other() -> None:
    def of(kahriz: str | None, kind: str | None) -> Silence:
        return Silence(1, kahriz, kind, AT, AT + HOUR, "", "")

    own, one, every = of("k", "blockage"), of("k", None), of(None, None)
    offline = of(None, "offline")
    known = [own, one, every, offline]

    assert that_hide(known, "k", "blockage", AT) == [own, one, every]
    assert that_hide(known, "k", "offline", AT) == [one, every, offline]
    assert that_hide(known, "j", "offline", AT) == [every, offline]
    assert that_hide(known, "j", "blockage", AT) == [every]
    assert that_hide(known, "k", "blockage", AT - JUST) == []
    assert that_hide(known, "k", "blockage", AT + HOUR) == []


@pytest.mark.parametrize(
    ("role", "longest", "said"), [(Role.COMMITTEE, DAY, "24 h"), (Role.ENGINEER, 30 * DAY, "720 h")]
)
def test_nobody_silences_for_longer_than_their_limit(
    book: Book, role: Role, longest: timedelta, said: str
) -> None:
    assert add(book, longest, role=role).end == AT + longest
    with pytest.raises(SilenceRefused, match=f"more than {said} after start .*: no {role} "):
        add(book, longest + JUST, role=role)


def test_what_cannot_be_a_silence_is_refused_and_changes_nothing(book: Book) -> None:
    with pytest.raises(SilenceRefused, match=r"end 2026-11-20T08:00:00Z is not after start 2026"):
        add(book, timedelta(0))
    with pytest.raises(SilenceRefused, match=r"end 2026-11-20T09:00:00Z is past: it is 2026-11-20"):
        add(book, now=AT + HOUR)
    with pytest.raises(SilenceRefused, match="its own kahriz, not every one"):
        add(book, kahriz=None, role=Role.COMMITTEE)

    with book.read() as connection:
        assert silences.list_silences(connection) == []
    assert add(book, kahriz=None).kahriz is None


def test_a_silence_ends_at_once_and_one_that_has_not_begun_never_begins(book: Book) -> None:
    begun, later, over = (
        add(book),
        add(book, start=AT + DAY),
        add(book, start=AT - DAY, lasting=DAY + JUST),
    )
    half = end(book, begun.id, AT + HOUR / 2)
    never = end(book, later.id, AT + HOUR / 2)

    assert half.end == AT + HOUR / 2
    assert never.start == never.end == AT + DAY
    assert end(book, over.id, AT + HOUR / 2) == over
    assert end(book, begun.id, AT + HOUR) == half
    with book.read() as connection:
        assert silences.list_silences(connection, after=AT + HOUR) == []
        assert [s.id for s in silences.list_silences(connection)] == [over.id, begun.id, later.id]
    with pytest.raises(NotFoundError, match="silence '99' does not exist"):
        end(book, 99, AT)


def test_those_not_over_are_on_or_still_to_come(book: Book) -> None:
    first, second = add(book), add(book, start=AT + DAY)
    with book.read() as connection:
        found = [silences.list_silences(connection, after=AT + n * HOUR) for n in (0, 1, 25)]

    assert found == [[first, second], [second], []]


def test_who_silenced_what_is_in_the_audit_log(book: Book) -> None:
    id = add(book, kind="offline").id
    end(book, id, AT + HOUR / 2)
    end(book, id, AT + HOUR)
    with book.read() as connection:
        entries = audit.list_entries(connection)

    assert [(e.what, e.who) for e in entries] == [
        ("silence.end", "Aydin"),
        ("silence.add", "Aydin"),
    ]
    whose = {"silence": id, "kahriz": "k", "kind": "offline"}
    assert entries[0].detail == whose | {"end": "2026-11-20T08:30:00Z"}
    assert entries[1].detail == whose | {
        "start": "2026-11-20T08:00:00Z",
        "end": "2026-11-20T09:00:00Z",
        "note": "known",
    }
