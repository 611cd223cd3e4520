"""`kahriz contacts` and `kahriz silences` on the real command line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahriz import cli
from kahriz.book import Book, audit, contacts, silences
from kahriz.book.contacts import Person
from tests.unit.cli.test_maintenance import KAHRIZ

Run = Callable[..., tuple[int, str, str]]

CONTACT = """
[[kahriz.contact]]
name = "Chair [1]"
role = "chair"
phone = "050 000 00 01"
"""
VELI = ("--name", "Vəli", "--role", "deputy", "--phone", "050 000 00 07")


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run ``kahriz`` in a folder of its own; gives exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    village = KAHRIZ.format(id="agh-dere") + CONTACT + KAHRIZ.format(id="qara-su")
    (tmp_path / "sites.toml").write_text(village, encoding="utf-8")
    monkeypatch.setenv("KAHRIZ_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("COLUMNS", "200")
    handlers = logging.getLogger().handlers[:]

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def book(tmp_path: Path) -> Iterator[Book]:
    opened = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    opened.migrate()
    yield opened
    opened.close()


def people(book: Book) -> list[Person]:
    with book.read() as connection:
        return contacts.list_contacts(connection)


def entries(book: Book) -> list[tuple[str, str]]:
    with book.read() as connection:
        return [(e.who, e.what) for e in reversed(audit.list_entries(connection))]


def test_contacts_are_imported_added_changed_listed_and_removed(run: Run, book: Book) -> None:
    imported = run("contacts", "import")
    again = run("contacts", "import")
    added = run("contacts", "add", "agh-dere", *VELI, "--consent-on", "2026-05-01", "--by", "A")
    change = ("contacts", "change", "2", "--phone", "+994 50 000 00 08", "--quiet-hours", "")
    changed = run(*change, "--position", "0", "--stop", "--by", "B")
    _, listed, _ = run("contacts", "list", "agh-dere")
    _, others, _ = run("contacts", "list", "qara-su")
    found = people(book)
    removed = run("contacts", "remove", "1", "--by", "C")

    assert imported == (0, "1 added, 0 changed, 0 removed.\n", "")
    assert again == (0, "0 added, 0 changed, 0 removed.\n", "")
    assert added == (0, "agh-dere: Vəli is contact 2, +994500000007.\n", "")
    assert changed == (0, "agh-dere: Vəli is contact 2, +994500000008.\n", "")
    assert [(p.name, p.phone, p.quiet_hours, p.is_opted_out) for p in found] == [
        ("Chair [1]", "+994500000001", "22:00-08:00", False),
        ("Vəli", "+994500000008", "", True),
    ]
    assert all(word in listed for word in ("Chair [1]", "Vəli", "2026-05-01", "stopped"))
    assert "Vəli" not in others
    assert removed[:2] == (0, "agh-dere: Chair [1] is told nothing more.\n")
    assert [p.name for p in people(book)] == ["Vəli"]
    assert entries(book) == [
        ("sites.toml", "contact.add"),
        ("A", "contact.add"),
        ("B", "contact.change"),
        ("B", "contact.opt_out"),
        ("C", "contact.remove"),
    ]


def test_who_takes_the_last_one_of_a_village_away_is_warned(run: Run) -> None:
    run("contacts", "import")
    words = ("--name", "E", "--role", "engineer", "--phone", "050 000 00 09")
    run("contacts", "add", "agh-dere", *words)
    stopped = run("contacts", "change", "1", "--stop")
    told = run("contacts", "change", "1", "--start")
    removed = run("contacts", "remove", "1")

    warning = "agh-dere: nobody of the village is told any more: add somebody.\n"
    assert (stopped[0], stopped[2]) == (0, warning)
    assert (told[0], told[2]) == (0, "")
    assert (removed[0], removed[2]) == (0, warning)


def test_what_is_not_given_stays_and_who_stopped_can_be_told_again(run: Run, book: Book) -> None:
    run("contacts", "add", "agh-dere", *VELI, "--language", "ru", "--email", "veli@example.org")
    run("contacts", "change", "1", "--stop")
    run("contacts", "change", "1", "--start", "--alphabet", "full")

    (veli,) = people(book)
    assert (veli.language, veli.alphabet, veli.email) == ("ru", "full", "veli@example.org")
    assert not veli.is_opted_out


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("add", "agh-dara", *VELI), 2, "'agh-dara' is not in the registry (agh-dere, qara-su)"),
        (("add", "agh-dere", *VELI[:5], "112"), 2, "contact phone: '112' is no phone number in AZ"),
        (("add", "agh-dere", *VELI[:4]), 2, "'Vəli' has neither phone nor email"),
        (
            ("add", "agh-dere", *VELI[:3], "boss", *VELI[4:]),
            2,
            "contact role: expected 'chair', 'deputy', 'digger' or 'engineer' (got 'boss')",
        ),
        (
            ("add", "agh-dere", *VELI[:5], "050 000 00 01"),
            1,
            "+994500000001 is 'Chair [1]' already",
        ),
        (("change", "1", "--quiet-hours", "22-8"), 2, "contact quiet_hours: '22-8' are no hours"),
        (("change", "1", "--consent-on", "soon"), 2, "contact consent_on: not a date"),
        (("change", "9", "--language", "ru"), 1, "contact '9' does not exist"),
        (("remove", "9"), 1, "contact '9' does not exist"),
    ],
)
def test_a_contact_that_cannot_be_is_one_line_and_changes_nothing(
    run: Run, book: Book, words: tuple[str, ...], code: int, named: str
) -> None:
    run("contacts", "import")
    before = people(book)
    left, out, err = run("contacts", *words)

    assert (left, out) == (code, "")
    assert named in err
    assert err.count("\n") == 1
    assert people(book) == before
    assert len(entries(book)) == 1


def test_a_silence_is_added_listed_and_ended(run: Run, book: Book) -> None:
    before = datetime.now(UTC)
    words = ("--kahriz", "agh-dere", "--kind", "offline", "--hours", "48", "--note", "new [SIM]")
    code, out, _ = run("silences", "add", *words, "--by", "A")
    _, listed, _ = run("silences", "list")
    ended, said, _ = run("silences", "end", "1", "--by", "B")
    _, over, _ = run("silences", "list")
    _, every, _ = run("silences", "list", "--all")
    with book.read() as connection:
        (kept,) = silences.list_silences(connection)

    assert (code, ended) == (0, 0)
    assert out.startswith("Silence 1: agh-dere, offline from 20")
    assert said.startswith("Silence 1 is over at 20")
    assert all(word in listed for word in ("agh-dere", "offline", "new [SIM]"))
    assert "agh-dere" not in over
    assert "agh-dere" in every
    assert before - timedelta(seconds=1) <= kept.start <= kept.end <= datetime.now(UTC)
    assert entries(book) == [("A", "silence.add"), ("B", "silence.end")]


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("add", "--hours", "720.1"), 1, "no engineer silences for longer"),
        (("add", "--hours", "1", "--start", "2026-01-01T00:00Z"), 1, "is past: it is 20"),
        (("add", "--hours", "1", "--kind", "flood"), 2, "'flood'"),
        (("add", "--hours", "1", "--kahriz", "agh-dara"), 2, "'agh-dara' is not in the registry"),
        (("add", "--kahriz", "agh-dere"), 2, "--hours"),
        (("end", "9"), 1, "silence '9' does not exist"),
    ],
)
def test_a_silence_that_may_not_be_is_named_and_changes_nothing(
    run: Run, book: Book, words: tuple[str, ...], code: int, named: str
) -> None:
    left, out, err = run("silences", *words)

    assert (left, out) == (code, "")
    assert named in " ".join(err.replace("│", " ").split())
    assert entries(book) == []


def test_a_silence_of_thirty_days_of_everything_is_an_engineers_longest(run: Run) -> None:
    code, out, _ = run("silences", "add", "--hours", "720")

    assert code == 0
    assert "every kahriz, every trouble" in out
