from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path

import pytest

from kahriz.alert.reason import Reason
from kahriz.detect import Kind
from kahriz.errors import NotFoundError
from kahriz.notify.segments import parts
from kahriz.notify.texts import LANGUAGES, MOST_PARTS, Facts, render
from kahriz.sites import Kahriz, load_registry

NOW = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
ROOT = Path(__file__).parents[3]
REGISTRY = load_registry(ROOT / "sites.example.toml")
ALL = list(product(Kind, Reason, LANGUAGES, MOST_PARTS))


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
    )


AGH_DERE = REGISTRY.find("agh-dere")
FAULTS = ("alone", "fell", "flat_line", "gave_way", "moved", "noise", "out_of_range")


@pytest.mark.parametrize(("kind", "reason", "language", "alphabet"), ALL)
@pytest.mark.parametrize("kahriz", REGISTRY.kahriz, ids=lambda k: k.id)
@pytest.mark.parametrize("long", [True, False], ids=["everything known", "nothing known"])
def test_every_text_fits_and_says_what_it_has_to(
    kahriz: Kahriz, kind: Kind, reason: Reason, language: str, alphabet: str, long: bool
) -> None:
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
        assert kahriz.village in text.text


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


def test_a_name_too_long_for_one_sms_costs_another_one_and_cuts_nothing() -> None:
    known = replace(facts(REGISTRY.find("velibey")), kahriz="V" * 60)
    text = render("blockage", "first", "az", "folded", known)

    assert text.parts == 2
    assert text.text.endswith("(ANAMA).")
    assert "+994500000023" in text.text


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
    r"^([a-z_]+) (first|resolved) +(az|en) +(#K7 Ag Dere.*)$",
    (ROOT / "docs" / "alerts.md").read_text(encoding="utf-8"),
    re.MULTILINE,
)


def test_the_documentation_shows_a_text_of_every_kind() -> None:
    assert {kind for kind, *_ in EACH} == set(Kind)
    assert {(kind, language) for kind, _, language, _ in EACH} == set(product(Kind, ("az", "en")))


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
    )
    if kind == Kind.SURGE:
        known = replace(known, observed_lps=4.7, deviation=0.57)
    if reason == Reason.RESOLVED:
        known = replace(known, observed_lps=2.9, lpcd=100.2, deviation=None)

    assert render(kind, reason, language, "folded", known).text == text
