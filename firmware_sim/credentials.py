"""The devices' passwords at the broker, from a file an operator keeps."""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import Path

from kahriz.errors import ConfigError


def load_credentials(path: Path) -> dict[str, str]:
    """Read device -> password.

    Parameters
    ----------
    path
        ``device:password`` lines (``#`` begins a comment line), or, ending in ``.toml``, a table
        ``device = "password"``, at the top or under ``[devices]``.

    Raises
    ------
    ConfigError
        Names the file, the line and what is wrong; never a password.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"credentials {path}", str(error)) from error
    return _from_toml(path, text) if path.suffix == ".toml" else _from_lines(path, text)


def passwords_of(devices: Iterable[str], path: Path | None) -> dict[str, str | None]:
    """Return each device's password; None for all of them where there is no file.

    Raises
    ------
    ConfigError
        As `load_credentials`, and for a device the file does not name.
    """
    if path is None:
        return dict.fromkeys(devices)
    known = load_credentials(path)
    names = list(devices)
    missing = [name for name in names if name not in known]
    if missing:
        raise ConfigError(f"credentials {path}", f"no password for device {missing[0]!r}")
    return {name: known[name] for name in names}


def _from_toml(path: Path, text: str) -> dict[str, str]:
    try:
        data = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"credentials {path}", str(error)) from error
    table = data.get("devices", data)
    for name, password in table.items():
        if not isinstance(password, str):
            raise ConfigError(f"credentials {path}", f"password of {name!r} is no text")
    return dict(table)


def _from_lines(path: Path, text: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        device, colon, password = line.strip().partition(":")
        if not (colon and device and password):
            raise ConfigError(f"credentials {path}: line {number}", "no device:password")
        found[device] = password
    return found
