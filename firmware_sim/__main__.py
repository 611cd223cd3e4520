"""``python -m firmware_sim run three_kahrizes``: the simulator as a process of its own."""

from __future__ import annotations

import sys

from firmware_sim.commands import application
from kahriz.errors import ConfigError, KahrizError


def main() -> None:
    """Run the command line; every expected error is one line on standard error."""
    try:
        application()()
    except KahrizError as error:
        sys.stderr.write(f"firmware_sim: {error}\n")
        raise SystemExit(2 if isinstance(error, ConfigError) else 1) from error


if __name__ == "__main__":
    main()
