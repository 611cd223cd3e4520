"""Floods, machines that answer machines, crashes in between, and whatever else a phone may send."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kahriz.book import contacts, inbound, messages
from kahriz.book.alerts import Alert
from kahriz.detect import Kind
from kahriz.errors import StoreUnavailable
from kahriz.notify.segments import parts
from kahriz.observations import DatastreamId, Series
from kahriz.store.memory import MemoryStore
from tests.answering import CHAIR, DEPUTY, ENGINEER, HOUR, MINUTE, OTHER, STRANGER, House

MOMENT = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.book.close()


# ---- three answers an hour


def test_the_third_answer_within_an_hour_says_that_it_is_the_last(house: House) -> None:
    said = []
    for text in ("SU", "KOMEK", "SU ", "SUS 4", "BASLA"):
        said.append(house.sends(CHAIR, text))
        house.passes(2 * MINUTE)

    assert said[2] is not None
    assert said[2].endswith("No alert is open. Many messages this hour: no answers for an hour.")
    assert said[3:] == [None, None]
    assert len(house.silences()) == 1  # it is done all the same
    assert house.inbox()[3].outcome.endswith("; not answered: 3 answers in an hour")


def test_an_hour_after_the_first_of_three_answers_there_is_one_again(house: House) -> None:
    for text in ("SU", "KOMEK", "SUS 4"):
        house.sends(CHAIR, text)
    house.passes(HOUR - MOMENT)
    assert house.sends(CHAIR, "SU") is None

    house.passes(MOMENT)
    assert house.sends(CHAIR, "KOMEK") is not None


def test_a_number_has_24_answers_in_a_day(house: House) -> None:
    for n in range(24):
        assert house.sends(CHAIR, f"SUS {n % 24 + 1}") is not None
        house.passes(40 * MINUTE)
    assert house.sends(CHAIR, "SU") is None
    assert house.inbox()[-1].outcome.endswith("not answered: 24 answers in a day")

    house.passes(8 * HOUR)
    assert house.sends(CHAIR, "SU") is not None


def test_answers_do_not_use_up_what_alerts_may_cost(house: House) -> None:
    house.tells(CHAIR, house.fires())
    house.sends(CHAIR, "1")
    with house.book.read() as connection:
        people, kahrizes, last = messages.sums_of_month(connection, house.now)

    assert people == {CHAIR: (1, 1)}
    assert (kahrizes, last) == ({}, {})


def test_an_answer_that_has_no_room_for_it_gives_way_to_it(house: House) -> None:
    for text in ("SU", "SUS 4"):
        house.sends(CHAIR, text)

    assert house.sends(CHAIR, "KOMEK") == (
        "Many messages this hour: no answers for an hour. Call kankan +994500000003."
    )


def test_the_way_to_the_shaft_does_not_give_way_to_it(house: House) -> None:
    house.tells(ENGINEER, house.fires("velibey"))
    for text in ("SU", "KOMEK"):
        house.sends(ENGINEER, text)

    said = house.sends(ENGINEER, "2")

    assert said is not None
    assert "Do not enter shafts" in said
    assert "Mina" in said
    assert parts(said) == 1


def test_an_alert_is_taken_when_no_answer_is_left(house: House) -> None:
    for text in ("SU", "KOMEK", "SUS 4", "BASLA"):
        house.sends(CHAIR, text)
    alert = house.fires()
    house.tells(CHAIR, alert)

    assert house.sends(CHAIR, "1") is None
    assert house.alert(alert).acknowledged_by == "Chair"


def test_one_number_uses_up_nobody_elses_answers(house: House) -> None:
    for text in ("SU", "KOMEK", "SUS 4", "BASLA"):
        house.sends(CHAIR, text)

    assert house.sends(DEPUTY, "SU") is not None


# ---- floods, echoes and repeats


def test_sixty_texts_of_a_number_and_hour_are_looked_at(house: House) -> None:
    for n in range(61):
        house.hears(CHAIR, f"VEDRE 10 {n + 1}", house.now + n * SECOND)
    house.hears(DEPUTY, "VEDRE 10 5", house.now)
    house.passes(MINUTE + SECOND)
    house.answers.step(house.now)

    ignored = [text for text in house.inbox() if text.state == "ignored"]
    assert [(t.text, t.outcome) for t in ignored] == [
        ("VEDRE 10 61", "more than 60 texts within an hour")
    ]
    assert len(house.gaugings()) == 61
    assert len([m for m in house.texts() if m.address == CHAIR]) == 3


def test_what_was_ignored_does_not_count_against_the_next_hour(house: House) -> None:
    start = house.now
    for n in range(90):
        house.hears(CHAIR, f"VEDRE 10 {n + 1}", start)
    house.now = start + HOUR
    house.hears(CHAIR, "VEDRE 20 1", house.now - MOMENT)
    house.hears(CHAIR, "VEDRE 20 2", house.now)
    house.answers.step(house.now)

    assert [text.state for text in house.inbox()[-2:]] == ["ignored", "done"]


def test_our_own_text_that_comes_back_is_not_answered(house: House) -> None:
    alert = house.fires()
    house.tells(CHAIR, alert)
    asked = house.sends(CHAIR, "what is this?")
    helped = house.sends(CHAIR, "KOMEK")

    assert asked is not None
    assert helped is not None
    for text in (asked, helped, helped[:30], "#K1 K: TROUBLE"):
        house.passes(MINUTE)
        assert house.sends(CHAIR, text) is None
    assert house.inbox()[-1].outcome == "our own text"
    assert house.alert(alert).acknowledged_by is None


def test_a_word_of_one_of_our_texts_is_an_answer(house: House) -> None:
    alert = house.fires()
    house.tells(CHAIR, alert)
    house.sends(CHAIR, "KOMEK")

    assert house.sends(CHAIR, "STOP") is not None  # HELP says: STOP, START
    assert house.stopped() == {CHAIR}


def test_the_same_within_a_minute_is_a_machines(house: House) -> None:
    house.sends(CHAIR, "VEDRE 10 5")
    house.passes(MINUTE - MOMENT)
    assert house.sends(CHAIR, "VEDRE 10 5 ") is None
    assert house.inbox()[-1].outcome == "the same again within a minute"

    house.passes(MINUTE)
    assert house.sends(CHAIR, "VEDRE 10 5") is not None
    assert len(house.gaugings()) == 2


def test_the_same_answer_to_another_alert_is_no_repetition(house: House) -> None:
    first = house.fires()
    house.tells(CHAIR, first)
    house.sends(CHAIR, "1")
    house.passes(10 * SECOND)
    second = house.fires(kind=Kind.TAP_LEAK)
    house.tells(CHAIR, second)
    house.passes(10 * SECOND)

    house.sends(CHAIR, "1")

    assert house.alert(second).acknowledged_by == "Chair"


def test_a_machine_that_answers_in_ever_other_words_gets_one_answer_an_hour(house: House) -> None:
    answered = 0
    for n in range(50):
        answered += house.sends(CHAIR, f"out of office, ticket {n}") is not None
        house.passes(10 * SECOND)

    assert answered == 1  # "not understood" is not said again


def test_a_text_that_comes_twice_is_done_once(house: House) -> None:
    for _ in range(2):
        with house.book.begin() as connection:
            inbound.arrive(connection, "gammu", "17", CHAIR, "VEDRE 10 5", house.now)
        house.answers.step(house.now)

    assert len(house.gaugings()) == 1
    assert len(house.texts()) == 1


def test_however_many_wait_each_is_looked_at(house: House) -> None:
    for n in range(205):
        house.hears(STRANGER, f"win {n}!")
    house.hears(CHAIR, "SU")

    assert house.answers.step(house.now) == 206
    assert [text.state for text in house.inbox()] == ["ignored"] * 205 + ["done"]


def test_a_text_that_another_process_has_just_done_is_not_done_again(tmp_path: Path) -> None:
    def at(name: str) -> None:
        if name == "answer read":
            with mine.book.begin() as connection:
                (text,) = inbound.waiting(connection, 10)
                inbound.done(connection, text.id, command="gauging", outcome="by the other")

    mine = House(tmp_path, at=at)

    assert mine.sends(CHAIR, "VEDRE 10 5") is None
    assert mine.gaugings() == []
    assert mine.inbox()[0].outcome == "by the other"
    mine.book.close()


# ---- the store is away, or one text is not foreseen


class Away(MemoryStore):
    """A store that is away."""

    asked = 0

    def series(self, datastream: DatastreamId, start: object, end: object) -> Series:
        self.asked += 1
        raise StoreUnavailable("no answer within 15 s")


def test_the_water_is_told_when_the_store_is_back_and_others_need_not_wait(tmp_path: Path) -> None:
    house = House(tmp_path, store=Away())
    alert = house.fires("barana")
    house.hears(CHAIR, "SU", house.now)

    house.sends(OTHER, "1")
    house.passes(10 * MINUTE - MOMENT)
    house.answers.step(house.now)
    assert [text.state for text in house.inbox()] == ["new", "done"]
    assert house.alert(alert).acknowledged_by == "Other"

    house.passes(MOMENT)
    house.answers.step(house.now)
    assert house.texts()[-1].text.startswith("Ag Dere: no recent measurement of the water.")
    house.book.close()


def test_a_store_that_hangs_is_asked_once_a_step(tmp_path: Path) -> None:
    store = Away()
    house = House(tmp_path, store=store)
    for n in range(5):
        house.hears(CHAIR, f"SU {n}", house.now)
        house.hears(CHAIR, f"VEDRE 10 {n + 1}", house.now)
    house.answers.step(house.now)
    assert store.asked == 1

    house.answers.step(house.now)
    assert store.asked == 2
    house.book.close()


def test_a_text_that_breaks_the_service_harms_only_itself(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    with house.book.begin() as connection:
        (person,) = [p for p in contacts.list_contacts(connection) if p.phone == DEPUTY]
        # What no hand can write: a language that there is no catalogue of.
        contacts._set(connection, person.id, {"language": "xx"})
    house.hears(DEPUTY, "SU")

    assert house.sends(CHAIR, "SU") is not None
    assert house.inbox()[0].state == "ignored"
    assert house.inbox()[0].outcome == "could not be looked at: language 'xx' does not exist"
    assert "text not understood by the service itself" in caplog.text


# ---- a crash in between


class Killed(BaseException):
    """The process ends here."""


def _state(house: House, alert: Alert) -> tuple[object, ...]:
    texts = [(m.address, m.reason, m.text, m.state) for m in house.texts()]
    inbox = [(text.state, text.outcome) for text in house.inbox()]
    return (
        house.alert(alert),
        house.timeline(alert),
        texts,
        inbox,
        house.gaugings(),
        house.silences(),
        house.stopped(),
    )


@pytest.mark.parametrize("text", ["1", "2", "0", "SU", "SUS 4", "DAYAN", "VEDRE 10 5", "?", "x y"])
@pytest.mark.parametrize("place", ["read", "noted", "acted", "queued", "done"])
def test_a_crash_leaves_all_of_an_answer_or_nothing(tmp_path: Path, text: str, place: str) -> None:
    dies = False

    def at(name: str) -> None:
        if dies and name == f"answer {place}":
            raise Killed

    whole = House(tmp_path / "whole")
    crashed = House(tmp_path / "crashed", at=at)
    alerts = []
    for house in (whole, crashed):
        alerts.append(house.fires())
        house.tells(CHAIR, alerts[-1])
        house.hears(CHAIR, text)
    before = _state(crashed, alerts[1])
    whole.answers.step(whole.now)
    dies = True

    with pytest.raises(Killed):
        crashed.answers.step(crashed.now)
    left = _state(crashed, alerts[1])
    dies = False
    crashed.answers.step(crashed.now)
    crashed.answers.step(crashed.now)

    assert left == (_state(whole, alerts[0]) if place == "done" else before)
    assert _state(crashed, alerts[1]) == _state(whole, alerts[0])
    for house in (whole, crashed):
        house.book.close()


# ---- whatever a phone may send

_SAID = "1 2 0 OK SU SUS 4 24 99 DAYAN BASLA KOMEK VEDRE 10 12 K1 #K1 K2 K99 Barana Vəlibəy > ?"
_WORDS = st.sampled_from([*_SAID.split(), "\n"])
_TEXTS = st.one_of(st.text(max_size=300), st.lists(_WORDS, max_size=8).map(" ".join))


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    made = House(tmp_path_factory.mktemp("shared"))
    for kahriz in ("k", "barana", "velibey"):
        made.tells(ENGINEER, made.fires(kahriz))
    yield made
    made.book.close()


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(
    text=_TEXTS, sender=st.sampled_from([STRANGER, "", "Azercell", "+1", "engineer@example.org"])
)
def test_no_text_whatever_does_anything_for_a_stranger(
    shared: House, text: str, sender: str
) -> None:
    with shared.book.read() as connection:
        before = contacts.list_contacts(connection)
    outbox, stopped = len(shared.texts()), shared.stopped()

    assert shared.sends(sender, text) is None
    assert shared.inbox()[-1].state == "ignored"
    assert len(shared.texts()) == outbox
    assert shared.stopped() == stopped
    assert shared.silences() == []
    assert shared.gaugings() == []
    with shared.book.read() as connection:
        assert contacts.list_contacts(connection) == before


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)
@given(text=_TEXTS, sender=st.sampled_from([CHAIR, DEPUTY, OTHER, ENGINEER]))
def test_no_text_whatever_breaks_the_service_or_configures_it(
    shared: House, text: str, sender: str
) -> None:
    shared.passes(2 * HOUR)
    with shared.book.read() as connection:
        before = {p.id: p.as_contact() for p in contacts.list_contacts(connection)}

    said = shared.sends(sender, text)
    made = shared.inbox()[-1]

    assert made.state in ("done", "ignored")
    assert not made.outcome.startswith("could not be looked at")
    assert said is None or parts(said) == 1
    with shared.book.read() as connection:
        assert {p.id: p.as_contact() for p in contacts.list_contacts(connection)} == before
