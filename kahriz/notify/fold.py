"""Any text to GSM-7, so that it costs a third and arrives on every phone.

Azerbaijani loses what GSM-7 has no letter for (``ə`` is in no national table) and stays readable,
the way people write it in texts anyway; ö and ü are in GSM-7 and stay. Cyrillic is transliterated
as in Russian passports (ICAO 9303), without its rarest letters' marks.
"""

from __future__ import annotations

import unicodedata

from kahriz.notify.segments import GSM7, encoding

_AZERBAIJANI = {"ə": "e", "ı": "i", "ş": "s", "ç": "c", "ğ": "g"}
_AZERBAIJANI |= {"Ə": "E", "İ": "I", "Ş": "S", "Ç": "C", "Ğ": "G"}

_RUSSIAN = {
    "а": "a", "б": "b", "в": "v", "г": "g", "д": "d", "е": "e", "ё": "e", "ж": "zh", "з": "z",
    "и": "i", "й": "i", "к": "k", "л": "l", "м": "m", "н": "n", "о": "o", "п": "p", "р": "r",
    "с": "s", "т": "t", "у": "u", "ф": "f", "х": "kh", "ц": "ts", "ч": "ch", "ш": "sh",
    "щ": "shch", "ъ": "ie", "ы": "y", "ь": "", "э": "e", "ю": "iu", "я": "ia",
}  # fmt: skip
_RUSSIAN |= {small.upper(): latin.capitalize() for small, latin in _RUSSIAN.items()}

_SIGNS = {
    "’": "'", "‘": "'", "“": '"', "”": '"', "«": '"', "»": '"', "„": '"',
    "–": "-", "—": "-", "−": "-", "…": "...", "\u00a0": " ", "\u202f": " ", "\u2009": " ",
    "³": "3", "²": "2", "№": "N", "°": " ", "×": "x", "`": "'", "\t": " ",
}  # fmt: skip

_FOLDED = _AZERBAIJANI | _RUSSIAN | _SIGNS


def fold(text: str) -> str:
    """Return `text` in GSM-7 letters only; what has no likeness becomes ``?``."""
    return "".join(map(_letter, unicodedata.normalize("NFC", text)))


def _letter(character: str) -> str:
    if character in _FOLDED:
        return _FOLDED[character]
    if encoding(character) == GSM7:
        return character
    plain = unicodedata.normalize("NFKD", character)
    kept = "".join(c for c in plain if not unicodedata.combining(c))
    return kept if kept and encoding(kept) == GSM7 else "?"
