"""The page in a real browser: what people see, read and do on it."""

from __future__ import annotations

import re
from datetime import timedelta
from itertools import pairwise
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Locator, Page, expect

from tests.browser.conftest import Open
from tests.browser.fake_api import KEY, FakeApi
from tests.browser.world import ENGLISH, FOLDED, World, iso, topic

pytestmark = pytest.mark.server

_DRAWN = """canvas => {
  const {width, height} = canvas;
  const data = canvas.getContext("2d").getImageData(0, 0, width, height).data;
  return data.some((value, i) => i % 4 === 3 && value > 0);
}"""
_BLUE_COLUMNS = """canvas => {
  const {width, height} = canvas, context = canvas.getContext("2d");
  const has = x => { const d = context.getImageData(x, 0, 1, height - 40).data;
    for (let i = 0; i < d.length; i += 4)
      if (d[i + 3] > 200 && d[i + 2] > d[i] + 90) return true;
    return false; };
  return Array.from({length: width}, (_, x) => has(x));
}"""


def _card(page: Page, name: str = "Ağ Dərə") -> Locator:
    return page.locator(".card").filter(has=page.get_by_role("heading", name=name, exact=True))


def test_each_kahriz_has_a_card_with_its_water_now_and_yesterday(opened: Open) -> None:
    page = opened().page

    card = _card(page)
    expect(page.locator(".card")).to_have_count(3)
    expect(card).to_contain_text("Molla Cəlilli, Göygöl · drinking water")
    expect(card.locator(".now")).to_contain_text("1.31L/s")
    expect(card.locator(".now")).to_contain_text("into the line 1.09 L/s")
    expect(card.locator(".yesterday")).to_contain_text("173m³")
    expect(card.locator(".yesterday")).to_contain_text("100 % of yesterday measured")


def test_water_over_a_weir_says_how_far_off_it_may_be(opened: Open) -> None:
    page = opened().page

    expect(_card(page, "Barana").locator(".yesterday")).to_contain_text("give or take 29.2 m³")
    expect(_card(page).locator(".yesterday")).not_to_contain_text("give or take")


def test_a_state_is_said_in_words_and_by_its_shape(opened: Open) -> None:
    page = opened().page

    states = page.locator(".card .state")
    expect(states).to_have_text(["Alert", "Flowing", "No signal"])
    shapes = [s.get_attribute("d") for s in states.locator("path").all()]
    assert len(set(shapes)) == 3


def test_litres_a_person_stand_against_the_norms_with_their_sources(opened: Open) -> None:
    card = _card(opened().page)

    expect(card.locator(".person")).to_contain_text("2,500 people")
    expect(card.locator(".mark")).to_have_text(["15", "20", "50", "60", "100"])
    expect(card.locator(".mark.met")).to_have_text(["15", "20", "50", "60"])
    expect(card.locator(".person .verdict")).to_have_text("Meets “design norm” (60 L)")
    card.get_by_role("button", name="100 L: optimal").click()
    expect(card.locator(".person .verdict")).to_have_text(
        "100 L: optimal (WHO 2020, Domestic water quantity)"
    )


def test_a_norm_stays_on_one_line_in_a_wide_letter(opened: Open) -> None:
    page = opened().page
    heights = (
        _card(page)
        .locator(".mark span")
        .evaluate_all("""
      all => all.map((each) => {
        each.style.letterSpacing = "3px";
        return each.offsetHeight;
      })
    """)
    )

    assert set(heights) == {12}  # the letter's own height


def test_no_reading_is_shown_without_its_age(opened: Open) -> None:
    page = opened().page
    page.add_init_script("""
      window.bare = 0;
      (function look() {
        const all = [...document.querySelectorAll("[data-ago]")];
        window.bare += all.filter((each) => !each.textContent).length;
        requestAnimationFrame(look);
      })();
    """)
    page.route("**/api/v1/devices", lambda _route: None)  # the last answer of a round never comes
    page.reload()
    expect(page.locator(".card .now time").first).to_have_text(re.compile("ago"))

    assert page.evaluate("window.bare") == 0


def test_people_counted_by_households_are_called_an_assumption(opened: Open) -> None:
    page = opened().page

    expect(_card(page, "Barana")).to_contain_text("800 people, assumed (4 a household)")
    expect(_card(page, "Vəlibəy")).to_contain_text("people not counted")


def test_an_incomplete_yesterday_says_that_its_figure_counts_only_what_was_measured(
    opened: Open, world: World
) -> None:
    world.kahrizes[0]["yesterday"] |= {"completeness": 0.61, "is_complete": False}
    card = _card(opened().page)

    expect(card.locator(".yesterday .doubt")).to_have_text(
        "Incomplete: 61 % of the day was measured; the figure counts only that."
    )


def test_a_chart_is_drawn_for_every_kahriz_and_follows_the_chosen_range(opened: Open) -> None:
    seen = opened()
    charts = seen.page.locator(".plot canvas")
    expect(charts).to_have_count(3)

    assert all(canvas.evaluate(_DRAWN) for canvas in charts.all())
    with seen.page.expect_request("**/agh-dere.outlet.discharge/observations**") as asked:
        _card(seen.page).get_by_role("button", name="30 days").click()
    assert "2026-10-23" in asked.value.url


def test_a_gap_in_the_readings_stays_a_gap_in_the_chart(opened: Open) -> None:
    page = opened().page
    canvas = _card(page, "Barana").locator(".plot canvas")
    expect(canvas).to_have_count(1)

    # nine silent hours of seven days are a gap of about 5 % of the width
    blue = canvas.evaluate(_BLUE_COLUMNS)
    drawn = "".join("#" if is_blue else " " for is_blue in blue).strip()
    longest = max(len(gap) for gap in drawn.split("#"))
    assert 0.03 < longest / len(drawn) < 0.09


def test_the_labels_of_an_axis_are_not_rounded_to_untrue_ones(opened: Open) -> None:
    page = opened().page
    digits = "step => import('./chart.js').then(m => m.digitsOf([0, step, 2 * step]))"

    found = {step: page.evaluate(digits, step) for step in (1, 2.5, 0.5, 0.25, 0.1, 10)}
    assert found == {1: 0, 2.5: 1, 0.5: 1, 0.25: 2, 0.1: 1, 10: 0}


def test_suspect_values_stay_visible_and_named(opened: Open) -> None:
    page = opened().page

    expect(_card(page).locator(".legend.suspect")).to_be_visible()
    expect(_card(page, "Barana").locator(".legend.suspect")).to_be_hidden()


def test_days_without_a_full_measurement_look_and_read_different(opened: Open) -> None:
    card = _card(opened().page)

    expect(card.locator(".day")).to_have_count(30)
    expect(card.locator(".day.incomplete")).to_have_count(3)
    expect(card.locator(".day.none")).to_have_count(1)
    expect(card.locator(".day.today")).to_have_count(1)
    hatched, full = (
        card.locator(f".day.{kind} .bar").first.evaluate("bar => getComputedStyle(bar).background")
        for kind in ("incomplete", "complete")
    )
    assert "gradient" in hatched
    assert "gradient" not in full
    card.locator(".day.incomplete").first.hover()
    expect(card.locator(".days .verdict")).to_contain_text("40 % measured")


def test_the_days_can_be_read_as_a_table(opened: Open) -> None:
    card = _card(opened().page)
    card.get_by_text("As a table").click()

    row = card.get_by_role("row", name="18 Nov")
    expect(row).to_contain_text("62 % ◐")
    expect(card.get_by_role("row")).to_have_count(31)


def test_a_rating_is_drawn_with_its_gaugings_and_what_lies_between(opened: Open) -> None:
    seen = opened()
    card = _card(seen.page)
    card.get_by_text("Stage to discharge: the curve and its gaugings").click()
    part = card.locator("details.rating")

    expect(part.locator(".lines li")).to_contain_text("V-notch, 90°")
    expect(part.locator(".lines li")).to_contain_text("version 2 · R. Aliyev · since 1 May 2026")
    expect(part.locator(".verdict")).to_have_text(
        "3 of 4 gaugings agree with the curve within what both may be wrong by."
        " On average 7.8 % more was gauged than the curve says."
    )
    expect(part.get_by_role("row")).to_have_count(6)
    off = part.get_by_role("row", name="8.2 3.46 ± 0.40")
    expect(off).to_contain_text("+32.2 % · off")
    expect(part.get_by_role("row", name="no stage known")).to_have_count(1)
    canvas = part.locator("canvas")
    expect(canvas).to_be_visible()
    assert canvas.evaluate(_DRAWN)
    assert seen.complaints == []


def test_a_rating_nobody_has_gauged_says_what_is_enough(opened: Open) -> None:
    card = _card(opened().page, "Barana")
    card.get_by_text("Stage to discharge: the curve and its gaugings").click()

    expect(card.locator("details.rating .verdict")).to_contain_text("a bucket and a stopwatch")
    expect(card.locator("details.rating table")).to_have_count(0)


def _outlook(page: Page, name: str = "Ağ Dərə") -> dict[str, str]:
    lines = _card(page, name).locator(".outlook dl")
    expect(lines).to_be_visible()
    names, figures = lines.locator("dt").all_inner_texts(), lines.locator("dd").all_inner_texts()
    return {each: figure.replace("\n", " | ") for each, figure in zip(names, figures, strict=True)}


def test_each_figure_of_the_outlook_stands_beside_how_sure_and_how_well_known_it_is(
    opened: Open,
) -> None:
    page = opened().page

    assert _outlook(page) == {
        "Water, 30 days": "99 % of the time | 2 interruptions, the longest 4 h · 98 % measured",
        "Days below 60 L (design norm), a year": "4 of 351 known days | at most 18 of 365",
        "Did not arrive, 30 days": "13 % | 846 ± 424 m³ · 27 of 30 days known"
        " · leaks, taps, what runs over",
        "Flow by night": "0.40 L/s | ± 0.02 · 6 of 7 nights known",
        "Water of a year": "73,512 to 75,480 m³ | 351 of 365 days known",
        "Trend of the source": "falls by 0.06 L/s a year | 0.02 to 0.11 · 44 of 47 months known",
        "Will fall below 60 L (design norm)": "between 8 Jan and 3 Mar, likely 26 Jan"
        " | right 8 times in 10 · as in 3 other years",
    }
    # Where nobody counted people no norm is spoken of, and what is not known has no line.
    assert _outlook(page, "Vəlibəy") == {
        "Water, 30 days": "99 % of the time | 2 interruptions, the longest 4 h · 98 % measured",
        "Water of a year": "73,512 to 75,480 m³ | 351 of 365 days known",
        "Trend of the source": "– | three years of readings are needed",
    }


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"latest": None}, "from 8 Jan, likely 26 Jan, perhaps not at all | right 8 times in 10"),
        (
            {"latest": None, "likely": None},
            "hardly before 8 Jan, perhaps not at all | right 8 times",
        ),
        (dict.fromkeys(("earliest", "likely", "latest")), "hardly in the next half year | right 8"),
        (
            {"basis": "recession", "years": 0},
            "likely 26 Jan | right 8 times in 10 · as it falls now",
        ),
        ({"is_extrapolated": False, "basis": "measured"}, "is below now"),
    ],
)
def test_a_forecast_says_no_more_than_it_knows(
    opened: Open, world: World, changes: dict[str, object], said: str
) -> None:
    world.statistics["agh-dere"]["forecasts"][0] |= changes

    assert said in _outlook(opened().page)["Will fall below 60 L (design norm)"]


def test_what_the_instruments_cannot_tell_is_not_told_as_a_figure(
    opened: Open, world: World
) -> None:
    found = world.statistics["agh-dere"]
    found["balance"] |= {"is_certain": False, "uncertainty_m3": 900.0, "reservoir": "not_counted"}
    found["trend"] |= {"is_significant": False}
    found["forecasts"] = []
    world.summaries["agh-dere"]["volume_at_most_m3"] = None
    told = _outlook(opened().page)

    assert told["Did not arrive, 30 days"] == (
        "cannot be told | 846 ± 1,800 m³ · 27 of 30 days known · leaks, taps, what runs over"
        " · reservoir not counted"
    )
    assert told["Trend of the source"] == "none that can be told | 44 of 47 months known"
    assert told["Water of a year"] == "at least 73,512 m³ | 351 of 365 days known"
    assert told["Will fall below 60 L (design norm)"] == "– | too little is known yet"


def test_water_that_came_from_nowhere_is_blamed_on_an_instrument(
    opened: Open, world: World
) -> None:
    world.statistics["agh-dere"]["balance"] |= {"loss_m3": -846.0, "share": -0.131}

    assert _outlook(opened().page)["Did not arrive, 30 days"].startswith(
        "more arrived than came out: an instrument is wrong | -846 ± 424 m³"
    )


def test_an_outlook_that_cannot_be_loaded_says_so_and_leaves_the_card(
    opened: Open, world: World
) -> None:
    del world.statistics["agh-dere"]
    card = _card(opened().page)

    expect(card.locator(".outlook .error")).to_have_text(
        "Could not load Service and outlook: book: no answer within 10 s"
    )
    expect(card.locator(".now")).to_contain_text("1.31L/s")


def test_a_firing_alert_shows_its_figures_and_both_texts_as_a_phone_would(opened: Open) -> None:
    page = opened().page
    alert = page.locator("#alerts .alert-card")

    expect(alert).to_contain_text("#K7")
    expect(alert).to_contain_text("Ağ Dərə: Blockage or collapse in the gallery")
    expect(alert.locator(".evidence")).to_contain_text("-46 %")
    expect(alert.locator(".evidence")).to_contain_text("+0.118 m")
    expect(alert.locator(".timeline li")).to_have_count(3)
    expect(alert.locator(".bubble")).to_have_text([FOLDED, ENGLISH])
    expect(alert.locator(".bubble").first).to_have_attribute("lang", "az")
    expect(alert.locator(".phone").first).to_contain_text("+99450•••0001")
    expect(alert.locator(".phone").first).to_contain_text(
        f"GSM-7 · 1 part · {len(FOLDED)} characters"
    )


def test_a_change_appears_without_a_reload(opened: Open, api: FakeApi, world: World) -> None:
    page = opened().page
    expect(page.locator("#link")).to_have_text("Live")
    page.evaluate("window.isTheSamePage = true")
    world.kahrizes[1]["outlet_now"]["discharge_lps"] = 2.05
    world.alerts = []
    world.kahrizes[0]["state"] = "ok"
    api.tell("latest", "alerts")

    expect(_card(page, "Barana").locator(".now")).to_contain_text("2.05L/s")
    expect(page.locator("#alerts")).to_contain_text("Nothing is wrong that a sensor can see.")
    expect(page.locator("#announce")).to_have_text("Alert K7 at Ağ Dərə is over")
    assert page.evaluate("window.isTheSamePage")


def test_a_new_alert_is_announced_to_screen_readers(
    opened: Open, api: FakeApi, world: World
) -> None:
    firing, world.alerts = world.alerts[0], []
    page = opened().page
    expect(page.locator("#alerts .calm")).to_be_visible()
    world.alerts = [firing]
    api.tell("alerts")

    expect(page.locator("#announce")).to_have_text(
        "New alert K7 at Ağ Dərə: Blockage or collapse in the gallery"
    )
    expect(page.locator("#announce")).to_have_attribute("aria-live", "polite")


def test_hostile_names_are_shown_as_text(opened: Open, world: World) -> None:
    hostile = '<img src=x onerror="window.isBroken=1"><b>x'
    kahriz = world.kahrizes[0]
    for key in ("name", "village", "district", "access_note"):
        kahriz[key] = hostile
    kahriz["norms"] = [{"lpcd": 15, "name": hostile, "source": hostile}]
    world.alerts[0] |= {"explanation": hostile, "evidence": {hostile: hostile}, "kind": hostile}
    world.alerts[0]["messages"][0] |= {"text": hostile, "contact": hostile, "state": hostile}
    world.devices[0]["device"] = hostile
    seen = opened()

    expect(seen.page.get_by_role("heading", name=hostile, exact=True)).to_be_visible()
    expect(seen.page.locator(".bubble").first).to_have_text(hostile)
    assert seen.page.locator("img").count() == 0
    assert seen.page.evaluate("window.isBroken") is None
    assert seen.complaints == []


@pytest.mark.parametrize("language", ["az", "en", "ru"])
def test_a_small_phone_needs_no_sideways_scrolling(opened: Open, language: str) -> None:
    page = opened(width=360, height=740, locale=language).page
    expect(page.locator(".plot canvas")).to_have_count(3)
    page.locator("summary").evaluate_all("all => all.forEach(s => s.click())")

    expect(page.locator("html")).to_have_attribute("lang", language)
    assert page.evaluate("document.documentElement.scrollWidth") == 360


def test_nothing_leaves_the_origin_and_the_console_stays_silent(opened: Open, api: FakeApi) -> None:
    seen = opened()
    expect(seen.page.locator(".plot canvas")).to_have_count(3)
    seen.page.get_by_role("button", name="Русский").click()
    expect(seen.page.get_by_role("heading", name="Кяхризы")).to_be_visible()

    assert seen.hosts() == {urlsplit(api.url).netloc}
    assert seen.complaints == []


def test_the_language_is_switched_and_remembered(opened: Open) -> None:
    page = opened().page
    page.get_by_role("button", name="Azərbaycanca").click()
    expect(page.get_by_role("heading", name="Xəbərdarlıqlar", exact=True)).to_be_visible()
    page.reload()

    expect(page.get_by_role("heading", name="Xəbərdarlıqlar", exact=True)).to_be_visible()
    expect(_card(page).locator(".now")).to_contain_text("1,31L/s")
    expect(page.locator("#clock")).to_contain_text("noy")


def test_an_alert_is_acknowledged_with_a_name_and_a_key_that_is_asked_for_once(
    opened: Open, world: World
) -> None:
    second = world.alerts[0] | {"id": 8, "code": "K8", "kahriz": "barana"}
    world.alerts = [world.alerts[0], second]
    page = opened().page
    page.locator('[data-alert="7"]').get_by_role("button", name="Acknowledge").click()
    page.get_by_label("Your name").fill("Leyla")
    page.get_by_label("API key").fill("kz_wrong_key")
    page.get_by_role("button", name="Go on").click()
    expect(page.locator("#key-error")).to_have_text("this key is not known here")
    page.get_by_label("API key").fill(KEY)
    page.get_by_role("button", name="Go on").click()
    expect(page.locator('[data-alert="7"]')).to_contain_text("Acknowledged by Leyla, 22 Nov, 14:20")
    page.locator('[data-alert="8"]').get_by_role("button", name="Acknowledge").click()

    expect(page.locator('[data-alert="8"]')).to_contain_text("Acknowledged by Leyla")
    assert page.evaluate("localStorage.getItem('apiKey')") is None


def test_a_lost_connection_is_said_and_the_figures_stay(
    opened: Open, api: FakeApi, world: World
) -> None:
    page = opened().page
    expect(page.locator("#link")).to_have_text("Live")
    api.go_silent()

    expect(page.locator("#link")).to_contain_text("Connection lost since", timeout=15000)
    expect(page.locator("#trouble")).to_contain_text("What you see is what was known then.")
    expect(_card(page).locator(".now")).to_contain_text("1.31L/s")
    world.kahrizes[0]["outlet_now"]["discharge_lps"] = 1.5
    api.come_back()
    expect(_card(page).locator(".now")).to_contain_text("1.50L/s", timeout=15000)
    expect(page.locator("#trouble")).to_be_hidden()


def test_a_degraded_service_says_what_is_wrong(opened: Open, world: World) -> None:
    since = iso(world.now - timedelta(minutes=3))
    check = {"name": "ingest", "ok": False, "detail": "no heartbeat for 40 s"}
    world.health = {"status": "degraded", "since": since, "checks": [check]}
    page = opened().page

    expect(page.locator("#trouble")).to_contain_text("ingest: no heartbeat for 40 s")


def test_empty_answers_are_words_not_a_blank_page(opened: Open, world: World) -> None:
    world.kahrizes, world.alerts, world.devices = [], [], []
    page = opened(wait="#devices .empty").page

    expect(page.locator("#cards")).to_have_text("No kahriz yet. They are named in sites.toml.")
    expect(page.locator("#devices-body")).to_have_text("No device has been heard yet.")


def test_a_kahriz_without_any_data_yet_still_has_its_card(opened: Open, world: World) -> None:
    nothing = ("outlet_now", "delivery_now", "yesterday", "today")
    world.kahrizes[0] |= dict.fromkeys(nothing) | {"state": "unknown", "datastreams": []}
    seen = opened()

    card = _card(seen.page)
    expect(card.locator(".state")).to_have_text("No data yet")
    expect(card.locator(".now")).to_contain_text("no reading yet")
    expect(card.locator(".chart .note")).to_have_text("No readings in this time.")
    assert seen.complaints == []


def test_without_the_chart_library_everything_else_is_there(opened: Open) -> None:
    page = opened().page
    page.route("**/vendor/*", lambda route: route.abort())
    page.reload()

    expect(_card(page).locator(".chart .note")).to_contain_text("python -m dashboards.install")
    expect(_card(page).locator(".now")).to_contain_text("1.31L/s")
    expect(_card(page).locator(".day")).to_have_count(30)


def test_an_alert_that_is_over_is_read_when_it_is_opened(opened: Open) -> None:
    page = opened().page
    past = page.locator("#earlier")
    past.get_by_text("#K3 · Barana · No signal").click()

    expect(past.locator(".explanation")).to_have_text("barana-outlet was not heard for 9.0 h.")
    expect(past.locator(".timeline li")).to_have_count(1)
    expect(past.get_by_role("button", name="Acknowledge")).to_be_hidden()


def test_simulated_time_is_called_that_only_when_it_is(opened: Open, world: World) -> None:
    page = opened().page
    expect(page.locator("#speed")).to_have_text("Simulated time 300×")
    world.speed = 1.0
    page.reload()

    expect(page.locator(".card")).to_have_count(3)
    expect(page.locator("#speed")).to_be_hidden()


def test_a_card_says_what_is_still_learned_there_and_what_will_never_be_seen(
    opened: Open, world: World
) -> None:
    world.learning["agh-dere"] = [
        topic("usual", 0.25, 2 / 3),
        topic("curve", 4, 10, "shaft"),
        topic("season", 46, 45),
        topic("battery", 5, 7, "outlet"),
        topic("battery", 2, 7, "shaft"),
    ]
    world.cannot_see["agh-dere"] = [{"kind": "tap_leak", "why": "no_line"}]
    seen = opened()

    expect(_card(seen.page).locator(".learning p")).to_have_text(
        [
            "Still being learned, so not yet seen: sudden changes (6 of 16 h),"
            " slow changes (4 of 10 days), the battery (2 of 7 days).",
            "Cannot be seen here: taps and leaks (no meter on the line).",
        ]
    )
    expect(_card(seen.page, "Barana").locator(".learning p")).to_have_count(0)
    boxes = [line.bounding_box() for line in _card(seen.page).locator(".notes p").all()]
    drawn = [box for box in boxes if box]
    assert len(drawn) == 3
    assert all(b["y"] >= a["y"] + a["height"] for a, b in pairwise(drawn))
    assert seen.complaints == []


def test_devices_tell_what_was_lost_and_which_battery_is_low(opened: Open) -> None:
    page = opened().page
    row = page.get_by_role("row", name="velibey-outlet")

    expect(row).to_contain_text("offline")
    expect(row).to_contain_text("11.3 V ↓")
    expect(row.locator("td").last).to_have_text("28")
    expect(row.locator("td").first).to_have_text("7 h ago")
