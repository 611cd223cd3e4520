from __future__ import annotations

import re
from collections.abc import Callable
from datetime import timedelta

import pytest
from hypothesis import example, given, seed
from hypothesis import strategies as st

from kahriz.alert.answer import (
    LOOKED_AT,
    USUAL_SILENCE,
    Command,
    Gauging,
    Problem,
    Said,
    understand,
)
from kahriz.notify.fold import fold

ORIGINAL = "#K7 Ag Dere, Molla Celilli: kehriz tixanib. Su 1,2 L/s, evvel 3,0 (-61%)."

SENTENCES = {
    Command.ACKNOWLEDGE: [
        "1", " 1 ", "1.", "1!", "«1»", "1)", "１", "١", "①", "ok", "OK", "Ok.", "okey", "BAX",
        "bax", "Baxıram", "BAXIRAM", "BAXİRAM", "baxiram", "baxacam indi", "1 ok", "ok 1",
        "bəli", "hə", "yes", "да", "Принял", "принято", "беру", "ok, indi gedirəm", "👍", "👍🏽",
        "1\u200b", "\ufeff1", "o\u00adk", "1 baxıram", "mən baxıram",
    ],
    Command.ON_SITE: [
        "2", "2.", "yerindəyəm", "YERİNDƏYƏM", "çatdım", "CATDIM", "on site", "I am on site",
        "2 on site", "на месте", "НА МЕСТЕ", "приехал", "здесь", "٢",
    ],
    Command.FALSE_ALARM: [
        "0", "0.", "səhv", "SƏHV", "SEHV", "sehv", "səhvdir", "yanlış", "false alarm", "False",
        "ложная тревога", "ошибка", "0 sehv", "٠",
    ],
    Command.STATUS: [
        "SU", "su", "Su?", "su necədir", "STATUS", "status", "ВОДА", "вода?", "voda", "water",
        "vəziyyət", "su yoxdu",
    ],
    Command.STOP: [
        "DAYAN", "dayan", "DAYANDIR", "dayandır", "DAYANDİR", "STOP", "Stop.", "СТОП", "стоп",
        "stop please", "отписка", "ＳＴＯＰ", "S\u200dT\u200dO\u200dP",
    ],
    Command.START: ["BAŞLA", "basla", "BASLA", "START", "старт", "Başlat", "начать"],
    Command.HELP: [
        "KÖMƏK", "komek", "kömək", "KOMEK", "HELP", "help!", "?", "??", "？", "؟", " ? ",
        "ПОМОЩЬ", "помощь", "помощ", "info",
    ],
    Command.UNKNOWN: [
        "", " ", "\n\n", "\u200b", "3", "11", "1 2", "2 gündür su yoxdur", "1 saatdır su gəlmir",
        "0 manat", "ok deyil", "not ok", "stop the water please now", "dayan, su gəlir", "salam",
        "Привет", "水",
        "ok bank: yalnız bu gün bütün kartlara faizsiz kredit verilir",
 "1e9", "-", ">", "ok stop", "К", "k0", "K100", "-1.5", "1,5",
    ],
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "command"),
    [(text, command) for command, texts in SENTENCES.items() for text in texts],
)
def test_what_people_write_is_understood(text: str, command: Command) -> None:
    assert understand(text) == Said(command)


@pytest.mark.parametrize(
    "text",
    [
        "1 K7", "K7 1", "#K7 1", "1 #K7", "1 k7", "1k7", "1, K7.", "k7,1", "K 7 1", "1 К7",
        "1 K07", "K7 ok", "baxıram K7", "1 #k7!", "K７ １",
    ],
)  # fmt: skip
def test_an_answer_may_name_the_alert_before_or_behind(text: str) -> None:
    assert understand(text) == Said(Command.ACKNOWLEDGE, ("K7",))


def test_an_answer_may_name_several_alerts_each_once() -> None:
    assert understand("1 K7 K12, K7").codes == ("K7", "K12")


def test_a_code_alone_is_no_answer_and_the_code_is_kept() -> None:
    assert understand("K7") == Said(Command.UNKNOWN, ("K7",))


@pytest.mark.parametrize(
    "text",
    [
        f"1\n> {ORIGINAL}",
        f"1\n{ORIGINAL}",
        f"1\r\n\r\n{ORIGINAL}",
        f"> {ORIGINAL}\n1",
        f"1 {ORIGINAL}",
        f'1 "{ORIGINAL}"',
        f"1 > {ORIGINAL}",
        f"{ORIGINAL}\n1",
        f"Baxıram\n-----Original-----\n{ORIGINAL}",
        "1 #K7 Ağ Dərə, Molla Cəlilli: kəhriz tıxanıb.",
    ],
)
def test_the_text_that_is_answered_says_which_alert_is_meant_and_nothing_else(text: str) -> None:
    assert understand(text) == Said(Command.ACKNOWLEDGE, ("K7",))


def test_a_code_of_ones_own_counts_before_that_of_the_text_below() -> None:
    assert understand(f"1 K9\n> {ORIGINAL}").codes == ("K9",)


def test_what_stands_below_the_answer_is_not_read() -> None:
    assert understand("1\nSent from my phone") == Said(Command.ACKNOWLEDGE)
    assert understand("1 -- Əli") == Said(Command.ACKNOWLEDGE)


@pytest.mark.parametrize(
    ("text", "hours"),
    [
        ("SUS 4", 4), ("sus 24", 24), ("SUS 0,5", 0.5), ("sus 12 saat", 12), ("mute 3h", 3),
        ("silence 2 hours", 2), ("ТИХО 6", 6), ("тихо 6 часов", 6), ("sakit 8", 8),
        ("SUS ٤", 4), ("sus", USUAL_SILENCE / timedelta(hours=1)),
    ],
)  # fmt: skip
def test_a_kahriz_is_silenced_for_hours(text: str, hours: float) -> None:
    assert understand(text) == Said(Command.SILENCE, silence=timedelta(hours=hours))


@pytest.mark.parametrize("text", ["sus 0", "sus 0,4", "sus 24,1", "sus 99", "sus 1000", "sus x"])
def test_a_silence_of_other_than_half_an_hour_to_a_day_is_refused(text: str) -> None:
    assert understand(text) == Said(Command.SILENCE, problem=Problem.HOURS)


def test_a_silence_may_be_of_one_alert() -> None:
    assert understand("sus 4 k7") == Said(Command.SILENCE, ("K7",), timedelta(hours=4))


@pytest.mark.parametrize(
    ("text", "litres", "seconds"),
    [
        ("VEDRE 10 12", 10, (12,)),
        ("VEDRƏ 10 12", 10, (12,)),
        ("vedrə 10 12,5", 10, (12.5,)),
        ("vedre 10 12.5", 10, (12.5,)),
        ("Vedrə: 10, 12", 10, (12,)),
        ("VEDRO 10 12", 10, (12,)),
        ("ВЕДРО 10 12", 10, (12,)),
        ("ведро 10л 12с", 10, (12,)),
        ("BUCKET 10 12", 10, (12,)),
        ("bucket 10 l 12 s", 10, (12,)),
        ("vedrə 10 litr 12 saniyə", 10, (12,)),
        ("VEDRE 10 12 11 12", 10, (12, 11, 12)),
        ("vedre ۱۰ ۱۲٫۵", 10, (12.5,)),
        ("VEDRE\n10\n12", 10, (12,)),
        ("vedre 0,5 0,5", 0.5, (0.5,)),
        ("vedre 1000 3600", 1000, (3600,)),
        ("vedre 10 " + "12 " * 20, 10, (12,) * 20),
    ],
)
def test_a_bucket_and_a_stopwatch_are_a_gauging(
    text: str, litres: float, seconds: tuple[float, ...]
) -> None:
    assert understand(text) == Said(Command.GAUGING, gauging=Gauging(litres, seconds))


def test_several_times_are_trials_of_one_gauging() -> None:
    said = understand("VEDRE 10 12 11 13")

    assert said.gauging is not None
    assert said.gauging.mean_s == pytest.approx(12.0)
    assert said.gauging.discharge_lps == pytest.approx(10 / 12)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("VEDRE", Problem.FIGURES),
        ("VEDRE 10", Problem.FIGURES),
        ("VEDRE on iki", Problem.FIGURES),
        ("VEDRE 10 12x", Problem.FIGURES),
        # Ten litres and two times, or 10.12 litres and one?
        ("VEDRE 10,12,11", Problem.FIGURES),
        ("VEDRE 10,12", Problem.FIGURES),
        ("VEDRE 10 0:12", Problem.FIGURES),
        ("VEDRE 10 1e9", Problem.FIGURES),
        ("VEDRE 10 99999999", Problem.FIGURES),
        ("vedre 10 " + "12 " * 21, Problem.FIGURES),
        ("VEDRE 0,4 12", Problem.LITRES),
        ("VEDRE 1001 12", Problem.LITRES),
        ("VEDRE 10 0,4", Problem.SECONDS),
        ("VEDRE 10 3601", Problem.SECONDS),
        ("VEDRE 10 12 0", Problem.SECONDS),
    ],
)
def test_figures_that_no_bucket_gives_are_refused_with_the_reason(
    text: str, problem: Problem
) -> None:
    assert understand(text) == Said(Command.GAUGING, problem=problem)


def test_only_the_first_thousand_characters_are_looked_at() -> None:
    assert understand(" " * (LOOKED_AT - 1) + "1") == Said(Command.ACKNOWLEDGE)
    assert understand(" " * LOOKED_AT + "1") == Said(Command.UNKNOWN)


KNOWN = [t for c, ts in SENTENCES.items() if c is not Command.UNKNOWN for t in ts]
WRITTEN = st.sampled_from([t for t in KNOWN if re.search(r"[^\W\d]", t) and t.isprintable()])
DRESSES: dict[str, Callable[[str], str]] = {
    "as it is": str,
    "large": str.upper,
    "small": str.lower,
    "capital first": str.capitalize,
    "folded": fold,
    "folded and large": lambda t: fold(t).upper(),
    "dotted": lambda t: t.upper().replace("I", "İ"),
    "dotless": lambda t: t.lower().replace("i", "ı"),
    "full width": lambda t: "".join(chr(ord(c) + 0xFEE0) if "!" <= c <= "~" else c for c in t),
    "with what cannot be seen": "\u200b".join,
    "shouted": lambda t: f"  {t} !!! ",
}


@pytest.mark.parametrize("dress", DRESSES)
@seed(20260523)
@given(WRITTEN)
def test_a_sentence_means_the_same_in_every_dress(dress: str, text: str) -> None:
    assert understand(DRESSES[dress](text)) == understand(text)


@seed(20260523)
@given(st.text(st.characters(), max_size=1200))
@example("\ud800")
@example("K" * 5000)
@example("vedre " + "9" * 900)
@example("#k7 " * 300)
@example("١" * 1000)
def test_nothing_that_is_sent_raises_or_leaves_the_limits(text: str) -> None:
    said = understand(text)

    assert said.command in Command
    assert all(re.fullmatch(r"K[1-9]\d?", code) for code in said.codes)
    if said.gauging is not None:
        assert 0.5 <= said.gauging.litres <= 1000
        assert all(0.5 <= s <= 3600 for s in said.gauging.seconds)
    if said.silence is not None:
        assert timedelta(minutes=30) <= said.silence <= timedelta(days=1)
