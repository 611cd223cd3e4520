"""Files of configuration, and what is wrong in them in the words of who wrote them."""

from __future__ import annotations

import difflib
import re
import tomllib
import unicodedata
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from kahriz.errors import ConfigError

SLUG_PATTERN = r"^[a-z0-9][a-z0-9-]{0,39}$"
GROUP_PATTERN = r"^[^/+#]*$"
CURRENCY_PATTERN = r"^[A-Z]{3}$"

_PATTERNS = {
    SLUG_PATTERN: "expected at most 40 of a-z, 0-9 and -",
    GROUP_PATTERN: "expected a name without / + #",
    CURRENCY_PATTERN: "expected three capital letters, like AZN",
}
_DATE = "not a date, like 2026-05-01"
# Of pydantic's error types those that a file can cause; {names} are of the error's context.
_WORDS = {
    "missing": "is missing",
    "int_type": "not a whole number",
    "int_parsing": "not a whole number",
    "int_from_float": "not a whole number",
    "float_type": "not a number",
    "float_parsing": "not a number",
    "finite_number": "not a finite number",
    "bool_type": "neither true nor false",
    "bool_parsing": "neither true nor false",
    "string_too_short": "is empty",
    "string_too_long": "more than {max_length} characters",
    "string_type": 'not a text in "quotes"',
    "tuple_type": "not a list",
    "model_type": "not a table of keys",
    "model_attributes_type": "not a table of keys",
    "greater_than": "not above {gt:g}",
    "greater_than_equal": "below {ge:g}",
    "less_than_equal": "above {le:g}",
    "literal_error": "expected {expected}",
    "enum": "expected {expected}",
    "date_type": _DATE,
    "date_parsing": _DATE,
    "date_from_datetime_parsing": _DATE,
    "datetime_parsing": "not an instant, like 2026-05-01T12:00:00Z",
    "datetime_from_date_parsing": "not an instant, like 2026-05-01T12:00:00Z",
    "timezone_aware": "no time zone: expected a Z at the end",
}
_LINE = re.compile(r"at line (\d+)")
# A value that is, or may hold, a secret: shown neither in part nor where its quotes are wrong.
_SECRET = re.compile(r"(.*(?:password|token|url)\W*)=.*", re.IGNORECASE)
_LONGEST_SHOWN = 80


def read_toml(path: Path, hint_if_missing: str = "") -> dict[str, Any]:
    """Return what a TOML file says.

    Raises
    ------
    ConfigError
        It cannot be read, is not UTF-8 or not TOML; names the file, the line and what stands there.
    """
    try:
        # An editor of Windows puts a mark before the text, which TOML does not know.
        text = path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error), hint_if_missing) from error
    except UnicodeDecodeError as error:
        raise ConfigError(str(path), f"not UTF-8: {error}") from error
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise _not_toml(path, text, error) from error


def _not_toml(path: Path, text: str, error: tomllib.TOMLDecodeError) -> ConfigError:
    problem = str(error)
    found = _LINE.search(problem)
    lines = text.splitlines()
    if found and int(found[1]) <= len(lines):
        line = _SECRET.sub(r"\1= ***", lines[int(found[1]) - 1].strip())
        problem += f": {line[:_LONGEST_SHOWN]!r}"
    is_twice = "overwrite" in problem or "declare" in problem
    hint = "a key or table of this name is there already" if is_twice else ""
    return ConfigError(str(path), problem, hint)


def first_error(error: ValidationError) -> ErrorDetails:
    """Return the one error to speak of: a misspelt key before the key that therefore is missing."""
    found = error.errors()
    return next((e for e in found if e["type"] == "extra_forbidden"), found[0])


def problem_of(error: ErrorDetails, *, is_secret: bool = False) -> str:
    """Return in plain words what is wrong, and the value unless it is a secret or missing."""
    kind, context = error["type"], error.get("ctx", {})
    if kind == "value_error":  # our own validators name the value
        return str(error["msg"]).removeprefix("Value error, ")
    words = _WORDS.get(kind)
    if kind == "string_pattern_mismatch":
        words = _PATTERNS.get(context["pattern"])
    elif kind == "too_short":
        words = "at least {min_length} needed"
    said = str(error["msg"]) if words is None else words.format(**context)
    given = error.get("input")
    is_shown = not (is_secret or kind == "missing" or isinstance(given, _CONTAINERS))
    return f"{said} (got {_shown(given)})" if is_shown else said


_CONTAINERS = (Mapping, list, tuple, BaseModel)


def _shown(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "..."


def one_line(text: str) -> str:
    """Return a text that will stand in an SMS, without spaces around it; ValueError names others.

    What cannot be seen would break the line, or cost an SMS nobody sees the reason of.
    """
    if any(unicodedata.category(character) in _UNSEEN for character in text):
        raise ValueError(f"holds what cannot be seen: {_shown(text)}")
    return text.strip()


_UNSEEN = ("Cc", "Cf", "Cn", "Co", "Cs", "Zl", "Zp")


def closest(name: str, valid: Iterable[str]) -> str:
    """Return what was probably meant by `name`, as the hint of an error."""
    names = list(valid)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else "valid: " + ", ".join(names)
