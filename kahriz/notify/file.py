"""Every text as one JSON line in a file: what tests and other programs watch."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import ClassVar, Self

from kahriz.clock import iso
from kahriz.errors import DeliveryError, DeliveryReason
from kahriz.notify import EMAIL, SMS, Message, Receipt
from kahriz.settings import Settings


class FileNotifier:
    """Append each text to a file; durable when `send` returns.

    Parameters
    ----------
    path
        The file; it and its folder are made when the first text comes.
    """

    name: ClassVar[str] = "file"
    channels: ClassVar[frozenset[str]] = frozenset({SMS, EMAIL})

    def __init__(self, path: Path) -> None:
        self._path = path

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """Return the notifier a process uses: ``messages.jsonl`` in the data directory."""
        return cls(settings.data_dir / "messages.jsonl")

    def send(self, message: Message) -> Receipt:
        """Append `message`; DeliveryError, worth another try, where the file cannot be written."""
        fields = asdict(message) | {"created_at": iso(message.created_at)}
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
