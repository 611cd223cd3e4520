from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest

from kahriz.alert.answer import Command, Said, understand
from kahriz.alert.reason import Reason
from kahriz.detect import AUDIENCE, Audience, Kind
from kahriz.errors import NotFoundError
from kahriz.notify.fold import fold
from kahriz.notify.segments import parts
from kahriz.notify.texts import REASONS, Facts, reasons, render
from kahriz.notify.texts.catalogue import LANGUAGES, MOST_PARTS, catalogue, placeholders
from kahriz.sites import (
    LONGEST_ACCESS_NOTE,
    LONGEST_CALL,
    LONGEST_NAME,
    Kahriz,
    load_registry,
)

NOW = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
REGISTRY = load_registry(ROOT / "sites.example.toml")
ALL = [
    (kind, reason, language)
    for kind, language in product(Kind, LANGUAGES)
    for reason in reasons(kind)
]


def facts(kahriz: Kahriz, *, long: bool = True) -> Facts:
    """Return what is known of a kahriz in trouble: with the longest figures, or hardly anything."""
    bare = Facts(
        "K99" if long else "K1",
        kahriz.name,
        kahriz.village,
        kahriz.zone,
        since=NOW - timedelta(hours=20 if long else 1),
        now=NOW,
        device=f"{kahriz.id}-outlet",
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
    )
    if not long:
        return bare
    return replace(
        bare,
        observed_lps=59.16,
        expected_lps=64.84,
        deviation=-0.38,
        lpcd=1314.4 if kahriz.served else None,
        silent_h=120.0,
        fall=-0.38,
        loss=0.38,
        loss_lps=12.16,
        volts=11.64,
        usual_volts=12.71,
        fault="alone",
        before=60.44,
        unanswered=timedelta(minutes=30),
        told=("Committee chair", "Deputy"),
        can_answer=True,
    )


AGH_DERE = REGISTRY.find("agh-dere")
FAULTS = ("alone", "fell", "flat_line", "gave_way", "moved", "noise", "out_of_range")


@pytest.mark.parametrize(("kind", "reason", "language"), ALL)
@pytest.mark.parametrize("alphabet", MOST_PARTS)
@pytest.mark.parametrize("long", [True, False], ids=["everything known", "nothing known"])
def test_every_text_fits_and_says_what_it_has_to(
    kind: Kind, reason: str, language: str, alphabet: str, long: bool
) -> None:
    for kahriz in REGISTRY.kahriz:
        known = facts(kahriz, long=long)
        text = render(kind, reason, language, alphabet, known)

        assert text.parts <= MOST_PARTS[alphabet]
        assert text.parts == parts(text.text)
        assert text.text.startswith(f"#{known.code} ")
        assert "{" not in text.text
        assert "|" not in text.text
        assert text.text == re.sub(r"\s+", " ", text.text).strip()
        if alphabet == "folded":
            assert text.encoding == "gsm7"
        else:
            assert kahriz.name in text.text
            # Where nobody may go down, that comes before the village's name.
            assert kahriz.village in text.text or KEEP_OUT.search(text.text)


# As long as the registry lets them be, in letters GSM-7 does not know.
LONGEST = replace(
    facts(AGH_DERE),
    code="K99",
    kahriz="Yuxarı Əbdürrəhmanlı kəh",
    village="Birinci Seyidəhmədli-Şür",
    device="d" * 40,
    contact_for_repair="kankan Əliağa Məmmədşahov +9945000000031",
    access_note="Mina təhlükəsi: yalnız təmizlənmiş nişanlı yolla gedin ANAMA",
    observed_lps=1234.5,
    lpcd=6048000.0,
    deviation=-0.999,
    silent_h=1000.0,
    unanswered=timedelta(days=1),
    told=("Ə" * 40, "Ş" * 40, "Ğ" * 40),
)
RUSSIAN = replace(
    LONGEST,
    kahriz="Верхний кяриз Щербаковых",
    village="Нижняя Джафархан-Щукинка",
    contact_for_repair="кяханкин Алиага Мамедов +994500000031",
    access_note="Мины: идите только по проверенной, размеченной тропе (ANAMA)",
)


def test_the_longest_facts_are_as_long_as_the_registry_lets_them_be() -> None:
    for long in (LONGEST, RUSSIAN):
        assert (len(long.kahriz), len(long.village)) == (LONGEST_NAME, LONGEST_NAME)
        assert len(long.access_note) == LONGEST_ACCESS_NOTE
    assert len(LONGEST.contact_for_repair) == LONGEST_CALL


@pytest.mark.parametrize(("kind", "reason", "language"), ALL)
@pytest.mark.parametrize("alphabet", MOST_PARTS)
@pytest.mark.parametrize("known", [LONGEST, RUSSIAN], ids=["azerbaijani", "russian"])
def test_the_longest_names_fit_and_neither_number_nor_note_is_cut(
    kind: Kind, reason: str, language: str, alphabet: str, known: Facts
) -> None:
    for can_answer in (True, False):
        text = render(kind, reason, language, alphabet, replace(known, can_answer=can_answer))
        said = fold if alphabet == "folded" else str

        assert text.parts <= MOST_PARTS[alphabet]
        assert said(known.kahriz[:4]) in text.text
        if reason != Reason.RESOLVED:
            assert said(known.access_note) in text.text
        if reason != Reason.RESOLVED and AUDIENCE[kind] is Audience.COMMITTEE:
            assert said(known.contact_for_repair) in text.text


def test_no_text_does_anything_when_a_phone_sends_it_back() -> None:
    for (kind, reason, language), alphabet in product(ALL, MOST_PARTS):
        said = understand(render(kind, reason, language, alphabet, facts(AGH_DERE)).text)

        assert said == Said(Command.UNKNOWN, ("K99",))


@pytest.mark.parametrize(("kind", "language"), list(product(Kind, LANGUAGES)))
@pytest.mark.parametrize("alphabet", MOST_PARTS)
def test_how_to_answer_pushes_no_word_out_and_costs_no_sms_more(
    kind: Kind, language: str, alphabet: str
) -> None:
    for kahriz in REGISTRY.kahriz:
        known = facts(kahriz)
        mute = render(kind, "first", language, alphabet, replace(known, can_answer=False))
        text = render(kind, "first", language, alphabet, known)

        assert text.parts == mute.parts
        assert text.text.startswith(mute.text)
        assert text.text[len(mute.text) :] in ("", " 1=ok.", " " + hint(language, alphabet))


def hint(language: str, alphabet: str) -> str:
    answer: str = catalogue(language)["answer"]
    return fold(answer) if alphabet == "folded" else answer


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", ["worse", "repeat", "escalated"])
def test_who_is_asked_again_is_told_how_to_answer(reason: str, language: str) -> None:
    for kahriz, kind in product(REGISTRY.kahriz, (Kind.BLOCKAGE, Kind.TAP_LEAK)):
        text = render(kind, reason, language, "folded", facts(kahriz)).text
        silent = render(kind, reason, language, "folded", facts(kahriz, long=False)).text

        assert text.endswith((hint(language, "folded"), "1=ok."))
        assert "1=" not in silent.replace(" ", "")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [k for k in Kind if "worse" in reasons(k)])
def test_what_got_worse_is_told_with_the_figure_of_now_and_of_then(
    kind: Kind, language: str
) -> None:
    before, now = (12.44, "11.6 V") if kind is Kind.BATTERY else (60.44, "59.2")
    now = "12.2" if kind is Kind.TAP_LEAK else now
    text = render(kind, "worse", language, "folded", replace(facts(AGH_DERE), before=before)).text

    assert now in text.replace(",", ".")
    assert f"{before:.1f}" in text.replace(",", ".")


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", Kind)
def test_the_next_in_line_is_told_for_how_long_nobody_answered(kind: Kind, language: str) -> None:
    text = render(kind, "escalated", language, "folded", facts(AGH_DERE)).text

    assert re.search(r"\b30 (deqiqe|deq|min)", text)


KEEP_OUT = re.compile("düş?s?m[eə]yin|[Kk]eep out|[Нн]е спускайтесь|[Nn]e spuskaites")


@pytest.mark.parametrize("kahriz", [kahriz.id for kahriz in REGISTRY.kahriz])
@pytest.mark.parametrize("alphabet", ["folded", "full"])
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("reason", ["first", "worse", "repeat", "escalated"])
@pytest.mark.parametrize("kind", [Kind.BLOCKAGE, Kind.SURGE])
def test_nobody_is_sent_to_a_shaft_in_danger_without_being_told_to_keep_out(
    kind: Kind, reason: str, language: str, alphabet: str, kahriz: str
) -> None:
    known = replace(facts(REGISTRY.find(kahriz)), can_answer=True)

    assert KEEP_OUT.search(render(kind, reason, language, alphabet, known).text)


def test_no_sentence_ends_twice() -> None:
    for kind, reason, language in product(Kind, ("first", "repeat"), LANGUAGES):
        text = render(kind, reason, language, "full", facts(AGH_DERE)).text
        assert "?." not in text
        assert "!." not in text


def test_who_was_told_is_named_where_there_is_room() -> None:
    three = ("Əli", "Vəli", "Həsən")
    bare = facts(AGH_DERE, long=False)
    known = replace(bare, unanswered=timedelta(minutes=15), told=three)
    text = render("blockage", "escalated", "az", "folded", known).text

    assert "15 deqiqedir" in text
    assert "(Eli, Veli +1)" in text


@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.OFFLINE])
def test_what_has_no_figure_does_not_get_worse(kind: Kind) -> None:
    with pytest.raises(NotFoundError, match=rf"'{kind}\.worse'"):
        render(kind, "worse", "az", "folded", facts(AGH_DERE))


def test_every_reason_somebody_is_told_for_has_texts() -> None:
    assert set(Reason) <= set(REASONS)


def keys(table: Mapping[str, Any], above: str = "") -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for name, value in table.items():
        if isinstance(value, dict):
            found |= keys(value, f"{above}{name}.")
        else:
            texts = [value] if isinstance(value, str) else value
            found[above + name] = {p for text in texts for p in placeholders(text)}
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_language_has_every_text_with_the_same_figures(language: str) -> None:
    assert keys(catalogue(language)) == keys(catalogue("en"))


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_file_of_texts_says_that_it_is_to_be_reviewed(language: str) -> None:
    path = ROOT / "kahriz" / "notify" / "texts" / f"{language}.toml"

    assert "to be reviewed by a native speaker" in path.read_text(encoding="utf-8").splitlines()[0]


@pytest.mark.parametrize(
    ("kind", "language", "alphabet"), list(product(Kind, LANGUAGES, MOST_PARTS))
)
def test_whoever_is_sent_to_a_mined_shaft_is_told_so(
    kind: Kind, language: str, alphabet: str
) -> None:
    text = render(kind, "first", language, alphabet, facts(REGISTRY.find("velibey")))

    assert "(ANAMA)" in text.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    "kind", [Kind.BLOCKAGE, Kind.DECLINE, Kind.SURGE, Kind.DROUGHT, Kind.OVERABSTRACTION]
)
def test_a_text_about_water_says_how_much_and_whom_to_call(kind: Kind, language: str) -> None:
    text = render(kind, "first", language, "folded", facts(AGH_DERE)).text

    assert "59.2" in text.replace(",", ".")
    assert "-38%" in text
    assert "kankan +994500000003" in text
    assert "1314" in text or kind is Kind.SURGE


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_leak_says_how_much_is_lost_and_whom_to_call(language: str) -> None:
    text = render("tap_leak", "first", language, "folded", facts(AGH_DERE)).text

    assert "12.2" in text.replace(",", ".")
    assert "(38%)" in text
    assert "kankan +994500000003" in text


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_weak_battery_says_its_volts_and_nothing_of_the_water(language: str) -> None:
    text = render("battery", "first", language, "folded", facts(AGH_DERE)).text

    assert "11.6 V" in text.replace(",", ".")
    assert "agh-dere-outlet" in text
    assert not re.search(r"\b(su|water|voda|vody)\b", text)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_a_detector_names_has_a_word(language: str, fault: str) -> None:
    known = replace(facts(AGH_DERE), fault=fault)
    unknown = replace(known, fault="")

    assert (
        render("sensor", "first", language, "folded", known).text
        != render("sensor", "first", language, "folded", unknown).text
    )


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", [Kind.SENSOR, Kind.OFFLINE])
def test_a_silent_or_broken_device_is_never_called_no_water(kind: Kind, language: str) -> None:
    said = {
        "az": "su yoxdur demek deyil",
        "en": "not mean no water",
        "ru": "ne znachit, chto vody net",
    }
    text = render(kind, "first", language, "folded", facts(AGH_DERE)).text

    assert said[language] in text.lower()


def test_the_committee_reads_this_when_a_gallery_is_blocked() -> None:
    known = replace(facts(AGH_DERE), code="K7", since=NOW - timedelta(minutes=40))
    known = replace(known, observed_lps=9.1, expected_lps=14.8, lpcd=314.5)

    assert render("blockage", "first", "az", "folded", known).text == (
        "#K7 Ag Dere, Molla Celilli: kehriz tixanib. Su 9,1 L/s, evvel 14,8 (-38%)."
        " Adambasina günde 314 L. Saat 13:40. Quyuya düsmeyin. Zeng: kankan +994500000003."
    )
    assert render("blockage", "first", "en", "folded", known).text == (
        "#K7 Ag Dere, Molla Celilli: gallery blocked. Flow 9.1 L/s, was 14.8 (-38%)."
        " 314 L/person/day left. Since 13:40. Keep out of shafts. Call kankan +994500000003."
    )


def test_a_small_flow_keeps_two_digits() -> None:
    known = replace(facts(AGH_DERE), observed_lps=0.254, expected_lps=0.5)

    assert "0,25 L/s" in render("blockage", "first", "az", "folded", known).text


def test_a_note_too_long_for_one_sms_costs_another_one_and_cuts_nothing() -> None:
    note = "Mina təhlükəsi: yalnız təmizlənmiş yolla gedin" * 3
    known = replace(facts(REGISTRY.find("velibey")), access_note=note)
    text = render("blockage", "first", "az", "folded", known)

    assert text.parts == 2
    assert fold(note) + "." in text.text
    # What costs another SMS anyway has room for figures.
    assert "Su 59,2 L/s, evvel 64,8 (-38%)" in text.text
    assert "+994500000023" in text.text
    assert "Velibey, Baharli: " in text.text


def test_a_language_or_a_kind_without_text_is_named() -> None:
    with pytest.raises(NotFoundError, match="language 'fr'"):
        render("blockage", "first", "fr", "full", facts(AGH_DERE))
    with pytest.raises(NotFoundError, match=r"'leak\.first'"):
        render("leak", "first", "az", "full", facts(AGH_DERE))


SHOWN = re.findall(
    r"^(az|en|ru) (folded|full) +#K7 (Ag Dere|Ağ Dərə|Velibey|Vəlibəy)(.*)$",
    (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


@pytest.mark.parametrize(("language", "alphabet", "name", "rest"), SHOWN)
def test_the_documentation_shows_what_is_sent(
    language: str, alphabet: str, name: str, rest: str
) -> None:
    kahriz = REGISTRY.find("velibey" if name.startswith("V") else "agh-dere")
    known = replace(facts(kahriz), code="K7", since=NOW - timedelta(hours=3), deviation=-0.61)
    people = 41.4 if kahriz.served else None
    known = replace(known, observed_lps=1.2, expected_lps=3.0, lpcd=people)

    assert len(SHOWN) == 8
    assert render("blockage", "first", language, alphabet, known).text == f"#K7 {name}{rest}"


EACH = re.findall(
    r"^([a-z_]+) ([a-z]+) +(az|en|ru) +(#K7 Ag Dere.*)$",
    (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_documentation_shows_a_text_of_every_kind() -> None:
    shown = {(kind, reason, language) for kind, reason, language, _ in EACH}

    assert shown >= set(product(Kind, ["first"], ["az", "en"]))
    assert shown >= set(product(["blockage"], REASONS, LANGUAGES))


@pytest.mark.parametrize(("kind", "reason", "language", "text"), EACH)
def test_the_documentation_shows_what_is_sent_of_each_kind(
    kind: str, reason: str, language: str, text: str
) -> None:
    known = replace(
        facts(AGH_DERE),
        code="K7",
        since=NOW - timedelta(hours=3),
        observed_lps=1.2,
        expected_lps=3.0,
        deviation=-0.61,
        lpcd=41.4,
        silent_h=2.1,
        fall=-0.17,
        loss=0.23,
        loss_lps=0.55,
        volts=11.6,
        usual_volts=12.4,
        fault="flat_line",
        before=1.8,
        unanswered=timedelta(minutes=15),
        told=("Committee chair",),
    )
    if kind == Kind.SURGE:
        known = replace(known, observed_lps=4.7, deviation=0.57)
    if reason == Reason.RESOLVED:
        known = replace(known, observed_lps=2.9, lpcd=100.2, deviation=None)

    assert render(kind, reason, language, "folded", known).text == text
