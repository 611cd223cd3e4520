"""What is remembered of a kahriz: small, and the same after it was put away and taken up again."""

from __future__ import annotations

import zlib

import msgspec
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from kahriz.detect import Detection
from kahriz.detect.gallery import Gallery, State, dump, load
from kahriz.detect.station.channel import DAY, IMPOSSIBLE
from tests.unit.detect.station.days import (
    BATTERY,
    FIRST,
    LEARNED,
    LINE,
    OUTLET,
    SHAFT,
    Days,
    kahriz,
    learned,
)

AT_MOST = 16_000
SINCE = 62.3
UNTIL = 67


def pumped() -> Days:
    water = Days()
    return water.comes(-0.25 * ((water.day % 1 > 0.2) & (water.day % 1 < 0.87) & (water.day > 62)))


TROUBLES = {
    "quiet": Days(),
    "blocked": Days().blocked(SINCE, until=SINCE + 2),
    "filled up": Days().blocked(SINCE, part=0.25, rise=0.12, over=5),
    "pumped": pumped(),
    "tapped": Days().tapped(SINCE),
    "flow off": Days().shifted(OUTLET, SINCE, -0.2, SINCE + 2),
    "level off": Days().shifted(SHAFT, SINCE, 0.1, SINCE + 2),
    "level far off": Days().shifted(SHAFT, SINCE, 0.3, SINCE + 2),
    "faults": Days().says(SHAFT, IMPOSSIBLE, SINCE, SINCE + 0.5).says(LINE, 9.0, SINCE, SINCE + 1),
    "noise": Days().noisy(OUTLET, SINCE, 0.1, SINCE + 1).drifted(BATTERY, SINCE, -0.4, 1),
    "silence": Days().says(OUTLET, np.nan, SINCE, SINCE + 1).says(SHAFT, np.nan, 63, 65),
}


def walked(
    water: Days, restored_at: frozenset[int], *sites: str
) -> tuple[list[list[Detection]], bytes]:
    """Return what is said step by step, and what is remembered in the end.

    At some of the steps the gallery is put away and taken up again.
    """
    gallery, said = learned(*sites), []
    for number, (at, values) in enumerate(water.steps(LEARNED, UNTIL)):
        if number in restored_at:
            gallery = Gallery(gallery.kahriz, load(dump(gallery.state)))
        gallery.step(at, values)
        said.append(gallery.detections())
    return said, dump(gallery.state)


@pytest.fixture(scope="module")
def unbroken() -> dict[str, tuple[list[list[Detection]], bytes]]:
    """Return the same without having been put away."""
    return {name: walked(water, frozenset()) for name, water in TROUBLES.items()}


STEPS = (UNTIL - LEARNED) * DAY


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    name=st.sampled_from(sorted(TROUBLES)),
    restored_at=st.frozensets(st.integers(0, STEPS - 1), min_size=1, max_size=4),
)
def test_put_away_at_any_step_it_goes_on_as_if_nothing_had_been(
    unbroken: dict[str, tuple[list[list[Detection]], bytes]],
    name: str,
    restored_at: frozenset[int],
) -> None:
    assert walked(TROUBLES[name], restored_at) == unbroken[name]


def test_put_away_at_every_step_through_trouble_it_goes_on_the_same(
    unbroken: dict[str, tuple[list[list[Detection]], bytes]],
) -> None:
    every = frozenset(range(round(2.2 * DAY), round(3 * DAY)))

    assert walked(TROUBLES["blocked"], every) == unbroken["blocked"]
    assert any(unbroken["blocked"][0])


@pytest.mark.parametrize(("sites", "name"), [(("shaft",), "level far off"), (("line",), "faults")])
def test_instruments_without_an_outlet_can_be_put_away_too(
    sites: tuple[str, ...], name: str
) -> None:
    every = frozenset(range(round(2.2 * DAY), round(4 * DAY), 7))
    unbroken = walked(TROUBLES[name], frozenset(), *sites)

    assert walked(TROUBLES[name], every, *sites) == unbroken
    assert any(unbroken[0])


def test_from_the_first_step_on_it_can_be_put_away() -> None:
    whole, broken = Gallery(kahriz(battery=True)), Gallery(kahriz(battery=True))
    for at, values in Days().steps(0, 1.2):
        broken = Gallery(broken.kahriz, load(dump(broken.state)))
        for gallery in (whole, broken):
            gallery.step(at, values)

    assert dump(whole.state) == dump(broken.state)


@pytest.mark.parametrize("sites", [(), ("outlet",), ("shaft",), ("line",)])
def test_after_200_days_with_every_trouble_it_is_small(sites: tuple[str, ...]) -> None:
    gallery = Gallery(kahriz(*sites, battery=True))
    water = Days(days=200, noise=0.02, stage_noise=0.003)
    water.blocked(60, until=70).tapped(90).shifted(SHAFT, 120, 0.2, 130)
    water.noisy(OUTLET, 140, 0.2, 145).says(LINE, np.nan, 150, 160)
    largest = 0
    for at, values in water.steps(0, 200):
        gallery.step(at, values)
        if at % (5 * DAY) == 0:
            largest = max(largest, len(dump(gallery.state)))

    assert 500 < largest <= AT_MOST


def test_what_is_remembered_is_the_instant_too() -> None:
    gallery = learned()

    assert load(dump(gallery.state)).at == FIRST + LEARNED * DAY - 1
    assert load(dump(State())) == State()


@pytest.mark.parametrize(
    "rubbish",
    [
        b"",
        b"rubbish",
        zlib.compress(b"rubbish"),
        zlib.compress(msgspec.msgpack.encode({"at": "noon"})),
        zlib.compress(msgspec.msgpack.encode({"station": {"outlet": {"water": 3}}})),
        zlib.compress(msgspec.msgpack.encode([1, 2, 3])),
    ],
)
def test_rubbish_is_named_and_not_believed(rubbish: bytes) -> None:
    with pytest.raises(ValueError, match="no state of a kahriz"):
        load(rubbish)


def test_a_state_that_was_cut_off_or_changed_is_not_believed() -> None:
    whole = dump(learned().state)
    for damaged in (whole[:-1], whole[: len(whole) // 2], whole[:100] + b"\0" + whole[101:]):
        with pytest.raises(ValueError, match="no state of a kahriz"):
            load(damaged)
