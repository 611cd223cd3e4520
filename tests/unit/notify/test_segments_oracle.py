"""Our parts against those of Gammu, whose encoder has sent texts through modems for 20 years."""

from __future__ import annotations

import importlib
from typing import Any

import pytest
from hypothesis import example, given, seed, settings
from hypothesis import strategies as st

from kahriz.notify.fold import fold
from kahriz.notify.segments import GSM7, UCS2, encoding, parts, split
from tests.servers import ProgramMissingError

pytestmark = pytest.mark.server


@pytest.fixture(scope="module")
def gammu() -> Any:
    """Return Gammu's binding; in CI its absence is a failure, as that of a server is."""
    try:
        return importlib.import_module("gammu")
    except ImportError:
        raise ProgramMissingError(
            "python-gammu is not installed: pip install python-gammu (where it has no wheel,"
            " apt-get install gcc pkg-config libgammu-dev before)"
        ) from None


def _encoded(gammu: Any, text: str, code: str) -> list[dict[str, Any]]:
    entry = {"ID": "ConcatenatedTextLong", "Buffer": text}
    found: list[dict[str, Any]] = gammu.EncodeSMS(
        {"Class": -1, "Unicode": code == UCS2, "Entries": [entry]}
    )
    return found


def _travelled(gammu: Any, part: dict[str, Any]) -> str:
    """Return the text of a part after it was a PDU, as the network carries it."""
    sent = part | {"Number": "+994500000001", "SMSC": {"Number": "+994500000000"}}
    text: str = gammu.DecodePDU(gammu.EncodePDU(sent, "Submit"))["Text"]
    # It reads an escape as two characters of length, and fills up.
    return text.rstrip("\x00")


LETTERS = "abc ,.:0159 öüÖÜÇ@€[]{}~^|\\\n"
FOREIGN = "əğışçİ Завал 💧🚰水"
NARROW = st.text(st.sampled_from(LETTERS), max_size=480)
MIXED = st.text(st.sampled_from(LETTERS + FOREIGN), max_size=280)
ANY = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=160)
# Around each limit, where an escape or a surrogate pair may fall on the edge.
EDGES = st.builds(
    lambda letter, length, end: letter * length + end,
    st.sampled_from("aə€💧"),
    st.sampled_from([33, 34, 35, 66, 67, 70, 76, 77, 80, 133, 134, 152, 153, 159, 160, 305, 306]),
    st.text(st.sampled_from("a€ə💧"), max_size=4),
)


@seed(20260523)
@settings(max_examples=400, deadline=None)
@given(NARROW | MIXED | ANY | EDGES)
@example("a" * 152 + "€" + "b" * 20)
@example("ə" * 66 + "💧" + "ə" * 10)
def test_gammu_cuts_a_text_where_we_do(gammu: Any, text: str) -> None:
    code = encoding(text)
    found = _encoded(gammu, text, code)

    assert [part["Text"] for part in found] == split(text)
    assert len(found) == parts(text)
    assert [_travelled(gammu, part) for part in found] == split(text)


def test_gammu_s_alphabet_is_ours(gammu: Any) -> None:
    printable = (chr(point) for point in range(0x20, 0x2122) if chr(point).isprintable())
    # Its stand-in for the escape itself, which is no letter.
    letters = [letter for letter in printable if letter != "¹"]
    ours = {letter for letter in letters if encoding(letter) == GSM7}
    theirs = {c for c in letters if _travelled(gammu, _encoded(gammu, c, GSM7)[0]) == c}

    assert theirs == ours


@seed(20260523)
@settings(max_examples=100, deadline=None)
@given(MIXED | ANY)
def test_what_is_folded_arrives_as_it_was_folded(gammu: Any, text: str) -> None:
    folded = fold(text)
    travelled = [_travelled(gammu, part) for part in _encoded(gammu, folded, GSM7)]

    assert "".join(travelled) == folded
