"""Of what a device counted: how much came, is lost, may still come; on SQLite and PostgreSQL."""

from __future__ import annotations

from itertools import count

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ingest.ledger import Ledger
from kahriz.book import Book, ledger
from kahriz.book.ledger import Gaps


def heard(
    book: Book, *messages: tuple[int, int, int | None], device: str = "d", boot: int = 1
) -> int:
    """Enter (first, last, oldest) as ingest does; return how many were counted as lost."""
    lost = 0
    for first, last, oldest in messages:
        with book.begin() as connection:
            state = Ledger(lambda d, b: ledger.find_boot(connection, d, b)).boot(
                device, boot, first if oldest is None else oldest
            )
            state.ranges.add(first, last)
            lost += 0 if oldest is None else state.raise_floor(oldest)
            added, removed = state.ranges.changes()
            ledger.put_ranges(
                connection,
                [(device, boot, *span) for span in added],
                [(device, boot, gone) for gone in removed],
            )
            if state.is_new:
                ledger.put_floors(connection, [(device, boot, state.first, state.floor)], 1)
    return lost


def gaps(book: Book, device: str | None = None) -> list[Gaps]:
    with book.read() as connection:
        return ledger.gaps(connection, device)


def test_a_hole_is_pending_until_the_device_says_it_is_lost(book: Book) -> None:
    heard(book, (0, 99, 0), (128, 1439, 0))
    assert gaps(book) == [Gaps("d", 1, 0, 1439, received=1412, lost=0, pending=28)]

    heard(book, (1440, 1440, 128))
    (found,) = gaps(book)
    assert found == Gaps("d", 1, 0, 1440, received=1413, lost=28, pending=0)
    assert found.due == 1441


def test_what_was_gone_before_the_device_was_heard_is_not_lost(book: Book) -> None:
    heard(book, (50, 59, 50))

    assert gaps(book) == [Gaps("d", 1, 50, 59, received=10, lost=0, pending=0)]


def test_what_was_still_to_come_when_it_was_first_heard_and_never_came_is_lost(book: Book) -> None:
    heard(book, (50, 59, 0), (60, 60, 60))

    assert gaps(book) == [Gaps("d", 1, 0, 60, received=11, lost=50, pending=0)]


def test_each_boot_of_each_device_is_told_apart(book: Book) -> None:
    heard(book, (0, 9, None))
    heard(book, (0, 4, None), (6, 6, None), boot=2)
    heard(book, (3, 3, None), device="e")

    assert [(g.device, g.boot, g.received, g.pending) for g in gaps(book)] == [
        ("d", 1, 10, 0),
        ("d", 2, 6, 1),
        ("e", 1, 1, 0),
    ]
    assert [g.device for g in gaps(book, "e")] == ["e"]


_fresh = count()

MESSAGE = st.tuples(st.integers(0, 30), st.integers(0, 5), st.integers(0, 30)).map(
    lambda m: (m[0], m[0] + m[1], min(m[2], m[0]))
)


@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(MESSAGE, min_size=1, max_size=8), st.integers(0, 2**31))
def test_received_lost_and_pending_are_what_sets_of_numbers_would_say(
    book: Book, messages: list[tuple[int, int, int]], boot: int
) -> None:
    device = f"d{next(_fresh)}"
    lost = heard(book, *messages, device=device, boot=boot)
    found = next(g for g in gaps(book, device) if g.boot == boot)

    came = {n for first, last, _ in messages for n in range(first, last + 1)}
    floor = max(oldest for _, _, oldest in messages)
    assert found.received == len(came)
    assert found.lost <= lost, "what was counted as lost and came after all is received"
    assert found.lost == len(set(range(messages[0][2], floor)) - came)
    assert found.pending == len(set(range(floor, max(came) + 1)) - came)
    with book.read() as connection:
        assert ledger.pending(connection)[device] == found.pending
