"""The broker's configuration, access list and password file, for mosquitto 2.0.

One text serves the demo, the tests and the containers (``deploy/mosquitto.conf`` is this text with
the container's paths; a test compares the two), so what is tested is what is deployed.
"""

from __future__ import annotations

import base64
import getpass
import hashlib
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kahriz.sites import CHIRPSTACK_LOGIN, INGEST_LOGIN

INGEST_USER = INGEST_LOGIN
CHIRPSTACK_USER = CHIRPSTACK_LOGIN

# mosquitto's own count. More would only slow the broker down: our secrets are 32 random bytes,
# not words a dictionary holds, and 2000 devices come back at once when the broker does.
_ITERATIONS = 101
_SALT_BYTES = 12

ACL = f"""\
# Who may say and hear what. A device: its own subtree alone, whatever its payload claims.
pattern write kahriz/v1/%u/up
pattern write kahriz/v1/%u/status
pattern read kahriz/v1/%u/down/#

user {INGEST_USER}
topic read kahriz/v1/+/up
topic read kahriz/v1/+/status
topic write kahriz/v1/+/down/#
topic read application/+/device/+/event/+

# ChirpStack speaks for every LoRaWAN device, and for no other.
user {CHIRPSTACK_USER}
topic write application/+/device/+/event/+
topic read application/+/device/+/command/+
"""

ANONYMOUS_ACL = """\
# On the loopback interface of a demo, who shows no password may try everything out.
topic readwrite kahriz/v1/#
topic readwrite application/#

"""

_LIMITS = """\
# A payload is 16 KiB at most. More gets through to here, so that a device that says too much is
# seen in the dead letters; much more closes its connection.
max_packet_size 65536
max_keepalive 3600
max_connections 5000

# The defaults (20 and 1000) throttle ingest, and drop readings while it is away.
max_inflight_messages 20000
max_queued_messages 1000000
max_queued_bytes 1073741824
persistent_client_expiration 30d
set_tcp_nodelay true
"""


@dataclass(frozen=True, slots=True)
class BrokerFiles:
    """Where a broker's files are; without passwords (anonymous, loopback) the other two are None.

    ``config`` is what ``mosquitto -c`` takes.
    """

    config: Path
    passwords: Path | None = None
    acl: Path | None = None


def password_line(user: str, secret: str, salt: bytes | None = None) -> str:
    """Return the line of mosquitto's password file that lets `user` in with `secret`.

    The format is mosquitto's ``$7$``: PBKDF2 with SHA-512, the count of rounds, salt and hash.

    Raises
    ------
    ValueError
        The name would mean something else in the file or in the access list.
    """
    if not user or not all(c.isascii() and (c.isalnum() or c in "-_.") for c in user):
        raise ValueError(f"user name {user!r}: letters, digits, '-', '_' and '.' only")
    salt = secrets.token_bytes(_SALT_BYTES) if salt is None else salt
    digest = hashlib.pbkdf2_hmac("sha512", secret.encode(), salt, _ITERATIONS)
    return f"{user}:$7${_ITERATIONS}${_b64(salt)}${_b64(digest)}"


def _b64(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")


def broker_config(
    *,
    host: str = "127.0.0.1",
    port: int = 1883,
    data: str | None = None,
    passwords: str | None = None,
    acl: str | None = None,
    anonymous_too: bool = False,
    run_as: str | None = None,
) -> str:
    """Return the text of mosquitto.conf.

    Parameters
    ----------
    host, port
        What it listens on; an empty `host` is every address.
    data
        Folder for sessions and retained messages, kept over a restart; None: memory only.
    passwords, acl
        Paths of the two files; None: anybody may connect and say anything, which is only allowed
        on the loopback interface.
    anonymous_too
        Beside those with a password, who shows none may connect; loopback only (the demo).
    run_as
        User the broker becomes when root starts it; None: its own, ``mosquitto``.

    Raises
    ------
    ValueError
        Anonymous clients were asked for on an address others can reach.
    """
    is_loopback = host in ("127.0.0.1", "::1", "localhost")
    if (passwords is None or anonymous_too) and not is_loopback:
        raise ValueError(f"anonymous clients only on the loopback interface, not on {host!r}")
    # The listener comes first: an option of a listener before the first one would make mosquitto
    # open a second, on 1883, and leave the one that is meant without it.
    parts = [
        "per_listener_settings false\n" + f"listener {port} {host}".rstrip() + "\n",
        _who(passwords, acl, anonymous_too),
        _LIMITS,
        _persistence(data),
        "log_dest stderr\nlog_type error\nlog_type warning\nlog_type notice\n",
    ]
    if run_as:
        parts.append(f"user {run_as}\n")
    return "\n".join(parts)


def _who(passwords: str | None, acl: str | None, anonymous_too: bool) -> str:
    is_open = passwords is None or anonymous_too
    lines = [f"allow_anonymous {str(is_open).lower()}"]
    lines += [f"password_file {passwords}"] if passwords else []
    lines += [f"acl_file {acl}"] if acl else []
    if not is_open:
        lines += [
            "# Otherwise a device that connects under ingest's client id would get its queue.",
            "use_username_as_clientid true",
            "allow_zero_length_clientid false",
        ]
    return "\n".join(lines) + "\n"


def _persistence(data: str | None) -> str:
    if data is None:
        return "persistence false\n"
    return (
        "# On disk after 30 s at the latest (the default is half an hour). Devices keep a reading\n"
        "# until ingest itself acknowledges it, so even these 30 s are not lost.\n"
        f"persistence true\npersistence_location {data.rstrip('/')}/\nautosave_interval 30\n"
    )


def write_broker_files(
    folder: Path,
    users: Mapping[str, str] | None = None,
    *,
    anonymous_loopback: bool = False,
    anonymous_too: bool = False,
    host: str = "127.0.0.1",
    port: int = 1883,
    persistent: bool = True,
) -> BrokerFiles:
    """Write into `folder` what a mosquitto of one's own needs; ready for ``mosquitto -c``.

    Parameters
    ----------
    folder
        Made if absent; sessions go to ``data`` in it. Existing files are replaced.
    users
        Secret by user name: every device under its id, ingest under `INGEST_USER`.
    anonymous_loopback
        Nobody needs a password; `users` is not looked at.
    anonymous_too
        `users` need their password, and who shows none may connect as well (the demo).

    Raises
    ------
    ValueError
        Anonymous on an address others can reach, or a user name that cannot be one.
    """
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    data.mkdir(exist_ok=True)
    run_as = getpass.getuser() if os.geteuid() == 0 else None
    where = str(data.resolve()) if persistent else None
    config = folder / "mosquitto.conf"
    if anonymous_loopback:
        write_private(config, broker_config(host=host, port=port, data=where, run_as=run_as))
        return BrokerFiles(config)
    passwords, acl = folder / "passwords", folder / "acl"
    write_private(passwords, passwords_text(users or {}))
    write_private(acl, ANONYMOUS_ACL + ACL if anonymous_too else ACL)
    text = broker_config(
        host=host,
        port=port,
        data=where,
        passwords=str(passwords.resolve()),
        acl=str(acl.resolve()),
        anonymous_too=anonymous_too,
        run_as=run_as,
    )
    write_private(config, text)
    return BrokerFiles(config, passwords, acl)


def passwords_text(users: Mapping[str, str]) -> str:
    """Return the whole password file: secret by user name, hashed anew."""
    return "".join(password_line(user, secret) + "\n" for user, secret in sorted(users.items()))


def write_private(path: Path, text: str, mode: int = 0o600) -> None:
    """Write `text` so that nobody else can read it at any moment, all of it or nothing."""
    draft = path.with_name(path.name + ".new")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.chmod(mode)
    draft.replace(path)
