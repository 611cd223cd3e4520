"""What ingest took is in the files as it came, whatever happens to the process or to the files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kahriz.errors import StoreUnavailable
from kahriz.intake_log import Found, IntakeLog, Missing, Record, frames, read, reader
from kahriz.intake_log.segments import SPAN_MS, segments_in

NOW = 1_795_348_800_000
KEEP = timedelta(hours=48)
FOREVER = (0, 2**62)


def log(folder: Path, max_bytes: int = 2**30, keep: timedelta = KEEP) -> IntakeLog:
    return IntakeLog(folder, keep, max_bytes)


def write(folder: Path, *records: Record, **how: Any) -> IntakeLog:
    written = log(folder, **how)
    for record in records:
        written.append(*record)
    written.close()
    return written


def batch(at_ms: int, *payloads: bytes) -> Record:
    return Record(at_ms, [f"kahriz/v1/d{i}/up" for i in range(len(payloads))], list(payloads))


def everything(folder: Path, found: Found | None = None) -> list[Record]:
    return list(read(folder, *FOREVER, found))


def files(folder: Path) -> list[Path]:
    return [segment.path for segment in segments_in(folder)]


TEXT = st.text(st.characters(codec=None), max_size=12).filter(lambda text: "\0" not in text)
BATCHES = st.lists(st.lists(st.tuples(TEXT, st.binary(max_size=300)), max_size=8), max_size=6)


@settings(max_examples=60, deadline=None)
@given(BATCHES)
def test_what_was_written_is_read(
    tmp_path_factory: pytest.TempPathFactory, batches: Sequence[Sequence[tuple[str, bytes]]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    written = [
        Record(NOW + i, [topic for topic, _ in some], [payload for _, payload in some])
        for i, some in enumerate(batches)
    ]
    write(folder, *written)
    found = Found()

    assert everything(folder, found) == written
    assert (found.damaged, found.torn, found.missing) == ([], [], [])


def test_a_topic_with_a_nul_does_not_shift_the_others(tmp_path: Path) -> None:
    write(tmp_path, Record(NOW, ["a", "b\0c", "d"], [b"1", b"2", b"3"]))

    assert everything(tmp_path) == [Record(NOW, ["a", "b\\x00c", "d"], [b"1", b"2", b"3"])]


def test_an_interval_is_half_open(tmp_path: Path) -> None:
    write(tmp_path, *(batch(NOW + i, b"x") for i in range(5)))

    assert [r.received_at_ms - NOW for r in read(tmp_path, NOW + 1, NOW + 3)] == [1, 2]


def test_a_folder_that_is_not_there_holds_nothing(tmp_path: Path) -> None:
    found = Found()

    assert everything(tmp_path / "none", found) == []
    assert found.oldest_ms is None


def test_a_kill_9_right_after_append_keeps_what_was_appended(tmp_path: Path) -> None:
    program = f"""
import os, signal
from datetime import timedelta
from pathlib import Path
from kahriz.intake_log import IntakeLog
log = IntakeLog(Path({str(tmp_path)!r}), timedelta(hours=48), 2**30)
for i in range(3):
    log.append({NOW} + i, ["t"] * 1000, [b"%d" % j for j in range(1000)])
os.kill(os.getpid(), signal.SIGKILL)
"""
    done = subprocess.run([sys.executable, "-c", program], check=False)

    assert done.returncode == -9
    assert [len(record.payloads) for record in everything(tmp_path)] == [1000] * 3


def test_wherever_the_tail_is_torn_the_frames_before_it_are_whole(tmp_path: Path) -> None:
    write(tmp_path, batch(NOW, b"one"), batch(NOW + 1, b"two"))
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    first = whole.index(frames.MARKER, len(frames.PROLOGUE) + 1)
    for end in range(len(whole)):
        path.write_bytes(whole[:end])
        found = Found()
        n = len(everything(tmp_path, found))

        assert n == (1 if end >= first else 0), end
        assert found.damaged == [], end
        assert len(found.torn) == (end not in (first, *range(len(frames.PROLOGUE) + 1))), end


def test_a_new_writer_cuts_off_a_torn_tail_and_goes_on_in_a_new_segment(tmp_path: Path) -> None:
    write(tmp_path, batch(NOW, b"one"), batch(NOW + 1, b"two"))
    (path,) = files(tmp_path)
    os.truncate(path, path.stat().st_size - 3)
    write(tmp_path, batch(NOW + 2, b"three"))
    found = Found()

    assert [r.payloads for r in everything(tmp_path, found)] == [[b"one"], [b"three"]]
    assert found.torn == []
    assert len(files(tmp_path)) == 2


def test_a_flipped_byte_harms_one_frame_and_is_seen(tmp_path: Path) -> None:
    write(tmp_path, *(batch(NOW + i, b"payload %d" % i) for i in range(3)))
    (path,) = files(tmp_path)
    whole = path.read_bytes()
    second = whole.index(frames.MARKER, len(frames.PROLOGUE) + 1)
    third = whole.index(frames.MARKER, second + 1)
    for at in range(second, third):
        path.write_bytes(whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :])
        found = Found()
        read_back = [r.payloads for r in everything(tmp_path, found)]

        assert read_back == [[b"payload 0"], [b"payload 2"]], at - second
        assert len(found.damaged) == 1, at - second


def test_a_header_that_lies_about_its_size_reserves_no_memory(tmp_path: Path) -> None:
    lies = frames._header(frames.MESSAGES, 0, NOW, 2**32 - 1, 2**32 - 1, 2**32 - 1, 0)

    assert frames.header_at(lies, 0) is None


def test_a_file_of_a_newer_release_is_refused_in_one_line(tmp_path: Path) -> None:
    write(tmp_path, batch(NOW, b"one"))
    (path,) = files(tmp_path)
    path.write_bytes(frames.MAGIC + b"\x02" + path.read_bytes()[9:])

    with pytest.raises(StoreUnavailable, match="written by a newer version of this program"):
        everything(tmp_path)


def test_a_reader_sees_what_was_appended_while_the_writer_goes_on(tmp_path: Path) -> None:
    writer = log(tmp_path)
    for i in range(3):
        writer.append(*batch(NOW + i, b"x"))

        assert len(everything(tmp_path)) == i + 1
    writer.close()


@pytest.mark.parametrize(("keep_ms", "left"), [(2 * SPAN_MS, [1, 2, 3]), (2 * SPAN_MS - 1, [2, 3])])
def test_what_is_older_than_is_kept_goes_by_segments(
    tmp_path: Path, keep_ms: int, left: list[int]
) -> None:
    # Each begins a segment; that of hour 1 can hold what is up to 2 * SPAN_MS old at hour 4.
    step = SPAN_MS + 1
    records = [batch(NOW + hour * step, b"x") for hour in range(3)]
    writer = write(
        tmp_path,
        *records,
        batch(NOW + step + 3 * SPAN_MS, b"x"),
        keep=timedelta(milliseconds=keep_ms),
    )

    assert [(r.received_at_ms - NOW) // SPAN_MS for r in everything(tmp_path)][:-1] == left[:-1]
    assert len(everything(tmp_path)) == len(left)
    assert writer.dropped == 0


def test_a_clock_that_runs_days_ahead_for_a_while_does_not_cost_all_that_came_before(
    tmp_path: Path,
) -> None:
    hours = [*range(40), 40 + 24 * 30, 41, 42]
    write(tmp_path, *(batch(NOW + hour * (SPAN_MS + 1), b"x") for hour in hours))

    kept = [(r.received_at_ms - NOW) // (SPAN_MS + 1) for r in everything(tmp_path)]
    assert kept == hours[2:]


def test_beyond_its_size_the_oldest_segment_goes_and_is_counted(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    writer = log(tmp_path, max_bytes=64_000)
    for i in range(200):
        writer.append(*batch(NOW + i, os.urandom(1000)))

        assert sum(path.stat().st_size for path in files(tmp_path)) == writer.size_bytes
        assert writer.size_bytes <= 64_000 + 1100, "by at most a batch"
    writer.close()

    kept = [r.received_at_ms - NOW for r in everything(tmp_path)]
    assert kept == list(range(200 - len(kept), 200))
    assert len(kept) > 50
    assert writer.dropped > 0
    assert {r.message for r in caplog.records} == {
        "intake log is full: the oldest segment went before its time"
    }


def test_a_clock_that_goes_back_begins_a_segment_and_nothing_is_hidden(tmp_path: Path) -> None:
    day = 24 * SPAN_MS
    write(tmp_path, batch(NOW, b"1"), batch(NOW + day, b"2"), batch(NOW + 5, b"3"))

    assert [r.payloads for r in read(tmp_path, NOW, NOW + 10)] == [[b"1"], [b"3"]]
    assert [r.payloads for r in read(tmp_path, NOW + day, NOW + day + 1)] == [[b"2"]]
    assert len(files(tmp_path)) == 3


def test_a_full_disk_is_said_leaves_no_half_frame_and_is_remembered(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = log(tmp_path)
    writer.append(*batch(NOW, b"before"))
    really = os.write

    def full(file: int, data: Any) -> int:
        if len(data) > 10:
            return really(file, data[:10])
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "write", full)
    for i in range(2):
        with pytest.raises(StoreUnavailable, match=f"{tmp_path}: the disk is full"):
            writer.append(*batch(NOW + 1 + i, b"lost", b"too"))
        writer.give_up(2)
    monkeypatch.undo()
    writer.append(*batch(NOW + 9, b"after"))
    writer.close()
    found = Found()

    assert [r.payloads for r in everything(tmp_path, found)] == [[b"before"], [b"after"]]
    assert (found.damaged, found.torn) == ([], [])
    assert (found.missing, writer.unwritten) == ([Missing(NOW + 9, 4)], 4)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(StoreUnavailable, match=f"{tmp_path}/file/intake: Not a directory"):
        log(tmp_path / "file" / "intake").append(*batch(NOW, b"x"))


def test_two_writers_are_one_too_many(tmp_path: Path) -> None:
    first, second = log(tmp_path), log(tmp_path)
    first.append(*batch(NOW, b"x"))
    with pytest.raises(StoreUnavailable, match="another process writes to it"):
        second.append(*batch(NOW, b"y"))
    first.close()
    second.append(*batch(NOW + 1, b"z"))
    second.close()

    assert [r.payloads for r in everything(tmp_path)] == [[b"x"], [b"z"]]


def test_where_the_whole_frames_end_is_found_after_damage_too(tmp_path: Path) -> None:
    write(tmp_path, *(batch(NOW + i, b"payload %d" % i) for i in range(3)))
    (path,) = files(tmp_path)
    whole = bytearray(path.read_bytes())
    whole[len(frames.PROLOGUE) + 6] ^= 1  # the first frame's header

    path.write_bytes(whole + b"\xf5KZ")

    assert reader.end_of_whole_frames(path) == len(whole)


@pytest.mark.parametrize("is_folder", [False, True])
def test_a_log_that_is_taken_away_while_it_is_open_swallows_nothing(
    tmp_path: Path, is_folder: bool
) -> None:
    folder = tmp_path / "intake"
    written = log(folder)
    written.append(*batch(1000, b"before"))
    if is_folder:
        shutil.rmtree(folder)
    else:
        files(folder)[0].unlink()
    for at_ms in (2000, 3000):
        written.append(*batch(at_ms, b"after"))
    with pytest.raises(StoreUnavailable, match="another process writes to it"):
        log(folder).append(*batch(4000, b"beside"))
    written.close()

    assert everything(folder) == [batch(2000, b"after"), batch(3000, b"after")]
    assert written.size_bytes == sum(path.stat().st_size for path in files(folder))


def test_a_segment_that_was_taken_away_is_missed(tmp_path: Path) -> None:
    for i in range(4):
        write(tmp_path, batch(NOW + i, b"x"))  # each writer begins a segment
    files(tmp_path)[0].unlink()
    found = Found()
    everything(tmp_path, found)
    assert found.damaged == [], "the oldest go first"

    gone = files(tmp_path)[1]
    gone.unlink()
    left = [path.name for path in files(tmp_path)]
    assert len(everything(tmp_path, found)) == 2
    assert found.damaged == [f"segments between {left[0]} and {left[1]} are missing"]


HURT = st.tuples(
    st.floats(0, 1), st.sampled_from(["flip", "cut", "insert"]), st.binary(max_size=30)
)


@settings(max_examples=150, deadline=None)
@given(st.lists(HURT, min_size=1, max_size=5))
def test_whatever_happens_to_a_file_nothing_is_read_that_was_not_written(
    tmp_path_factory: pytest.TempPathFactory, hurts: list[tuple[float, str, bytes]]
) -> None:
    folder = tmp_path_factory.mktemp("log")
    written = [batch(NOW + i, *(b"payload %d %d" % (i, j) for j in range(i))) for i in range(8)]
    write(folder, *written)
    (path,) = files(folder)
    raw = bytearray(path.read_bytes())
    whole = bytes(raw)
    for where, how, some in hurts:
        at = int(where * len(raw))
        if how == "flip" and at < len(raw):
            raw[at] ^= some[0] if some else 1
        elif how == "cut":
            del raw[at : at + len(some)]
        elif how == "insert":
            raw[at:at] = some
    if raw[:8] == frames.MAGIC and raw[8:9] > b"\x01":
        raw[8] = 1  # not of a newer release, only hurt
    path.write_bytes(raw)
    found = Found()
    read_back = everything(folder, found)

    assert all(record in written for record in read_back)
    if bytes(raw) != whole and read_back != written:
        at_end = bytes(raw) == whole[: len(raw)]
        assert found.damaged or found.torn or at_end or len(raw) <= len(frames.PROLOGUE)
