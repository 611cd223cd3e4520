"""What a text from a phone means: one character, one word, or a bucket and a stopwatch. Pure.

People write as their phones let them: without the letters of their language, with the small
letter first made large, in digits of another script, with the text they answer below it. So a
text is folded before it is compared, one line of it is read, and the words of all languages hold
for everybody. What would do something (acknowledge, stop ...) is not guessed from a sentence:
"2 gündür su yoxdur", no water for two days, is not the ``2`` that says "I am there".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from statistics import fmean

from kahriz.notify.fold import fold

LOOKED_AT = 1000
"""Characters of a text that are read at all."""

LITRES = (0.5, 1000.0)
"""Smallest and largest bucket or tank of a gauging."""

SECONDS = (0.5, 3600.0)
"""Shortest and longest time it may take to fill."""

MOST_TRIALS = 20
"""Times in one text."""

SILENCE_H = (0.5, 24.0)
"""Shortest and longest silence [h]; nobody silences a kahriz for longer from a phone."""

USUAL_SILENCE = timedelta(hours=4)
"""Where no hours are given."""


class Command(StrEnum):
    """What somebody wants."""

    ACKNOWLEDGE = "acknowledge"
    ON_SITE = "on_site"
    FALSE_ALARM = "false_alarm"
    STATUS = "status"
    SILENCE = "silence"
    STOP = "stop"
    START = "start"
    HELP = "help"
    GAUGING = "gauging"
    UNKNOWN = "unknown"


class Problem(StrEnum):
    """Why a command that was recognised cannot be carried out."""

    HOURS = "hours"
    """No number, or outside `SILENCE_H`."""
    FIGURES = "figures"
    """Not litres and at least one time, or what is no number, or more than `MOST_TRIALS` times."""
    LITRES = "litres"
    """Outside `LITRES`."""
    SECONDS = "seconds"
    """Outside `SECONDS`."""


@dataclass(frozen=True, slots=True)
class Gauging:
    """A bucket of so many litres, and how long it took to fill, once or several times."""

    litres: float
    seconds: tuple[float, ...]

    @property
    def mean_s(self) -> float:
        """Mean time to fill it [s]."""
        return fmean(self.seconds)

    @property
    def discharge_lps(self) -> float:
        """Flow [L/s]."""
        return self.litres / self.mean_s


@dataclass(frozen=True, slots=True)
class Said:
    """What a text means.

    Attributes
    ----------
    command
        What is wanted; ``unknown`` where it cannot be told for sure.
    codes
        Alerts it is about, as ``K7``, in the order of the text; that of the text below it (the
        one that is answered) where it names none.
    silence
        For how long, of ``silence``.
    gauging
        Of ``gauging``.
    problem
        Why it cannot be done, else None; then `silence` and `gauging` are None.
    """

    command: Command
    codes: tuple[str, ...] = ()
    silence: timedelta | None = None
    gauging: Gauging | None = None
    problem: Problem | None = None


# Folded, lower case. A Russian word is spelt as `fold` spells it.
_WORDS: Mapping[Command, str] = {
    Command.ACKNOWLEDGE: "ok okay okey oke bax baxiram baxiriq baxacam baxaram beli he qebul"
    " oldu yes ack da beru prinial priniato zaimus idu smotriu",
    Command.ON_SITE: "yerinde yerindeyem yerindeyik catdim catdiq burdayam onsite arrived"
    " priekhal priekhali zdes meste",
    Command.FALSE_ALARM: "sehv sehvdir yanlis yanlisdir false lozh lozhno lozhnaia oshibka",
    Command.STATUS: "su status veziyyet water voda vody",
    Command.SILENCE: "sus sakit silence mute quiet tikho tishina molchi",
    Command.STOP: "dayan dayandir dayandirin stop stopall unsubscribe otpiska khvatit",
    Command.START: "basla baslat start unstop nachat nachni",
    Command.HELP: "komek help info pomoshch pomosh",
    Command.GAUGING: "vedre vedro vedra bucket",
}
_COMMANDS = {word: command for command, words in _WORDS.items() for word in words.split()}
_DIGITS = {"1": Command.ACKNOWLEDGE, "2": Command.ON_SITE, "0": Command.FALSE_ALARM}
# A short sentence that begins with one of these means it, unless it says "not".
_MAY_TALK = (Command.ACKNOWLEDGE, Command.STATUS, Command.HELP)
_MOST_WORDS = 8
_NOT = {"deyil", "yox", "yoxdur", "not", "no", "ne", "net", "nelzia"}
# Words beside a command that change nothing.
_BESIDE = {
    "men", "biz", "indi", "artiq", "sag", "ol", "sagol", "tesekkur", "zehmet", "olmasa", "alarm",
    "xeberdarliq", "ucun", "saat", "saata",
    "i", "am", "we", "on", "site", "now", "please", "thank", "thanks", "you", "h", "hour", "hours",
    "ia", "my", "na", "uzhe", "seichas", "spasibo", "pozhaluista", "trevoga", "ch", "chas", "chasa",
    "chasov",
}  # fmt: skip
_UNITS = r"(?:l|lt|litr|litre|liter|litrov|s|sn|san|sec|sek|saniye|sekund|c)?"
_NUMBER = re.compile(r"(\d{1,6}(?:[.,]\d{1,6})?)" + _UNITS)
_HOURS = re.compile(r"(\d{1,3}(?:[.,]\d{1,3})?)(?:h|saat|saatliq|ch|chasa|chasov)?")
_CODE = re.compile(r"(?<![a-z])#?k ?0?([1-9]\d?)(?!\d)")
# Where the text that is answered begins, behind or above the answer.
_QUOTES = re.compile(r">|\s--|\s[\"']?#k\d{1,2}\s+(?=\D{2})")
_IS_QUOTED = re.compile(r"\s*(?:>|--|[\"']?#k\d{1,2}\s.{20})")
_CODE_QUOTED = re.compile(r"#k ?0?([1-9]\d?)(?!\d)")
_THUMBS = re.compile("[\N{THUMBS UP SIGN}\N{OK HAND SIGN}\N{WHITE HEAVY CHECK MARK}]")
_LINES = re.compile(r"[\n\r\v\f\x85\u2028\u2029]+")


def understand(text: str) -> Said:
    """Return what a text from a phone means; never raises, whatever the text.

    Parameters
    ----------
    text
        As it came; `LOOKED_AT` characters of it are read.
    """
    looked_at = text[:LOOKED_AT]
    lines = [_plain(line) for line in _LINES.split(looked_at)]
    line, quoted = _answered(lines)
    codes = _codes(_CODE.findall(line)) or _codes(_CODE_QUOTED.findall(quoted))[:1]
    words = [w for w in map(_bare, _CODE.sub(" ", line).split()) if w]
    if not words:
        is_asking = "?" in line and not any(map(str.isalnum, looked_at))
        return Said(Command.HELP if is_asking else Command.UNKNOWN, codes)
    return _meant(words, codes)


def _plain(line: str) -> str:
    """Return a line in small Latin letters and European digits, without what cannot be seen."""
    spelt = unicodedata.normalize("NFKD", _THUMBS.sub(" ok ", line))
    return fold("".join(map(_seen, spelt))).lower()


def _seen(character: str) -> str:
    if character.isdecimal():
        return str(unicodedata.decimal(character))
    if unicodedata.category(character) in ("Cf", "Mn", "Me"):
        return ""
    return {"\u066b": ".", "\u066c": ",", "\u060c": ",", "\u061f": "?"}.get(character, character)


def _answered(lines: list[str]) -> tuple[str, str]:
    """Return the line that is the answer, and what is quoted around it."""
    own = [line for line in lines if line.strip() and not _IS_QUOTED.match(line)]
    quoted = " ".join(line for line in lines if _IS_QUOTED.match(line))
    if not own:
        return "", quoted
    found = _QUOTES.search(own[0])
    if found:
        return own[0][: found.start()], own[0][found.start() :] + " " + quoted
    figures = [line for line in own[1:] if re.fullmatch(r"[\d\s.,ls]+", line)]
    return " ".join([own[0], *figures]), quoted


def _codes(numbers: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(f"K{number}" for number in numbers))


def _bare(word: str) -> str:
    return word.strip("\"'.,;:!?()[]{}<>*/\\-_=+#@&%|~^")


def _meant(words: list[str], codes: tuple[str, ...]) -> Said:
    at = next((i for i, word in enumerate(words) if word not in _BESIDE), None)
    if at is None:
        return Said(_of_fillers(words), codes)
    first, others = words[at], words[:at] + words[at + 1 :]
    command = _DIGITS.get(first) or _COMMANDS.get(first, Command.UNKNOWN)
    if command is Command.GAUGING:
        return _gauged(others, codes)
    if command is Command.SILENCE:
        return _silenced(others, codes)
    also = {_COMMANDS.get(word, command) for word in others} | {command}
    is_clear = len(also) == 1 and not _NOT.intersection(others)
    is_short = len(words) <= _MOST_WORDS and first not in _DIGITS
    if is_clear and is_short and command in _MAY_TALK:
        return Said(command, codes)
    is_known = all(word in _BESIDE or word in _COMMANDS for word in others)
    return Said(command if is_clear and is_known else Command.UNKNOWN, codes)


def _of_fillers(words: list[str]) -> Command:
    return Command.ON_SITE if "on site" in " ".join(words) else Command.UNKNOWN


def _silenced(others: list[str], codes: tuple[str, ...]) -> Said:
    given = [word for word in others if word not in _BESIDE and word not in _COMMANDS]
    if not given:
        return Said(Command.SILENCE, codes, silence=USUAL_SILENCE)
    found = _HOURS.fullmatch(given[0])
    hours = _value(found[1]) if found and len(given) == 1 else 0.0
    if not SILENCE_H[0] <= hours <= SILENCE_H[1]:
        return Said(Command.SILENCE, codes, problem=Problem.HOURS)
    return Said(Command.SILENCE, codes, silence=timedelta(hours=hours))


def _gauged(others: list[str], codes: tuple[str, ...]) -> Said:
    # "10 l 12 s": a unit that stands alone is no figure.
    found = [_NUMBER.fullmatch(w) for w in others if not re.fullmatch(_UNITS, w)]
    values = [_value(match[1]) for match in found if match]
    if len(values) != len(found) or not 2 <= len(values) <= 1 + MOST_TRIALS:
        return Said(Command.GAUGING, codes, problem=Problem.FIGURES)
    litres, *seconds = values
    if not LITRES[0] <= litres <= LITRES[1]:
        return Said(Command.GAUGING, codes, problem=Problem.LITRES)
    if not all(SECONDS[0] <= s <= SECONDS[1] for s in seconds):
        return Said(Command.GAUGING, codes, problem=Problem.SECONDS)
    return Said(Command.GAUGING, codes, gauging=Gauging(litres, tuple(seconds)))


def _value(digits: str) -> float:
    return float(digits.replace(",", "."))
