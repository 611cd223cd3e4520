"""SMS as octets, read and written from 3GPP TS 23.040 and 23.038 alone; shares nothing with ours.

SUBMIT is read; DELIVER and STATUS-REPORT are written, as a network would.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

# TS 23.038 section 6.2.1, in the order of its table, and its extension.
_TABLE = (
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞ\x1bÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_AFTER_ESCAPE = {
    0x0A: "\f", 0x14: "^", 0x28: "{", 0x29: "}", 0x2F: "\\",
    0x3C: "[", 0x3D: "~", 0x3E: "]", 0x40: "|", 0x65: "€",
}  # fmt: skip
_ESCAPE = 0x1B

# +994500000000, its length in octets first: not as other addresses are.
_CENTRE = bytes.fromhex("07 91 99 54 00 00 00 00")


@dataclass(frozen=True)
class Submitted:
    """One SUBMIT as the network sees it."""

    number: str
    text: str
    coding: str
    joins: tuple[int, int, int] | None
    """Reference, number of parts and position, of a part of a longer text."""
    wants_report: bool
    validity: int | None
    reference: int


def read_submit(pdu: bytes, reference: int) -> Submitted:
    """Take a SUBMIT apart, the address of the service centre before it."""
    at = 1 + pdu[0]
    first = pdu[at]
    assert first & 0x03 == 0x01, f"not a SUBMIT: {pdu.hex()}"
    at += 2  # and the message reference, which the modem sets
    number, at = _read_address(pdu, at)
    coding_octet = pdu[at + 1]
    at += 2
    period = (first >> 3) & 0x03
    validity = pdu[at] if period == 0b10 else None
    at += {0b00: 0, 0b10: 1, 0b01: 7, 0b11: 7}[period]
    length, data = pdu[at], pdu[at + 1 :]
    header = data[: 1 + data[0]] if first & 0x40 else b""
    coding = {0x00: "gsm7", 0x08: "ucs2"}[coding_octet & 0x0C]
    if coding == "ucs2":
        assert length == len(data), f"user data length {length}, but {len(data)} octets follow"
        assert length <= 140
        text = data[len(header) :].decode("utf-16-be")
    else:
        assert length <= 160
        skipped = (len(header) * 8 + 6) // 7
        text = _letters(_septets(data, length)[skipped:])
    return Submitted(number, text, coding, _joins(header), bool(first & 0x20), validity, reference)


def deliver(number: str, text: str, at: datetime, reference: int = 77) -> list[bytes]:
    """Return the DELIVER PDUs that bring `text`, as it is listed by a modem."""
    if _is_gsm7(text):
        pieces = [text] if len(_codes(text)) <= 160 else _cut(text, 153)
    else:
        pieces = [text] if len(text) <= 70 else _cut(text, 67)
    found = []
    for position, piece in enumerate(pieces, 1):
        header = b""
        if len(pieces) > 1:
            header = bytes([5, 0, 3, reference, len(pieces), position])
        found.append(_delivered(number, piece, header, at, ucs2=not _is_gsm7(text)))
    return found


def status_report(of: Submitted, status: int, at: datetime) -> bytes:
    """Return the STATUS-REPORT on what was submitted."""
    stamp = _stamp(at)
    body = bytes([0x06, of.reference]) + _address(of.number) + stamp + stamp + bytes([status])
    return _CENTRE + body


def _delivered(number: str, text: str, header: bytes, at: datetime, *, ucs2: bool) -> bytes:
    first = 0x04 | (0x40 if header else 0)
    if ucs2:
        data = header + text.encode("utf-16-be")
        length = len(data)
    else:
        skipped = (len(header) * 8 + 6) // 7
        codes = _codes(text)
        length = skipped + len(codes)
        data = _packed([0] * skipped + codes)
        data = header + data[len(header) :]
    coding = 0x08 if ucs2 else 0x00
    body = bytes([first]) + _address(number) + bytes([0, coding]) + _stamp(at)
    return _CENTRE + body + bytes([length]) + data


def _cut(text: str, size: int) -> list[str]:
    return [text[i : i + size] for i in range(0, len(text), size)]


def _read_address(pdu: bytes, at: int) -> tuple[str, int]:
    digits, kind = pdu[at], pdu[at + 1]
    octets = (digits + 1) // 2
    nibbles = "".join(f"{b & 15:x}{b >> 4:x}" for b in pdu[at + 2 : at + 2 + octets])
    plus = "+" if kind & 0x70 == 0x10 else ""
    return plus + nibbles[:digits], at + 2 + octets


def _address(number: str) -> bytes:
    digits = number.lstrip("+")
    padded = digits + "f" * (len(digits) % 2)
    swapped = bytes(int(padded[i + 1] + padded[i], 16) for i in range(0, len(padded), 2))
    return bytes([len(digits), 0x91 if number.startswith("+") else 0x81]) + swapped


def _stamp(at: datetime) -> bytes:
    offset = at.utcoffset()
    quarters = 0 if offset is None else int(offset.total_seconds()) // 900
    fields = [at.year % 100, at.month, at.day, at.hour, at.minute, at.second, abs(quarters)]
    swapped = [(f % 10) << 4 | f // 10 for f in fields]
    swapped[-1] |= 0x08 if quarters < 0 else 0
    return bytes(swapped)


def _joins(header: bytes) -> tuple[int, int, int] | None:
    at = 1
    while at < len(header):
        kind, size = header[at], header[at + 1]
        value = header[at + 2 : at + 2 + size]
        if kind == 0x00:
            return value[0], value[1], value[2]
        if kind == 0x08:
            return value[0] << 8 | value[1], value[2], value[3]
        at += 2 + size
    return None


def _septets(data: bytes, count: int) -> list[int]:
    bits = int.from_bytes(data, "little")
    assert len(data) == (count * 7 + 7) // 8, f"{count} septets, but {len(data)} octets follow"
    return [bits >> (7 * i) & 0x7F for i in range(count)]


def _packed(codes: list[int]) -> bytes:
    bits = sum(code << (7 * i) for i, code in enumerate(codes))
    return bits.to_bytes((len(codes) * 7 + 7) // 8, "little")


def _letters(codes: list[int]) -> str:
    found = ""
    escaped = False
    for code in codes:
        if escaped:
            found += _AFTER_ESCAPE[code]
        elif code != _ESCAPE:
            found += _TABLE[code]
        escaped = not escaped and code == _ESCAPE
    assert not escaped, "an escape pair was cut in two"
    return found


def _is_gsm7(text: str) -> bool:
    return all(c in _TABLE or c in _AFTER_ESCAPE.values() for c in text)


def _codes(text: str) -> list[int]:
    escaped = {letter: code for code, letter in _AFTER_ESCAPE.items()}
    found: list[int] = []
    for letter in text:
        found += [_ESCAPE, escaped[letter]] if letter in escaped else [_TABLE.index(letter)]
    return found
