"""The trivial consumer counts and acknowledges exactly what came, however it was cut up."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from contextlib import closing
from pathlib import Path

import pytest

from bench import load, rig, wall
from tests import servers

_PYTHON = [sys.executable, "-m", "bench.wall"]
_PINGRESP = b"\xd0\x00"
_QOS_0 = b"\x30\x05\x00\x01tup"
_SHORT = load.packet("t", b"x" * 10, 1)
_LONG = load.packet("t", b"x" * 20_000, 0xFFFE)
_STREAM = _SHORT + _PINGRESP + _LONG + _QOS_0 + load.packet("t", b"", 258)
_ACKS = b"\x40\x02\x00\x01" + b"\x40\x02\xff\xfe" + b"\x40\x02\x01\x02"
_MESSAGES = 4


def test_every_publish_is_counted_and_only_those_of_qos_1_are_acknowledged() -> None:
    assert wall.take(_STREAM) == (_MESSAGES, _ACKS, len(_STREAM))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000, 4096])
def test_packets_may_be_cut_anywhere(size: int) -> None:
    rest, messages, acks = b"", 0, b""
    for first in range(0, len(_STREAM), size):
        data = rest + _STREAM[first : first + size]
        n, more, end = wall.take(data)
        messages, acks, rest = messages + n, acks + more, data[end:]

    assert (messages, acks, rest) == (_MESSAGES, _ACKS, b"")


@pytest.mark.parametrize("length", [127, 128, 16_383, 16_384])
def test_lengths_at_the_edge_of_a_digit_are_read(length: int) -> None:
    packet = load.packet("t", b"x" * (length - 5), 1)

    assert wall.take(packet) == (1, b"\x40\x02\x00\x01", len(packet))
    assert wall.take(packet[:-1]) == (0, b"", 0)


def _command(language: str, folder: Path) -> list[str]:
    if language == "Python":
        return _PYTHON
    if wall.language() == "Python":
        pytest.skip("no C compiler: apt-get install gcc")
    return wall.build(folder)


def _read(connection: socket.socket, size: int) -> bytes:
    return connection.recv(size, socket.MSG_WAITALL)


@pytest.mark.parametrize("language", ["Python", "C"])
def test_the_process_acknowledges_a_stream_that_comes_in_pieces(
    language: str, tmp_path: Path
) -> None:
    command = _command(language, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        words = [*command, str(port), wall.TOPIC, str(_MESSAGES)]
        with rig.program(words) as running:
            connection, _ = listener.accept()
            with connection:
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                hello = _read(connection, 18)
                connection.sendall(b"\x20\x02\x00\x00")
                asked = _read(connection, 7 + len(wall.TOPIC))
                connection.sendall(b"\x90\x03\x00\x01\x01")
                ready = rig.line(running)
                for first in range(0, len(_STREAM), 777):
                    connection.sendall(_STREAM[first : first + 777])
                acks = _read(connection, len(_ACKS))
                ended = float(rig.line(running))

    assert hello[:1] == b"\x10"
    assert asked[6:] == wall.TOPIC.encode() + b"\x01"
    assert (ready, acks) == ("ready", _ACKS)
    assert ended > 1.7e9


@pytest.mark.parametrize("language", ["Python", "C"])
def test_a_broker_that_refuses_ends_it(language: str, tmp_path: Path) -> None:
    command = _command(language, tmp_path)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(30)

        def refuse() -> None:
            connection, _ = listener.accept()
            with connection:
                _read(connection, 18)
                connection.sendall(b"\x20\x02\x00\x05")
                while connection.recv(1024):
                    pass

        broker = threading.Thread(target=refuse)
        broker.start()
        words = [*command, str(listener.getsockname()[1]), wall.TOPIC, "1"]
        done = subprocess.run(words, cwd=rig.ROOT, capture_output=True, text=True, check=False)
        broker.join()

    assert done.returncode == 1
    assert "refused" in done.stderr


@pytest.mark.server
@pytest.mark.parametrize("language", ["Python", "C"])
def test_everything_a_fleet_publishes_comes_through_a_real_broker(
    language: str, tmp_path: Path
) -> None:
    command = _command(language, tmp_path)
    made = load.payloads(devices=20, readings=4000, pack=2, now_ms=1_795_000_000_000)
    packets = [load.packet(topic, body, i + 1) for i, (topic, body) in enumerate(made)]
    with servers.mosquitto(rig.BROKER) as broker:
        words = [*command, str(broker.port), wall.TOPIC, str(len(packets))]
        with rig.program(words) as running:
            assert rig.line(running) == "ready"
            with closing(load.Publisher(broker.port)) as publisher:
                publisher.send(packets)
            ended = float(rig.line(running))

    assert len(packets) == 2000
    assert ended > 1.7e9
