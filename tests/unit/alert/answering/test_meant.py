from __future__ import annotations

import pytest

from kahriz.alert.answer import Command, understand
from kahriz.alert.answering.meant import without_names
from tests.answering import REGISTRY, place

KAHRIZES = REGISTRY.kahriz


@pytest.mark.parametrize(
    ("text", "named", "command"),
    [
        ("SU Barana", ("barana",), Command.STATUS),
        ("su BARANA?", ("barana",), Command.STATUS),
        ("1 Ağ Dərə", ("k",), Command.ACKNOWLEDGE),
        ("1 ag dere", ("k",), Command.ACKNOWLEDGE),
        ("vəlibəy: 2", ("velibey",), Command.ON_SITE),
        ("Barana VEDRE 10 12", ("barana",), Command.GAUGING),
        ("SU Barana Velibey", ("barana", "velibey"), Command.STATUS),
        ("SU", (), Command.STATUS),
        ("SU Baranada", (), Command.STATUS),
    ],
)
def test_a_name_in_a_text_says_which_kahriz_and_nothing_else(
    text: str, named: tuple[str, ...], command: Command
) -> None:
    rest, found = without_names(text, KAHRIZES)

    assert found == named
    assert understand(rest).command is command


def test_a_name_that_is_a_word_of_ours_is_that_word() -> None:
    kahrizes = [place("start", "Stop", []), place("su", "Su", []), place("ok", "12", [])]

    assert without_names("STOP", kahrizes) == ("STOP", ())
    assert without_names("START", kahrizes) == ("START", ())
    assert without_names("SU 12", kahrizes) == ("SU 12", ())


def test_a_text_that_names_nothing_stays_as_it_is() -> None:
    assert without_names("ПРИНЯТО ١", KAHRIZES) == ("ПРИНЯТО ١", ())
