"""The floor: what is reached on a few fixed stations, so that nobody lowers it unseen."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from bench.score.data import Collection
from bench.score.detectors import Contestant, ours, peer
from bench.score.judge import judge
from bench.score.peers import PEERS
from bench.score.stations import DEV_SEEDS, FLOOR_SEED, REPORT_SEEDS, simulated

STATIONS = 3


@dataclass(frozen=True)
class Floor:
    """Bounds of the committee's figures, and of all kinds together."""

    precision: tuple[float, float]
    recall: tuple[float, float]
    false_per_month: tuple[float, float]
    f1_of_all: tuple[float, float]


FLOORS: dict[str, tuple[Contestant, Floor]] = {
    "Hampel": (
        peer(PEERS["Hampel"]),
        # It sees what is sudden, and neither droughts, silting nor leaks.
        Floor((0.4, 0.8), (0.3, 0.6), (0.05, 0.4), (0.35, 0.65)),
    ),
    "ours": (ours(), Floor((0.8, 1.0), (0.9, 1.0), (0.0, 0.06), (0.75, 1.0))),
}


@pytest.fixture(scope="module")
def fresh() -> Collection:
    return simulated(FLOOR_SEED, STATIONS)


def test_the_floor_is_neither_tuned_on_nor_reported() -> None:
    assert FLOOR_SEED not in {*DEV_SEEDS, *REPORT_SEEDS}


@pytest.mark.parametrize("name", FLOORS)
def test_a_detector_keeps_what_it_reached(name: str, fresh: Collection) -> None:
    contestant, floor = FLOORS[name]
    scores = judge(fresh, contestant(fresh))
    committee = scores.audiences["committee"]

    assert floor.precision[0] <= committee.precision <= floor.precision[1]
    assert floor.recall[0] <= committee.recall <= floor.recall[1]
    assert floor.false_per_month[0] <= committee.false_per_month <= floor.false_per_month[1]
    assert floor.f1_of_all[0] <= scores.everybody.f1 <= floor.f1_of_all[1]
