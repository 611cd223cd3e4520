from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from kahriz.alert.answer import Command, understand
from kahriz.detect import Kind
from kahriz.errors import NotFoundError
from kahriz.notify.fold import fold
from kahriz.notify.texts.answers import OF_ALL, Known, Notice, Reply, render_notice, render_reply
from kahriz.notify.texts.catalogue import LANGUAGES, MOST_PARTS
from kahriz.notify.texts.digest import render_digest

NOW = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
PAGE = (Path(__file__).parents[3] / "docs" / "alerts.md").read_text(encoding="utf-8")
NOTE = "Mina təhlükəsi: yalnız təmizlənmiş yolla gedin (ANAMA)"

BARE = Known(ZoneInfo("Asia/Baku"), NOW)
KNOWN = Known(
    ZoneInfo("Asia/Baku"),
    NOW,
    code="K7",
    kahriz="Vəlibəy",
    village="Baharlı",
    who="Committee chair",
    since=NOW - timedelta(minutes=20),
    until=NOW + timedelta(hours=4),
    observed_lps=2.04,
    lpcd=70.5,
    alerts=("K7 Vəlibəy", "K9 Barana"),
    litres=10.0,
    seconds=12.0,
    gauged_lps=0.833,
    rated_lps=1.21,
    contact_for_repair="kankan +994 50 000 00 23",
    access_note=NOTE,
    gateway="gammu",
    cause="timeout",
    count=80,
    limit=100,
)
LONGEST = replace(
    KNOWN,
    code="K99",
    kahriz="ə" * 24,
    village="ş" * 24,
    who="ğ" * 40,
    since=NOW - timedelta(days=2),
    until=NOW + timedelta(days=1),
    observed_lps=1234.5,
    lpcd=6048000.0,
    alerts=tuple(f"K{i} {'ə' * 24}" for i in range(10, 50)),
    litres=1000.0,
    seconds=3600.0,
    gauged_lps=1999.0,
    rated_lps=0.25,
    contact_for_repair="k" * 27 + "+994500000023",
    access_note="ə" * 60,
    gateway="ə" * 24,
    cause="ə" * 60,
    count=100_000,
    limit=100_000,
)
# What cannot be said without it.
NEEDS = {
    Reply.STATUS: "observed_lps",
    Reply.SILENCED: "until",
    Reply.GAUGED: "gauged_lps",
    Reply.GAUGED_DISAGREES: "rated_lps",
    Notice.LAST_CONTACT: "kahriz",
    Notice.GATEWAY_DEAD: "since",
    Notice.INGEST_SILENT: "since",
    Notice.BUDGET_WARNING: "count",
    Notice.BUDGET_SPENT: "count",
}


@pytest.mark.parametrize(("reply", "language"), list(product(Reply, LANGUAGES)))
@pytest.mark.parametrize("alphabet", MOST_PARTS)
@pytest.mark.parametrize("known", [KNOWN, LONGEST], ids=["usual", "longest"])
def test_every_answer_fits_at_the_longest(
    reply: Reply, language: str, alphabet: str, known: Known
) -> None:
    text = render_reply(reply, language, alphabet, known)

    assert text.parts <= MOST_PARTS[alphabet]
    assert text.text.startswith(f"#{known.code} ") is (reply not in OF_ALL)
    assert not re.search(r"[{}|]|\s\s|\.\.", text.text)


@pytest.mark.parametrize(("notice", "language"), list(product(Notice, LANGUAGES)))
@pytest.mark.parametrize("alphabet", MOST_PARTS)
@pytest.mark.parametrize("known", [KNOWN, LONGEST], ids=["usual", "longest"])
def test_every_notice_fits_at_the_longest(
    notice: Notice, language: str, alphabet: str, known: Known
) -> None:
    text = render_notice(notice, language, alphabet, known)

    assert text.parts <= MOST_PARTS[alphabet]
    assert not re.search(r"[{}|]|\s\s|\.\.", text.text)


@pytest.mark.parametrize("reply", Reply)
def test_an_answer_without_what_it_is_about_names_it(reply: Reply) -> None:
    if reply in NEEDS:
        with pytest.raises(ValueError, match="not known what"):
            render_reply(reply, "en", "folded", BARE)
    elif reply is not Reply.WHICH:
        text = render_reply(reply, "en", "folded", BARE).text

        assert text[0].isupper() or text[0].isdigit()


@pytest.mark.parametrize("notice", [n for n in Notice if n in NEEDS])
def test_a_notice_without_what_it_is_about_is_refused(notice: Notice) -> None:
    with pytest.raises(ValueError, match="not known what"):
        render_notice(notice, "en", "folded", BARE)


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("alphabet", MOST_PARTS)
@pytest.mark.parametrize("reply", [Reply.ACKNOWLEDGED, Reply.ON_SITE])
@pytest.mark.parametrize("known", [KNOWN, LONGEST], ids=["usual", "longest"])
def test_whoever_goes_there_is_told_of_the_mines(
    reply: Reply, alphabet: str, language: str, known: Known
) -> None:
    text = render_reply(reply, language, alphabet, known).text
    note = known.access_note

    assert (fold(note) if alphabet == "folded" else note) in text


@pytest.mark.parametrize(
    ("language", "said"),
    [("az", "Quyulara düsmeyin"), ("en", "Do not enter shafts"), ("ru", "Ne spuskaites")],
)
def test_whoever_is_on_site_is_told_to_keep_out_of_shafts(language: str, said: str) -> None:
    assert said in render_reply(Reply.ON_SITE, language, "folded", KNOWN).text


def test_the_water_is_told_in_figures_with_what_is_open() -> None:
    text = render_reply(Reply.STATUS, "en", "folded", replace(KNOWN, code="")).text

    assert text == (
        "Velibey: water 2.0 L/s, 70 L/person/day. Measured 14:00. Open: K7 Velibey, K9 Barana."
    )


def test_where_nothing_is_open_that_is_said_and_where_nobody_looked_nothing() -> None:
    quiet = render_reply(Reply.STATUS, "en", "folded", replace(KNOWN, alerts=())).text
    unseen = render_reply(Reply.STATUS, "en", "folded", replace(KNOWN, alerts=None)).text

    assert quiet.endswith("No alert is open.")
    assert unseen.endswith("Measured 14:00.")


@pytest.mark.parametrize(
    ("language", "said"), [("az", "su yoxdur demek deyil"), ("en", "not mean no water")]
)
def test_water_nobody_measured_is_not_called_no_water(language: str, said: str) -> None:
    text = render_reply(Reply.STATUS_UNKNOWN, language, "folded", replace(KNOWN, observed_lps=None))

    assert said in text.text


def test_a_gauging_is_answered_in_litres_seconds_and_flow_and_what_the_weir_says() -> None:
    agrees = render_reply(Reply.GAUGED, "en", "folded", replace(KNOWN, rated_lps=0.84)).text
    unrated = render_reply(Reply.GAUGED, "en", "folded", replace(KNOWN, rated_lps=None)).text
    other = render_reply(Reply.GAUGED_DISAGREES, "en", "folded", KNOWN).text

    assert agrees.endswith("10 L, 12 s = 0.83 L/s. Noted. The meter says 0.84 L/s: that agrees.")
    assert unrated.endswith("10 L, 12 s = 0.83 L/s. Noted.")
    assert "meter says 1.2 L/s (-31%). Clean the weir" in other


def test_which_alert_is_asked_with_an_example_that_is_understood() -> None:
    for language in LANGUAGES:
        text = render_reply(Reply.WHICH, language, "folded", KNOWN).text
        example = re.search(r"1 K7", text)

        assert "K9 Barana" in text
        assert example is not None
        assert understand(example[0]).codes == ("K7",)


def test_more_alerts_than_fit_are_counted() -> None:
    text = render_reply(Reply.WHICH, "en", "folded", LONGEST).text

    assert re.search(r"K10 e+, .* \+3\d\.", text)


@pytest.mark.parametrize(("language", "alphabet"), list(product(LANGUAGES, MOST_PARTS)))
def test_every_word_an_answer_tells_to_send_is_understood(language: str, alphabet: str) -> None:
    words = {
        Reply.HELP: {Command.STATUS, Command.SILENCE, Command.GAUGING, Command.STOP, Command.START},
        Reply.STOPPED: {Command.START},
        Reply.STARTED: {Command.STOP},
        Reply.GAUGING_REFUSED: {Command.GAUGING},
        Reply.SILENCE_REFUSED: {Command.SILENCE},
        Reply.NOT_UNDERSTOOD: {Command.HELP},
    }
    for reply, commands in words.items():
        text = render_reply(reply, language, "full", BARE).text
        capitals = re.findall(r"\b[^\W\d_a-zа-яəğışçöü]{2,}(?: \d+(?: \d+)?)?", text)
        sent = map(fold, capitals) if alphabet == "folded" else capitals
        said = {understand(word).command for word in sent}

        assert said == commands


@pytest.mark.parametrize(("language", "alphabet"), list(product(LANGUAGES, MOST_PARTS)))
def test_what_we_answer_does_nothing_when_a_machine_sends_it_back(
    language: str, alphabet: str
) -> None:
    digests = [render_digest(kind, DISTRICT, language, alphabet) for kind in Kind]
    texts = [render_reply(reply, language, alphabet, KNOWN) for reply in Reply]
    texts += [render_notice(n, language, alphabet, replace(KNOWN, code="")) for n in Notice]
    said = {understand(text.text).command for text in [*texts, *digests]}

    assert said == {Command.UNKNOWN}


DISTRICT = ["Vəlibəy", "Barana", "Ağ Dərə", *(f"Kəhriz {i}" for i in range(4, 41))]


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("alphabet", MOST_PARTS)
def test_a_district_that_falls_silent_is_one_text(language: str, alphabet: str) -> None:
    text = render_digest("offline", DISTRICT, language, alphabet, code="K7", district="Ağdam")

    assert text.parts <= MOST_PARTS[alphabet]
    assert "40" in text.text
    assert re.search(r"\+3\d\b", text.text)
    assert fold(text.text).startswith("#K7 Agdam: ")


def test_the_kahrizes_of_a_digest_are_named_while_they_fit_and_then_counted() -> None:
    few = render_digest("offline", DISTRICT[:3], "az", "folded", district="Ağdam").text
    many = render_digest("offline", DISTRICT, "az", "folded", district="Ağdam").text

    assert few == (
        "Agdam: 3 kehrizden siqnal yoxdur: Velibey, Barana, Ag Dere. Bu, su yoxdur demek deyil."
    )
    assert many == (
        "Agdam: 40 kehrizden siqnal yoxdur: Velibey, Barana, Ag Dere, Kehriz 4, Kehriz 5, Kehriz 6,"
        " Kehriz 7, Kehriz 8, Kehriz 9 +31. Bu, su yoxdur demek deyil."
    )


@pytest.mark.parametrize(("language", "alphabet"), list(product(LANGUAGES, MOST_PARTS)))
def test_a_digest_of_the_longest_names_and_a_note_fits(language: str, alphabet: str) -> None:
    names = [f"{i:02}" + "ə" * 22 for i in range(40)]
    notes = ["ə" * 60, "", "ə" * 60]
    for kind in ("blockage", "decline", "surge", "drought", "overabstraction", "tap_leak"):
        for reason in ("first", "resolved"):
            text = render_digest(
                kind, names, language, alphabet,
                reason=reason, code="K99", district="ş" * 24, access_notes=notes, can_answer=True,
            )  # fmt: skip

            assert text.parts <= MOST_PARTS[alphabet]
            assert "40" in text.text
            assert (fold("ə" * 60) in fold(text.text)) is (reason == "first")


def test_of_several_notes_a_digest_says_that_ways_are_dangerous() -> None:
    text = render_digest("blockage", ["A", "B"], "en", "folded", access_notes=[NOTE, "Bad air"])

    assert text.text == (
        "2 kahrizes blocked: A, B. Keep out of shafts. Some ways are dangerous: ask before you go."
    )


def test_a_digest_without_text_is_named() -> None:
    with pytest.raises(NotFoundError, match=r"'leak\.first'"):
        render_digest("leak", ["A"], "az", "full")
    with pytest.raises(NotFoundError, match=r"'offline\.worse'"):
        render_digest("offline", ["A"], "az", "full", reason="worse")


SHOWN = re.findall(r"^(reply|notice) ([a-z_]+) +(az|en|ru) +(.*)$", PAGE, re.MULTILINE)


def test_the_documentation_shows_every_answer_and_notice() -> None:
    shown = {name for _, name, _, _ in SHOWN}

    assert shown == {*Reply, *Notice}


@pytest.mark.parametrize(("what", "name", "language", "text"), SHOWN)
def test_the_documentation_shows_what_is_answered(
    what: str, name: str, language: str, text: str
) -> None:
    if what == "reply":
        known = replace(KNOWN, rated_lps=0.84) if name == Reply.GAUGED else KNOWN
        if name == Reply.WHICH_KAHRIZ:
            known = replace(KNOWN, alerts=("Vəlibəy", "Barana"))
        assert render_reply(Reply(name), language, "folded", known).text == text
    else:
        known = replace(KNOWN, code="")
        assert render_notice(Notice(name), language, "folded", known).text == text
