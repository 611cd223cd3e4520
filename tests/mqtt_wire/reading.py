"""Bytes, integers and strings of MQTT (section 1.5), and where a packet ends."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass


class MalformedError(Exception):
    """Bytes that the standard does not allow; `clause` says which statement of it."""

    def __init__(self, clause: str, text: str) -> None:
        super().__init__(f"[{clause}] {text}")
        self.clause = clause
        self.text = text


@dataclass(frozen=True, slots=True)
class Raw:
    """One control packet as it came."""

    first: int
    body: bytes
    size: int
    is_minimal: bool

    @property
    def kind(self) -> int:
        """Its type, 1 (CONNECT) to 15 (AUTH)."""
        return self.first >> 4

    @property
    def flags(self) -> int:
        """The lower half of the first byte."""
        return self.first & 0x0F


class Framer:
    """Takes a stream of bytes, in pieces of any size, apart into packets."""

    def __init__(self) -> None:
        self._held = bytearray()

    @property
    def n_held(self) -> int:
        """Bytes of a packet that is not whole yet."""
        return len(self._held)

    def feed(self, data: bytes) -> Iterator[Raw]:
        """Yield the packets that `data` completes."""
        self._held += data
        at = 0
        try:
            while (head := _length(self._held, at + 1)) is not None:
                body_at, length, is_minimal = head
                stop = body_at + length
                if stop > len(self._held):
                    break
                body = bytes(self._held[body_at:stop])
                raw = Raw(self._held[at], body, stop - at, is_minimal)
                at = stop
                yield raw
        finally:
            del self._held[:at]


def _length(data: bytearray, at: int) -> tuple[int, int, bool] | None:
    """Return (position of the body, Remaining Length, whether it is written minimally)."""
    value = 0
    for n in range(4):
        if at + n >= len(data):
            return None
        byte = data[at + n]
        value |= (byte & 0x7F) << (7 * n)
        if byte < 0x80:
            return at + n + 1, value, n == 0 or byte != 0
    raise MalformedError("2.2.3", "Remaining Length is longer than four bytes")


class Body:
    """A packet's bytes behind its fixed header, taken one field after the other."""

    def __init__(self, data: bytes, *, is_v5: bool) -> None:
        self._data = data
        self._at = 0
        self._text_clause = "MQTT-1.5.4" if is_v5 else "MQTT-1.5.3"
        self._clause = "4.13" if is_v5 else "4.8"

    @property
    def left(self) -> int:
        """Bytes not taken yet."""
        return len(self._data) - self._at

    def take(self, n: int) -> bytes:
        """Take `n` bytes."""
        if n > self.left:
            raise MalformedError(self._clause, f"the packet ends {n - self.left} bytes too early")
        self._at += n
        return self._data[self._at - n : self._at]

    def number(self, width: int) -> int:
        """Take a whole number of `width` bytes."""
        return int.from_bytes(self.take(width), "big")

    def variable_int(self) -> int:
        """Take a variable byte integer."""
        value = 0
        for n in range(4):
            byte = self.number(1)
            value |= (byte & 0x7F) << (7 * n)
            if byte < 0x80:
                if n and not byte:
                    raise MalformedError("MQTT-1.5.5-1", f"{value} takes more bytes than it needs")
                return value
        raise MalformedError("1.5.5", "a variable byte integer is longer than four bytes")

    def binary(self) -> bytes:
        """Take binary data with its length."""
        return self.take(self.number(2))

    def text(self) -> str:
        """Take a UTF-8 string."""
        raw = self.binary()
        try:
            said = raw.decode("utf-8")  # strict: no surrogates, nothing overlong
        except UnicodeDecodeError as error:
            raise MalformedError(f"{self._text_clause}-1", f"{raw!r:.60}: {error}") from error
        if "\0" in said:
            raise MalformedError(f"{self._text_clause}-2", f"{said!r:.60} holds U+0000")
        return said

    def end(self) -> None:
        """Nothing may be left."""
        if self.left:
            raise MalformedError(self._clause, f"{self.left} bytes too many")
