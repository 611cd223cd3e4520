"""Read what came, from the files of a log that may be written to meanwhile."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from kahriz.errors import StoreUnavailable
from kahriz.intake_log import frames
from kahriz.intake_log.segments import Segment, segments_in


class Record(NamedTuple):
    """Messages that were received together."""

    received_at_ms: int
    topics: list[str]
    payloads: list[bytes]


class Missing(NamedTuple):
    """Messages that could not be written down before this instant."""

    received_at_ms: int
    n: int


@dataclass(slots=True)
class Found:
    """What a reading of the log came upon beside its messages.

    Attributes
    ----------
    oldest_ms
        The first instant the log still holds anything of; None: it is empty.
    damaged
        Where something that is not a whole frame stands, in words.
    torn
        Segments that end within a frame, as after a kill -9 or while one is being written.
    missing
        What the writer said it could not write.
    """

    oldest_ms: int | None = None
    damaged: list[str] = field(default_factory=list)
    torn: list[str] = field(default_factory=list)
    missing: list[Missing] = field(default_factory=list)


def read(
    folder: Path, since_ms: int, until_ms: int, found: Found | None = None
) -> Iterator[Record]:
    """Yield what was received in [since, until), in the order it came.

    A damaged frame is stepped over. Segments that begin after this was called are not looked at.

    Parameters
    ----------
    folder
        Where the log is.
    since_ms, until_ms
        Milliseconds since 1970.
    found
        Takes what is to be said of the log; complete once the iterator is exhausted.

    Raises
    ------
    StoreUnavailable
        A file cannot be read, or a newer release wrote it.
    """
    found = Found() if found is None else found
    segments = segments_in(folder)
    found.oldest_ms = min((segment.first_ms for segment in segments), default=None)
    for segment in segments:
        if segment.may_hold(since_ms, until_ms):
            for record in _read_segment(segment, found):
                if since_ms <= record.received_at_ms < until_ms:
                    yield record


def end_of_whole_frames(path: Path) -> int:
    """Return where the last whole frame of a segment ends: what follows is a torn tail."""
    with _mapped(path) as data:
        if data[: len(frames.PROLOGUE)] != frames.PROLOGUE:
            return 0
        end = at = len(frames.PROLOGUE)
        while at < len(data):
            at, header = _next(data, at)
            if header is None:
                break
            at += frames.HEADER_BYTES + header.size
            end = at if at <= len(data) else end
        return end


def _read_segment(segment: Segment, found: Found) -> Iterator[Record]:
    try:
        with _mapped(segment.path) as data:
            at = _prologue(segment.path, data, found)
            while at < len(data):
                start, (at, header) = at, _next(data, at)
                if at > start:
                    _say(segment, data, start, at, found)
                if header is None:
                    return
                end = at + frames.HEADER_BYTES + header.size
                if end > len(data):
                    found.torn.append(f"{segment.path.name}: byte {at}")
                    return
                record = _record(header, data[end - header.size : end], segment, at, found)
                at = end
                if record is not None:
                    yield record
    except FileNotFoundError:
        return  # the writer has just let it go
    except OSError as error:
        raise StoreUnavailable(f"{segment.path}: {error.strerror or error}") from error


def _say(segment: Segment, data: mmap.mmap | bytes, start: int, end: int, found: Found) -> None:
    """Say that from `start` to `end` there is no frame: damage, or the beginning of a header."""
    stretch = data[start:end]
    is_torn = end == len(data) and len(stretch) < frames.HEADER_BYTES
    is_torn = is_torn and stretch[:4] == frames.MARKER[: len(stretch)]
    where = f"{segment.path.name}: byte {start}"
    if is_torn:
        found.torn.append(where)
    else:
        found.damaged.append(f"{where}: {end - start} bytes are no frame")


def _record(
    header: frames.Header, body: bytes, segment: Segment, at: int, found: Found
) -> Record | None:
    if header.kind == frames.GAP:
        found.missing.append(Missing(header.received_at_ms, header.n))
        return None
    try:
        topics, payloads = frames.unpack(header, body)
    except (frames.DamagedError, UnicodeDecodeError) as error:
        found.damaged.append(f"{segment.path.name}: byte {at}: {header.n} messages: {error}")
        return None
    return Record(header.received_at_ms, topics, payloads)


def _prologue(path: Path, data: mmap.mmap | bytes, found: Found) -> int:
    said = data[: len(frames.PROLOGUE)]
    if said[: len(frames.MAGIC)] == frames.MAGIC and len(said) == len(frames.PROLOGUE):
        if said[-1] > frames.VERSION:
            raise StoreUnavailable(
                f"{path}: written by a newer version of this program (format {said[-1]}, this one"
                f" knows {frames.VERSION})"
            )
        return len(frames.PROLOGUE)
    if not frames.PROLOGUE.startswith(said):
        found.damaged.append(f"{path.name}: byte 0: not the beginning of an intake log")
        return 0
    return len(data)  # just being made


def _next(data: mmap.mmap | bytes, at: int) -> tuple[int, frames.Header | None]:
    """Return the first good header at or after `at`, and where it stands."""
    while at >= 0:
        header = frames.header_at(data[at : at + frames.HEADER_BYTES], 0)
        if header is not None:
            return at, header
        at = data.find(frames.MARKER, at + 1)
    return len(data), None


@contextmanager
def _mapped(path: Path) -> Iterator[mmap.mmap | bytes]:
    with path.open("rb") as file:
        # An empty file cannot be mapped. What is appended later is not seen: one state of the file.
        if file.seek(0, 2) == 0:
            yield b""
            return
        with closing(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)) as data:
            yield data
