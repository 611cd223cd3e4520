"""What a gateway says when it calls us: whether it is the gateway, a text's fate, or an answer."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
from urllib.parse import parse_qsl

from kahriz.notify import Arrived, Fate, FateState, presets
from kahriz.notify.presets import Preset
from kahriz.settings import HttpGatewaySettings

LEAST_SECRET = 16
HEADER = "x-kahriz-secret"
_SIGNATURE = "x-twilio-signature"
_LONGEST = 4096


class NotTheGateway(Exception):  # noqa: N818 - says who it is not
    """Who calls does not know the secret."""


class NotUnderstood(Exception):  # noqa: N818
    """The call does not say what the preset says it would."""


@dataclass(frozen=True, slots=True)
class Call:
    """One request of a gateway; `path` with its query, names of headers in lower case."""

    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes


@dataclass(frozen=True, slots=True)
class Door:
    """Where one gateway comes in.

    Attributes
    ----------
    callback
        Our address as the gateway sees it; part of what Twilio signs.
    secret
        What the gateway knows: a shared secret, or the key it signs with.
    """

    preset: Preset
    callback: str
    secret: str

    @classmethod
    def of(cls, said: HttpGatewaySettings) -> Self:
        """Return the door for the gateway that these settings are about."""
        preset = presets.load(said.preset)
        signs = preset.check == "twilio"
        secret = said.secret if signs else said.callback_secret
        return cls(preset, said.callback, secret.get_secret_value())

    def check(self, call: Call) -> None:
        """Return where it is the gateway that calls; else raise NotTheGateway."""
        if not self.secret:
            raise NotTheGateway("no secret is set")
        if self.preset.check == "twilio":
            said = call.headers.get(_SIGNATURE, "")
            query = f"?{call.query}" if call.query else ""
            url = f"{self.callback}{call.path}{query}"
            expected = twilio_signature(url, _pairs(call.body), self.secret)
        else:
            said = call.headers.get(HEADER, "") or dict(_pairs(call.query)).get("secret", "")
            expected = self.secret
        if not hmac.compare_digest(said.encode(), expected.encode()):
            raise NotTheGateway("wrong signature" if said else "no secret and no signature")

    def fate(self, call: Call, now: datetime) -> Fate | None:
        """Return what became of a text; None: nothing final. NotUnderstood: it does not say."""
        wanted = self.preset.receipt
        if wanted is None:
            raise NotUnderstood(f"{self.preset.title} sends no receipts")
        said = _said(call)
        reference, word = _needed(said, wanted.reference), _needed(said, wanted.state)
        words = {
            FateState.DELIVERED: wanted.delivered,
            FateState.FAILED: wanted.failed,
            FateState.EXPIRED: wanted.expired,
        }
        for state, known in words.items():
            if word.lower() in known:
                detail = at(said, wanted.detail) or "" if wanted.detail else ""
                return Fate(reference, state, now, detail[:200])
        return None

    def arrived(self, call: Call, now: datetime) -> Arrived:
        """Return what somebody answered; NotUnderstood: it does not say."""
        wanted = self.preset.inbound
        if wanted is None:
            raise NotUnderstood(f"{self.preset.title} brings no answers")
        said = _said(call)
        text = at(said, wanted.text)
        if text is None:
            raise NotUnderstood(f"{wanted.text} is missing")
        address = _needed(said, wanted.address)
        if wanted.without_plus and address.isdecimal() and not address.startswith("0"):
            address = f"+{address}"
        return Arrived(_needed(said, wanted.reference), address, text, now)


def at(said: Any, path: str) -> str | None:
    """Return what stands at a dotted path, as text; None: nothing does."""
    for name in path.split("."):
        if not isinstance(said, Mapping) or name not in said:
            return None
        said = said[name]
    if isinstance(said, bool) or not isinstance(said, str | int):
        return None
    return str(said)[:_LONGEST]


def twilio_signature(url: str, parameters: list[tuple[str, str]], token: str) -> str:
    """Return what Twilio signs a call with: HMAC-SHA1 of the address and the sorted parameters."""
    signed = url + "".join(name + value for name, value in sorted(parameters))
    digest = hmac.new(token.encode(), signed.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode("ascii")


def _needed(said: Any, path: str) -> str:
    found = at(said, path)
    if not found:
        raise NotUnderstood(f"{path} is missing")
    return found


def _said(call: Call) -> Mapping[str, Any]:
    """Return all a call says: its query, and its body as a form or as JSON."""
    found: dict[str, Any] = dict(_pairs(call.query))
    if "json" not in call.headers.get("content-type", "") and call.body[:1] != b"{":
        return found | dict(_pairs(call.body))
    try:
        body = json.loads(call.body)
    except (ValueError, RecursionError) as error:
        raise NotUnderstood("the body is not JSON") from error
    if not isinstance(body, dict):
        raise NotUnderstood("the body is no JSON object")
    return found | body


def _pairs(text: str | bytes) -> list[tuple[str, str]]:
    decoded = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    try:
        return parse_qsl(decoded, keep_blank_values=True, errors="replace", max_num_fields=100)
    except ValueError as error:
        raise NotUnderstood("more than 100 fields") from error
