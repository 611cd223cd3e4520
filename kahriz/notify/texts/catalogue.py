"""A language's texts, the choice of the one that fits, and how figures are written in it."""

from __future__ import annotations

import re
import string
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources
from typing import Any
from zoneinfo import ZoneInfo

from kahriz.errors import NotFoundError
from kahriz.notify.fold import fold
from kahriz.notify.segments import encoding, parts

LANGUAGES = ("az", "en", "ru")

MOST_PARTS = {"folded": 1, "full": 2}
"""SMS a text may take, by alphabet."""

SHORTEST_NAME = 4
"""Letters of a kahriz's name that stay where a text is cut to fit."""


@dataclass(frozen=True, slots=True)
class Text:
    """A text as it leaves; ``encoding`` is ``gsm7`` or ``ucs2``."""

    text: str
    encoding: str
    parts: int


@cache
def catalogue(language: str) -> Mapping[str, Any]:
    """Return the texts of a language; NotFoundError if there are none."""
    if language not in LANGUAGES:
        raise NotFoundError("language", language)
    source = resources.files("kahriz.notify.texts").joinpath(f"{language}.toml")
    return tomllib.loads(source.read_text(encoding="utf-8"))


def fitting(candidates: Iterable[str], shortest: str, alphabet: str) -> Text:
    """Return the first of `candidates` that fits.

    Where none does, and not even `shortest`, it is the first that takes no more SMS than that.
    """
    too_long: list[Text] = []
    for candidate in candidates:
        text = _text(candidate, alphabet)
        if text.parts <= MOST_PARTS[alphabet]:
            return text
        too_long.append(text)
    least = _text(shortest, alphabet)
    return next((text for text in too_long if text.parts <= least.parts), least)


def extended(text: Text, ends: Iterable[str], alphabet: str) -> Text:
    """Return `text` with the first of `ends` that costs no SMS more, or as it is."""
    for end in ends:
        longer = _text(f"{text.text} {end}", alphabet)
        if longer.parts == text.parts:
            return longer
    return text


def _text(wording: str, alphabet: str) -> Text:
    # What a kind is called may end a sentence by itself: "artezian?".
    wording = wording.replace("?.", "?").replace("!.", "!")
    text = fold(wording) if alphabet == "folded" else wording
    return Text(text, encoding(text), parts(text))


def complete(says: Sequence[str], figures: Mapping[str, str]) -> Iterator[str]:
    """Yield wordings from rich to short, without the parts whose figures are not known."""
    for wording in says:
        first, *rest = wording.split("|")
        # Without the figure of its first part a wording says nothing; the last one needs none.
        if is_known(first, figures):
            kept = [first, *(part for part in rest if is_known(part, figures))]
            yield "".join(kept).format_map(figures)


def is_known(part: str, figures: Mapping[str, str]) -> bool:
    """Return whether all that a part of a text names is known."""
    return all(figures[name] for name in placeholders(part))


def placeholders(text: str) -> list[str]:
    """Return the names in braces."""
    return [name for _, name, _, _ in string.Formatter().parse(text) if name]


def cut_names(name: str) -> Iterator[str]:
    """Yield a name ever shorter: ``Yuxarı S.``."""
    for length in range(len(name) - 2, SHORTEST_NAME - 1, -1):
        yield name[:length].rstrip(" .-") + "."


def listed(names: Sequence[str]) -> Iterator[str]:
    """Yield a list ever shorter, ending with how many are not named: ``A, B +9``."""
    yield ", ".join(names)
    for named in range(len(names) - 1, 0, -1):
        yield f"{', '.join(names[:named])} +{len(names) - named}"


def number(value: float | None, decimal: str) -> str:
    """Return a figure with two digits below one, one below a hundred, else none."""
    if value is None:
        return ""
    digits = 2 if abs(value) < 0.995 else 1 if abs(value) < 99.95 else 0
    return f"{value:.{digits}f}".replace(".", decimal)


def as_given(value: float | None, decimal: str) -> str:
    """Return a figure as somebody gave it, a mean of several with one digit: ``10``, ``12,5``."""
    return "" if value is None else f"{value:.1f}".removesuffix(".0").replace(".", decimal)


def percent(value: float | None, sign: str = "") -> str:
    """Return a fraction as ``38%``, or ``+38%`` where `sign` is ``+``."""
    return "" if value is None else f"{100 * value:{sign}.0f}%"


def whole(value: float | None) -> str:
    """Return a figure without decimals."""
    return "" if value is None else f"{value:.0f}"


def moment(instant: datetime | None, now: datetime, zone: ZoneInfo) -> str:
    """Return a local time, with the date if it is not today's."""
    if instant is None:
        return ""
    local, today = instant.astimezone(zone), now.astimezone(zone)
    return local.strftime("%H:%M" if local.date() == today.date() else "%d.%m %H:%M")


def dialled(call: str) -> str:
    """Return whom to call, as short as a phone still recognises the number."""
    return re.sub(r"(?<=[+\d])[ \u00a0](?=\d)", "", call).rstrip(".")
