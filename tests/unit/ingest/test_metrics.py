"""What an operator watches is true, also of a part that just does not answer."""

from __future__ import annotations

from collections import Counter

from prometheus_client import generate_latest

from ingest.metrics import STALL_S, Health, Metrics


class House:
    """A health report and the wall clock it looks at."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.health = Health(wall=lambda: self.now)

    def said(self) -> tuple[object, object, object]:
        report = self.health.report("connected", 0)
        return report["status"], report["since_ms"], report["reason"]


def test_a_part_that_gives_no_answer_is_a_problem_before_it_has_failed() -> None:
    house = House()
    house.health.asked("store")
    house.now += STALL_S - 0.1
    before = house.said()
    house.now += 0.2

    assert before == ("ok", None, "")
    assert house.said() == ("degraded", 1_000_000, "store: no answer for 3 s")


def test_what_fails_after_a_long_silence_is_wrong_since_it_was_asked() -> None:
    house = House()
    house.health.asked("store")
    house.now += 10
    house.health.failed("store", "timed out")
    house.now += 10
    house.health.asked("store")
    house.now += 10

    assert house.said() == ("degraded", 1_000_000, "store: timed out")
    house.health.worked("store")
    assert house.said() == ("ok", None, "")


def test_a_part_that_answers_in_time_is_no_problem_later() -> None:
    house = House()
    house.health.asked("book")
    house.health.worked("book")
    house.now += 100

    assert house.said()[0] == "ok"


def test_every_device_has_its_own_line_with_the_time_it_was_last_heard() -> None:
    metrics = Metrics()
    metrics.seen.heard(["a", "b"], 100.0)
    metrics.seen.heard(["b"], 200.0)
    text = generate_latest(metrics.registry).decode()

    assert 'kahriz_device_last_seen_timestamp_seconds{device="a"} 100.0' in text
    assert 'kahriz_device_last_seen_timestamp_seconds{device="b"} 200.0' in text


def test_events_that_carry_no_reading_are_counted_by_kind() -> None:
    metrics, ignored = Metrics(), Counter[str]()
    metrics.watch_events(ignored)
    ignored["join"] += 2
    text = generate_latest(metrics.registry).decode()

    assert 'kahriz_lorawan_events_ignored_total{kind="join"} 2.0' in text
