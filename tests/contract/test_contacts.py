"""Contacts are kept, imported and left alone alike on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from kahriz.book import Book, audit, contacts
from kahriz.book.audit import Entry
from kahriz.book.contacts import ContactRefused, Imported, Person
from kahriz.contacts import Contact
from kahriz.errors import NotFoundError
from kahriz.sites import Registry
from tests.water import kahriz

NOW = datetime(2026, 11, 20, 8, tzinfo=UTC)
HOUR = timedelta(hours=1)
CHAIR, DEPUTY, CLERK = "+994500000001", "+994500000002", "clerk@example.org"


def said(name: str = "Chair", phone: str = CHAIR, **changes: Any) -> Contact:
    return Contact(**{"name": name, "role": "chair", "phone": phone} | changes)


def registry(*people: Contact) -> Registry:
    return Registry(kahriz=(kahriz().model_copy(update={"contact": people}),))


def imported(book: Book, *people: Contact, now: datetime = NOW) -> Imported:
    with book.begin() as connection:
        return contacts.import_file(connection, registry(*people), now)


def people(book: Book, kahriz: str | None = None) -> list[Person]:
    with book.read() as connection:
        return contacts.list_contacts(connection, kahriz)


def names(book: Book) -> list[str]:
    return [person.name for person in people(book)]


def add(book: Book, contact: Contact, kahriz: str = "k") -> Person:
    with book.begin() as connection:
        return contacts.add(connection, kahriz, contact, by="Aydin", now=NOW)


def change(book: Book, id: int, contact: Contact, position: int | None = None) -> Person:
    with book.begin() as connection:
        return contacts.change(connection, id, contact, by="Aydin", now=NOW, position=position)


def remove(book: Book, id: int) -> None:
    with book.begin() as connection:
        contacts.remove(connection, id, by="Aydin", now=NOW)


def log(book: Book) -> list[Entry]:
    with book.read() as connection:
        return audit.list_entries(connection)[::-1]


def test_the_contacts_of_the_file_are_the_start_in_its_order(book: Book) -> None:
    clerk = said("Clerk", "", email=CLERK, role="engineer", language="ru", quiet_hours="")
    full = said("Deputy", DEPUTY, role="deputy", alphabet="full", consent_on=date(2026, 5, 1))
    done = imported(book, full, said(), clerk)
    found = people(book, "k")

    assert done == Imported(added=3)
    assert found == [
        Person(
            found[0].id, "k", "Deputy", "deputy", DEPUTY, None, "az", "full", "22:00-08:00",
            date(2026, 5, 1), "file", 0,
        ),
        Person(
            found[1].id, "k", "Chair", "chair", CHAIR, None, "az", "folded", "22:00-08:00",
            None, "file", 1,
        ),
        Person(
            found[2].id, "k", "Clerk", "engineer", None, CLERK, "ru", "folded", "", None, "file", 2,
        ),
    ]  # fmt: skip
    assert [person.as_contact() for person in found] == [full, said(), clerk]
    assert people(book, "another") == []


def test_the_file_a_second_time_changes_nothing_and_is_not_in_the_log(book: Book) -> None:
    imported(book, said(), said("Deputy", DEPUTY))
    before, entries = people(book), log(book)

    assert imported(book, said(), said("Deputy", DEPUTY), now=NOW + HOUR) == Imported()
    assert people(book) == before
    assert log(book) == entries


def test_what_the_file_changes_adds_and_drops_is_done_and_logged(book: Book) -> None:
    imported(book, said(), said("Deputy", DEPUTY))
    first = {person.name: person.id for person in people(book)}
    # The order is another one too.
    done = imported(book, said("Clerk", "", email=CLERK), said(language="ru"), now=NOW + HOUR)
    found = people(book)

    assert done == Imported(added=1, changed=1, removed=1)
    assert [(p.name, p.language, p.position) for p in found] == [
        ("Clerk", "az", 0),
        ("Chair", "ru", 1),
    ]
    assert found[1].id == first["Chair"]
    assert [(e.who, e.what) for e in log(book)[2:]] == [
        ("sites.toml", "contact.add"),
        ("sites.toml", "contact.change"),
        ("sites.toml", "contact.remove"),
    ]
    assert log(book)[3].detail == {
        "contact": first["Chair"],
        "kahriz": "k",
        "name": "Chair",
        "from": {"language": "az", "position": 0},
        "to": {"language": "ru", "position": 1},
    }


def test_of_two_contacts_with_one_address_in_the_file_the_first_counts(book: Book) -> None:
    assert imported(book, said(), said("Digger")) == Imported(added=1)
    assert imported(book, said(), said("Digger")) == Imported()
    assert names(book) == ["Chair"]


def test_what_was_changed_by_hand_the_file_leaves_alone(book: Book) -> None:
    imported(book, said(), said("Deputy", DEPUTY))
    chair = people(book)[0]
    changed = change(book, chair.id, said("Old chair", language="ru"), position=7)

    assert changed.source == "api"
    assert imported(book, said(), said("Deputy", DEPUTY)) == Imported()
    assert imported(book, said("Deputy", DEPUTY)) == Imported(changed=1)  # its place in the order
    assert [(p.name, p.position) for p in people(book)] == [("Deputy", 0), ("Old chair", 7)]


def test_whom_somebody_removed_the_file_does_not_bring_back(book: Book) -> None:
    imported(book, said(), said("Deputy", DEPUTY))
    remove(book, people(book)[0].id)

    assert imported(book, said(), said("Deputy", DEPUTY)) == Imported()
    assert names(book) == ["Deputy"]
    add(book, said())
    assert imported(book, said("Another name"), said("Deputy", DEPUTY)) == Imported()
    assert names(book) == ["Deputy", "Chair"]


def test_an_old_number_does_not_come_back_from_the_file_once_it_was_changed(book: Book) -> None:
    imported(book, said())
    moved = change(book, people(book)[0].id, said(phone="+994500000009"))

    assert imported(book, said()) == Imported()
    assert [(p.id, p.phone) for p in people(book)] == [(moved.id, "+994500000009")]


def test_whom_somebody_added_stays_though_the_file_does_not_know_them(book: Book) -> None:
    imported(book, said())
    added = add(book, said("Digger", "+994500000003", role="digger"))

    assert added.position == 1
    assert imported(book, said()) == Imported()
    assert imported(book) == Imported(removed=1)
    assert names(book) == ["Digger"]


def test_a_kahriz_that_is_gone_from_the_file_takes_its_contacts_with_it(book: Book) -> None:
    imported(book, said())
    other = Registry(kahriz=(kahriz().model_copy(update={"id": "other", "contact": ()}),))
    with book.begin() as connection:
        done = contacts.import_file(connection, other, NOW)

    assert done == Imported(removed=1)


def test_a_kahriz_has_an_address_once_and_another_kahriz_may_have_it_too(book: Book) -> None:
    chair = add(book, said())
    clerk = add(book, said("Clerk", "", email=CLERK))

    with pytest.raises(ContactRefused, match=r"^k: \+994500000001 is 'Chair' already$"):
        add(book, said("Digger"))
    with pytest.raises(ContactRefused, match=r"is 'Chair' already"):
        change(book, clerk.id, said("Clerk"))
    assert add(book, said(), kahriz="j").phone == CHAIR
    assert change(book, chair.id, said("The chair")).name == "The chair"


def test_a_change_that_changes_nothing_leaves_the_contact_to_the_file(book: Book) -> None:
    imported(book, said())
    entries = log(book)

    assert change(book, people(book)[0].id, said()).source == "file"
    assert log(book) == entries


def test_a_contact_that_is_not_there_is_named(book: Book) -> None:
    gone = add(book, said())
    remove(book, gone.id)

    with pytest.raises(NotFoundError, match=f"contact '{gone.id}' does not exist"):
        remove(book, gone.id)
    with pytest.raises(NotFoundError, match="contact '99' does not exist"):
        change(book, 99, said())


def test_people_are_found_by_number_and_by_e_mail_in_every_kahriz(book: Book) -> None:
    add(book, said())
    add(book, said("Engineer", role="engineer", email="Water@Example.org"), kahriz="j")
    remove(book, add(book, said(), kahriz="gone").id)
    with book.read() as connection:
        by_number = contacts.by_address(connection, CHAIR)
        by_mail = contacts.by_address(connection, "water@example.ORG")
        unknown = contacts.by_address(connection, DEPUTY)

    assert [(p.kahriz, p.name) for p in by_number] == [("j", "Engineer"), ("k", "Chair")]
    assert [p.name for p in by_mail] == ["Engineer"]
    assert unknown == []


def test_who_says_stop_is_left_alone_at_every_kahriz_until_they_say_start(book: Book) -> None:
    imported(book, said())
    add(book, said(email="Chair@Example.org"), kahriz="j")
    with book.begin() as connection:
        done = [contacts.opt_out(connection, CHAIR, CHAIR, NOW) for _ in range(2)]

    assert done == [True, False]
    assert [p.is_opted_out for p in people(book)] == [True, True]
    imported(book, said("Chair again", language="ru"))
    assert [p.is_opted_out for p in people(book)] == [True, True]

    with book.begin() as connection:
        done = [contacts.opt_in(connection, CHAIR, CHAIR, NOW) for _ in range(2)]
        contacts.opt_out(connection, "chair@example.org", "Aydin", NOW)
    assert done == [True, False]
    assert [(p.kahriz, p.is_opted_out) for p in people(book)] == [("j", True), ("k", False)]


def test_who_did_what_to_whom_is_in_the_audit_log(book: Book) -> None:
    added = add(book, said(consent_on=date(2026, 5, 1)))
    change(book, added.id, said(consent_on=date(2026, 6, 1)))
    remove(book, added.id)
    with book.begin() as connection:
        contacts.opt_out(connection, CHAIR, "Aydin", NOW)
        contacts.opt_in(connection, CHAIR, "Aydin", NOW)
    entries = log(book)

    assert [(e.who, e.what, e.at) for e in entries] == [
        ("Aydin", f"contact.{what}", NOW)
        for what in ("add", "change", "remove", "opt_out", "opt_in")
    ]
    person = {
        "name": "Chair",
        "role": "chair",
        "phone": CHAIR,
        "email": None,
        "language": "az",
        "alphabet": "folded",
        "quiet_hours": "22:00-08:00",
        "consent_on": "2026-05-01",
    }
    who = {"contact": added.id, "kahriz": "k"}
    assert [e.detail for e in entries] == [
        who | person | {"position": 0},
        who
        | {
            "name": "Chair",
            "from": {"consent_on": "2026-05-01"},
            "to": {"consent_on": "2026-06-01"},
        },
        who | person | {"consent_on": "2026-06-01"},
        {"address": CHAIR},
        {"address": CHAIR},
    ]
