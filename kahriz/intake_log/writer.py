"""Write down what came, and let go of what is too old or too much."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import threading
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from kahriz.errors import StoreUnavailable
from kahriz.intake_log import frames
from kahriz.intake_log.reader import end_of_whole_frames
from kahriz.intake_log.segments import SPAN_MS, Segment, after, segments_in
from kahriz.logs import Once

_LOG = logging.getLogger(__name__)

SYNC_S = 1.0
_LARGEST_SEGMENT = 64 * 2**20
_OLD_AT_ONCE = 2
"""Segments that may go for their age when one is begun: a clock that jumps ahead by days, and is
set right in the next hour, must not have cost all that came before."""
_SEGMENTS = 16
"""The log is at least so many segments when it is full, so that letting one go costs little."""


class IntakeLog:
    """The one writer of a folder; used by one thread.

    Parameters
    ----------
    folder
        Is made if need be.
    keep
        What is older may go.
    max_bytes
        Beyond this the oldest segment goes, however young; > 0.

    Attributes
    ----------
    size_bytes
        What the files hold.
    dropped
        Segments that went before they were old, since the start.
    unwritten
        Messages that could not be written down, since the start.
    """

    def __init__(self, folder: Path, keep: timedelta, max_bytes: int) -> None:
        if max_bytes <= 0:
            raise ValueError(f"max_bytes {max_bytes} is not above 0")
        self.folder = folder
        self._keep_ms = keep // timedelta(milliseconds=1)
        self._max_bytes = max_bytes
        self._most_a_segment = max(min(_LARGEST_SEGMENT, max_bytes // _SEGMENTS), 1)
        self._packer = frames.Packer.new()
        self._segments: list[Segment] | None = None
        self._sizes: dict[Segment, int] = {}
        self._file: int | None = None
        self._held: int | None = None
        self._lock = threading.Lock()  # over which file is open, between the writer and the syncer
        self._once = Once(_LOG)
        self._is_dirty = False
        self._last_ms = 0
        self._unsaid = 0
        self.size_bytes = 0
        self.dropped = 0
        self.unwritten = 0
        self._closing = threading.Event()
        self._syncer = threading.Thread(target=self._sync_often, name="intake log", daemon=True)

    def append(self, received_at_ms: int, topics: Sequence[str], payloads: Sequence[bytes]) -> None:
        """Write down messages that were received together; after this a kill -9 keeps them.

        Raises
        ------
        StoreUnavailable
            The disk is full, or the folder cannot be written; nothing of them is in the file.
            Try again, or `give_up`.
        """
        try:
            self._append(received_at_ms, topics, payloads)
        except OSError as error:
            is_full = error.errno in (errno.ENOSPC, errno.EDQUOT)
            reason = "the disk is full" if is_full else error.strerror or str(error)
            raise StoreUnavailable(f"{self.folder}: {reason}") from error

    def give_up(self, n: int) -> None:
        """Count `n` messages as unwritten; the next `append` that succeeds says so in the file."""
        self.unwritten += n
        self._unsaid += n

    def close(self) -> None:
        """Let the disk have everything, and end."""
        self._closing.set()
        if self._syncer.is_alive():
            self._syncer.join()
        self._sync()
        self._end_segment()
        if self._held is not None:
            os.close(self._held)
            self._held = None

    def _append(
        self, received_at_ms: int, topics: Sequence[str], payloads: Sequence[bytes]
    ) -> None:
        frame = self._packer.pack(received_at_ms, topics, payloads)
        if self._unsaid:
            frame = frames.gap(received_at_ms, self._unsaid) + frame
        segment = self._segment_for(received_at_ms)
        self._write(segment, frame)
        self._unsaid = 0
        self._last_ms = received_at_ms
        self._is_dirty = True

    def _write(self, segment: Segment, data: bytes) -> None:
        assert self._file is not None
        before, rest = self._sizes[segment], memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._file, rest) :]
        except OSError:
            # Half a frame would stand in the way of the next one.
            os.ftruncate(self._file, before)
            raise
        self._sizes[segment] += len(data)
        self.size_bytes += len(data)

    def _segment_for(self, received_at_ms: int) -> Segment:
        """Return the open segment, having begun the next one if it is time to."""
        if self._segments is None:
            self._open_folder()
        segments = self._segments or []
        if self._file is not None and os.fstat(self._file).st_nlink == 0:
            self._make_again()
        if self._file is not None:
            segment = segments[-1]
            is_in_order = self._last_ms <= received_at_ms <= segment.first_ms + SPAN_MS
            if is_in_order and self._sizes[segment] < self._most_a_segment:
                return segment
            self._sync()
            self._end_segment()
        return self._begin_segment(received_at_ms)

    def _open_folder(self) -> None:
        self._lock_folder()
        segments = segments_in(self.folder)
        if segments:
            self._mend(segments[-1])
        self._sizes = {segment: segment.size() for segment in segments}
        self.size_bytes = sum(self._sizes.values())
        self._segments = segments
        if not self._syncer.is_alive():
            self._syncer.start()

    def _make_again(self) -> None:
        """Leave a file that was taken away while it was open: nobody would find what is in it."""
        assert self._segments is not None
        _LOG.warning("intake log was taken away", extra={"file": self._segments[-1].path.name})
        self._end_segment()
        if self._held is not None:  # the lock may have gone with it
            os.close(self._held)
            self._held = None
        self._sizes = {segment: segment.size() for segment in self._segments}
        self.size_bytes = sum(self._sizes.values())

    def _lock_folder(self) -> None:
        """Make sure to be alone: what another is writing would look like a torn tail."""
        if self._held is None:
            self.folder.mkdir(parents=True, exist_ok=True)
            held = os.open(self.folder / "lock", os.O_WRONLY | os.O_CREAT, 0o640)
            try:
                fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(held)
                raise OSError(errno.EBUSY, "another process writes to it") from None
            self._held = held

    @staticmethod
    def _mend(segment: Segment) -> None:
        """Cut off what a kill left half written."""
        end = end_of_whole_frames(segment.path)
        if (torn := segment.size() - end) > 0:
            os.truncate(segment.path, end)
            _LOG.warning("intake log mended", extra={"file": segment.path.name, "bytes": torn})

    def _begin_segment(self, first_ms: int) -> Segment:
        assert self._segments is not None
        self._lock_folder()
        self._let_go(first_ms)
        segment = after(self._segments[-1] if self._segments else None, self.folder, first_ms)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_TRUNC
        file = os.open(segment.path, flags, 0o640)
        try:
            os.write(file, frames.PROLOGUE)
        except OSError:
            os.close(file)
            segment.path.unlink(missing_ok=True)
            raise
        with self._lock:
            self._file = file
        self._segments.append(segment)
        self._sizes[segment] = len(frames.PROLOGUE)
        self.size_bytes += len(frames.PROLOGUE)
        return segment

    def _let_go(self, now_ms: int) -> None:
        """Remove segments that are too old, and the oldest where there is too much."""
        assert self._segments is not None
        n_old = 0
        while self._segments:
            oldest = self._segments[0]
            is_old = oldest.first_ms + SPAN_MS < now_ms - self._keep_ms and n_old < _OLD_AT_ONCE
            n_old += is_old
            if not is_old and self.size_bytes + self._most_a_segment <= self._max_bytes:
                return
            oldest.path.unlink(missing_ok=True)
            self.size_bytes -= self._sizes.pop(oldest)
            del self._segments[0]
            if not is_old:
                self.dropped += 1
                _LOG.warning(
                    "intake log is full: the oldest segment went before its time",
                    extra={"file": oldest.path.name, "max_bytes": self._max_bytes},
                )

    def _end_segment(self) -> None:
        with self._lock:
            if self._file is not None:
                os.close(self._file)
                self._file = None

    def _sync_often(self) -> None:
        while not self._closing.wait(SYNC_S):
            self._sync()

    def _sync(self) -> None:
        """Let the disk have what was written; the writer may go on meanwhile."""
        if not self._is_dirty:
            return
        self._is_dirty = False
        with self._lock:
            file = None if self._file is None else os.dup(self._file)
        if file is not None:
            try:
                os.fdatasync(file)
            except OSError as error:
                self._once.failed("syncing the intake log", str(error))
            else:
                self._once.worked("syncing the intake log")
            finally:
                os.close(file)
