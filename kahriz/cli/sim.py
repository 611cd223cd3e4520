"""``kahriz sim``: the simulator's commands under the one front."""

from __future__ import annotations

import typer

from firmware_sim.commands import application


def register(app: typer.Typer) -> None:
    """Add ``kahriz sim run | scenarios | replay``."""
    app.add_typer(application(), name="sim")
