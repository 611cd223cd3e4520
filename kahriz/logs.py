"""Logging as an operator reads it: one line an event, a constant message and its fields."""

from __future__ import annotations

import logging
import sys
from typing import Any

_STANDARD = set(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class FieldsFormatter(logging.Formatter):
    """Print ``time LEVEL logger: message key=value ...`` from what was given as ``extra``."""

    def format(self, record: logging.LogRecord) -> str:
        """Return the one line."""
        line = super().format(record)
        fields = {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if fields:
            head, newline, tail = line.partition("\n")
            line = head + " " + " ".join(f"{k}={_shown(v)}" for k, v in fields.items())
            line += newline + tail
        return line


def _shown(value: Any) -> str:
    text = str(value)
    return repr(text) if " " in text or not text or not text.isprintable() else text


def setup(level: str = "INFO") -> None:
    """Send this process's log to standard error; called once, by what wires a process."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(FieldsFormatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # Four lines a start that say nothing to an operator.
    logging.getLogger("alembic").setLevel(logging.WARNING)


def without_secrets(url: str) -> str:
    """Return an address to be shown: no user, password or option, each of which may be secret."""
    scheme, colon, rest = url.partition("://")
    if not colon:
        scheme, rest = "", url
    hidden = "***@" if "@" in rest else ""
    place, options, _ = rest.rpartition("@")[2].partition("?")
    return scheme + colon + hidden + place + ("?***" if options else "")


def in_one_line(error: BaseException) -> str:
    """Return the first line of what an error says; its class where it says nothing."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


class Once:
    """Log a repeated failure when it begins and when it ends, not each time in between.

    What fails for a reason that has just been said of something else is not said again: a store
    that is away is one line, however many wait for it.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._said: dict[str, str] = {}

    def failed(self, what: str, reason: str) -> None:
        """Say that `what` fails for `reason`, unless that is known."""
        if reason not in self._said.values():
            self._said[what] = reason
            self._logger.warning("failing", extra={"what": what, "reason": reason})

    def worked(self, what: str) -> None:
        """Say that `what` works again, if it was said to be failing."""
        if self._said.pop(what, None) is not None:
            self._logger.info("works again", extra={"what": what})
