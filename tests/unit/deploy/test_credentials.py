"""Secrets are made once, kept, replaced one at a time, and nobody else may read them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest

from kahriz.deploy import ACL, broker_config, create_credentials, password_line, write_broker_files
from kahriz.deploy.credentials import DEVICE_SECRETS, PASSWORDS, write_compose_env
from kahriz.errors import ConfigError

DEVICES = ("agh-dere-outlet", "barana-shaft")


def _hashes(folder: Path) -> dict[str, str]:
    lines = (folder / PASSWORDS).read_text(encoding="utf-8").splitlines()
    return dict(line.split(":", 1) for line in lines)


def _plain(folder: Path) -> dict[str, str]:
    lines = (folder / DEVICE_SECRETS).read_text(encoding="utf-8").splitlines()
    return dict(line.split(":") for line in lines if not line.startswith("#"))


def _opens(stored: str, secret: str) -> bool:
    _, kind, rounds, salt, digest = stored.split("$")
    assert kind == "7"
    salt_bytes = base64.b64decode(salt)
    found = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt_bytes, int(rounds))
    return base64.b64encode(found).decode() == digest


def test_every_device_and_service_get_a_secret_of_32_bytes(tmp_path: Path) -> None:
    done = create_credentials(tmp_path / "s", DEVICES)
    plain = _plain(tmp_path / "s")

    assert done.created == DEVICES
    assert set(_hashes(tmp_path / "s")) == {*DEVICES, "kahriz-ingest", "kahriz-chirpstack"}
    assert len(set(plain.values())) == 2
    for device, secret in plain.items():
        assert len(base64.urlsafe_b64decode(secret + "=")) == 32
        assert _opens(_hashes(tmp_path / "s")[device], secret)
    for service in ("ingest", "chirpstack"):
        secret = (tmp_path / f"s/mqtt_{service}_password").read_text(encoding="utf-8")
        assert _opens(_hashes(tmp_path / "s")[f"kahriz-{service}"], secret)


def test_a_second_run_changes_nothing(tmp_path: Path) -> None:
    create_credentials(tmp_path, DEVICES)
    before = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir() if p.is_file()}
    hashes = _hashes(tmp_path)
    done = create_credentials(tmp_path, DEVICES)
    after = {p.name: p.read_text(encoding="utf-8") for p in tmp_path.iterdir() if p.is_file()}

    assert done.created == ()
    assert done.kept == DEVICES
    assert done.new_files == ()
    assert after == before
    assert {d: _hashes(tmp_path)[d] for d in DEVICES} == {d: hashes[d] for d in DEVICES}


def test_rotating_one_device_leaves_the_others(tmp_path: Path) -> None:
    create_credentials(tmp_path, DEVICES)
    hashes, plain = _hashes(tmp_path), _plain(tmp_path)
    done = create_credentials(tmp_path, DEVICES, rotate=["barana-shaft"])

    assert done.created == ("barana-shaft",)
    assert _hashes(tmp_path)["agh-dere-outlet"] == hashes["agh-dere-outlet"]
    assert not _opens(_hashes(tmp_path)["barana-shaft"], plain["barana-shaft"])
    assert _opens(_hashes(tmp_path)["barana-shaft"], _plain(tmp_path)["barana-shaft"])
    assert _plain(tmp_path)["agh-dere-outlet"] == plain["agh-dere-outlet"]


def test_a_device_taken_out_of_the_registry_loses_its_access(tmp_path: Path) -> None:
    create_credentials(tmp_path, DEVICES)
    done = create_credentials(tmp_path, DEVICES[:1])

    assert done.removed == ("barana-shaft",)
    assert set(_hashes(tmp_path)) == {"agh-dere-outlet", "kahriz-ingest", "kahriz-chirpstack"}
    assert set(_plain(tmp_path)) == {"agh-dere-outlet"}


def test_plain_secrets_are_for_their_owner_alone(tmp_path: Path) -> None:
    create_credentials(tmp_path / "s", DEVICES)

    assert (tmp_path / "s").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "s" / DEVICE_SECRETS).stat().st_mode & 0o777 == 0o600


def test_an_unknown_device_to_rotate_is_named_with_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"'barana-shaf'.*'barana-shaft'"):
        create_credentials(tmp_path, DEVICES, rotate=["barana-shaf"])


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    with pytest.raises(ConfigError, match="file/secrets"):
        create_credentials(tmp_path / "file" / "secrets", DEVICES)


def test_compose_settings_are_written_once(tmp_path: Path) -> None:
    env = tmp_path / ".env"

    assert write_compose_env(env, Path("/a/sites.toml"), Path("/a/secrets"))
    assert not write_compose_env(env, Path("/b"), Path("/b"))
    assert "SITES_FILE=/a/sites.toml\nSECRETS_DIR=/a/secrets\n" in env.read_text(encoding="utf-8")


@pytest.mark.parametrize("user", ["", "a:b", "a b", "+", "#", "a/b", "ə"])
def test_a_user_name_that_would_mean_something_else_is_refused(user: str) -> None:
    with pytest.raises(ValueError, match="user name"):
        password_line(user, "secret")


def test_anonymous_clients_are_only_for_the_loopback() -> None:
    with pytest.raises(ValueError, match=r"0\.0\.0\.0"):
        broker_config(host="0.0.0.0")


def test_nothing_said_of_a_listener_stands_before_the_one_listener() -> None:
    # mosquitto would open a second one on 1883 for it, and the real one would go without.
    lines = broker_config(port=2000, passwords="p", acl="a").splitlines()

    assert lines[:2] == ["per_listener_settings false", "listener 2000 127.0.0.1"]
    assert [line for line in lines[2:] if line.startswith("listener")] == []


def test_broker_files_are_for_their_owner_alone(tmp_path: Path) -> None:
    files = write_broker_files(tmp_path, {"a": "secret"})

    assert files.passwords is not None
    assert files.acl is not None
    assert files.acl.read_text(encoding="utf-8") == ACL
    for path in (files.config, files.passwords, files.acl):
        assert path.stat().st_mode & 0o777 == 0o600
