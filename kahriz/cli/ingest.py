"""``kahriz ingest``: run the ingest process."""

from __future__ import annotations

import typer


def register(app: typer.Typer) -> None:
    """Add the command."""

    @app.command()
    def ingest() -> None:
        """Take readings from the broker until stopped.

        Configured by kahriz.toml and the environment.

        Example: KAHRIZ_MQTT__HOST=broker KAHRIZ_SITES=sites.toml kahriz ingest
        """
        from ingest.__main__ import main

        raise typer.Exit(main())
