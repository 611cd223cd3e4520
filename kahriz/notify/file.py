"""Every text as one JSON line in a file: what tests and other programs watch.

Answers come the same way: a line ``{"address": "+994500000001", "text": "1"}`` in a second file.
"""

from __future__ import annotations

import json
import logging
import os
import zlib
from collections.abc import Collection, Iterator
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import ClassVar, Self

from kahriz.clock import iso
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import EMAIL, SMS, Arrived, Message, News, Receipt
from kahriz.settings import Settings

_LOG = logging.getLogger(__name__)

ANSWERS = "answers.jsonl"
_MOST = 200
_MOST_BYTES = 2**20


class FileNotifier:
    """Append each text to a file; durable when `send` returns.

    Parameters
    ----------
    path
        The file; it and its folder are made when the first text comes. Answers are read from
        ``answers.jsonl`` beside it, where there is one.
    """

    name: ClassVar[str] = "file"
    channels: ClassVar[frozenset[str]] = frozenset({SMS, EMAIL})

    def __init__(self, path: Path) -> None:
        self._path = path
        self._answers = path.with_name(ANSWERS)
        self._read_to = 0
        self._told: dict[str, int] = {}

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the notifier a process uses: ``messages.jsonl`` in the data directory."""
        return cls(settings.data_dir / "messages.jsonl")

    def send(self, message: Message) -> Receipt:
        """Append `message`; DeliveryError, worth another try, where the file cannot be written."""
        fields = asdict(message) | {"created_at": iso(message.created_at)}
        if message.expires_at is not None:
            fields["expires_at"] = iso(message.expires_at)
        line = json.dumps(fields, ensure_ascii=False) + "\n"
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as file:
                file.write(line)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False) from error
        return Receipt(str(message.id))

    def news(self, now: datetime) -> News:
        """Return the answers behind those that were taken; a restart begins with the first."""
        try:
            if not self._answers.exists():
                return News()
            lines = list(self._lines())
        except OSError as error:
            raise DeliveryError(DeliveryReason.GATEWAY, str(error), permanent=False) from error
        self._told = {}
        arrived = []
        for start, line in lines:
            reference = f"{start}-{zlib.crc32(line):08x}"
            self._told[reference] = start + len(line)
            if (answer := _answer(line)) is None:
                _LOG.warning("not an answer", extra={"file": str(self._answers), "at": start})
                continue
            arrived.append(Arrived(reference, *answer, received_at=now))
        if not arrived:  # nothing that `taken` would be told of
            self._read_to = max(self._told.values(), default=self._read_to)
        return News(arrived=tuple(arrived))

    def taken(self, references: Collection[str]) -> None:
        """Read on behind these."""
        ends = [self._told[r] for r in references if r in self._told]
        self._read_to = max([self._read_to, *ends])

    def trouble(self) -> str | None:
        """Return None: what can be written has left."""
        return None

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Give each whole line that is not taken, with where it begins."""
        if self._answers.stat().st_size < self._read_to:  # another file by now
            self._read_to = 0
        with self._answers.open("rb") as file:
            file.seek(self._read_to)
            at = self._read_to
            for line in file.read(_MOST_BYTES).splitlines(keepends=True)[:_MOST]:
                if line.endswith(b"\n"):
                    yield at, line
                at += len(line)


def _answer(line: bytes) -> tuple[str, str] | None:
    try:
        said = json.loads(line)
        address, text = said["address"], said["text"]
    except (ValueError, KeyError, TypeError):
        return None
    return (address, text) if isinstance(address, str) and isinstance(text, str) else None
