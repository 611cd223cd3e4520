"""InfluxDB's address: what it names, and what is refused before anything connects."""

from __future__ import annotations

import pytest

from kahriz.errors import ConfigError
from kahriz.store import open_store
from kahriz.store.influx_address import InfluxAddress


@pytest.mark.parametrize(
    ("url", "root", "bucket"),
    [
        ("influxdb://db:8086/water?org=ngo", "http://db:8086", "water"),
        ("influxdb://db/water", "http://db:8086", "water"),
        ("influxdbs://db.example.org:443/water/raw", "https://db.example.org:443", "water/raw"),
        ("influxdb://[::1]:8086/water", "http://[::1]:8086", "water"),
    ],
)
def test_an_address_names_server_and_bucket(url: str, root: str, bucket: str) -> None:
    address = InfluxAddress.parse(url)

    assert (address.url, address.bucket) == (root, bucket)


def test_in_1_x_a_bucket_is_database_and_retention_policy() -> None:
    address = InfluxAddress.parse("influxdb://db/water/raw")

    assert address.v1_parameters(precision="ms") == [
        ("db", "water"),
        ("rp", "raw"),
        ("precision", "ms"),
    ]


@pytest.mark.parametrize(
    ("host", "is_loopback"),
    [("127.0.0.1", True), ("localhost", True), ("[::1]", True), ("db", False), ("10.0.0.2", False)],
)
def test_only_what_leaves_this_machine_is_compressed(host: str, is_loopback: bool) -> None:
    assert InfluxAddress.parse(f"influxdb://{host}/water").is_loopback is is_loopback


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("influxdb://host:8086", "names no host or no plain bucket"),
        ("influxdb:///bucket", "names no host"),
        ("influxdb://host:99999/bucket", "Port out of range"),
        ("influxdb://host/buck et", "no plain bucket"),
        ("influxdb://host/bucket?orga=x", "unknown option 'orga'"),
    ],
)
def test_an_address_that_cannot_work_is_refused_at_once(url: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        open_store(url)


def test_a_token_in_the_address_is_refused_and_not_repeated() -> None:
    with pytest.raises(ConfigError, match="does not belong into the address") as refused:
        open_store("influxdb://me:secret@host/bucket")

    assert "secret" not in str(refused.value)
