"""What the clients, or the servers, of many connections were found to do wrong."""

from __future__ import annotations

from dataclasses import dataclass, field

from tests.mqtt_wire.packets import Packet


@dataclass(frozen=True, slots=True)
class Finding:
    """One breach of the standard."""

    side: str
    clause: str
    text: str


@dataclass(slots=True)
class Session:
    """What a side keeps of one client id: its own PUBLISH packets of QoS 1, unacknowledged."""

    out: dict[int, Packet] = field(default_factory=dict)


class Party:
    """All that clients, or servers, are found to do wrong on any connection."""

    def __init__(self, side: str) -> None:
        assert side in ("client", "server")
        self.side = side
        self.findings: list[Finding] = []
        self.sessions: dict[str, Session] = {}

    @property
    def is_client(self) -> bool:
        """Which side it is."""
        return self.side == "client"

    def forget(self) -> None:
        """Know of no sessions: who kept them has lost its memory."""
        self.sessions.clear()
