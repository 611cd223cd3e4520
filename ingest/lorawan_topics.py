"""The topics ChirpStack publishes its events on: who was heard, and what kind of event it is."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import NamedTuple

UP_FILTER = "application/+/device/+/event/up"
"""What ingest subscribes to. Other kinds do no harm where a bridge brings them."""

KINDS = frozenset({"up", "join", "ack", "txack", "log", "status", "location", "integration"})
"""Kinds of events ChirpStack v4 knows."""

LONGEST = 120
"""Characters of a topic: an application's id has 36, a DevEUI 16."""

_TOPIC = re.compile(r"application/[^/]+/device/([0-9a-fA-F]{16})/event/([^/]+)")


class Event(NamedTuple):
    """A topic taken apart: the device's DevEUI in lower case, and the kind of event."""

    device: str
    kind: str


def parse(topic: str) -> Event | None:
    """Return who and what an event is about, or None where the topic is not ChirpStack's."""
    return _parse(topic) if len(topic) <= LONGEST else None


@lru_cache(maxsize=65536)
def _parse(topic: str) -> Event | None:
    found = _TOPIC.fullmatch(topic)
    return None if found is None else Event(found[1].lower(), found[2])
