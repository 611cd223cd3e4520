"""A hostile and clumsy world against the running service: one clear line each, and no victims.

Every bad message is followed at once by a good reading of another device, which has to be at the
API. What can be wrong before the service runs is in `test_bad_start`.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass

import pytest

from kahriz.book import Book, keys
from kahriz.book.keys import Scope
from kahriz.clock import system_clock
from tests import servers
from tests.e2e.device import GOOD_TOPIC, NOW_MS, ask, publisher, reading, said, stages
from tests.e2e.processes import House, get, wait_until
from tests.servers import Server

pytestmark = pytest.mark.server

LIMIT = 65536  # of a packet, as in deploy/mosquitto.conf
UP = "kahriz/v1/agh-dere-outlet/up"
STATUS = "kahriz/v1/agh-dere-outlet/status"


def raw(value: str) -> bytes:
    return b'{"boot":2,"seq":0,"r":[[%d,{"stage_m":%s}]]}' % (NOW_MS, value.encode())


POISON: Sequence[tuple[str, bytes, str]] = [
    ("kahriz/v1/nobody/up", reading(0.1), "device 'nobody': not in sites.toml"),
    ("kahriz/v1/nobody/status", b'{"status":"online"}', "device 'nobody': not in sites.toml"),
    ("kahriz/v1/" + "x" * 9000 + "/up", reading(0.1), "is not one of ours"),
    (UP, reading(0.1, channel="velocity_ms"), "channel velocity_ms: no known property"),
    (UP, reading(0.1, channel="turbidity_ntu"), "channel 'turbidity_ntu' is not in sites.toml"),
    (UP, reading(9.0, channel="stage_cm"), "stage_cm: unit 'cm' is wrong for stage: expected"),
    (UP, raw("NaN"), "value NaN is not a finite number"),
    (UP, raw("Infinity"), "value Infinity is not a finite number"),
    (UP, raw("-1e999"), "value -1e999 is not a finite number"),
    (UP, reading(0.1, time_ms=0), "time 1970-01-01T00:00:00Z is too long ago to be true"),
    (UP, reading(0.1, time_ms=7258118400000), "time 2200-01-01T00:00:00Z lies in the future"),
    (UP, reading(0.1)[:-9], "truncated: ends after"),
    (UP, b"", "empty payload"),
    (UP, b"{" + b" " * 20000 + b"}", "20002 bytes, 16384 are allowed"),
    (UP, b"{" + b" " * 60000 + b"}", "bytes, 16384 are allowed"),
    (UP, reading(0.1).replace(b"boot", b"bo\xff\xfet"), "not UTF-8: byte 0xff at 4"),
    (UP, b"\0" * 64, "begins with byte 0x00"),
    (UP, b"[" * 16000, "nested too deeply"),
    (UP, rb'{"boot":1,"seq":1,"fw":"\ud800","r":[[1,{"stage_m":1}]]}', r"fw"),
    (UP, b'[{"bt":1795348800,"n":"stage","u":"V","v":1}]', 'unit "V" is wrong for stage'),
    (STATUS, b"dancing", "got b'dancing'"),
    (STATUS, b'{"status":"dancing"}', "status 'dancing' is neither"),
    (STATUS, rb'{"status":"online","fw":"\ud800"}', r"fw '\\ud800' is not"),
    (STATUS, rb'{"status":"online","fw":"a\u0000b"}', r"fw 'a\\x00b' is not"),
]


@dataclass(frozen=True)
class World:
    """The running service."""

    house: House
    broker: Server


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    config = f"allow_anonymous true\nmax_packet_size {LIMIT}\n"
    with servers.mosquitto(config) as broker:
        house = House(tmp_path_factory.mktemp("world"), broker.port)
        with house.run("ingest"), house.run("api"):
            house.wait_for_ingest()
            house.wait_for_api()
            yield World(house, broker)


@pytest.mark.alone
def test_each_bad_message_is_one_line_and_the_good_one_behind_it_arrives(world: World) -> None:
    house = world.house
    good = [round(0.1 + i / 1000, 3) for i in range(len(POISON))]
    with publisher(world.broker.port) as publish:
        for i, (topic, payload, _) in enumerate(POISON):
            publish(topic, payload)
            publish(GOOD_TOPIC, reading(good[i], seq=i, time_ms=NOW_MS - 60_000 + i * 1000))
        began = time.monotonic()
        wait_until(lambda: stages(house, "velibey.outlet.stage") == good, "every good reading", 10)
        seconds = time.monotonic() - began
    # A line follows its book entry, so it may come a moment after the good reading.
    n_lines = len(POISON) - 1
    wait_until(lambda: len(said(house, "ingest", "dead letter")) >= n_lines, "every line", 10)
    letters = said(house, "ingest", "dead letter")
    device = next(
        d for d in get(f"{house.api}/api/v1/devices")["devices"] if d["device"] == "velibey-outlet"
    )

    assert seconds < 3
    unsaid = [text for _, _, text in POISON if not any(text in line for line in letters)]
    assert unsaid == []
    # The two that are too large differ in nothing but a figure: that is one way of being wrong.
    assert len(letters) == n_lines
    assert max(map(len, letters)) < 700
    assert (device["received"], device["lost"]) == (len(POISON), 0)
    assert "Traceback" not in house.log("ingest")
    wait_until(lambda: bool(get(f"{house.api}/health")["status"] == "ok"), "all is well", 5)


def test_a_packet_over_the_brokers_limit_ends_its_senders_connection_alone(world: World) -> None:
    with publisher(world.broker.port) as publish, closing(socket.socket()) as clumsy:
        clumsy.connect(("127.0.0.1", world.broker.port))
        clumsy.sendall(b"\x10\x10\x00\x04MQTT\x04\x02\x00\x3c\x00\x04clum")
        assert clumsy.recv(4) == b"\x20\x02\x00\x00"
        clumsy.sendall(b"\x32\xc0\x9a\x0c" + b"x" * 100_000)  # announces 200000 bytes
        clumsy.settimeout(10)
        with suppress(ConnectionResetError):
            assert clumsy.recv(1) == b""
        publish("kahriz/v1/barana-outlet/up", reading(0.1))
        wait_until(lambda: stages(world.house, "barana.outlet.stage") == [0.1], "the good one", 5)

    assert "Client clum disconnected due to oversize packet" in world.broker.log


WATER = "/api/v1/kahrizes/agh-dere/water"
STAGE = "/api/v1/datastreams/agh-dere.outlet.stage/observations"
ACKNOWLEDGE = "/api/v1/alerts/1/acknowledgement"


@pytest.fixture(scope="module")
def tokens(world: World) -> Mapping[str, str]:
    """Return a key of each scope, and two that open nothing."""
    book = Book(f"sqlite:///{world.house.folder / 'book.sqlite'}")
    with book.begin() as connection:
        now = system_clock()
        made = {s.value: keys.create(connection, s.value, s, now)[1] for s in Scope}
    book.close()
    return made | {"nonsense": "nonsense", "altered": made["write"][:-1] + "!"}


@pytest.mark.parametrize(
    ("token", "method", "path", "status", "detail"),
    [
        ("nonsense", "GET", "/api/v1/kahrizes", 401, "the API key is not known"),
        ("altered", "POST", ACKNOWLEDGE, 401, "the API key is not known"),
        (None, "POST", ACKNOWLEDGE, 401, "an API key with write scope is needed"),
        ("read", "POST", ACKNOWLEDGE, 403, "has read scope; this needs write"),
        ("write", "POST", ACKNOWLEDGE, 404, "alert '1' does not exist"),
        (None, "GET", "/api/v1/kahrizes/nope", 404, "kahriz 'nope' does not exist"),
        (None, "GET", "/api/v1/datastreams/no.pe/observations", 404, "datastream 'no.pe' does"),
        (None, "GET", f"{STAGE}?start=yesterday", 422, "query start: ISO 8601 is wanted"),
        (None, "GET", f"{STAGE}?start=1900-01-01T00:00:00Z", 422, "(got '1900-01-01T00:00:00Z')"),
        (None, "GET", f"{STAGE}?max_points=NaN", 422, "query max_points: "),
        (None, "GET", f"{STAGE}?strat=x", 422, "query strat: no such parameter"),
        (None, "GET", f"{WATER}?by=week", 422, "(got 'week')"),
        (None, "GET", "/api/v1/alerts?limit=-1", 422, "query limit: "),
        (None, "GET", "/api/v1/alerts/99999999999999999999", 422, "path id: "),
    ],
)
def test_a_bad_request_is_a_problem_that_names_the_thing_and_the_value(
    world: World,
    tokens: Mapping[str, str],
    token: str | None,
    method: str,
    path: str,
    status: int,
    detail: str,
) -> None:
    body = b'{"by":"committee"}' if method == "POST" else None
    given = None if token is None else tokens[token]
    code, kind, problem = ask(world.house, method, path, given, body)

    assert (code, kind) == (status, "application/problem+json")
    assert detail in problem["detail"]
    assert "\n" not in problem["detail"]
    assert problem["status"] == status
    assert given is None or given not in json.dumps(problem), "no answer repeats a key"


def test_no_bad_body_is_a_fault_of_the_service(world: World, tokens: Mapping[str, str]) -> None:
    bodies = [b"", b"{", b"\xff\xfe", b"[]", b'{"by":1}', rb'{"by":"\ud800"}', rb'{"by":"a\u0000"}']
    bodies += [b'{"by":"' + b"x" * 300 + b'"}', b"[" * 10_000, b" " * 20_000]
    codes = [ask(world.house, "POST", ACKNOWLEDGE, tokens["write"], b)[0] for b in bodies]

    assert codes == [422] * 9 + [413]
    assert "Traceback" not in world.house.log("api")
