"""What is deployed, as far as it goes without containers: the files, and the broker they configure.

The broker's part runs a real mosquitto on ``deploy/mosquitto.conf`` and generated secrets, with
nothing changed but paths, port and the user root becomes.
"""

from __future__ import annotations

import getpass
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import SecretStr

from ingest import lorawan_topics
from ingest.mqtt import Intake
from ingest.outbox import Note
from kahriz.deploy import CHIRPSTACK_USER, INGEST_USER, broker_config, create_credentials
from kahriz.deploy.credentials import DEVICE_SECRETS, MQTT_SERVICES
from kahriz.settings import MqttSettings, load_settings
from kahriz.sites import load_registry
from tests.integration.mqtt_client import MqttClient
from tests.servers import Server, certificate, free_port, program

ROOT = Path(__file__).parents[2]
COMPOSE = ROOT / "docker-compose.yml"
CONF = ROOT / "deploy" / "mosquitto.conf"
A, B = "agh-dere-outlet", "barana-outlet"


def _compose() -> dict[str, Any]:
    return dict(yaml.safe_load(COMPOSE.read_text(encoding="utf-8")))


def _filled(text: str, environment: dict[str, str]) -> str:
    """Fill in ``${NAME:-default}`` as docker-compose does."""
    return re.sub(r"\$\{(\w+):-([^}]*)\}", lambda m: environment.get(m.group(1), m.group(2)), text)


def test_the_compose_file_follows_the_specification() -> None:
    command = [sys.executable, "-m", "check_jsonschema"]
    command += ["--builtin-schema", "vendor.compose-spec", str(COMPOSE)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout + done.stderr


def test_everything_the_compose_file_mounts_exists_once_secrets_are_made(tmp_path: Path) -> None:
    create_credentials(tmp_path, [A])
    compose = _compose()
    named = set(compose["volumes"])
    sources = {secret["file"] for secret in compose["secrets"].values()}
    for service in compose["services"].values():
        for volume in service.get("volumes", []):
            sources.add(_filled(volume, {"SECRETS_DIR": str(tmp_path)}).split(":")[0])
    files = {_filled(s, {"SECRETS_DIR": str(tmp_path)}) for s in sources} - named

    assert files
    assert [f for f in sorted(files) if not (ROOT / f).exists()] == []


def test_every_name_a_service_uses_is_declared() -> None:
    compose = _compose()
    for service in compose["services"].values():
        mounted = {v.split(":")[0] for v in service.get("volumes", [])}

        assert {m for m in mounted if m[0] not in "./$"} <= set(compose["volumes"])
        assert set(service.get("secrets", [])) <= set(compose["secrets"])
        assert set(service.get("networks", [])) <= set(compose["networks"])
        assert set(service.get("depends_on", {})) <= set(compose["services"])


def test_every_container_is_hardened() -> None:
    for name, service in _compose()["services"].items():
        assert service["read_only"] is True, name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert not service.get("privileged"), name
        assert not re.search(r":latest$|^[^:]+$", service["image"]), name


def test_only_mqtt_is_published_beyond_the_loopback() -> None:
    published = {
        name: [_filled(port, {}) for port in service["ports"]]
        for name, service in _compose()["services"].items()
        if "ports" in service
    }

    assert published.pop("mosquitto") == ["0.0.0.0:1883:1883"]
    assert set(published) == {"api", "grafana"}
    for ports in published.values():
        assert all(port.startswith("127.0.0.1:") for port in ports)


@pytest.mark.parametrize("service", ["ingest", "api"])
def test_the_settings_a_service_is_given_are_settings(
    service: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_text("from-the-file\n", encoding="utf-8")
    given = _compose()["services"][service]["environment"]
    for name, value in given.items():
        monkeypatch.setenv(name, str(tmp_path / "secret") if name.endswith("_FILE") else value)
    settings = load_settings()

    assert settings.store.token.get_secret_value() == "from-the-file"
    assert settings.store_url.startswith("influxdb://influxdb:8086/kahriz")
    assert not settings.api.open_reads
    if service == "ingest":
        assert settings.mqtt.host == "mosquitto"
        assert settings.mqtt.username == INGEST_USER == settings.mqtt.client_id
        assert settings.mqtt.password.get_secret_value() == "from-the-file"
        assert f":{settings.ingest.metrics_port}/health" in given["HEALTH_URL"]


def test_the_image_is_built_from_what_is_there_and_runs_as_nobody_special() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [
        source
        for line in lines
        if line.startswith("COPY ") and "--from" not in line
        for source in line.split()[1:-1]
    ]
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()

    assert copied
    assert [c for c in copied if not (ROOT / c).exists()] == []
    assert [c for c in copied if f"!{c}" not in sent] == []
    assert [line for line in lines if line.startswith("USER ")] == ["USER 10001:10001"]
    assert any(line.startswith("HEALTHCHECK ") for line in lines)


def test_the_deployed_broker_configuration_is_the_one_the_code_makes() -> None:
    made = broker_config(
        host="",
        port=1883,
        data="/mosquitto/data",
        passwords="/mosquitto/secrets/passwords",
        acl="/mosquitto/secrets/acl",
    )

    assert CONF.read_text(encoding="utf-8") == made


@dataclass
class Deployed:
    """The broker as deployed, and the secrets it was given."""

    server: Server
    secrets: Path

    @property
    def port(self) -> int:
        """Where it listens."""
        return self.server.port

    def secret(self, user: str) -> str:
        """Return the plain secret of a device or of ingest."""
        if user in MQTT_SERVICES:
            return (self.secrets / MQTT_SERVICES[user]).read_text(encoding="utf-8")
        lines = (self.secrets / DEVICE_SECRETS).read_text(encoding="utf-8").splitlines()
        return dict(line.split(":") for line in lines if not line.startswith("#"))[user]

    def reload(self) -> None:
        """Have it read its files again, as an operator does."""
        os.kill(self.server.pid, signal.SIGHUP)

    def client(self, user: str) -> MqttClient:
        """Return a client of that user, not connected yet."""
        return MqttClient(self.port, user, self.secret(user))


@contextmanager
def _deployed(folder: Path, more: str = "") -> Iterator[Deployed]:
    """Run mosquitto on the deployed configuration and `more`, paths and port put right."""
    secrets = folder / "secrets"
    (folder / "data").mkdir(parents=True)
    create_credentials(secrets, list(load_registry(ROOT / "sites.example.toml").devices))
    port = free_port()
    text = CONF.read_text(encoding="utf-8") + more
    for before, after in {
        "/mosquitto/secrets": str(secrets / "broker"),
        "/mosquitto/data": str(folder / "data"),
        "listener 1883": f"listener {port} 127.0.0.1\nuser {getpass.getuser()}",
    }.items():
        assert before in text
        text = text.replace(before, after)
    conf = folder / "mosquitto.conf"
    conf.write_text(text, encoding="utf-8")
    command = [str(program("mosquitto", "mosquitto")), "-c", str(conf)]
    server = Server("mosquitto", command, folder, port, lambda: _accepts(port))
    server.start()
    try:
        yield Deployed(server, secrets)
    finally:
        server.stop()


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[Deployed]:
    """Run the broker as docker-compose would, under a folder with a space in its name."""
    with _deployed(tmp_path / "a folder") as running:
        yield running


def _accepts(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False


@pytest.mark.server
def test_the_right_secret_opens_and_everything_else_does_not(deployed: Deployed) -> None:
    tried = {
        "right": (A, deployed.secret(A)),
        "another device's": (A, deployed.secret(B)),
        "empty": (A, ""),
        "unknown device": ("ganja-outlet", deployed.secret(A)),
        "anonymous": ("", ""),
    }
    answers = {}
    for name, (user, secret) in tried.items():
        with MqttClient(deployed.port, user, secret, client_id=user or "x") as client:
            answers[name] = client.connect()

    assert answers.pop("right") == "Success"
    assert set(answers.values()) == {"Not authorized"}


@pytest.mark.server
def test_a_device_speaks_for_itself_alone(deployed: Deployed) -> None:
    with deployed.client(A) as device, deployed.client(INGEST_USER) as ingest:
        device.connect()
        ingest.connect()
        ingest.subscribe("kahriz/v1/+/up")
        spoofed = device.publish(f"kahriz/v1/{B}/up", b"spoofed")
        acknowledging_itself = device.publish(f"kahriz/v1/{A}/down/ack", b"{}")
        own = device.publish(f"kahriz/v1/{A}/up", b"own")

        assert (spoofed, acknowledging_itself) == ("Not authorized", "Not authorized")
        assert own == "Success"
        assert ingest.next_message() == (f"kahriz/v1/{A}/up", b"own")


@pytest.mark.server
def test_chirpstack_tells_of_its_devices_and_of_no_other(deployed: Deployed) -> None:
    event = "application/1/device/70b3d57ed005a1b2/event/up"
    with (
        deployed.client(A) as device,
        deployed.client(CHIRPSTACK_USER) as chirpstack,
        deployed.client(INGEST_USER) as ingest,
    ):
        for client in (device, chirpstack, ingest):
            client.connect()
        ingest.subscribe(lorawan_topics.UP_FILTER, "kahriz/v1/+/up")
        forged = device.publish(event, b"forged")
        for_another = chirpstack.publish(f"kahriz/v1/{A}/up", b"spoofed")
        told = chirpstack.publish(event, b"told")

        assert (forged, for_another) == ("Not authorized", "Not authorized")
        assert told == "Success"
        assert ingest.next_message() == (event, b"told")


@pytest.mark.server
def test_a_device_hears_what_is_said_to_it_alone(deployed: Deployed) -> None:
    with deployed.client(A) as device, deployed.client(INGEST_USER) as ingest:
        device.connect()
        ingest.connect()
        device.subscribe("kahriz/v1/+/down/#", "kahriz/v1/+/up", "#")
        ingest.publish(f"kahriz/v1/{B}/down/ack", b"for B")
        ingest.publish(f"kahriz/v1/{A}/down/ack", b"for A")

        assert device.next_message() == (f"kahriz/v1/{A}/down/ack", b"for A")


@pytest.mark.server
def test_a_device_cannot_take_over_the_session_of_ingest(deployed: Deployed) -> None:
    secret = deployed.secret(A)
    with (
        deployed.client(INGEST_USER) as ingest,
        MqttClient(deployed.port, A, secret, client_id=INGEST_USER) as thief,
        deployed.client(B) as device,
    ):
        ingest.connect()
        ingest.subscribe("kahriz/v1/+/up")
        thief.connect()
        device.connect()
        device.publish(f"kahriz/v1/{B}/up", b"still heard")

        assert ingest.next_message() == (f"kahriz/v1/{B}/up", b"still heard")


@pytest.mark.server
def test_a_device_taken_out_is_dropped_at_once(deployed: Deployed) -> None:
    devices = [A, B]
    create_credentials(deployed.secrets, devices)
    deployed.reload()
    with deployed.client(A) as staying, deployed.client(B) as leaving:
        staying.connect()
        leaving.connect()
        create_credentials(deployed.secrets, [A])
        deployed.reload()

        assert leaving.wait_until_dropped()
        assert staying.publish(f"kahriz/v1/{A}/up", b"still here") == "Success"


@pytest.mark.server
def test_ingest_itself_hears_and_answers_a_device(deployed: Deployed) -> None:
    intake = Intake(
        MqttSettings(
            port=deployed.port,
            username=INGEST_USER,
            password=SecretStr(deployed.secret(INGEST_USER)),
        )
    )
    intake.start()
    try:
        assert intake.wait_until_subscribed(10)
        with deployed.client(A) as device:
            device.connect()
            device.subscribe(f"kahriz/v1/{A}/down/#")
            device.publish(f"kahriz/v1/{A}/up", b"{}")
            heard, _ = intake.take(1, timeout=5)
            intake.acknowledge(heard)
            intake.publish([Note(A, f"kahriz/v1/{A}/down/ack", b"thanks")])

            assert [(m.topic, m.payload) for m in heard] == [(f"kahriz/v1/{A}/up", b"{}")]
            assert device.next_message() == (f"kahriz/v1/{A}/down/ack", b"thanks")
    finally:
        intake.stop()


@pytest.mark.server
def test_the_documented_tls_listener_takes_devices_that_trust_it(tmp_path: Path) -> None:
    crt, key = tmp_path / "server.crt", tmp_path / "server.key"
    certificate(crt, key)
    text = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")
    port = free_port()
    more = text.split("```conf\n")[1].split("```")[0]
    more = more.replace("/mosquitto/tls", str(tmp_path)).replace("8883", f"{port} 127.0.0.1")
    with _deployed(tmp_path / "broker", more) as running:
        secret = running.secret(A)
        thief = MqttClient(port, A, secret, client_id=INGEST_USER, tls_ca=crt)
        with running.client(INGEST_USER) as ingest, thief as device:
            ingest.connect()
            ingest.subscribe("kahriz/v1/+/up")

            assert device.connect() == "Success"
            assert device.publish(f"kahriz/v1/{A}/up", b"sealed") == "Success"
            assert ingest.next_message() == (f"kahriz/v1/{A}/up", b"sealed")
