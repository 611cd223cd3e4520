from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kahriz.notify.fold import fold
from kahriz.notify.segments import encoding, parts, split

GSM = st.text(st.sampled_from("abc ÖÄü@Δ€[]{}~^|\\"), max_size=700)
ANY = st.text(st.characters(exclude_categories=["Cs"]), max_size=400)


@pytest.mark.parametrize(
    ("text", "code", "cost"),
    [
        ("", "gsm7", 1),
        ("a" * 160, "gsm7", 1),
        ("a" * 161, "gsm7", 2),
        ("a" * 306, "gsm7", 2),
        ("a" * 307, "gsm7", 3),
        ("€" * 80, "gsm7", 1),
        ("€" * 81, "gsm7", 2),
        ("ə" * 70, "ucs2", 1),
        ("ə" * 71, "ucs2", 2),
        ("ə" * 134, "ucs2", 2),
        ("ə" * 135, "ucs2", 3),
        ("ö ü Ö Ü Ç", "gsm7", 1),
        ("ç", "ucs2", 1),
        ("💧" * 35, "ucs2", 1),
        ("💧" * 36, "ucs2", 2),
    ],
)
def test_a_text_costs_what_the_standard_says(text: str, code: str, cost: int) -> None:
    assert (encoding(text), parts(text)) == (code, cost)


def test_an_escape_pair_is_not_cut_in_two() -> None:
    first, second = split("a" * 152 + "€" + "b" * 20)

    assert first == "a" * 152
    assert second.startswith("€")


def test_a_surrogate_pair_is_not_cut_in_two() -> None:
    first, second = split("ə" * 66 + "💧" + "ə" * 10)

    assert first == "ə" * 66
    assert second.startswith("💧")


@given(GSM | ANY)
def test_the_parts_are_the_text_and_each_fits(text: str) -> None:
    found = split(text)
    units = 153 if encoding(text) == "gsm7" else 67

    assert "".join(found) == text
    if len(found) > 1:
        assert all(_width(part, encoding(text)) <= units for part in found)
        assert all(found)


def _width(part: str, code: str) -> int:
    if code == "ucs2":
        return len(part.encode("utf-16-be")) // 2
    return sum(2 if character in "\f^{}\\[~]|€" else 1 for character in part)


@given(ANY)
def test_whatever_is_folded_is_gsm7(text: str) -> None:
    assert encoding(fold(text)) == "gsm7"


@pytest.mark.parametrize(
    ("text", "folded"),
    [
        ("Ağ Dərə, Molla Cəlilli", "Ag Dere, Molla Celilli"),
        ("İçəri Şəhər quyusu, ölçü üçün", "Iceri Seher quyusu, ölcü ücün"),
        ("IĞDIR ÇAY", "IGDIR CAY"),
        ("Завал в кяризе: Щука, объём", "Zaval v kiarize: Shchuka, obieem"),
        ("«сел» — 5 m³…", '"sel" - 5 m3...'),
        ("水", "?"),
    ],
)
def test_folding_keeps_a_text_readable(text: str, folded: str) -> None:
    assert fold(text) == folded
