"""One HTTP request to a gateway: to where it was meant to go, in bounded time, bounded in size.

A name is resolved once and that very address is connected to. Addresses of this host, of private
networks and of a cloud's metadata are refused unless the settings allow them; redirects are not
followed, proxies of the environment not used.
"""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network
from urllib.parse import urlsplit

import urllib3
from urllib3.exceptions import (
    ConnectTimeoutError,
    HTTPError,
    NewConnectionError,
    SSLError,
)

from kahriz.errors import DeliveryError, DeliveryReason

MOST_BYTES = 64 * 1024
_CHUNK = 4096
# IPv6 ways to write an IPv4 address: 6to4, NAT64.
_TRANSLATED = (ip_network("2002::/16"), ip_network("64:ff9b::/96"))


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back."""

    status: int
    text: str
    headers: Mapping[str, str]
    """Names in lower case."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How far a request may go."""

    timeout_s: float
    allow_private: bool


def ask(
    method: str, url: str, headers: Mapping[str, str], body: bytes | None, limits: Limits
) -> Answer:
    """Send a request and return its answer, whatever its status.

    Raises
    ------
    DeliveryError
        GATEWAY where the request did not get there; NO_ANSWER where it may have.
    """
    parts = urlsplit(url)
    host = parts.hostname or ""
    address = _resolve(host, parts.port or (443 if parts.scheme == "https" else 80), limits)
    pool = _pool(parts.scheme, host, address, parts.port, limits)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    deadline = time.monotonic() + limits.timeout_s
    try:
        with pool:
            answer = pool.urlopen(
                method,
                target,
                body=body,
                headers={"Host": parts.netloc.rpartition("@")[2], **headers},
                retries=False,
                redirect=False,
                assert_same_host=False,
                preload_content=False,
                decode_content=True,
            )
            text = _read(answer, deadline)
    except (NewConnectionError, ConnectTimeoutError, SSLError) as error:
        raise _failed(DeliveryReason.GATEWAY, host, error) from error
    except (HTTPError, OSError) as error:
        raise _failed(DeliveryReason.NO_ANSWER, host, error) from error
    said = {name.lower(): value for name, value in answer.headers.items()}
    return Answer(answer.status, text, said)


def _resolve(host: str, port: int, limits: Limits) -> str:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise _failed(DeliveryReason.GATEWAY, host, error) from error
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        if not limits.allow_private and not is_public(address):
            detail = f"{host} is {address}, which is not public: allow_private is false"
            raise DeliveryError(DeliveryReason.GATEWAY, detail, permanent=False)
    return addresses[0]


def is_public(address: str) -> bool:
    """Return whether an address is one of the internet at large."""
    ip: IPv4Address | IPv6Address = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address) and ip.ipv4_mapped is not None:
        ip = ip.ipv4_mapped
    return ip.is_global and not ip.is_multicast and not any(ip in net for net in _TRANSLATED)


def _pool(
    scheme: str, host: str, address: str, port: int | None, limits: Limits
) -> urllib3.HTTPConnectionPool:
    timeout = urllib3.Timeout(connect=limits.timeout_s, read=limits.timeout_s)
    if scheme == "https":
        return urllib3.HTTPSConnectionPool(
            address, port, timeout=timeout, server_hostname=host, assert_hostname=host
        )
    return urllib3.HTTPConnectionPool(address, port, timeout=timeout)


def _read(answer: urllib3.BaseHTTPResponse, deadline: float) -> str:
    found = b""
    for chunk in answer.stream(_CHUNK):
        found += chunk
        if len(found) > MOST_BYTES:
            break
        if time.monotonic() > deadline:
            raise TimeoutError("the answer does not end")
    answer.close()
    return found[:MOST_BYTES].decode("utf-8", "replace")


def _failed(reason: DeliveryReason, host: str, error: Exception) -> DeliveryError:
    # An address may hold a password: only the host is named.
    what = type(error).__name__ if isinstance(error, HTTPError) else str(error)
    return DeliveryError(reason, f"{host}: {what}", permanent=False)
