"""Secrets for a deployment: made once, kept on every later run, changed one device at a time."""

from __future__ import annotations

import difflib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from kahriz.deploy.broker import ACL, CHIRPSTACK_USER, INGEST_USER, password_line, write_private
from kahriz.errors import ConfigError

SECRET_BYTES = 32

# A folder of their own, mounted as one: a single mounted file would keep its old content when it
# is replaced, and a device taken out would stay in.
PASSWORDS = "broker/passwords"
ACL_FILE = "broker/acl"
MQTT_SERVICES = {
    INGEST_USER: "mqtt_ingest_password",
    CHIRPSTACK_USER: "mqtt_chirpstack_password",
}
SERVICE_SECRETS = (
    *MQTT_SERVICES.values(),
    "influx_admin_password",
    "influx_admin_token",
    "grafana_admin_password",
)
DEVICE_SECRETS = "device-secrets.txt"

# The folder is closed to everybody else (0700), so files in it that containers mount may be
# readable: each container runs under a user id of its own and sees only what it is given.
_FOLDER_MODE = 0o700
_MOUNTED_MODE = 0o644

_HEAD = (
    "# Put each secret into its device, then delete this file: the broker keeps only hashes.\n"
    "# device:secret, as `kahriz sim --credentials` reads it too\n"
)


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a run did: names of devices, and of files in `folder` that were not there before."""

    folder: Path
    created: tuple[str, ...]
    kept: tuple[str, ...]
    removed: tuple[str, ...]
    new_files: tuple[str, ...]


def create_credentials(
    folder: Path, devices: Collection[str], rotate: Collection[str] = ()
) -> Credentials:
    """Give every device and service that has none a secret of 32 random bytes.

    The plain secrets of devices are written once, to ``device-secrets.txt`` (mode 0600); the
    broker's file holds hashes. A device that is no longer in `devices` loses its access.

    Parameters
    ----------
    folder
        Where secrets lie; made if absent, open to its owner only.
    devices
        Every device of the registry.
    rotate
        Those whose secret is to be replaced.

    Raises
    ------
    ConfigError
        A device to rotate is not in `devices`, or the folder cannot be written.
    """
    _refuse_unknown(rotate, devices)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        folder.chmod(_FOLDER_MODE)
        (folder / PASSWORDS).parent.mkdir(mode=0o755, exist_ok=True)
        new_files = _service_secrets(folder)
        created, kept, removed = _device_secrets(folder, devices, set(rotate))
    except OSError as error:
        raise ConfigError(str(folder), error.strerror or str(error)) from error
    return Credentials(folder, created, kept, removed, new_files)


def _refuse_unknown(rotate: Collection[str], devices: Collection[str]) -> None:
    for device in rotate:
        if device not in devices:
            near = difflib.get_close_matches(device, devices, n=1)
            hint = f"did you mean {near[0]!r}?" if near else "it has to be in sites.toml"
            raise ConfigError("--rotate", f"unknown device {device!r}", hint)


def _service_secrets(folder: Path) -> tuple[str, ...]:
    made = []
    for name in SERVICE_SECRETS:
        path = folder / name
        if not path.exists() or not path.read_text(encoding="utf-8").strip():
            write_private(path, secrets.token_urlsafe(SECRET_BYTES), _MOUNTED_MODE)
            made.append(name)
    acl = folder / ACL_FILE
    if not acl.exists() or acl.read_text(encoding="utf-8") != ACL:
        write_private(acl, ACL, _MOUNTED_MODE)
        made.append(ACL_FILE)
    return tuple(made)


def _device_secrets(
    folder: Path, devices: Collection[str], rotate: set[str]
) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
    before = _read_lines(folder / PASSWORDS)
    kept = {d: before[d] for d in devices if d in before and d not in rotate}
    fresh = {d: secrets.token_urlsafe(SECRET_BYTES) for d in sorted(devices) if d not in kept}
    removed = sorted(set(before) - set(devices) - set(MQTT_SERVICES))
    if fresh or (removed and (folder / DEVICE_SECRETS).exists()):
        _hand_over(folder / DEVICE_SECRETS, devices, fresh)
    services = {
        user: (folder / name).read_text(encoding="utf-8").strip()
        for user, name in MQTT_SERVICES.items()
    }
    lines = [
        *(f"{user}:{rest}" for user, rest in kept.items()),
        *(password_line(user, secret) for user, secret in fresh.items()),
        *(password_line(user, secret) for user, secret in services.items()),
    ]
    write_private(folder / PASSWORDS, _text(sorted(lines)), _MOUNTED_MODE)
    return tuple(fresh), tuple(sorted(kept)), tuple(removed)


def _hand_over(path: Path, devices: Collection[str], fresh: dict[str, str]) -> None:
    # Secrets of an earlier run that nobody fetched yet stay, unless they are void by now.
    waiting = {d: s for d, s in _read_lines(path).items() if d in devices}
    lines = [f"{device}:{secret}" for device, secret in sorted((waiting | fresh).items())]
    write_private(path, _HEAD + _text(lines))


def _text(lines: Iterable[str]) -> str:
    return "".join(line + "\n" for line in lines)


def _read_lines(path: Path) -> dict[str, str]:
    """Return what follows the first colon by what stands before it; comments left out."""
    if not path.exists():
        return {}
    lines = path.read_text(encoding="utf-8").splitlines()
    pairs = (line.partition(":") for line in lines if line and not line.startswith("#"))
    return {name: rest for name, found, rest in pairs if found}


def write_compose_env(path: Path, sites: Path, folder: Path) -> bool:
    """Write the ``.env`` that docker-compose reads, unless there is one; return whether it was."""
    if path.exists():
        return False
    text = (
        "# Read by docker-compose; made by `kahriz credentials create`.\n"
        f"SITES_FILE={sites}\nSECRETS_DIR={folder}\n"
    )
    try:
        write_private(path, text)
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    return True
