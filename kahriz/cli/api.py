"""`kahriz api`: serve the HTTP API and the page."""

from __future__ import annotations

import typer

from kahriz.settings import load_settings


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("api")(api)


def api() -> None:
    """Serve the HTTP API, its documentation at /docs and the page at /.

    Where it listens and what it reads are settings: KAHRIZ_API__HOST, KAHRIZ_API__PORT,
    KAHRIZ_STORE__URL, KAHRIZ_BOOK__URL. It stops cleanly on Ctrl-C and on SIGTERM.

    Example: KAHRIZ_API__PORT=8080 kahriz api
    """
    from api.__main__ import serve  # only this command needs a web server

    serve(load_settings())
