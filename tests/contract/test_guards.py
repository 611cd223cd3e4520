"""Clocks and leases are kept alike by SQLite and by a real PostgreSQL."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor

from ingest.clocks import keep_in
from kahriz.book import Book, clocks, lease
from kahriz.book.clocks import Segment
from kahriz.book.lease import Holder, Lease

NOW_MS = 1_777_636_800_000
A_DAY_MS = 86_400_000


def wanted(pid: int) -> Lease:
    return Lease("ingest:a", f"token-{pid}", Holder("pump-house", pid), 0, NOW_MS)


def test_segments_come_back_by_boot_and_in_the_order_of_readings(book: Book) -> None:
    early, late = Segment(3, -A_DAY_MS, NOW_MS), Segment(2**32 - 1, 0, NOW_MS)
    with book.begin() as connection:
        clocks.put_segments(connection, "d", 2**32 - 1, [late, early], NOW_MS)
        clocks.put_segments(connection, "d", 7, [early], NOW_MS)
    with book.read() as connection:
        assert clocks.list_segments(connection) == {
            ("d", 7): [early],
            ("d", 2**32 - 1): [early, late],
        }
        assert clocks.find_segments(connection, "d", 7) == [early]
        assert clocks.find_segments(connection, "e", 7) == []


def test_of_many_that_decide_at_once_the_first_ones_word_goes(book: Book) -> None:
    keep = keep_in(book)
    ready = threading.Barrier(4)

    def decide(i: int) -> list[Segment]:
        ready.wait(10)
        return keep(("d", 1), [], [Segment(0, 1000 + i, NOW_MS)], NOW_MS)

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(decide, range(4)))

    assert len({tuple(segments) for segments in found}) == 1
    assert len(found[0]) == 1


def test_of_many_that_want_a_lease_at_once_one_gets_it(book: Book) -> None:
    ready = threading.Barrier(4)

    def take(pid: int, instead_of: Lease | None) -> bool:
        ready.wait(10)
        with book.begin() as connection:
            return lease.take(connection, wanted(pid), instead_of)

    with ThreadPoolExecutor(4) as pool:
        first = list(pool.map(lambda pid: take(pid, None), range(4)))
        with book.read() as connection:
            held = lease.find(connection, "ingest:a")
        second = list(pool.map(lambda pid: take(pid, held), range(10, 14)))

    assert sorted(first) == sorted(second) == [False, False, False, True]
    assert held == wanted(first.index(True))


def test_who_checks_its_lease_keeps_it_until_its_transaction_ends(book: Book) -> None:
    with book.begin() as connection:
        lease.take(connection, wanted(1), None)
    checked, order = threading.Event(), []

    def work() -> None:
        with book.begin() as connection:
            assert lease.holds(connection, "ingest:a", "token-1")
            checked.set()
            connection.exec_driver_sql("SELECT 1")
            order.append("worked")

    def take_over() -> None:
        checked.wait(10)
        with book.begin() as connection:
            lease.take(connection, wanted(2), wanted(1))
            order.append("taken over")

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(work), pool.submit(take_over)]:
            done.result(20)
    with book.begin() as connection:
        assert not lease.holds(connection, "ingest:a", "token-1")

    assert order == ["worked", "taken over"]


def test_a_lease_moves_is_not_taken_meanwhile_and_is_given_back(book: Book) -> None:
    with book.begin() as connection:
        lease.take(connection, wanted(1), None)
        lease.renew(connection, "ingest:a", "token-1")
        lease.renew(connection, "ingest:a", "token-2")
        found = lease.find(connection, "ingest:a")
        was_taken = lease.take(connection, wanted(2), wanted(1))
        lease.release(connection, "ingest:a", "token-2")
        assert lease.find(connection, "ingest:a") == found
        lease.release(connection, "ingest:a", "token-1")
        gone = lease.find(connection, "ingest:a")

    assert found is not None
    assert found.beat == 1
    assert not was_taken
    assert gone is None
