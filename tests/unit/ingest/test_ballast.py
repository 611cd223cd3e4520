"""A full disk is seen, the reserve is let go, and laid down again when there is room."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from ingest.ballast import FULL_BYTES, MB, NAME, Ballast
from ingest.metrics import Health
from tests.small_disk import fill, free_bytes, small_disk

SIZE = 4 * MB
WARN = 10 * MB


@pytest.fixture
def health() -> Health:
    return Health(wall=lambda: 1_777_636_800.0)


def is_full(ballast: Ballast) -> bool:
    return ballast.is_full


class Disk:
    """So many bytes free, beside what the ballast takes."""

    def __init__(self, folder: Path, health: Health, size: int = SIZE) -> None:
        self.folder, self.room = folder, 100 * MB
        self.file = folder / NAME
        self.ballast = Ballast(folder, size, WARN, health, self.free)

    def free(self) -> int:
        return self.room - (self.file.stat().st_size if self.file.exists() else 0)


@pytest.fixture
def disk(tmp_path: Path, health: Health) -> Disk:
    found = Disk(tmp_path, health)
    found.ballast.step()
    return found


def test_the_reserve_is_really_there(disk: Disk, health: Health) -> None:
    assert disk.file.stat().st_size == SIZE
    assert disk.file.stat().st_blocks * 512 >= SIZE, "no sparse file"
    assert health.problems == {}


def test_a_disk_that_fills_is_warned_of_first(disk: Disk, health: Health) -> None:
    disk.room = WARN + SIZE
    disk.ballast.step()
    assert health.problems == {}
    disk.room -= 1
    disk.ballast.step()

    _, reason = health.problems["disk"]
    assert reason == f"10 MB free in {disk.folder}, below 10 MB (KAHRIZ_INGEST__DISK_WARN_MB)"
    assert not is_full(disk.ballast)


def test_a_full_disk_gets_the_reserve_and_keeps_it_until_there_is_room_for_two(
    disk: Disk, health: Health, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.INFO):
        disk.room = SIZE + FULL_BYTES - 1
        for _ in range(3):
            disk.ballast.step()
        assert is_full(disk.ballast)
        assert not disk.file.exists()
        assert health.problems["disk"][1].startswith("disk full: 5 MB free in")
        disk.room = 2 * SIZE - 1
        disk.ballast.step()
        assert is_full(disk.ballast)
        disk.room = 2 * SIZE
        disk.ballast.step()

    assert not is_full(disk.ballast)
    assert disk.file.stat().st_size == SIZE
    assert [r.message for r in caplog.records] == ["disk full", "room again"]


def test_without_a_reserve_a_full_disk_is_said_all_the_same(tmp_path: Path, health: Health) -> None:
    disk = Disk(tmp_path, health, size=0)
    disk.room = 0
    disk.ballast.step()
    assert is_full(disk.ballast)
    assert "disk full: 0 MB free" in health.problems["disk"][1]
    disk.room = FULL_BYTES
    disk.ballast.step()

    assert not is_full(disk.ballast)
    assert not disk.file.exists()


def test_a_reserve_that_is_configured_away_is_removed(disk: Disk, health: Health) -> None:
    Ballast(disk.folder, 0, WARN, health, disk.free).step()

    assert not disk.file.exists()


def test_what_was_said_of_a_full_disk_before_room_was_made_stops_nothing(
    disk: Disk, health: Health
) -> None:
    health.failed("store", "/var/lib/kahriz/observations.sqlite: the disk is full")
    disk.ballast.step()

    assert not is_full(disk.ballast)


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 16) as folder:
        yield folder


def test_a_store_that_says_full_is_believed_where_nothing_fits_whatever_seems_free(
    mounted: Path, health: Health
) -> None:
    """As under a quota: the file system shows more free than we may use."""
    ballast = Ballast(mounted, SIZE, WARN, health, lambda: 10**9)
    ballast.step()
    mine = fill(mounted)
    ballast.step()
    assert not is_full(ballast), "nobody has failed yet"
    health.failed("book", "book sqlite: database or disk is full")
    ballast.step()
    assert is_full(ballast)
    assert free_bytes(mounted) >= SIZE
    ballast.step()
    assert is_full(ballast), "its own room is no room"
    mine.unlink()
    ballast.step()

    assert not is_full(ballast)
    assert free_bytes(mounted) < 16 * 2**20 - SIZE + 1


def test_a_small_disk_without_room_for_the_reserve_works_without_one(
    mounted: Path, health: Health
) -> None:
    ballast = Ballast(mounted, 12 * MB, WARN, health)
    ballast.step()

    assert not is_full(ballast)
    assert not (mounted / NAME).exists()
    assert list(mounted.iterdir()) == []
