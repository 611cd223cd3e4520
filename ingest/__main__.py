"""Run ingest: ``python -m ingest``; configured by kahriz.toml and the environment."""

from __future__ import annotations

import logging
import signal
import sys

from ingest.worker import Worker
from kahriz import logs
from kahriz.errors import ConfigError
from kahriz.settings import load_settings
from kahriz.sites import load_registry


def main() -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 2 where the configuration cannot work."""
    try:
        settings = load_settings()
        logs.setup(settings.log_level)
        worker = Worker(settings, load_registry(settings.sites))
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: worker.stop())
        worker.run()
    except ConfigError as error:
        sys.stderr.write(f"kahriz ingest: {error}\n")
        return 2
    logging.shutdown()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
