"""Texts by an SMS gateway that is asked over HTTP, in the words of a preset."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from datetime import timedelta
from email.utils import parsedate_to_datetime
from typing import Any, ClassVar, Self
from urllib.parse import quote, urlencode, urlsplit

from kahriz.clock import to_ms
from kahriz.errors import ConfigError, DeliveryError, DeliveryReason
from kahriz.notify import SMS, Message, Receipt, outgoing, presets
from kahriz.notify.outgoing import Answer, Limits
from kahriz.notify.presets import PLACEHOLDER, Preset
from kahriz.notify.pushed import LEAST_SECRET, at
from kahriz.notify.segments import GSM7
from kahriz.settings import HttpGatewaySettings, Settings

_BY_STATUS = {
    401: DeliveryReason.AUTH,
    403: DeliveryReason.AUTH,
    402: DeliveryReason.NO_CREDIT,
    429: DeliveryReason.RATE_LIMITED,
    # What is wrong with the request itself is wrong with the next try too.
    400: DeliveryReason.REJECTED,
    413: DeliveryReason.REJECTED,
    422: DeliveryReason.REJECTED,
}
_SHOWN = 120
_FOR_GOOD = (DeliveryReason.REJECTED, DeliveryReason.INVALID_NUMBER)


class HttpNotifier:
    """Hand texts to one gateway.

    Parameters
    ----------
    preset
        What it is asked and what it answers.
    settings
        Where it is and who we are there.
    """

    name: ClassVar[str] = "http"
    channels: ClassVar[frozenset[str]] = frozenset({SMS})

    def __init__(self, preset: Preset, settings: HttpGatewaySettings) -> None:
        self._preset = preset
        self._settings = settings
        self._limits = Limits(settings.timeout_s, settings.allow_private)

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the notifier a process uses; ConfigError where the settings cannot work."""
        said = settings.notify.http
        preset = presets.load(said.preset)
        _validate(preset, said)
        return cls(preset, said)

    def send(self, message: Message) -> Receipt:
        """Ask the gateway to take `message`; DeliveryError says what it answered instead."""
        request = self._preset.request
        ours = f"{message.id}-{to_ms(message.created_at)}"
        values = self._values(message, ours)
        fields = _filled(request.fields, values)
        url = _in_address(request.url, values)
        headers = {name: _in_text(value, values) for name, value in request.headers.items()}
        headers = {"Accept": "*/*", "User-Agent": "kahriz"} | headers | self._authorisation()
        body: bytes | None = None
        if request.body == "json":
            body = json.dumps(fields, ensure_ascii=False).encode("utf-8")
            headers["Content-Type"] = "application/json; charset=utf-8"
        elif request.body == "form":
            body = urlencode(fields).encode("ascii")
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        else:
            url += ("&" if urlsplit(url).query else "?") + urlencode(fields)
        answer = outgoing.ask(request.method, url, headers, body, self._limits)
        return Receipt(judged(self._preset, answer) or ours)

    def _values(self, message: Message, reference: str) -> dict[str, str]:
        said = self._settings
        return {
            "to": message.address,
            "text": message.text,
            "reference": reference,
            "sender": said.sender,
            "coding": "0" if message.encoding == GSM7 else "2",
            "account": said.account,
            "secret": said.secret.get_secret_value(),
            "url": (said.url or self._preset.address).rstrip("/"),
            "callback": said.callback,
            "callback_secret": said.callback_secret.get_secret_value(),
        }

    def _authorisation(self) -> dict[str, str]:
        secret = self._settings.secret.get_secret_value()
        match self._preset.request.auth:
            case "basic":
                pair = f"{self._settings.account}:{secret}".encode()
                return {"Authorization": f"Basic {base64.b64encode(pair).decode('ascii')}"}
            case "bearer":
                return {"Authorization": f"Bearer {secret}"}
            case _:
                return {}


def judged(preset: Preset, answer: Answer) -> str | None:
    """Return the gateway's reference, None where it gives none; DeliveryError: it has it not."""
    for refusal in preset.refusal:
        has_status = not refusal.status or answer.status in refusal.status
        if has_status and re.search(refusal.pattern, answer.text):
            raise _refused(refusal.reason, answer)
    taken = preset.answer
    if answer.status not in taken.status:
        # 2xx is a yes of some kind, and the rest, 5xx and the unheard-of, is the gateway's trouble.
        unknown = DeliveryReason.NO_ANSWER if answer.status < 300 else DeliveryReason.GATEWAY
        raise _refused(_BY_STATUS.get(answer.status, unknown), answer)
    if not re.search(taken.pattern, answer.text):
        raise _refused(DeliveryReason.NO_ANSWER, answer)
    if not taken.reference:
        return None
    try:
        found = at(json.loads(answer.text), taken.reference)
    except (ValueError, RecursionError):
        found = None
    if found is None:  # it may well have the text, but nobody would know its receipts
        raise _refused(DeliveryReason.NO_ANSWER, answer)
    return found


def _refused(reason: DeliveryReason, answer: Answer) -> DeliveryError:
    said = " ".join(answer.text.split())[:_SHOWN]
    detail = f"HTTP {answer.status}" + (f": {said}" if said else "")
    permanent = reason in _FOR_GOOD
    return DeliveryError(reason, detail, permanent=permanent, retry_after=_retry_after(answer))


def _retry_after(answer: Answer) -> timedelta | None:
    """Return how long the gateway asks to be left alone: seconds, or until an instant of its own.

    RFC 9110 section 10.2.3.
    """
    said = answer.headers.get("retry-after", "")
    if re.fullmatch(r"\d{1,6}", said):
        return timedelta(seconds=int(said))
    try:
        return parsedate_to_datetime(said) - parsedate_to_datetime(answer.headers.get("date", ""))
    except (ValueError, TypeError):
        return None


def _filled(value: Any, values: Mapping[str, str]) -> Any:
    if isinstance(value, Mapping):
        return {
            name: _filled(inner, values)
            for name, inner in value.items()
            if values["callback"] or "{callback}" not in str(inner)
        }
    if isinstance(value, list | tuple):
        return [_filled(inner, values) for inner in value]
    if not isinstance(value, str):
        return value
    is_address = value.startswith(("{callback}", "{url}"))
    return _in_address(value, values) if is_address else _in_text(value, values)


def _in_text(template: str, values: Mapping[str, str]) -> str:
    return PLACEHOLDER.sub(lambda found: values[found[1]], template)


def _in_address(template: str, values: Mapping[str, str]) -> str:
    """Fill in values so that none of them can change where the address leads."""

    def value(found: re.Match[str]) -> str:
        name = found[1]
        return values[name] if name in ("url", "callback") else quote(values[name], safe="")

    return PLACEHOLDER.sub(value, template)


def _validate(preset: Preset, said: HttpGatewaySettings) -> None:
    url = said.url or preset.address
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        problem = f"{url!r} is no address of a gateway"
        raise ConfigError("notify.http.url", problem, "like https://gateway.example")
    if parts.scheme == "http" and not said.allow_private:
        problem = f"{url} would carry the password openly"
        raise ConfigError("notify.http.url", problem, "https, or notify.http.allow_private")
    given = {"account": said.account, "sender": said.sender}
    given["secret"] = said.secret.get_secret_value()
    for name in preset.needs:
        if not given[name]:
            raise ConfigError(f"notify.http.{name}", f"missing: {preset.title} needs it")
    if said.callback and preset.check == "secret":
        _validate_secret(said.callback_secret.get_secret_value())


def _validate_secret(secret: str) -> None:
    where = "notify.http.callback_secret"
    if len(secret) < LEAST_SECRET:
        problem = f"shorter than {LEAST_SECRET} characters"
        raise ConfigError(where, problem, "anybody could answer for others")
    if quote(secret, safe="") != secret:
        # It stands in addresses, some of which gateways take apart themselves.
        raise ConfigError(where, "has characters beyond letters, digits and - . _ ~")
