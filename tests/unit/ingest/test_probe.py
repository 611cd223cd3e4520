"""A store that is away is known though nobody writes."""

from __future__ import annotations

from ingest.metrics import Health
from ingest.probe import PART, QUIET_S, Probe
from kahriz.errors import StoreUnavailable
from kahriz.store.memory import MemoryStore


class AwayStore(MemoryStore):
    """A store that may be away, and counts how often it was asked."""

    def __init__(self) -> None:
        super().__init__()
        self.is_away = False
        self.n_asked = 0

    def check(self) -> None:
        self.n_asked += 1
        if self.is_away:
            raise StoreUnavailable("connection refused")


class House:
    def __init__(self) -> None:
        self.now = 0.0
        self.store = AwayStore()
        self.health = Health(wall=lambda: self.now)
        self.probe = Probe(self.store, self.health, lambda: self.now)


def test_a_store_that_is_away_is_a_problem_until_it_is_back() -> None:
    house = House()
    house.store.is_away = True
    house.probe.step()
    away = dict(house.health.problems)
    house.store.is_away = False
    house.probe.step()

    assert away == {PART: (0.0, "connection refused")}
    assert house.health.problems == {}


def test_a_store_that_takes_what_comes_is_not_asked() -> None:
    house = House()
    for _ in range(10):
        house.health.wrote()
        house.probe.step()
        house.now += QUIET_S / 2

    assert house.store.n_asked == 0
    house.now += QUIET_S
    house.probe.step()
    assert house.store.n_asked == 1
