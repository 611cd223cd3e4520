"""How many SMS a text costs: GSM-7 160/153 characters a part, UCS-2 70/67.

Source: 3GPP TS 23.038 (alphabets) and TS 23.040 section 9.2.3.24 (concatenation).
"""

from __future__ import annotations

from collections.abc import Sequence

GSM7 = "gsm7"
UCS2 = "ucs2"

_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_EXTENDED = frozenset("\f^{}\\[~]|€")  # an escape and a character: two septets that belong together

_SINGLE = {GSM7: 160, UCS2: 70}
_JOINED = {GSM7: 153, UCS2: 67}


def encoding(text: str) -> str:
    """Return ``gsm7`` if every character is in its tables, else ``ucs2``."""
    return GSM7 if _BASIC.union(_EXTENDED).issuperset(text) else UCS2


def parts(text: str) -> int:
    """Return how many SMS `text` costs; an empty text costs one."""
    return len(split(text))


def split(text: str) -> list[str]:
    """Return the parts `text` travels in; an escape or surrogate pair is never cut in two."""
    code = encoding(text)
    widths = _widths(text, code)
    if sum(widths) <= _SINGLE[code]:
        return [text]
    return _filled(text, widths, _JOINED[code])


def _widths(text: str, code: str) -> list[int]:
    if code == GSM7:
        return [2 if character in _EXTENDED else 1 for character in text]
    return [2 if ord(character) > 0xFFFF else 1 for character in text]


def _filled(text: str, widths: Sequence[int], limit: int) -> list[str]:
    found: list[str] = []
    start = used = 0
    for position, width in enumerate(widths):
        if used + width > limit:
            found.append(text[start:position])
            start, used = position, 0
        used += width
    return [*found, text[start:]]
