"""What is known of a device follows what it says, on SQLite and on a real PostgreSQL."""

from __future__ import annotations

from kahriz.book import Book, devices
from kahriz.book.devices import DeviceRow, Heard


def after(book: Book, *batches: Heard) -> DeviceRow:
    for heard in batches:
        with book.begin() as connection:
            devices.put_heard(connection, [heard])
    with book.read() as connection:
        (row,) = devices.list_devices(connection)
    return row


def place(row: DeviceRow) -> tuple[int | None, int | None, int | None]:
    return row.boot, row.last_seq, row.last_time_ms


def test_counts_add_up_and_the_furthest_place_stays(book: Book) -> None:
    row = after(
        book,
        Heard("d", 100, 7, 40, last_time_ms=90, firmware="1.0", received=3, duplicate=1),
        Heard("d", 200, 7, 20, last_time_ms=50, received=2, quarantined=1, lost=4),
    )

    assert place(row) == (7, 40, 90), "a backlog behind live readings takes nothing back"
    assert (row.received, row.duplicate, row.quarantined, row.lost) == (5, 1, 1, 4)
    assert (row.received_at_ms, row.firmware) == (200, "1.0")


def test_an_earlier_boot_that_is_still_being_sent_is_not_the_newest(book: Book) -> None:
    row = after(
        book, Heard("d", 100, 8, 2, last_time_ms=90), Heard("d", 200, 7, 900, last_time_ms=60)
    )

    assert place(row) == (8, 2, 90)


def test_a_boot_with_a_higher_number_is_newer_whatever_its_clock_says(book: Book) -> None:
    row = after(
        book, Heard("d", 100, 7, 9, last_time_ms=90), Heard("d", 200, 8, 0, last_time_ms=60)
    )

    assert place(row) == (8, 0, 90)


def test_a_boot_that_was_drawn_lower_is_newer_by_its_readings(book: Book) -> None:
    row = after(
        book,
        Heard("d", 100, 4_000_000_000, 9, last_time_ms=90),
        Heard("d", 200, 17, 3, last_time_ms=95),
    )

    assert place(row) == (17, 3, 95)


def test_a_device_without_a_count_has_a_time_only(book: Book) -> None:
    row = after(book, Heard("d", 100, last_time_ms=90), Heard("d", 200, last_time_ms=80))

    assert place(row) == (None, None, 90)


def test_a_last_will_changes_the_status_and_nothing_else(book: Book) -> None:
    before = after(book, Heard("d", 100, 7, 40, last_time_ms=90, firmware="1.0", received=3))
    with book.begin() as connection:
        devices.put_status(connection, "d", "offline", None, 200)
        devices.put_status(connection, "e", "online", "2.0", 300)
    with book.read() as connection:
        first, second = devices.list_devices(connection)

    assert (first.status, first.firmware, first.received_at_ms) == ("offline", "1.0", 100)
    assert place(first) == place(before)
    assert (second.status, second.firmware, second.received_at_ms) == ("online", "2.0", 300)
