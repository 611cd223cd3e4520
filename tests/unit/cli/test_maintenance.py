"""`kahriz maintenance`: works are announced, listed and ended on the real command line."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from kahriz import cli
from kahriz.book import Book, audit, maintenance
from kahriz.clock import iso

Run = Callable[..., tuple[int, str, str]]

KAHRIZ = """
[[kahriz]]
id = "{id}"
name = "K"
village = "V"
district = "D"
use = "irrigation"

[[kahriz.site]]
id = "outlet"
kind = "outlet"
name = "Outlet"

[[kahriz.site.sensor]]
device = "{id}-outlet"
channel = "discharge_lps"
"""


@pytest.fixture
def run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run ``kahriz maintenance``; gives exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "sites.toml").write_text(
        KAHRIZ.format(id="agh-dere") + KAHRIZ.format(id="qara-su"), encoding="utf-8"
    )
    monkeypatch.setenv("KAHRIZ_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAHRIZ_BOOK__URL", f"sqlite:///{tmp_path / 'book.sqlite'}")
    monkeypatch.setenv("KAHRIZ_SITES", str(tmp_path / "sites.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    handlers = logging.getLogger().handlers[:]

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", "maintenance", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


def entries(folder: Path) -> list[audit.Entry]:
    book = Book(f"sqlite:///{folder / 'book.sqlite'}")
    book.migrate()
    with book.read() as connection:
        found = audit.list_entries(connection)
    book.close()
    return found


def test_works_are_started_listed_and_ended(run: Run, tmp_path: Path) -> None:
    begun = run("start", "agh-dere", "--at", "2026-11-20T08:00Z", "--note", "cleaning", "--by", "A")
    _, on, _ = run("list", "agh-dere")
    ended = run("end", "agh-dere", "--at", "2026-11-20T16:00Z", "--new-normal", "--by", "B")
    _, over, _ = run("list")
    _, others, _ = run("list", "qara-su")

    assert begun == (0, "agh-dere: works are on since 2026-11-20T08:00:00Z.\n", "")
    assert all(word in on for word in ("agh-dere", "2026-11-20T08:00:00Z", "still on", "cleaning"))
    assert ended == (0, "agh-dere: works are over at 2026-11-20T16:00:00Z; learned anew.\n", "")
    assert "2026-11-20T16:00:00Z" in over
    assert "still on" not in over
    assert "agh-dere" not in others
    assert [(e.what, e.who) for e in entries(tmp_path)] == [
        ("maintenance.end", "B"),
        ("maintenance.start", "A"),
    ]


def test_without_an_instant_it_is_now(run: Run, tmp_path: Path) -> None:
    before = datetime.now(UTC)
    assert run("start", "agh-dere")[0] == 0

    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    (works,) = maintenance.known(book, "agh-dere")
    book.close()
    assert before - timedelta(seconds=1) <= works.start <= datetime.now(UTC)
    assert (works.by, works.note) == ("command line", "")


def test_now_is_the_houses_own_clock(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    origin = datetime(2020, 5, 1, tzinfo=UTC)
    monkeypatch.setenv("KAHRIZ_CLOCK__ORIGIN", origin.isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__STARTED", datetime.now(UTC).isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__SPEED", "1")

    assert f"since {iso(origin)[:10]}" in run("start", "agh-dere")[1]


def test_works_without_a_new_normal_say_what_is_usual_after_them(run: Run) -> None:
    run("start", "agh-dere", "--at", "2026-11-20T08:00Z")
    _, out, _ = run("end", "agh-dere", "--at", "2026-11-20T16:00Z")

    assert out.endswith("; what was usual before them is usual again.\n")


@pytest.mark.parametrize(
    ("words", "code", "named"),
    [
        (("start", "agh-dara"), 2, "'agh-dara' is not in the registry (agh-dere, qara-su)"),
        (("list", "agh-dara"), 2, "'agh-dara' is not in the registry"),
        (("end", "qara-su"), 1, "qara-su: no works are on"),
        (("start", "agh-dere"), 1, "agh-dere: works are on already, since 2026-11-20T08:00:00Z"),
        (
            ("end", "agh-dere", "--at", "2026-11-20T07:00Z"),
            1,
            "agh-dere: end 2026-11-20T07:00:00Z is not after the start of the works, 2026-11-20T08",
        ),
        (("end", "agh-dere", "--at", "today"), 2, "'today' is no instant"),
        (("start",), 2, "KAHRIZ"),
    ],
)
def test_wrong_use_is_named_and_changes_nothing(
    run: Run, tmp_path: Path, words: tuple[str, ...], code: int, named: str
) -> None:
    run("start", "agh-dere", "--at", "2026-11-20T08:00Z")
    left, out, err = run(*words)

    assert (left, out) == (code, "")
    assert named in " ".join(err.replace("│", " ").split())
    assert len(entries(tmp_path)) == 1


@pytest.mark.parametrize("word", ["start", "end", "list"])
def test_every_command_helps_with_an_example(run: Run, word: str) -> None:
    code, out, _ = run(word, "--help")

    assert code == 0
    assert "Example: " in out
