"""The command `kahriz`: one front for every process and every task of an operator.

Each module named in `_COMMANDS` has a function ``register(app)`` that adds its commands.
Exit codes: 0 done, 1 found something wrong, 2 wrong use or wrong configuration.
"""

from __future__ import annotations

import importlib
import sys

import typer

from kahriz.errors import ConfigError, KahrizError

_COMMANDS: tuple[str, ...] = (
    "demo",
    "ingest",
    "api",
    "sim",
    "keys",
    "credentials",
    "dead_letters",
    "replay",
    "audit",
    "export",
    "detect",
    "maintenance",
    "silences",
    "contacts",
    "sms",
)


def build() -> typer.Typer:
    """Return the whole command line."""
    app = typer.Typer(
        name="kahriz",
        help="Telemetry for kahriz water: from a sensor to an SMS, and to figures one can trust.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for name in _COMMANDS:
        importlib.import_module(f"kahriz.cli.{name}").register(app)
    return app


def main() -> None:
    """Run the command line; every expected error is one line on standard error."""
    try:
        build()()
    except KahrizError as error:
        sys.stderr.write(f"kahriz: {error}\n")
        raise SystemExit(2 if isinstance(error, ConfigError) else 1) from error
