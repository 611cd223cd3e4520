"""A loop outlives its steps: what goes wrong is said once, counted, and shown until it is over."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import pytest
from sqlalchemy.exc import OperationalError

from ingest.loops import Loop, all_of
from ingest.metrics import Health, Metrics
from kahriz.errors import StoreUnavailable


class House:
    """A loop with what it reports to."""

    def __init__(
        self,
        step: Callable[[], bool],
        interval_s: float = 60,
        gives_way: Callable[[], bool] = lambda: False,
    ) -> None:
        self.metrics, self.health = Metrics(), Health(wall=lambda: 100.0)
        self.loop = Loop("rollups", step, interval_s, self.metrics, self.health, gives_way)

    @property
    def errors(self) -> float | None:
        labels = {"loop": "rollups"}
        return self.metrics.registry.get_sample_value("kahriz_loop_errors_total", labels)


def raising(*errors: Exception | None) -> Callable[[], bool]:
    left = list(errors)

    def step() -> bool:
        error = left.pop(0)
        if error is not None:
            raise error
        return True

    return step


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (StoreUnavailable("connection refused\nand a stack"), "connection refused"),
        (OperationalError("SELECT 1", {}, Exception("gone")), "(builtins.Exception) gone"),
        (StoreUnavailable(""), "StoreUnavailable"),
    ],
)
def test_what_is_away_is_said_once_and_shown_until_it_is_back(
    error: Exception, reason: str, caplog: pytest.LogCaptureFixture
) -> None:
    house = House(raising(error, error, None))
    with caplog.at_level(logging.INFO):
        results = [house.loop.step_once(), house.loop.step_once()]
        during = dict(house.health.problems)
        results.append(house.loop.step_once())

    assert results == [False, False, True]
    assert during == {"rollups": (100.0, reason)}
    assert house.health.problems == {}
    assert house.errors == 2
    assert [r.message for r in caplog.records] == ["failing", "works again"]


def test_a_fault_in_the_code_of_a_step_is_logged_with_its_trace_and_the_loop_goes_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    house = House(raising(KeyError("stage"), None))
    assert house.loop.step_once() is False
    problems = dict(house.health.problems)

    assert house.loop.step_once() is True
    assert problems["rollups"][1] == "KeyError: 'stage'"
    assert [r.message for r in caplog.records if r.exc_info] == ["step failed"]


def test_a_thread_steps_again_at_once_while_there_is_more_and_ends_when_told() -> None:
    steps: list[int] = []
    enough = threading.Event()

    def step() -> bool:
        steps.append(1)
        if len(steps) == 5:
            enough.set()
        return len(steps) < 5

    house = House(step)
    house.loop.start()
    assert enough.wait(5)
    house.loop.stop()
    house.loop.join(5)

    assert len(steps) == 5, "with nothing more to do it waits its interval of a minute"
    assert not house.loop._thread.is_alive()


def test_a_thread_outlives_errors() -> None:
    again = threading.Event()
    step = raising(RuntimeError("a bug"), StoreUnavailable("away"), None)

    def until_it_works() -> bool:
        more = step()
        again.set()
        house.loop.stop()
        return more

    house = House(until_it_works, interval_s=0.001)
    house.loop.start()

    assert again.wait(5)
    house.loop.join(5)
    assert house.errors == 2


def test_a_loop_that_gives_way_rests_though_there_is_more() -> None:
    steps: list[int] = []
    first = threading.Event()

    def step() -> bool:
        steps.append(1)
        first.wait(0.2)
        first.set()
        return True

    house = House(step, gives_way=lambda: True)
    house.loop.start()
    assert first.wait(5)
    house.loop.stop()
    house.loop.join(5)

    assert len(steps) == 1, "it would have rested many times as long as the step took"


def test_of_steps_that_take_turns_one_that_cannot_go_on_holds_up_no_other() -> None:
    taken: list[str] = []

    def step(name: str, *, more: bool = False) -> Callable[[], bool]:
        def take() -> bool:
            taken.append(name)
            return more

        return take

    def broken() -> bool:
        taken.append("broken")
        raise StoreUnavailable("a sealed day is damaged")

    with pytest.raises(StoreUnavailable, match="sealed day"):
        all_of(step("first"), broken, step("last", more=True))

    assert taken == ["first", "broken", "last"]
    assert all_of(step("first"), step("last", more=True)) is True
    assert all_of(step("first"), step("last")) is False
