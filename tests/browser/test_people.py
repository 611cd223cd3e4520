"""The page where people are concerned: who is told, what they answer, what it costs."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.fake_api import KEY, FakeApi
from tests.browser.world import ENGLISH, FOLDED, World, iso

pytestmark = pytest.mark.server


def known(page: Page) -> None:
    """Let the page know a name and a key that may write, as if both had been given before."""
    page.evaluate(f"sessionStorage.setItem('name', 'Leyla'); sessionStorage.apiKey = '{KEY}'")


def alert(page: Page) -> Locator:
    return page.locator('[data-alert="7"]')


def people(page: Page, kahriz: str = "agh-dere") -> Locator:
    """Return what is said of the people of a kahriz, opened."""
    found = page.locator(f'#people [data-kahriz="{kahriz}"]')
    found.locator("summary").first.click()
    return found


def test_the_timeline_says_who_was_told_and_how_fast_people_were(
    opened: Open, world: World
) -> None:
    world.say(7, "on_site", "Əli")
    card = alert(opened().page)

    expect(card.locator(".timeline li")).to_contain_text(
        [
            "noticed",
            "alert raised",
            "toldCommittee chair +99450•••0001 (first word)",
            "acknowledgedƏli",
            "on siteƏli",
        ]
    )
    expect(card.locator(".response")).to_contain_text("toldafter less than 1 min")
    expect(card.locator(".response")).to_contain_text("on siteafter 2 h")
    expect(card.locator(".response")).not_to_contain_text("over")
    expect(card.locator(".done-by")).to_have_text(
        ["Acknowledged by Əli, 22 Nov, 14:20", "On site: Əli, 22 Nov, 14:20"]
    )


def test_who_is_on_site_or_finds_nothing_says_so_with_one_button(
    opened: Open, world: World
) -> None:
    page = opened().page
    known(page)
    card = alert(page)
    card.get_by_role("button", name="On site").click()
    expect(card.locator(".done-by").last).to_contain_text("On site: Leyla")
    expect(card.get_by_role("button", name="Acknowledge")).to_be_hidden()
    expect(card.get_by_role("button", name="On site")).to_be_hidden()
    card.get_by_role("button", name="False alarm").click()

    expect(card.locator(".done-by").last).to_contain_text("Called a false alarm by Leyla")
    said = world.alerts[0]
    assert (said["on_site_by"], said["false_alarm_by"]) == ("Leyla", "Leyla")


def test_an_alert_is_silenced_for_the_hours_that_are_chosen_and_told_again(
    opened: Open, world: World
) -> None:
    page = opened().page
    known(page)
    alert(page).get_by_label("Silence for").select_option("24 h")
    alert(page).get_by_role("button", name="Silence", exact=True).click()
    village = people(page)
    expect(village.locator("summary").first).to_have_text("Ağ Dərə · 2 contacts · 1 silence")
    expect(village).to_contain_text(
        "Blockage or collapse in the gallery22 Nov, 14:20 to 23 Nov, 14:20 · Leyla (office)"
    )
    assert [(s["kahriz"], s["kind"]) for s in world.silences] == [("agh-dere", "blockage")]
    village.get_by_role("button", name="End silence").click()

    expect(village).to_contain_text("Nothing is silenced, nobody works there.")
    assert world.silences == []


def test_a_key_is_asked_for_before_anything_is_silenced(opened: Open, world: World) -> None:
    page = opened().page
    alert(page).get_by_role("button", name="Silence", exact=True).click()
    expect(page.locator("#key-dialog")).to_be_visible()
    page.get_by_role("button", name="Cancel").click()

    expect(page.locator("#key-dialog")).to_be_hidden()
    assert world.silences == []


def test_contacts_are_shown_in_the_order_they_are_called_in_with_what_they_get(
    opened: Open,
) -> None:
    page = opened().page
    village = people(page)

    expect(village.locator("ol li")).to_have_text(
        [
            "Committee chairchair · +9945******01 · AZ, one SMS · left to sleep 22:00-08:00"
            " · agreed on 1 May 2026",
            "District engineerengineer · +9945******09 · water@*********rg · EN, one SMS"
            " · told at any hour · agreed on 1 May 2026",
        ]
    )
    barana = people(page, "barana")
    expect(barana).to_contain_text("consent not noted")
    expect(barana.locator(".doubt")).to_have_text(
        ["Nobody of the village is told by phone.", "said stop: nothing is sent"]
    )
    expect(people(page, "velibey").locator(".doubt")).to_have_text(
        "Nobody is told: there is no contact."
    )


def test_a_kahriz_where_nobody_is_reached_has_a_warning_sign(opened: Open) -> None:
    page = opened().page
    summaries = page.locator("#people-body > details > summary")

    expect(summaries).to_have_text(
        ["Ağ Dərə · 2 contacts", "Barana · 1 contact", "Vəlibəy · 0 contacts"]
    )
    signs = [summary.locator(".sign").count() for summary in summaries.all()]
    assert signs == [0, 1, 1]


def test_works_that_are_on_are_shown_and_ended(opened: Open, world: World) -> None:
    works: dict[str, Any] = {
        "id": 1,
        "kahriz": "agh-dere",
        "start": iso(world.now),
        "end": None,
        "is_new_normal": False,
        "note": "cleaning <b>",
        "by": "Aydin (office)",
    }
    world.works.append(works)
    page = opened().page
    known(page)
    village = people(page)
    expect(village).to_contain_text("Workssince 22 Nov, 14:20 · cleaning <b> · Aydin (office)")
    village.get_by_role("button", name="Works are over").click()

    expect(village).to_contain_text("Nothing is silenced, nobody works there.")
    assert works["end"] is not None


def test_a_silence_of_every_kahriz_stands_at_each(opened: Open, world: World) -> None:
    world.silence(None, None, 4, "Aydin")
    page = opened().page

    for kahriz in ("agh-dere", "barana"):
        expect(people(page, kahriz)).to_contain_text("Any troubleevery kahriz · 22 Nov, 14:20 to")


def test_every_text_is_read_before_it_is_sent(opened: Open) -> None:
    page = opened().page
    village = people(page)
    village.get_by_text("Every text, before it is sent").click()

    expect(village.locator(".bubble")).to_have_text([FOLDED, ENGLISH])
    expect(village.locator(".phone").first).to_contain_text(
        "Blockage or collapse in the gallery: first wordCommittee chair"
    )
    expect(village.locator(".phone").first).to_contain_text(
        f"GSM-7 · 1 part · {len(FOLDED)} characters"
    )


def test_the_month_s_texts_and_their_cost_are_told_by_contact(opened: Open) -> None:
    page = opened().page
    village = people(page)

    expect(page.locator("#month")).to_have_text(
        "2026-11: 14 texts written, 14 SMS paid for, 12 known to have arrived. Cost: 0.70 AZN."
    )
    expect(village.locator(".month tbody tr")).to_have_text(
        [
            "Committee chair +9945******01910800" + "0.50 AZN",
            "District engineer +9945******0954410" + "0.20 AZN",
            "Together1414121" + "0" + "0.70 AZN",
        ]
    )
    expect(people(page, "barana")).to_contain_text("No text this month.")


def test_without_a_price_no_cost_is_made_up(opened: Open, world: World) -> None:
    world.month["price_a_part"] = 0.0
    page = opened().page

    expect(page.locator("#month")).to_contain_text("No price an SMS is set.")
    expect(people(page).locator(".month thead")).to_have_text("ToTextsSMSArrivedNot sentToo late")


def test_a_contact_that_changes_is_seen_without_a_reload_and_what_is_open_stays_open(
    opened: Open, api: FakeApi, world: World
) -> None:
    page = opened().page
    village = people(page)
    world.contacts[0]["name"] = "Chair <i>"
    api.tell("people")

    expect(village.locator("ol b").first).to_have_text("Chair <i>")
    expect(village.locator("ol")).to_be_visible()


@pytest.mark.parametrize("language", ["az-AZ", "en-GB", "ru-RU"])
def test_people_fit_on_a_small_phone_in_every_language(
    opened: Open, world: World, language: str
) -> None:
    world.silence("agh-dere", "tap_leak", 24, "Aydin")
    page = opened(width=360, height=800, locale=language).page
    village = people(page)
    village.locator(".previews summary").click()
    expect(village.locator(".bubble")).to_have_count(2)

    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_nothing_is_amiss_in_the_console_while_people_are_read(opened: Open) -> None:
    seen = opened()
    village = people(seen.page)
    village.locator(".previews summary").click()
    expect(village.locator(".bubble")).to_have_count(2)

    assert seen.complaints == []
