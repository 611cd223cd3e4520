"""Run the API: ``python -m api`` or ``kahriz api``. Wiring only."""

from __future__ import annotations

import errno
import gc
import logging
import signal
import socket
import sys

import uvicorn
from fastapi import FastAPI

from api.app import create_app, stop_streams
from kahriz import logs
from kahriz.book import Book
from kahriz.errors import ConfigError, StoreUnavailable
from kahriz.settings import ApiSettings, Settings, load_settings
from kahriz.sites import load_registry
from kahriz.store import open_store

_LOG = logging.getLogger("api")
_DRAIN_S = 10
_MOST_CONNECTIONS = 1000
_SWITCH_S = 0.0005


def serve(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, and return when everything is let go.

    Raises
    ------
    ConfigError
        What is configured cannot work, or the port is taken.
    """
    logs.setup(settings.log_level)
    registry = load_registry(settings.sites)
    store = open_store(settings.store_url, settings.store.token.get_secret_value(), read_only=True)
    book = Book(settings.book_url)
    listener = listen(settings.api)
    try:
        _migrate(book)
        app = create_app(settings, registry, store, book, settings.clock.clock())
        _be_even()
        _run(app, listener)
    finally:
        listener.close()
        store.close()
        book.close()


def listen(settings: ApiSettings) -> socket.socket:
    """Return the socket that listens where the settings say.

    Raises
    ------
    ConfigError
        Somebody else listens there, or the address is none of this machine's.
    """
    where = f"{settings.host}:{settings.port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            settings.host, settings.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise ConfigError("api.host", f"{where}: {error.strerror}", "KAHRIZ_API__HOST") from error
    listener = socket.socket(family, kind, protocol)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(address)
        listener.listen(2048)
    except OSError as error:
        listener.close()
        raise _not_listening(where, error) from error
    return listener


def _not_listening(where: str, error: OSError) -> ConfigError:
    if error.errno == errno.EADDRINUSE:
        return ConfigError(
            "api.port",
            f"{where} is in use by another program",
            "set KAHRIZ_API__PORT to a free one",
        )
    return ConfigError(
        "api.host", f"cannot listen on {where}: {error.strerror}", "KAHRIZ_API__HOST, _PORT"
    )


def _be_even() -> None:
    """Let no answer wait for what another one makes the interpreter do.

    What is there from the start is not looked through for garbage again and again, which takes tens
    of milliseconds; and a thread that computes hands over after half a millisecond, so that the
    event loop is not kept waiting for ten times that.
    """
    gc.collect()
    gc.freeze()
    sys.setswitchinterval(_SWITCH_S)


def _migrate(book: Book) -> None:
    try:
        book.migrate()
    except StoreUnavailable as error:
        # Ingest brings it up to date too; until it can be reached, answers are 503.
        _LOG.warning("book unavailable", extra={"reason": error.reason})


class _Server(uvicorn.Server):
    """Uvicorn that ends what streams before it waits for requests to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, FastAPI)
        stop_streams(app)
        await super().shutdown(sockets)


def _run(app: FastAPI, listener: socket.socket) -> None:
    config = uvicorn.Config(
        app,
        loop="uvloop",
        http="httptools",
        ws="none",
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        limit_concurrency=_MOST_CONNECTIONS,
        timeout_graceful_shutdown=_DRAIN_S,
    )
    # Uvicorn sends itself the signal again once it has stopped; for us that was the clean end.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: None)
    host, port = listener.getsockname()[:2]
    _LOG.info("listening", extra={"host": host, "port": port})
    _Server(config).run(sockets=[listener])
    _LOG.info("stopped")


def main() -> None:
    """Run the API; what is configured wrongly is one line and exit 2."""
    try:
        serve(load_settings())
    except ConfigError as error:
        sys.stderr.write(f"kahriz api: {error}\n")
        raise SystemExit(2) from error


if __name__ == "__main__":
    main()
