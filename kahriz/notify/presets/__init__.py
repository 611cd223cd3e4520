"""What an SMS gateway is asked, what it answers, and what it says when it calls us: TOML files.

A preset is data. Of the text are ``{to} {text} {reference} {sender} {coding}`` (0 for GSM-7, 2 for
UCS-2), of the settings ``{account} {secret} {url} {callback} {callback_secret}``. A field that
needs a callback is left out where there is none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from kahriz.configured import closest, first_error, problem_of, read_toml
from kahriz.errors import ConfigError, DeliveryReason

PRESETS = ("aggregator", "android", "kannel", "twilio")
PLACEHOLDERS = frozenset(
    {"to", "text", "reference", "sender", "coding", "account", "secret", "url"}
    | {"callback", "callback_secret"}
)
PLACEHOLDER = re.compile(r"\{(\w+)\}")
_CONFIG = ConfigDict(frozen=True, extra="forbid")


class Request(BaseModel):
    """What is sent for one text."""

    model_config = _CONFIG
    method: Literal["GET", "POST"] = "POST"
    url: str
    auth: Literal["none", "basic", "bearer"] = "none"
    headers: Mapping[str, str] = {}
    body: Literal["form", "json", "query"]
    fields: Mapping[str, Any]


class Answer(BaseModel):
    """Which answers say that the gateway has the text."""

    model_config = _CONFIG
    status: tuple[int, ...] = (200, 201, 202)
    pattern: str = ""
    reference: str = ""
    """Where in a JSON answer its reference is, as ``message.id``; empty: ours is used."""


class Refusal(BaseModel):
    """Which answers mean what; looked at first, in this order."""

    model_config = _CONFIG
    status: tuple[int, ...] = ()
    pattern: str = ""
    reason: DeliveryReason


class Receipt(BaseModel):
    """Where a call about a text's fate says what."""

    model_config = _CONFIG
    reference: str
    state: str
    detail: str = ""
    delivered: tuple[str, ...]
    failed: tuple[str, ...]
    expired: tuple[str, ...] = ()


class Inbound(BaseModel):
    """Where a call with an answer says what."""

    model_config = _CONFIG
    reference: str
    address: str
    text: str
    without_plus: bool = False
    """Numbers come in international form, but without the plus before them."""


class Preset(BaseModel):
    """One kind of gateway."""

    model_config = _CONFIG
    title: str
    address: str = ""
    """Where it is; empty: the settings have to say it."""
    needs: tuple[Literal["account", "secret", "sender"], ...] = ()
    check: Literal["secret", "twilio"] = "secret"
    """How we know that it is the gateway that calls."""
    request: Request
    answer: Answer = Answer()
    refusal: tuple[Refusal, ...] = Field((), max_length=50)
    receipt: Receipt | None = None
    inbound: Inbound | None = None


@cache
def load(name: str) -> Preset:
    """Return the preset of that name, or the one in a file; ConfigError says what is wrong."""
    where = "notify.http.preset"
    if name in PRESETS:
        place = resources.files("kahriz.notify.presets").joinpath(f"{name}.toml")
        with resources.as_file(place) as path:
            said = read_toml(path)
    elif name.endswith(".toml"):
        said = read_toml(Path(name))
    else:
        hint = closest(name, PRESETS) if name else ", ".join(PRESETS)
        raise ConfigError(where, f"{name!r} is no preset and no TOML file", hint)
    try:
        preset = Preset(**said)
    except ValidationError as error:
        first = first_error(error)
        key = ".".join(str(part) for part in first["loc"])
        raise ConfigError(f"{name}: {key}", problem_of(first)) from error
    _check(name, preset)
    return preset


def _check(name: str, preset: Preset) -> None:
    request = preset.request
    for template in [request.url, *request.headers.values(), *_texts(request.fields)]:
        for placeholder in PLACEHOLDER.findall(template):
            if placeholder not in PLACEHOLDERS:
                hint = closest(placeholder, sorted(PLACEHOLDERS))
                raise ConfigError(f"{name}: request", f"no such {{{placeholder}}}", hint)
    for pattern in [preset.answer.pattern, *(refusal.pattern for refusal in preset.refusal)]:
        try:
            re.compile(pattern)
        except re.error as error:
            raise ConfigError(f"{name}: {pattern}", f"no regular expression: {error}") from error


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for inner in value.values():
            yield from _texts(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _texts(inner)
