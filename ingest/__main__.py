"""Run ingest: ``python -m ingest``; configured by kahriz.toml and the environment."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading

from ingest.worker import Worker
from kahriz import logs
from kahriz.errors import ConfigError
from kahriz.settings import load_settings
from kahriz.sites import load_registry

_LOG = logging.getLogger(__name__)

END_S = 9.5
"""Longest time from a signal to the end; who stops us kills after ten seconds."""


def main() -> int:
    """Run until SIGTERM or SIGINT; 0 after a clean stop, 2 where the configuration cannot work."""
    stopping = threading.Event()
    try:
        settings = load_settings()
        logs.setup(settings.log_level)
        registry = load_registry(settings.sites)
        worker = Worker(settings, registry, stopping)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: _end(stopping))
        while worker.run() and not stopping.is_set():
            worker = Worker(settings, registry, stopping)  # stands by, and knows nothing stale
    except ConfigError as error:
        sys.stderr.write(f"kahriz ingest: {error}\n")
        return 2
    logging.shutdown()
    return 0


def _end(stopping: threading.Event) -> None:
    stopping.set()
    guard = threading.Timer(END_S, _leave)
    guard.daemon = True
    guard.start()


def _leave() -> None:
    """End although something hangs: what is not durable is not acknowledged, nothing is lost."""
    _LOG.warning("a store did not answer in time; the broker keeps what was not stored")
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    raise SystemExit(main())
