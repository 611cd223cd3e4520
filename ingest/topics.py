"""The topics of docs/wire-format.md: who speaks, and about what."""

from __future__ import annotations

from enum import StrEnum
from functools import lru_cache
from typing import NamedTuple

from ingest import lorawan_topics

ROOT = "kahriz/v1"
UP_FILTER = f"{ROOT}/+/up"
STATUS_FILTER = f"{ROOT}/+/status"


class Kind(StrEnum):
    """What a device publishes."""

    UP = "up"
    STATUS = "status"


class Topic(NamedTuple):
    """A topic taken apart; `device` is who published, for the broker's ACL says so."""

    device: str
    kind: Kind


LONGEST = 100
"""Characters of a topic; a device's id has 40, so what is longer is none of ours."""


def parse(topic: str) -> Topic | None:
    """Return who speaks about what, or None where the topic is not one of ours."""
    return _parse(topic) if len(topic) <= LONGEST else None


@lru_cache(maxsize=65536)
def _parse(topic: str) -> Topic | None:
    parts = topic.split("/")
    if len(parts) != 4 or f"{parts[0]}/{parts[1]}" != ROOT or parts[3] not in ("up", "status"):
        return None
    return Topic(parts[2], Kind(parts[3]))


def sender(topic: str) -> str | None:
    """Return the device a topic belongs to, also one of ChirpStack's; None: to nobody."""
    said = parse(topic) or lorawan_topics.parse(topic)
    return None if said is None else said.device


def ack_topic(device: str) -> str:
    """Return where a device hears what it may free."""
    return f"{ROOT}/{device}/down/ack"
