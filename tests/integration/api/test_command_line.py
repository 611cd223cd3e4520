from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from api.__main__ import listen, main
from kahriz import cli
from kahriz.book import Book, audit
from kahriz.errors import ConfigError
from kahriz.settings import ApiSettings
from tests.integration.api.client import BOOK, EXAMPLE
from tests.servers import free_port

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run a command in `folder`; gives exit code, standard output and standard error."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KAHRIZ_DATA_DIR", str(folder))
    monkeypatch.setenv("KAHRIZ_SITES", str(EXAMPLE))
    monkeypatch.setenv("COLUMNS", "120")
    handlers = logging.getLogger().handlers[:]

    def command(*words: str, entry: Callable[[], None] = cli.main) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", *words])
        with pytest.raises(SystemExit) as left:
            entry()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


@pytest.mark.parametrize(
    ("setting", "value", "named"),
    [
        ("KAHRIZ_SITES", "/nowhere/sites.toml", "/nowhere/sites.toml"),
        ("KAHRIZ_STORE__URL", "cassandra://x", "'cassandra://x'"),
        ("KAHRIZ_BOOK__URL", "oracle://x", "oracle"),
        ("KAHRIZ_API__HOST", "host.invalid", "host.invalid"),
        ("KAHRIZ_API__PORT", "70000", "70000"),
        ("KAHRIZ_API__PROT", "8000", "KAHRIZ_API__PROT"),
    ],
)
@pytest.mark.parametrize("entry", [main, cli.main])
def test_what_is_configured_wrongly_is_one_line_that_names_it_and_exit_2(
    run: Run,
    monkeypatch: pytest.MonkeyPatch,
    entry: Callable[[], None],
    setting: str,
    value: str,
    named: str,
) -> None:
    monkeypatch.setenv(setting, value)

    code, out, err = run("api", entry=entry)

    assert (code, out) == (2, "")
    (line,) = err.splitlines()
    assert named in line


def test_something_else_in_the_books_place_is_named_at_the_start(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAHRIZ_API__PORT", str(free_port()))
    (folder / BOOK).write_text("no database, but long enough to look at " * 100, encoding="utf-8")

    code, _, err = run("api", entry=main)

    assert code == 2
    assert BOOK in err.splitlines()[-1]


def test_an_address_of_another_machine_cannot_be_listened_on() -> None:
    with pytest.raises(ConfigError, match=r"api.host: cannot listen on 203.0.113.1:8000"):
        listen(ApiSettings(host="203.0.113.1"))


def test_a_key_is_made_listed_and_revoked(run: Run, folder: Path) -> None:
    code, out, _ = run("keys", "create", "--name", "office", "--scope", "write", "--days", "30")
    token = out.strip()
    id = token.split("_")[1]
    _, listed, _ = run("keys", "list")
    revoked, _, _ = run("keys", "revoke", id)
    _, relisted, _ = run("keys", "list")

    assert (code, revoked) == (0, 0)
    assert token.startswith("kz_")
    assert all(word in listed for word in (id, "office", "write", "active"))
    assert token.split("_", 2)[2] not in listed
    assert "revoked" in relisted
    assert [(e.what, e.detail["id"]) for e in entries(folder)] == [
        ("key.revoke", id),
        ("key.create", id),
    ]


def test_the_audit_log_never_holds_a_secret(run: Run, folder: Path) -> None:
    _, out, _ = run("keys", "create", "--name", "office")
    secret = out.strip().split("_", 2)[2]

    assert secret not in repr(entries(folder))


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("revoke", "nosuch"), 1, "key 'nosuch' does not exist"),
        (("create", "--name", " "), 2, "' ' is empty"),
        (("create", "--name", "x", "--scope", "admin"), 2, "admin"),
        (("create", "--name", "x", "--days", "0"), 2, "--days"),
        (("create",), 2, "--name"),
    ],
)
def test_wrong_use_says_what_is_wrong(
    run: Run, folder: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    left, _, err = run("keys", *words)

    assert left == code
    assert said in err
    assert entries(folder) == []


@pytest.mark.parametrize(
    "words", [("api",), ("keys", "create"), ("keys", "list"), ("keys", "revoke")]
)
def test_every_command_helps_with_an_example(run: Run, words: tuple[str, ...]) -> None:
    code, out, _ = run(*words, "--help")

    assert code == 0
    assert "Example: " in out


def entries(folder: Path) -> list[audit.Entry]:
    book = Book(f"sqlite:///{folder / BOOK}")
    with book.read() as connection:
        found = audit.list_entries(connection)
    book.close()
    return found
