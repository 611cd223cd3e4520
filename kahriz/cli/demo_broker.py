"""The broker of the demo where no mosquitto is installed: amqtt behind three guards of ours.

Stock amqtt takes packets of any size, waits for ever for a CONNECT and checks passwords with
argon2, which 200 devices coming back at once bring to its knees. Here sockets are ours: a packet
has at most `MAX_PACKET` bytes, a client `CONNECT_TIMEOUT_S` seconds for its first packet, at most
`MAX_CONNECTIONS` are open, and a token is checked by one SHA-256. Good for a demo, not for a
village: unacknowledged messages are not delivered again, which the devices' own ring buffers
make up for.

Run as ``python -m kahriz.cli.demo_broker HOST PORT USERS``, USERS a file of ``user:token`` lines.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import logging
import os
import signal
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from amqtt.adapters import StreamReaderAdapter, StreamWriterAdapter
from amqtt.broker import Broker
from amqtt.contexts import Action, BrokerConfig, ListenerConfig, ListenerType
from amqtt.plugins.base import BaseAuthPlugin, BaseTopicPlugin
from amqtt.session import Session

from kahriz.deploy import INGEST_USER

MAX_PACKET = 65536
MAX_CONNECTIONS = 500
CONNECT_TIMEOUT_S = 10.0
SHUTDOWN_S = 3.0

# CONNACK of MQTT 5: no session, reason 0x84, no properties.
_UNSUPPORTED_PROTOCOL = b"\x20\x03\x00\x84\x00"

_LOG = logging.getLogger(__name__)


def read_users(path: Path) -> dict[str, str]:
    """Return token by user from a file of ``user:token`` lines."""
    lines = path.read_text(encoding="utf-8").split()
    return dict(line.split(":", 1) for line in lines if ":" in line)


class TokenAuth(BaseAuthPlugin):  # type: ignore[misc]
    """Lets in who shows the right token, and on the loopback interface who shows none."""

    @dataclass
    class Config:
        """Options amqtt hands over."""

        users: str = ""

    def __init__(self, context: object) -> None:
        super().__init__(context)
        users = read_users(Path(self._get_config_option("users", "")))
        self._digests = {user: _digest(token) for user, token in users.items()}

    async def authenticate(self, *, session: Session) -> bool:
        """Return whether the session's user may come in."""
        if not session.username:
            return True
        expected = self._digests.get(session.username, b"")
        return hmac.compare_digest(expected, _digest(session.password or ""))


class OwnTopicsOnly(BaseTopicPlugin):  # type: ignore[misc]
    """A device says and hears its own topics only; docs/wire-format.md."""

    async def topic_filtering(
        self,
        *,
        session: Session | None = None,
        topic: str | None = None,
        action: Action | None = None,
    ) -> bool:
        """Return whether the session may do this with `topic`."""
        user = session.username if session is not None else None
        if not user or user == INGEST_USER:
            return True
        own = f"kahriz/v1/{user}/"
        allowed = ("down/",) if action == Action.SUBSCRIBE else ("up", "status")
        if action == Action.RECEIVE:
            allowed = ("down/",)
        return topic is not None and topic.startswith(tuple(own + a for a in allowed))


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


class _CappedReader(StreamReaderAdapter):  # type: ignore[misc]
    """Refuses to read more than a packet may have; begins with what was read already."""

    def __init__(self, reader: asyncio.StreamReader, begun: bytes) -> None:
        super().__init__(reader)
        self._begun = begun

    async def read(self, n: int = -1) -> bytes:
        """Return exactly `n` bytes; a larger packet ends the connection."""
        if n > MAX_PACKET:
            raise asyncio.IncompleteReadError(b"", n)
        head, self._begun = self._begun[:n], self._begun[n:]
        if len(head) == n:
            return head
        return head + bytes(await super().read(n - len(head)))


async def _begin(reader: asyncio.StreamReader) -> tuple[bytes, int]:
    """Return the first bytes of a CONNECT and the protocol's level in it (MQTT 5: 5)."""
    begun = await reader.readexactly(2)
    while begun[-1] & 0x80 and len(begun) < 5:
        begun += await reader.readexactly(1)
    name_length = await reader.readexactly(2)
    n = int.from_bytes(name_length)
    if n > 16:
        raise asyncio.IncompleteReadError(b"", n)
    rest = await reader.readexactly(n + 1)
    return begun + name_length + rest, rest[-1]


async def serve(host: str, port: int, users: Path, stopping: asyncio.Event) -> None:
    """Be a broker on `host`:`port` until `stopping` is set.

    Raises
    ------
    OSError
        The port is taken.
    """
    module = "kahriz.cli.demo_broker"
    config = BrokerConfig(
        listeners={"default": ListenerConfig(type=ListenerType.EXTERNAL)},
        plugins={f"{module}.TokenAuth": {"users": str(users)}, f"{module}.OwnTopicsOnly": {}},
    )
    broker = Broker(config)
    await broker.start()
    open_now = 0

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal open_now
        open_now += 1
        try:
            if open_now > MAX_CONNECTIONS:
                _LOG.warning("connection refused", extra={"open": open_now - 1})
                return
            begun, level = await asyncio.wait_for(_begin(reader), CONNECT_TIMEOUT_S)
            if level > 4:
                # amqtt would leave a client that speaks MQTT 5 without any answer.
                writer.write(_UNSUPPORTED_PROTOCOL)
                return
            capped = _CappedReader(reader, begun)
            await broker.external_connected(capped, StreamWriterAdapter(writer), "default")
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        finally:
            open_now -= 1
            writer.close()

    server = await asyncio.start_server(connected, host, port, limit=2 * MAX_PACKET)
    _LOG.info("broker listens", extra={"host": host, "port": port})
    async with server:
        await stopping.wait()
        server.close()
        # With clients still connected amqtt may take for ever; there is nothing it has to save.
        with suppress(TimeoutError):
            await asyncio.wait_for(broker.shutdown(), SHUTDOWN_S)


async def _main(host: str, port: int, users: Path) -> None:
    stopping = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stopping.set)
    await serve(host, port, users, stopping)
    # Not by the end of the loop: amqtt's tasks swallow being cancelled.
    logging.shutdown()
    os._exit(0)


if __name__ == "__main__":
    logging.basicConfig(level=logging.WARNING)
    logging.getLogger("amqtt").setLevel(logging.ERROR)
    asyncio.run(_main(sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])))
