"""The way in, against real brokers: what is not acknowledged comes again, and nothing blocks."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Literal, cast

import paho.mqtt.client as paho
import pytest
from paho.mqtt.enums import CallbackAPIVersion, MQTTProtocolVersion
from pydantic import SecretStr

from ingest.mqtt import Intake
from ingest.outbox import Note
from ingest.waiting import BATCH_BYTES, Incoming
from kahriz.deploy import INGEST_USER, password_line
from kahriz.settings import MqttSettings
from tests import servers
from tests.servers import Server

pytestmark = pytest.mark.server

UP = "kahriz/v1/agh-dere-outlet/up"


@contextmanager
def intake(
    port: int,
    *,
    user: str = "",
    password: str = "",
    protocol: Literal["auto", "3.1.1"] = "auto",
    host: str = "127.0.0.1",
    tls_ca: Path | None = None,
    transport: Literal["tcp", "websockets"] = "tcp",
    on_shed: Callable[[Sequence[Incoming]], object] = lambda messages: None,
) -> Iterator[Intake]:
    settings = MqttSettings(
        host=host,
        port=port,
        username=user,
        password=SecretStr(password),
        protocol=protocol,
        tls_ca=tls_ca,
        transport=transport,
        max_inflight=100,
    )
    taken = Intake(settings, on_shed)
    taken.start()
    try:
        yield taken
    finally:
        taken.stop()


def publish(port: int, payloads: list[bytes], topic: str = UP, qos: int = 1) -> None:
    """Publish and return once the broker has them all."""
    client = paho.Client(CallbackAPIVersion.VERSION2, protocol=MQTTProtocolVersion.MQTTv311)
    connected = threading.Event()
    client.on_connect = lambda *_: connected.set()
    client.connect("127.0.0.1", port)
    client.loop_start()
    assert connected.wait(5)
    for info in [client.publish(topic, payload, qos=qos) for payload in payloads]:
        info.wait_for_publish(5)
    client.disconnect()
    client.loop_stop()


def wait_for(is_so: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.01)


def break_connection(source: Intake) -> None:
    """Cut the line below MQTT, and wait for the next connection."""
    before = source._client
    assert before is not None
    cast(socket.socket, before._sock).shutdown(socket.SHUT_RDWR)
    wait_for(lambda: source._client not in (None, before) and source.state == "connected")


def take(source: Intake, n: int) -> list[Incoming]:
    """Take exactly `n` messages, or fail."""
    taken: list[Incoming] = []
    while len(taken) < n:
        more, _ = source.take(n - len(taken), timeout=10)
        assert more, f"only {len(taken)} of {n} messages came"
        taken += more
    return taken


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_what_was_not_acknowledged_is_delivered_to_the_next_start(
    mosquitto: Server, protocol: Literal["auto", "3.1.1"]
) -> None:
    with intake(mosquitto.port, protocol=protocol) as first:
        assert first.wait_until_subscribed(10)
        publish(mosquitto.port, [b"one", b"two", b"three"])
        messages = take(first, 3)
        first.acknowledge(messages[:1])
    with intake(mosquitto.port, protocol=protocol) as second:
        again = take(second, 2)

    assert [m.payload for m in again] == [b"two", b"three"]


def test_messages_published_while_ingest_was_away_are_there_when_it_comes_back(
    mosquitto: Server,
) -> None:
    with intake(mosquitto.port) as first:
        assert first.wait_until_subscribed(10)
    publish(mosquitto.port, [b"%d" % i for i in range(300)])
    with intake(mosquitto.port) as second:
        messages: list[Incoming] = []
        while len(messages) < 300:
            some = take(second, 1)
            second.acknowledge(some)
            messages += some

    assert [m.payload for m in messages] == [b"%d" % i for i in range(300)]


def test_the_broker_sends_no_more_than_the_bound_before_an_acknowledgement(
    mosquitto: Server,
) -> None:
    with intake(mosquitto.port) as source:
        assert source.wait_until_subscribed(10)
        publish(mosquitto.port, [b"x"] * 150)
        held = take(source, 100)

        assert source.take(1, timeout=0.5)[0] == [], "max_inflight is 100"
        source.acknowledge(held)
        assert len(take(source, 50)) == 50


def test_a_connection_that_breaks_while_the_store_is_away_does_not_fill_the_memory(
    mosquitto: Server,
) -> None:
    with intake(mosquitto.port) as source:
        assert source.wait_until_subscribed(10)
        publish(mosquitto.port, [b"%d" % i for i in range(80)])
        for _ in range(3):
            wait_for(lambda: len(source.waiting) >= 80)
            break_connection(source)
        wait_for(lambda: len(source.waiting) >= 80)
        held = len(source.waiting)
        messages = take(source, 80)
        source.acknowledge(messages)

        assert held == 80
        assert [m.payload for m in messages] == [b"%d" % i for i in range(80)]
    with intake(mosquitto.port) as later:
        assert later.wait_until_subscribed(10)
        assert later.take(1, timeout=0.3)[0] == [], "all were acknowledged on the last connection"


def test_what_is_sent_at_qos_0_is_shed_when_there_is_no_room_and_counted(
    mosquitto: Server,
) -> None:
    shed: list[Incoming] = []
    with intake(mosquitto.port, on_shed=shed.extend) as source:
        assert source.wait_until_subscribed(10)
        publish(mosquitto.port, [b"free"] * 250, qos=0)
        # Two connections: the broker may read the second one first.
        wait_for(lambda: len(source.waiting) + len(shed) == 250)
        publish(mosquitto.port, [b"kept"])
        wait_for(lambda: len(source.waiting) + len(shed) == 251)

        assert len(shed) == 150, "max_inflight is 100"
        assert [m.payload for m in take(source, 101)][-1] == b"kept"


def test_a_batch_of_backlogs_is_cut_by_its_size(mosquitto: Server) -> None:
    with intake(mosquitto.port) as source:
        assert source.wait_until_subscribed(10)
        publish(mosquitto.port, [bytes(60_000)] * 90)
        wait_for(lambda: len(source.waiting) == 90)
        first, _ = source.take(5000, timeout=1)

        assert len(first) == -(-BATCH_BYTES // 60_000)
        assert len(take(source, 90 - len(first))) == 90 - len(first)


def test_a_broker_that_was_killed_is_found_again() -> None:
    with servers.mosquitto() as broker, intake(broker.port) as source:
        assert source.wait_until_subscribed(10)
        broker.kill()
        broker.start()
        deadline = 20
        while deadline and source.state != "connected":
            source.take(1, timeout=0.5)
            deadline -= 1
        publish(broker.port, [b"after"])

        assert take(source, 1)[0].payload == b"after"


def test_a_late_acknowledgement_does_not_touch_the_next_connection(mosquitto: Server) -> None:
    with intake(mosquitto.port) as first:
        assert first.wait_until_subscribed(10)
        publish(mosquitto.port, [b"kept"])
        stale = take(first, 1)
    with intake(mosquitto.port) as second:
        fresh = take(second, 1)
        second.acknowledge(stale)
    with intake(mosquitto.port) as third:
        again = take(third, 1)

    assert fresh[0].payload == again[0].payload == b"kept"


def test_a_wrong_password_is_one_line_that_names_broker_and_user(
    caplog: pytest.LogCaptureFixture,
) -> None:
    files = {"passwords": password_line(INGEST_USER, "right") + "\n"}
    config = "allow_anonymous false\npassword_file {folder}/passwords\n"
    with servers.mosquitto(config, files=files) as broker:
        with intake(broker.port, user=INGEST_USER, password="wrong") as source:
            wait_for(lambda: broker.log.count("not authorised") >= 3)

            assert "refuses user 'kahriz-ingest'" in source.state
            assert str(broker.port) in source.state
        lines = [r for r in caplog.records if r.name == "ingest.mqtt"]
        assert len(lines) == 1, "repeated identical failures are said once"


def test_a_broker_that_is_down_is_one_line_that_names_it(caplog: pytest.LogCaptureFixture) -> None:
    port = servers.free_port()
    with intake(port) as source:
        for _ in range(20):
            source.take(1, timeout=0.1)

        assert f"127.0.0.1:{port} cannot be reached" in source.state
    assert len([r for r in caplog.records if r.name == "ingest.mqtt"]) == 1


@contextmanager
def demo_broker(folder: Path) -> Iterator[int]:
    """Run the demo's own broker with one device and ingest."""
    port = servers.free_port()
    users = folder / "users"
    users.write_text(f"{INGEST_USER}:secret\nagh-dere-outlet:token\n")
    command = [sys.executable, "-m", "kahriz.cli.demo_broker", "127.0.0.1", str(port), str(users)]
    with subprocess.Popen(command) as process:
        try:
            yield port
        finally:
            process.terminate()


def test_the_demos_own_broker_carries_a_reading_and_refuses_a_wrong_token(tmp_path: Path) -> None:
    with demo_broker(tmp_path) as port:
        with intake(port, user=INGEST_USER, password="secret", protocol="3.1.1") as source:
            assert source.wait_until_subscribed(20)
            publish(port, [b"through"])
            assert take(source, 1)[0].payload == b"through"
        with intake(port, user=INGEST_USER, password="guess", protocol="3.1.1") as refused:
            assert not refused.wait_until_subscribed(2)
            assert "refuses user" in refused.state


def test_ingest_finds_out_that_a_broker_knows_only_the_older_protocol(tmp_path: Path) -> None:
    with demo_broker(tmp_path) as port, intake(port, user=INGEST_USER, password="secret") as source:
        assert source.wait_until_subscribed(25)


def there_and_back(source: Intake, port: int) -> None:
    """Take 250 messages of many sizes in, and bring as many notes out."""
    assert source.wait_until_subscribed(10)
    # Ten are above the 4 KiB that mosquitto puts into one WebSocket frame; after each of them it
    # pauses for a fifth of a second.
    payloads = [b"%d " % i + b"x" * (9000 if i % 25 == 7 else i * 37 % 4000) for i in range(250)]
    publish(port, payloads)
    received: list[bytes] = []
    while len(received) < 250:
        some = take(source, 1)
        source.acknowledge(some)
        received += [message.payload for message in some]
    for i in range(600):
        source.publish([Note(i, f"kahriz/v1/d{i}/down/ack", b"{}")])

    assert received == payloads
    wait_for(lambda: source.notes_waiting() == 0)


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_websockets_carry_the_same_messages_both_ways(
    protocol: Literal["auto", "3.1.1"],
) -> None:
    tcp = servers.free_port()
    config = (
        "listener {port} 127.0.0.1\nprotocol websockets\n"
        f"listener {tcp} 127.0.0.1\nallow_anonymous true\n"
    )
    with (
        servers.mosquitto(config) as broker,
        intake(broker.port, protocol=protocol, transport="websockets") as source,
    ):
        there_and_back(source, tcp)


@pytest.mark.parametrize("protocol", ["auto", "3.1.1"])
def test_tls_carries_the_same_messages_both_ways(
    tmp_path: Path, protocol: Literal["auto", "3.1.1"]
) -> None:
    crt, key = tmp_path / "server.crt", tmp_path / "server.key"
    servers.certificate(crt, key)
    tcp = servers.free_port()
    files = {"server.crt": crt.read_text(), "server.key": key.read_text()}
    config = (
        "listener {port} 127.0.0.1\ncertfile {folder}/server.crt\nkeyfile {folder}/server.key\n"
        f"listener {tcp} 127.0.0.1\nallow_anonymous true\n"
    )
    with (
        servers.mosquitto(config, files=files) as broker,
        intake(broker.port, protocol=protocol, host="localhost", tls_ca=crt) as source,
    ):
        there_and_back(source, tcp)
