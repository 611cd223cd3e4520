from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from kahriz.clock import to_ms
from kahriz.detect import Kind
from kahriz.sites import Registry
from tests.answering import (
    CHAIR,
    DEPUTY,
    ENGINEER,
    HOUR,
    MINUTE,
    NOTE,
    OTHER,
    REGISTRY,
    STRANGER,
    House,
    person,
    place,
)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    made = House(tmp_path)
    yield made
    made.book.close()


# ---- an alert is answered


def test_who_takes_the_only_alert_is_written_on_it_and_told_so(house: House) -> None:
    alert = house.fires()
    house.tells(CHAIR, alert)
    house.passes(10 * MINUTE)

    assert house.sends(CHAIR, "1") == "#K1 Ag Dere: noted, you take it. Send 2 when you are there."
    after = house.alert(alert)
    assert (after.acknowledged_at_ms, after.acknowledged_by) == (to_ms(house.now), "Chair")
    assert house.timeline(alert) == [("acknowledged", "Chair")]
    (text,) = house.inbox()
    assert (text.state, text.command, text.outcome) == ("done", "acknowledge", "K1 acknowledged")
    assert (text.kahriz, text.alert_id) == ("k", alert.id)


def test_who_is_on_site_is_told_of_the_mines_once_more(house: House) -> None:
    alert = house.fires("velibey")
    house.tells(ENGINEER, alert)

    said = house.sends(ENGINEER, "2")
    after = house.alert(alert)

    assert said is not None
    assert said.startswith("#K1 Velibey: noted, you are there. Do not enter shafts.")
    assert "Mina tehlükesi" in said
    assert (after.on_site_by, after.acknowledged_by) == ("Engineer", "Engineer")
    assert house.timeline(alert) == [("acknowledged", "Engineer"), ("on_site", "Engineer")]


def test_who_finds_nothing_wrong_says_so(house: House) -> None:
    alert = house.fires()
    house.tells(CHAIR, alert)

    assert house.sends(CHAIR, "0") == "#K1 Ag Dere: noted as a false alarm. Thank you."
    assert house.alert(alert).false_alarm_by == "Chair"


def test_the_first_who_takes_it_stays_and_the_second_is_told_who(house: House) -> None:
    alert = house.fires()
    house.tells(CHAIR, alert)
    house.tells(DEPUTY, alert)
    house.sends(CHAIR, "1")
    house.passes(MINUTE)

    assert house.sends(DEPUTY, "ok") == "#K1 Ag Dere: Chair has taken it already."
    assert house.alert(alert).acknowledged_by == "Chair"


def test_a_text_says_when_it_was_sent_not_when_it_was_looked_at(house: House) -> None:
    alert = house.fires()
    sent = house.now + 10 * MINUTE
    house.hears(CHAIR, "1", sent)
    house.passes(HOUR)
    house.answers.step(house.now)

    assert house.alert(alert).acknowledged_at_ms == to_ms(sent)


def test_a_text_of_the_future_is_one_of_now(house: House) -> None:
    alert = house.fires()
    house.hears(CHAIR, "1", house.now + 30 * HOUR)
    house.answers.step(house.now)

    assert house.alert(alert).acknowledged_at_ms == to_ms(house.now)


def test_an_answer_is_not_of_an_alert_that_fired_after_it_came(house: House) -> None:
    house.hears(CHAIR, "1", house.now)
    house.passes(5 * MINUTE)
    just = house.fires()
    house.answers.step(house.now)
    house.hears(OTHER, "1", house.now)
    house.passes(5 * MINUTE + timedelta(milliseconds=1))
    later = house.fires("barana")
    house.answers.step(house.now)

    assert house.alert(just).acknowledged_by == "Chair"  # clocks of two hosts may differ so much
    assert house.alert(later).acknowledged_by is None


# ---- which alert


def test_the_code_says_which_alert_is_meant(house: House) -> None:
    first, second = house.fires(), house.fires(kind=Kind.TAP_LEAK)
    house.tells(CHAIR, first)
    house.tells(CHAIR, second)

    assert house.sends(CHAIR, "1 K1") is not None
    assert house.alert(first).acknowledged_by == "Chair"
    assert house.alert(second).acknowledged_by is None


def test_of_several_without_a_code_it_is_asked_which_once_an_hour(house: House) -> None:
    alerts = [house.fires(), house.fires(kind=Kind.TAP_LEAK)]
    for alert in alerts:
        house.tells(CHAIR, alert)

    assert house.sends(CHAIR, "1") == "Which alert? K1, K2. For example: 1 K1."
    house.passes(30 * MINUTE)
    assert house.sends(CHAIR, "ok") is None
    assert house.inbox()[-1].outcome == "which of K1, K2?; not asked again within an hour"
    house.passes(30 * MINUTE)
    assert house.sends(CHAIR, "1") == "Which alert? K1, K2. For example: 1 K1."
    assert [house.alert(alert).acknowledged_by for alert in alerts] == [None, None]


def test_of_several_the_only_one_that_nobody_has_taken_is_meant(house: House) -> None:
    drought = house.fires(kind=Kind.DROUGHT)
    house.tells(CHAIR, drought)
    house.sends(CHAIR, "1")
    house.passes(HOUR)
    decline = house.fires()
    house.tells(CHAIR, decline)

    assert house.sends(CHAIR, "1") == "#K2 Ag Dere: noted, you take it. Send 2 when you are there."


def test_where_somebody_has_taken_all_of_them_that_of_the_last_text_is_meant(house: House) -> None:
    for kind in (Kind.DROUGHT, Kind.TAP_LEAK):
        alert = house.fires(kind=kind)
        house.tells(CHAIR, alert)
        house.sends(CHAIR, f"1 {alert.code}")
        house.passes(2 * MINUTE)

    said = house.sends(CHAIR, "1")

    assert said is not None
    assert said.startswith("#K2 Ag Dere")


def test_only_those_that_nobody_has_taken_are_offered(house: House) -> None:
    taken = house.fires(kind=Kind.DROUGHT)
    house.tells(CHAIR, taken)
    house.sends(CHAIR, "1")
    house.passes(2 * MINUTE)
    for kind in (Kind.TAP_LEAK, Kind.DECLINE):
        house.tells(CHAIR, house.fires(kind=kind))

    assert house.sends(CHAIR, "1") == "Which alert? K2, K3. For example: 1 K2."


def test_an_answer_to_a_digest_is_of_all_it_tells_of(house: House) -> None:
    old = house.fires("barana", Kind.DROUGHT)
    storm = [house.fires(id, Kind.OFFLINE) for id in ("barana", "velibey")]
    house.tells(ENGINEER, old)
    house.tells(ENGINEER, *storm)

    said = house.sends(ENGINEER, "1")

    assert said is not None
    assert said.startswith("#K2 #K3 noted, you take it.")
    assert "Mina" in said
    assert [house.alert(alert).acknowledged_by for alert in storm] == ["Engineer", "Engineer"]
    assert house.alert(old).acknowledged_by is None


def test_a_code_of_another_kahriz_is_nobodys(house: House) -> None:
    theirs, own = house.fires("barana"), house.fires()
    house.tells(CHAIR, own)

    assert house.sends(CHAIR, f"1 {theirs.code}") == "Which alert? K2. For example: 1 K2."
    assert house.alert(theirs).acknowledged_by is None
    assert house.alert(own).acknowledged_by is None


def test_a_kahriz_that_is_named_says_which_alert_is_meant(house: House) -> None:
    one, other = house.fires("barana"), house.fires("velibey")
    for alert in (one, other):
        house.tells(ENGINEER, alert)

    house.sends(ENGINEER, "1 Vəlibəy")

    assert house.alert(one).acknowledged_by is None
    assert house.alert(other).acknowledged_by == "Engineer"


def test_who_was_not_told_yet_may_take_what_others_were_told_of(house: House) -> None:
    alert, sensor = house.fires(), house.fires(kind=Kind.SENSOR)
    house.tells(CHAIR, alert)

    house.sends(DEPUTY, "1")

    assert house.alert(alert).acknowledged_by == "Deputy"
    assert house.alert(sensor).acknowledged_by is None  # the engineer's alone


def test_an_engineer_answers_by_phone_what_came_by_mail(house: House) -> None:
    alert, other = house.fires("barana"), house.fires("velibey")
    house.tells("engineer@example.org", alert)

    house.sends(ENGINEER, "1")

    assert house.alert(alert).acknowledged_by == "Engineer"
    assert house.alert(other).acknowledged_by is None


def test_where_nothing_is_open_it_is_said_how_the_water_is(house: House) -> None:
    house.flows("k", {30 * MINUTE: 3.0, 20 * MINUTE: 3.2, 10 * MINUTE: 9.0})

    assert house.sends(CHAIR, "1") == (
        "Ag Dere: water 3.2 L/s, 111 L/person/day. Measured 09:50. No alert is open."
    )
    assert house.sends(ENGINEER, "1") == "No alert is open."


def test_an_alert_that_is_over_is_not_open(house: House) -> None:
    alert = house.fires(state="resolved", resolved_at_ms=to_ms(house.now))
    house.tells(CHAIR, alert)

    assert house.sends(CHAIR, f"1 {alert.code}") == (
        "Ag Dere: no recent measurement of the water. This does not mean no water."
        " No alert is open."
    )
    assert house.alert(alert).acknowledged_by is None


# ---- how is the water?


def test_the_water_of_the_last_hour_is_told_with_what_is_open(house: House) -> None:
    house.flows("k", {HOUR: 2.0, 2 * HOUR: 9.0})
    house.fires()
    house.fires(kind=Kind.SENSOR)

    assert house.sends(CHAIR, "SU") == (
        "Ag Dere: water 2.0 L/s, 69 L/person/day. Measured 09:00. Open: K1."
    )


def test_water_that_was_not_measured_for_an_hour_is_not_known(house: House) -> None:
    house.flows("k", {HOUR + timedelta(milliseconds=1): 2.0})

    said = house.sends(CHAIR, "su necədir?")

    assert said is not None
    assert said.startswith("Ag Dere: no recent measurement of the water, last 08:59.")


def test_where_nobody_was_counted_nothing_is_said_of_a_person(house: House) -> None:
    house.flows("velibey", {MINUTE: 2.0})

    assert house.sends(ENGINEER, "su velibey") == (
        "Velibey: water 2.0 L/s. Measured 09:59. No alert is open."
    )


def test_who_has_several_kahrizes_is_asked_which(house: House) -> None:
    house.flows("barana", {MINUTE: 2.0})

    assert house.sends(ENGINEER, "SU") == "Which kahriz: Barana, Velibey? Write its name beside it."
    house.passes(2 * MINUTE)
    said = house.sends(ENGINEER, "SU BARANA")
    assert said is not None
    assert said.startswith("Barana: water 2.0 L/s")


def test_of_several_kahrizes_it_is_that_of_the_last_text(house: House) -> None:
    house.tells(ENGINEER, house.fires("velibey"))

    said = house.sends(ENGINEER, "SU")

    assert said is not None
    assert said.startswith("Velibey: no recent measurement")


# ---- silence, stop and start


def test_a_committee_silences_its_own_kahriz_for_a_while(house: House) -> None:
    assert house.sends(CHAIR, "SUS 24") == "Ag Dere: no texts until 23.11 10:00."
    (silence,) = house.silences()
    assert (silence.kahriz, silence.kind, silence.by) == ("k", None, "Chair")
    assert (silence.start, silence.end) == (house.now, house.now + 24 * HOUR)


def test_who_has_several_kahrizes_says_which_is_to_be_silent(house: House) -> None:
    said = house.sends(ENGINEER, "SUS 4")

    assert said is not None
    assert said.startswith("Which kahriz: Barana, Velibey?")
    assert house.silences() == []


def test_a_silence_with_a_code_is_of_that_kind_alone(house: House) -> None:
    house.fires(kind=Kind.DROUGHT)

    assert house.sends(CHAIR, "SUS 6 K1") == "#K1 Ag Dere: no texts until 16:00."
    assert [silence.kind for silence in house.silences()] == ["drought"]


def test_a_silence_beyond_a_day_is_refused(house: House) -> None:
    said = house.sends(CHAIR, "SUS 25")

    assert said == "Send MUTE and hours: MUTE 4. From half an hour to 24 hours."
    assert house.silences() == []


def test_whoever_says_stop_hears_that_and_nothing_more(house: House) -> None:
    house.tells(CHAIR, house.fires())
    house.passes(MINUTE)

    said = house.sends(CHAIR, "DAYAN")

    assert said == "No more texts to this number. To get them again, send START."
    assert house.stopped() == {CHAIR}
    assert [(m.reason, m.state) for m in house.texts()] == [
        ("first", "expired"),
        ("answer", "queued"),
    ]
    house.passes(MINUTE)
    assert house.sends(CHAIR, "SU") is None
    assert house.sends(CHAIR, "STOP") is None
    assert house.inbox()[-2].outcome.endswith("not answered: wants no texts")


def test_who_wants_no_texts_can_still_take_an_alert(house: House) -> None:
    alert = house.fires()
    house.sends(CHAIR, "STOP")

    assert house.sends(CHAIR, "1") is None
    assert house.alert(alert).acknowledged_by == "Chair"


def test_start_brings_the_texts_back(house: House) -> None:
    house.sends(CHAIR, "STOP")

    assert house.sends(CHAIR, "BASLA") == "This number gets texts again. To end them, send STOP."
    assert house.stopped() == set()


def test_when_the_last_one_leaves_the_districts_engineers_are_told(house: House) -> None:
    house.sends(CHAIR, "STOP")
    assert [m for m in house.texts() if m.reason == "notice"] == []

    house.sends(DEPUTY, "STOP")
    notices = [m for m in house.texts() if m.reason == "notice"]

    assert [(m.address, m.channel) for m in notices] == [
        (ENGINEER, "sms"),
        ("engineer@example.org", "email"),
    ]
    assert {m.text for m in notices} == {
        "Deputy has opted out: nobody is told of Ag Dere, Kend any more. Find somebody else."
    }


def test_when_the_only_one_of_a_kahriz_was_an_engineer_the_others_are_told(
    tmp_path: Path,
) -> None:
    near = place("k", "Ağ Dərə", [person("Engineer", "engineer", ENGINEER)])
    far = place("barana", "Barana", [person("Another", "engineer", OTHER)])
    house = House(tmp_path, Registry(kahriz=(near, far)))
    house.sends(ENGINEER, "STOP")

    assert [(m.address, m.kahriz) for m in house.texts() if m.reason == "notice"] == [(OTHER, "k")]
    house.book.close()


def test_an_engineer_of_another_district_is_told_where_there_is_no_nearer_one(
    tmp_path: Path,
) -> None:
    near = place("k", "Ağ Dərə", [person("Chair", "chair", CHAIR)], district="Qazax")
    far = place("barana", "Barana", [person("Engineer", "engineer", ENGINEER)])
    house = House(tmp_path, Registry(kahriz=(near, far)))
    house.sends(CHAIR, "STOP")

    assert [m.address for m in house.texts() if m.reason == "notice"] == [ENGINEER]
    house.book.close()


def test_a_notice_waits_for_the_end_of_its_readers_quiet_hours(house: House) -> None:
    house.passes(13 * HOUR)  # 23:00 at Baku
    house.sends(OTHER, "STOP")

    due = {m.channel: m.due_at_ms for m in house.texts() if m.reason == "notice"}
    answer = next(m for m in house.texts() if m.reason == "answer")

    assert due == {"sms": to_ms(house.now + 9 * HOUR), "email": to_ms(house.now)}
    assert answer.due_at_ms == to_ms(house.now)
    assert answer.expires_at_ms == to_ms(house.now + 2 * HOUR)


# ---- a bucket and a stopwatch


def test_a_bucket_that_agrees_with_the_weir_is_kept_beside_it(house: House) -> None:
    house.flows("k", {30 * MINUTE: 0.9, 31 * MINUTE: 7.0}, stage_m=0.0536)

    assert house.sends(CHAIR, "VEDRE 10 12 12,5 11,5") == (
        "Ag Dere: 10 L, 12 s = 0.83 L/s. Noted. The meter says 0.90 L/s: that agrees."
    )
    (gauging,) = house.gaugings()
    assert (gauging.site, gauging.volume_l, gauging.duration_s) == ("k.outlet", 10.0, 12.0)
    assert (gauging.trials, gauging.rated_lps, gauging.stage_m) == (3, 0.9, 0.0536)
    assert (gauging.by, gauging.inbound_id) == ("Chair", house.inbox()[0].id)


def test_a_weir_that_says_something_else_has_to_be_cleaned(house: House) -> None:
    house.flows("k", {MINUTE: 2.9}, stage_m=0.085)

    said = house.sends(CHAIR, "VEDRE 10 5")

    assert said == (
        "Ag Dere: 10 L, 5 s = 2.0 L/s, but the meter says 2.9 L/s (-31%)."
        " Clean the weir, then measure again."
    )
    assert house.inbox()[0].outcome == "gauged 2 L/s: the weir disagrees"


def test_a_bucket_where_nothing_was_measured_is_kept_alone(house: House) -> None:
    house.flows("k", {30 * MINUTE + timedelta(milliseconds=1): 2.9})

    assert house.sends(CHAIR, "VEDRE 10 5") == "Ag Dere: 10 L, 5 s = 2.0 L/s. Noted."
    assert house.gaugings()[0].rated_lps is None


def test_a_bucket_without_a_time_is_asked_for(house: House) -> None:
    said = house.sends(CHAIR, "VEDRE 10")

    assert said is not None
    assert said.startswith("Send BUCKET, litres and seconds")
    assert house.gaugings() == []


def test_an_engineer_says_whose_water_was_in_the_bucket(house: House) -> None:
    assert house.sends(ENGINEER, "VEDRE 10 5") is not None
    assert house.gaugings() == []
    house.passes(MINUTE)
    house.sends(ENGINEER, "VEDRE 10 5 Barana")
    assert [gauging.site for gauging in house.gaugings()] == ["barana.outlet"]


# ---- others


def test_help_and_what_is_not_understood(house: House) -> None:
    help, unknown = house.sends(CHAIR, "KOMEK"), house.sends(CHAIR, "2 gündür su yoxdur")

    assert help is not None
    assert help.startswith("1 I take it, 2 I am there")
    assert unknown is not None
    assert unknown.startswith("Not understood.")


def test_answers_are_in_the_readers_language(house: House) -> None:
    house.fires("barana")

    assert house.sends(OTHER, "1") == (
        "#K1 Barana: qeyd edildi, siz baxirsiniz. Yerine catanda 2 yazin."
    )


@pytest.mark.parametrize("spelt", ["994500000001", "00994500000001", "0500000001", CHAIR])
def test_a_number_is_known_however_the_gateway_spells_it(house: House, spelt: str) -> None:
    alert = house.fires()
    house.sends(spelt, "1")

    assert house.alert(alert).acknowledged_by == "Chair"
    assert house.texts()[-1].address == CHAIR


def test_a_stranger_hears_and_changes_nothing(house: House) -> None:
    alert = house.fires()

    assert house.sends(STRANGER, "1 K1") is None
    assert house.sends("engineer@example.org", "1 K1") is None
    assert house.alert(alert).acknowledged_by is None
    assert [(text.state, text.outcome) for text in house.inbox()] == [
        ("ignored", "no contact's number")
    ] * 2


def test_an_answer_that_nobody_waits_for_any_more_is_not_sent_but_done(house: House) -> None:
    alert = house.fires()
    house.hears(CHAIR, "1", house.now)
    house.passes(2 * HOUR)
    house.answers.step(house.now)

    assert house.texts() == []
    assert house.alert(alert).acknowledged_by == "Chair"


def test_a_contact_of_a_kahriz_that_is_not_in_the_registry_any_more_is_none(
    tmp_path: Path,
) -> None:
    House(tmp_path).book.close()
    kept = Registry(kahriz=REGISTRY.kahriz[1:])
    house = House(tmp_path, kept)

    assert house.sends(CHAIR, "SU") is None
    house.book.close()


def test_the_notes_of_several_kahrizes_are_one_warning(tmp_path: Path) -> None:
    engineer = [person("Engineer", "engineer", ENGINEER)]
    notes = (NOTE, "Qaz ola bilər")
    places = [place(f"k{n}", f"Yer {n}", engineer, access_note=notes[n]) for n in (0, 1)]
    house = House(tmp_path, Registry(kahriz=tuple(places)))
    house.tells(ENGINEER, *[house.fires(k.id, Kind.OFFLINE) for k in places])

    said = house.sends(ENGINEER, "2")

    assert said is not None
    assert "ask before you go" in said.lower()
    house.book.close()
