"""One device may send so much and no more, whatever the others do."""

from __future__ import annotations

from typing import Any, cast

from hypothesis import given
from hypothesis import strategies as st

from ingest.allowance import MOST_BUCKETS, Allowance
from ingest.waiting import Incoming


class House:
    """An allowance of 2 messages a second and 10 at once, and a clock by hand."""

    def __init__(self) -> None:
        self.now = 0.0
        self.allowance = Allowance(2, 10, lambda: self.now)

    def send(self, **messages: int) -> dict[str, int]:
        """Send so many messages a topic; return how many of each were shed."""
        batch = [
            Incoming(topic, b"%d" % i, 1, 1, cast(Any, None))
            for topic, n in messages.items()
            for i in range(n)
        ]
        kept, shed = self.allowance.split(batch)
        assert sorted([*kept, *shed]) == sorted(batch)
        return {topic: sum(m.topic == topic for m in shed) for topic in messages}


def test_a_burst_is_let_through_up_to_its_edge() -> None:
    assert House().send(a=10) == {"a": 0}
    assert House().send(a=11) == {"a": 1}


def test_a_device_that_goes_on_at_the_rate_is_never_shed() -> None:
    house = House()
    house.send(a=10)
    shed = 0
    for _ in range(100):
        house.now += 0.5
        shed += house.send(a=1)["a"]

    assert shed == 0


def test_one_device_beyond_its_allowance_costs_the_others_nothing() -> None:
    house = House()

    assert house.send(a=5, flood=500, b=5) == {"a": 0, "flood": 490, "b": 0}


def test_the_first_messages_of_a_device_are_those_that_are_kept() -> None:
    house = House()
    kept, shed = house.allowance.split(
        [Incoming("a", b"%d" % i, 1, 1, cast(Any, None)) for i in range(12)]
    )

    assert [m.payload for m in kept] == [b"%d" % i for i in range(10)]
    assert [m.payload for m in shed] == [b"10", b"11"]


@given(st.lists(st.tuples(st.floats(0, 3), st.integers(0, 30)), max_size=30))
def test_over_any_time_no_more_passes_than_burst_and_rate_allow(
    steps: list[tuple[float, int]],
) -> None:
    house = House()
    passed = 0
    for pause, n in steps:
        house.now += pause
        passed += n - house.send(a=n)["a"]

    assert passed <= 10 + 2 * house.now + 1e-6


def test_topics_nobody_uses_are_forgotten() -> None:
    house = House()
    for first in range(0, MOST_BUCKETS + 2000, 1000):
        house.send(**{f"t{first + i}": 1 for i in range(1000)})

    assert len(house.allowance._buckets) <= MOST_BUCKETS
