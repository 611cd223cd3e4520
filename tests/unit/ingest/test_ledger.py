"""What a device may free follows from what is durable, and from nothing else."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from ingest.ledger import MAX_ALSO, MAX_BOOTS, BootLedger, Ledger, Ranges
from kahriz.book.ledger import BootRecord

SPAN = st.tuples(st.integers(0, 60), st.integers(0, 8)).map(lambda s: (s[0], s[0] + s[1]))


@given(st.lists(SPAN, max_size=30))
def test_ranges_hold_what_a_set_of_integers_would_hold(spans: list[tuple[int, int]]) -> None:
    ranges, numbers = Ranges(), set[int]()
    for first, last in spans:
        new = set(range(first, last + 1))
        assert ranges.add(first, last) == len(new - numbers)
        numbers |= new

    held = {n for a, b in zip(ranges.firsts, ranges.lasts, strict=True) for n in range(a, b + 1)}
    assert held == numbers
    gaps = zip(ranges.lasts, ranges.firsts[1:], strict=False)
    assert all(after - before > 1 for before, after in gaps), "neighbours are one range"


@given(st.lists(SPAN, max_size=30), st.integers(1, 5))
def test_the_changes_written_one_after_another_rebuild_the_ranges(
    spans: list[tuple[int, int]], every: int
) -> None:
    ranges, table = Ranges(), dict[int, int]()
    for i, (first, last) in enumerate(spans):
        ranges.add(first, last)
        if i % every == 0:
            _apply(ranges, table)
    _apply(ranges, table)

    assert sorted(table.items()) == list(zip(ranges.firsts, ranges.lasts, strict=True))


def _apply(ranges: Ranges, table: dict[int, int]) -> None:
    added, removed = ranges.changes()
    for first in removed:
        table.pop(first, None)
    table.update(added)


def test_nothing_beyond_a_hole_is_acknowledged_as_upto() -> None:
    boot = BootLedger(floor=0, ranges=Ranges())
    boot.ranges.add(0, 4)
    boot.ranges.add(7, 9)

    assert boot.acknowledgement() == (4, [(7, 9)])


def test_a_device_that_lost_its_oldest_readings_closes_the_hole_itself() -> None:
    boot = BootLedger(floor=0, ranges=Ranges())
    boot.ranges.add(0, 4)
    boot.ranges.add(7, 9)
    lost = boot.raise_floor(7)

    assert lost == 2
    assert boot.acknowledgement() == (9, [])


def test_before_the_oldest_reading_has_come_only_ranges_are_acknowledged() -> None:
    boot = BootLedger(floor=0, ranges=Ranges())
    boot.ranges.add(5, 6)

    assert boot.acknowledgement() == (None, [(5, 6)])


def test_live_data_first_does_not_free_a_backlog_that_was_announced() -> None:
    ledger = Ledger(lambda device, boot: None)
    boot = ledger.boot("d", 1, begins_at=100)
    boot.ranges.add(250, 250)

    assert boot.acknowledgement() == (99, [(250, 250)])


def test_a_boot_never_heard_begins_where_it_is_said_to_begin() -> None:
    ledger = Ledger(lambda device, boot: None)
    boot = ledger.boot("d", 1, begins_at=17)
    boot.ranges.add(17, 17)

    assert boot.acknowledgement() == (17, [])


@given(st.lists(SPAN, max_size=30), st.integers(0, 60), st.integers(0, 70))
def test_an_acknowledgement_covers_what_came_or_is_gone_and_nothing_else(
    spans: list[tuple[int, int]], floor: int, oldest: int
) -> None:
    boot, numbers = BootLedger(floor, Ranges()), set[int]()
    for first, last in spans:
        boot.ranges.add(first, last)
        numbers |= set(range(first, last + 1))
    lost = boot.raise_floor(oldest)
    upto, also = boot.acknowledgement()

    covered = numbers | set(range(max(floor, oldest)))
    told = set(range(-1 if upto is None else upto + 1)) | {
        n for a, b in also for n in range(a, b + 1)
    }
    assert lost == len(set(range(floor, oldest)) - numbers)
    assert told <= covered
    assert told == covered or len(also) == MAX_ALSO
    assert upto is None or upto + 1 not in covered


def test_an_acknowledgement_names_at_most_so_many_ranges_the_newest() -> None:
    boot = BootLedger(floor=0, ranges=Ranges())
    for first in range(1, 100, 2):
        boot.ranges.add(first, first)

    assert boot.acknowledgement() == (None, [(n, n) for n in range(69, 100, 2)])


def test_a_device_that_draws_its_boots_does_not_fill_the_memory() -> None:
    asked: list[int] = []

    def find(device: str, boot: int) -> BootRecord | None:
        asked.append(boot)
        return None if boot not in asked[:-1] else BootRecord(0, ((0, 3),))

    ledger = Ledger(find)
    for boot in range(MAX_BOOTS + 5):
        ledger.boot("d", boot, begins_at=0)
        ledger.trim()

    assert ledger.boot("d", MAX_BOOTS + 4, begins_at=0).is_new
    assert asked[-1] == MAX_BOOTS + 4, "the newest are still in memory"
    assert ledger.boot("d", 0, begins_at=0).acknowledgement() == (3, [])


def test_after_a_restart_the_ledger_goes_on_from_the_book() -> None:
    ledger = Ledger(lambda device, boot: BootRecord(3, ((3, 8),)))
    boot = ledger.boot("d", 1, begins_at=9)
    repeated = boot.ranges.add(7, 9)

    assert repeated == 1
    assert boot.acknowledgement() == (9, [])
