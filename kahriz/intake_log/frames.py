"""How messages lie in a segment: a header, then one frame a batch.

::

    segment   "KZINTAKE" version:u8
    frame     marker:4 kind:u8 packed:u8 received_at_ms:i64 n:u32 size:u32 raw:u32 body_crc:u32
              header_crc:u32 | body of `size` bytes
    body      payload lengths:u32 x n | payloads | topics joined by NUL, UTF-8
              (zstd where `packed` is 1; `raw` is its size unpacked)

Numbers are little-endian. A frame of kind GAP has no body: `n` messages could not be written down
before it. A frame whose body is damaged is stepped over by its size; where a header is damaged the
next marker with a good header is looked for.
"""

from __future__ import annotations

import struct
import sys
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import zstandard

MAGIC = b"KZINTAKE"
VERSION = 1
PROLOGUE = MAGIC + bytes([VERSION])

MARKER = b"\xf5KZ\xfa"  # no UTF-8 text holds its first byte
MESSAGES, GAP = 0, 1
_HEADER = struct.Struct("<4sBBqIIII")
_CRC = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CRC.size

MAX_BODY = 256 * 2**20
"""No batch is larger; a header that says so is damaged, and nobody reserves memory for it."""


class DamagedError(ValueError):
    """A frame's body does not hold what its header says."""


class Header(NamedTuple):
    """What a frame says of itself."""

    kind: int
    is_packed: bool
    received_at_ms: int
    n: int
    size: int
    raw: int
    body_crc: int


@dataclass(slots=True)
class Packer:
    """Makes frames; one a writer, for it keeps its compressor."""

    compressor: zstandard.ZstdCompressor

    @classmethod
    def new(cls) -> Packer:
        """Return one at zstd's level 1: a tenth of a microsecond a message."""
        return cls(zstandard.ZstdCompressor(level=1))

    def pack(self, received_at_ms: int, topics: Sequence[str], payloads: Sequence[bytes]) -> bytes:
        """Return the frame of messages that were received together."""
        body = b"".join((_lengths(payloads), *payloads, _joined(topics)))
        raw = len(body)
        packed = self.compressor.compress(body)
        is_packed = len(packed) < raw
        body = packed if is_packed else body
        said = (MESSAGES, is_packed, received_at_ms, len(payloads), len(body), raw)
        return _header(*said, zlib.crc32(body)) + body


def gap(received_at_ms: int, n: int) -> bytes:
    """Return the frame that says that `n` messages were not written down."""
    return _header(GAP, False, received_at_ms, n, 0, 0, 0)


def header_at(data: bytes | memoryview, at: int) -> Header | None:
    """Return the header at `at`; None: there is none, or it is damaged or not whole."""
    end = at + HEADER_BYTES
    if end > len(data) or data[at : at + len(MARKER)] != MARKER:
        return None
    raw = bytes(data[at:end])
    if _CRC.unpack_from(raw, _HEADER.size)[0] != zlib.crc32(raw[: _HEADER.size]):
        return None
    _, kind, is_packed, received_at_ms, n, size, whole, body_crc = _HEADER.unpack_from(raw)
    if max(size, whole) > MAX_BODY:
        return None
    return Header(kind, bool(is_packed), received_at_ms, n, size, whole, body_crc)


def unpack(header: Header, body: bytes) -> tuple[list[str], list[bytes]]:
    """Return (topics, payloads) of a frame.

    Raises
    ------
    DamagedError
        The body is not what was written.
    """
    if len(body) != header.size or zlib.crc32(body) != header.body_crc:
        raise DamagedError("the body does not match its checksum")
    if header.is_packed:
        try:
            body = zstandard.ZstdDecompressor().decompress(body, max_output_size=header.raw)
        except zstandard.ZstdError as error:
            raise DamagedError(str(error)) from error
    lengths = array("I", body[: 4 * header.n])
    if sys.byteorder == "big":
        lengths.byteswap()
    at = 4 * header.n
    payloads: list[bytes] = []
    for length in lengths:
        payloads.append(body[at : at + length])
        at += length
    topics = body[at:].decode(errors="surrogatepass").split("\0") if header.n else []
    if len(body) != header.raw or not len(topics) == len(payloads) == header.n:
        raise DamagedError("the body is shorter than its lengths say")
    return topics, payloads


def _header(*said: int) -> bytes:
    raw = _HEADER.pack(MARKER, *said)
    return raw + _CRC.pack(zlib.crc32(raw))


def _lengths(payloads: Sequence[bytes]) -> bytes:
    lengths = array("I", map(len, payloads))
    if sys.byteorder == "big":
        lengths.byteswap()
    return lengths.tobytes()


def _joined(topics: Sequence[str]) -> bytes:
    joined = "\0".join(topics)
    # MQTT has no NUL in a topic; a broker that lets one pass must not shift all the others.
    if joined.count("\0") != max(len(topics) - 1, 0):
        joined = "\0".join(topic.replace("\0", "\\x00") for topic in topics)
    return joined.encode(errors="surrogatepass")
