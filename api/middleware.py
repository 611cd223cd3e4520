"""What happens to every request and answer: headers, limits, counts. Plain ASGI, no copies."""

from __future__ import annotations

import time
from collections.abc import Mapping

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.metrics import Metrics

SECURITY_HEADERS: Mapping[str, str] = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' data:; style-src 'self'; script-src 'self'; "
        "connect-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; "
        "frame-ancestors 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
}
"""No inline script or style, nothing from elsewhere, in nobody's frame."""

MAX_BODY_BYTES = 16 * 1024

_UNMATCHED = "unmatched"


class SecurityHeaders:
    """Put `SECURITY_HEADERS` on every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SECURITY_HEADERS)
            await send(message)

        await self._app(scope, receive, send_with_headers)


class NotModified:
    """Answer 304 where a reader names the tag of what it would be given (RFC 9110, 13.1.2)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        known = ",".join(Headers(scope=scope).getlist("if-none-match"))
        is_known = False

        async def send_news(message: Message) -> None:
            nonlocal is_known
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                if scope["method"] != "GET":
                    # What a change answers with is no version of anything.
                    del headers["etag"]
                elif is_known := _names(known, headers.get("etag")):
                    message["status"] = 304
                    del headers["content-length"]
                    del headers["content-type"]
            elif is_known:
                message = {**message, "body": b""}
            await send(message)

        await self._app(scope, receive, send_news)


def _names(known: str, tag: str | None) -> bool:
    """Return whether an If-None-Match names a tag, by the weak comparison."""
    if not known or tag is None:
        return False
    opaque = tag.removeprefix("W/")
    names = (name.strip() for name in known.split(","))
    return any(name == "*" or name.removeprefix("W/") == opaque for name in names)


class BodyLimit:
    """Refuse a body above `MAX_BODY_BYTES` with 413, whatever length it announced."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        seen = 0

        async def receive_limited() -> Message:
            nonlocal seen
            message = await receive()
            seen += len(message.get("body", b""))
            if seen > MAX_BODY_BYTES:
                raise HTTPException(413, f"the body is larger than {MAX_BODY_BYTES} bytes")
            return message

        await self._app(scope, receive_limited, send)


class HeadAsGet:
    """Answer HEAD like GET; the server leaves the body out. Not where an answer may never end."""

    def __init__(self, app: ASGIApp, not_at: tuple[str, ...]) -> None:
        self._app = app
        self._not_at = not_at

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope.get("method") == "HEAD" and not scope["path"].startswith(self._not_at):
            scope = {**scope, "method": "GET"}
        await self._app(scope, receive, send)


class RequestCounts:
    """Count requests and the time until each answer began, by route."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        status = 500
        took = 0.0

        async def send_watched(message: Message) -> None:
            nonlocal status, took
            if message["type"] == "http.response.start":
                status = message["status"]
                took = time.perf_counter() - began
            await send(message)

        try:
            await self._app(scope, receive, send_watched)
        finally:
            self._metrics.count(scope["method"], _route_of(scope), status, took)


def _route_of(scope: Scope) -> str:
    # The pattern, never the path: a scanner's thousand addresses stay one line.
    return str(getattr(scope.get("route"), "path", _UNMATCHED))
