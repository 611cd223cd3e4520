"""A large batch goes to the server as several requests at once, and is one batch all the same."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import Executor, ThreadPoolExecutor

import numpy as np
import pytest

from kahriz.errors import StoreUnavailable
from kahriz.observations import DatastreamId, ObservationBatch
from kahriz.store.influx_answers import RefusedError
from kahriz.store.influx_delivery import Delivery
from kahriz.store.line_protocol import CANARY, Lines, encode

N = 12_000
"""Three requests: 5000, 5000 and 2000 lines."""


@pytest.fixture
def pool() -> Iterator[Executor]:
    with ThreadPoolExecutor(3) as executor:
        yield executor


def lines() -> Lines:
    batch = ObservationBatch(
        (DatastreamId("a.b.stage"),),
        np.zeros(N, np.int32),
        np.arange(N).astype("datetime64[ms]"),
        np.arange(N, dtype=np.float64),
        np.ones(N, np.uint8),
    )
    return encode(batch, np.arange(N))


def values(body: bytes) -> list[float]:
    return [float(line.split(b"value=")[1].split(b",")[0]) for line in body.splitlines()]


class Server:
    """Takes requests only three at a time; refuses one value; may be away for one request."""

    def __init__(self, refused: float | None = None, away: float | None = None) -> None:
        self.stored: set[float] = set()
        self._refused, self._away = refused, away
        self._together = threading.Barrier(3, timeout=20)
        self._lock = threading.Lock()
        self._n_first = 0

    def write(self, body: bytes) -> None:
        if body == CANARY:
            return
        if len(values(body)) in (5000, 2000) and self._is_first_round():
            self._together.wait()
        if self._away in values(body):
            raise StoreUnavailable("503")
        if self._refused in values(body):
            raise RefusedError("type conflict")
        with self._lock:
            self.stored.update(values(body))

    def _is_first_round(self) -> bool:
        with self._lock:
            self._n_first += 1
            return self._n_first <= 3


def test_requests_of_one_batch_are_under_way_together(pool: Executor) -> None:
    server = Server()

    assert Delivery(server, "influx", lines()).send(pool) == {}
    assert server.stored == set(range(N)), "the barrier let three through"


def test_a_refused_row_is_found_in_whichever_request_it_is(pool: Executor) -> None:
    server = Server(refused=7_777.0)
    refused = Delivery(server, "influx", lines()).send(pool)

    assert list(refused) == [7_777]
    assert server.stored == set(range(N)) - {7_777}


def test_when_one_request_fails_the_others_have_come_to_their_end(pool: Executor) -> None:
    server = Server(away=0.0)
    with pytest.raises(StoreUnavailable, match="503"):
        Delivery(server, "influx", lines()).send(pool)

    assert server.stored == set(range(5000, N))
