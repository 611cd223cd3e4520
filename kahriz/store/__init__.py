"""Observations, durable.

Contract of every store:

- `write` returns only when the whole batch is durable: a kill -9 or a power cut right after it
  loses nothing. Rows MISSING (NaN) are kept out of sight of `series` values but may be dropped.
- Idempotent on (datastream, time): writing a batch again changes nothing; of two different values
  for one key the last written wins.
- StoreUnavailable: nothing is promised about the batch, writing it again is right.
  StoreRejected(rows): exactly those rows were refused for good, all the others are durable.
- `series` is half-open [start, end), in time order, times unique, milliseconds exact; an unknown
  datastream is an empty series.
- `latest` holds the observation of the greatest time per datastream, whatever order they came in.
- A reader in another process sees a batch whole, right after `write` has returned.
- `tidy` changes no answer. Whoever writes calls it now and then; nothing depends on it.
- One object may be used from several threads. `close` may be called twice.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Protocol
from urllib.parse import urlsplit

from kahriz import plugins
from kahriz.errors import ConfigError
from kahriz.logs import without_secrets
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Series

STORES: dict[str, str] = {
    "sqlite": "kahriz.store.sqlite:SqliteStore",
    "memory": "kahriz.store.memory:MemoryStore",
    "influx": "kahriz.store.influx:InfluxStore",
}

_SCHEMES = {"sqlite": "sqlite", "memory": "memory", "influxdb": "influx"}


class Store(Protocol):
    """Observations, durable; see the module for the contract."""

    def write(self, batch: ObservationBatch) -> None:
        """Make `batch` durable, or raise StoreUnavailable or StoreRejected."""
        ...

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        """Return the observations of one datastream in [start, end)."""
        ...

    def latest(self) -> Mapping[DatastreamId, Observation]:
        """Return the newest observation of every datastream that has one."""
        ...

    def check(self) -> None:
        """Raise StoreUnavailable where it cannot be used now; the cost does not grow with it."""
        ...

    def tidy(self, now: datetime) -> bool:
        """Do one short piece of putting in order; return whether there is more to do."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...


def open_store(url: str, token: str = "", *, read_only: bool = False) -> Store:
    """Return the store that `url` names; it connects when first used, so it may be down now.

    Parameters
    ----------
    url
        ``sqlite:///FILE``, ``memory://``, ``influxdb://HOST:PORT/BUCKET?org=ORG`` (``influxdbs``
        for TLS), or ``"module:Class?..."`` of one's own, built ``Class(url, token, read_only=)``.
    token
        InfluxDB's token, or ``user:password`` for 1.x; empty: none.
    read_only
        The API reads only: what would create or change anything is refused.

    Raises
    ------
    ConfigError
        The address is not one of these.
    """
    scheme = urlsplit(url).scheme
    name = _SCHEMES.get(scheme.removesuffix("s") if scheme == "influxdbs" else scheme)
    if name is None and ":" in url and "//" not in url:
        name = url.partition("?")[0]
    if name is None:
        raise ConfigError(
            "store.url",
            f"{without_secrets(url)!r} names no known store",
            "sqlite:///FILE, memory:// or influxdb://HOST:PORT/BUCKET?org=ORG",
        )
    store: Store = plugins.load("store", name, STORES)(url, token, read_only=read_only)
    return store
