"""Observations in InfluxDB, 1.6 to 3.x through one code path.

Writes are our own line-protocol bytes through the client's synchronous `WriteApi`, in ms, to
``/api/v2/write``; a server that says it is older than 1.8 gets ``/write``. Reads are InfluxQL at
``/query``, which every version has. Nothing is ever deleted, and nothing created but, on 1.x and
where the user may, the database.

What a failed write left behind is unknown; writing it again is right, because a point is known by
its series and time.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, TypeVar

import numpy as np
from influxdb_client import InfluxDBClient, WritePrecision
from influxdb_client.client.write_api import SYNCHRONOUS
from influxdb_client.rest import ApiException
from numpy.typing import NDArray
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from kahriz.clock import from_ms, iso
from kahriz.errors import StoreRejected, StoreUnavailable
from kahriz.observations import (
    DatastreamId,
    Observation,
    ObservationBatch,
    Quality,
    Series,
    split_datastream_id,
)
from kahriz.store import influx_answers as answers
from kahriz.store.influx_address import InfluxAddress
from kahriz.store.influx_answers import RefusedError, ResultSeries, TooLargeError
from kahriz.store.influx_delivery import Delivery
from kahriz.store.line_protocol import MEASUREMENT, encode, is_writable
from kahriz.store.rows import settle

_CONNECT_S = 3.0
_CONNECTIONS = 16
_REQUESTS = 3
_NO_CONTENT = 204
_NOT_FOUND = 404
_HAS_NO_PING = (404, 405)
_WRITE_PATH = "/api/v2/write"
_SELECT = f'FROM "{MEASUREMENT}"'
# An answer is text first and objects then, ten times the size of the series it is about.
_PAGE_ROWS = 10_000
_PAGE = f"LIMIT {_PAGE_ROWS}"
# InfluxDB counts nanoseconds in 64 bits.
_EARLIEST = datetime(1678, 1, 1, tzinfo=UTC)
_LATEST = datetime(2262, 1, 1, tzinfo=UTC)
_ROW = np.dtype([("t", np.int64), ("v", np.float64), ("q", np.uint8)])
_T = TypeVar("_T")


class InfluxStore:
    """One bucket of one server; connects when first used, and again after every failure."""

    def __init__(
        self, url: str, token: str = "", *, read_only: bool = False, timeout_s: float = 10.0
    ) -> None:
        self._read_only = read_only
        self._server = _Server(InfluxAddress.parse(url), token, timeout_s, may_create=not read_only)
        self._side_by_side = ThreadPoolExecutor(_REQUESTS, thread_name_prefix="influx")

    def write(self, batch: ObservationBatch) -> None:
        """Store `batch`, at most 5000 points a request, up to three at once; see the contract."""
        if self._read_only:
            raise StoreUnavailable(f"{self._server.address}: opened for reading only")
        settled = settle(batch)
        nameless = np.array([not is_writable(name) for name in batch.datastreams], dtype=bool)
        is_nameless = nameless[batch.stream[settled.rows]]
        refused = dict(settled.refused)
        for row in settled.rows[is_nameless].tolist():
            refused[row] = f"{batch.datastreams[batch.stream[row]]!r} is no datastream's id"
        lines = encode(batch, settled.rows[~is_nameless])
        delivery = Delivery(self._server, str(self._server.address), lines)
        refused |= delivery.send(self._side_by_side)
        if refused:
            raise StoreRejected(next(iter(refused.values())), tuple(sorted(refused)))

    def series(self, datastream: DatastreamId, start: datetime, end: datetime) -> Series:
        """Return the observations of one datastream in [start, end)."""
        start, end = max(start, _EARLIEST), min(end, _LATEST)
        if start >= end or not is_writable(datastream):
            return Series.empty(datastream)
        kahriz, site, prop = split_datastream_id(datastream)
        text = (
            f'SELECT "value", "quality" {_SELECT} WHERE "kahriz" = \'{kahriz}\''
            f" AND \"site\" = '{site}' AND \"property\" = '{prop}' AND time < '{iso(end)}'"
        )
        pages = [_rows(found := self._server.query(f"{text} AND time >= '{iso(start)}' {_PAGE}"))]
        while _may_go_on(found):
            last = from_ms(found[-1].values[-1][0])
            found = self._server.query(f"{text} AND time > '{iso(last)}' {_PAGE}")
            pages.append(_rows(found))
        return _series(datastream, np.concatenate(pages))

    def latest(self) -> Mapping[DatastreamId, Observation]:
        """Return the newest observation of every datastream."""
        found = self._server.query(
            f'SELECT last("value"), "quality" {_SELECT} GROUP BY "kahriz", "site", "property"'
        )
        if any(series.partial for series in found):
            raise StoreUnavailable(
                f"{self._server.address}: more datastreams than the server's max-row-limit"
            )
        newest = {}
        for series in found:
            name = DatastreamId(".".join(series.tags[k] for k in ("kahriz", "site", "property")))
            for t, v, q in _said(series):
                newest[name] = Observation(name, from_ms(t), v, Quality(q))
        return newest

    def check(self) -> None:
        """Ask for a point nobody can have written: server, database and login answer by that."""
        self._server.query(f"SELECT \"value\" {_SELECT} WHERE time >= '{iso(_LATEST)}' LIMIT 1")

    def tidy(self, now: datetime) -> bool:
        """Do nothing: the server compacts by itself."""
        return False

    def close(self) -> None:
        """Let go of the connections."""
        self._side_by_side.shutdown()
        self._server.close()


def _said(series: ResultSeries) -> Iterator[tuple[int, float, int]]:
    for t, v, q in series.values:
        if v is not None:
            yield t, v, q or Quality.NOT_EVALUATED


def _may_go_on(page: list[ResultSeries]) -> bool:
    """Say whether there may be more: a full page, or one cut off at the server's own limit."""
    return bool(page) and (
        len(page[-1].values) >= _PAGE_ROWS or (page[-1].partial and bool(page[-1].values))
    )


def _rows(page: list[ResultSeries]) -> NDArray[np.void]:
    return np.fromiter((row for series in page for row in _said(series)), dtype=_ROW)


def _series(datastream: DatastreamId, rows: NDArray[np.void]) -> Series:
    return Series(
        datastream,
        rows["t"].astype("datetime64[ms]"),
        np.ascontiguousarray(rows["v"]),
        np.ascontiguousarray(rows["q"]),
    )


class _Server:
    """The client library's one room: how an InfluxDB is spoken to, whatever its version."""

    def __init__(
        self, address: InfluxAddress, token: str, timeout_s: float, *, may_create: bool
    ) -> None:
        self.address = address
        self._token = token
        self._may_create = may_create
        self._client = InfluxDBClient(
            url=address.url,
            token=token or None,
            org=address.org,
            timeout=(int(_CONNECT_S * 1000), int(timeout_s * 1000)),
            enable_gzip=not address.is_loopback,
            connection_pool_maxsize=_CONNECTIONS,
        )
        self._api = self._client.api_client
        self._writer = self._client.write_api(write_options=SYNCHRONOUS)
        self._request = self._api.request
        self._api.request = self._routed
        self._lock = threading.Lock()
        self._version: tuple[int, int] | None = None
        self._is_known = False
        self._is_closed = False

    def write(self, body: bytes) -> None:
        """Write lines; RefusedError and TooLargeError are the caller's to resolve."""
        self._where_database_is(lambda: self._write(body))

    def query(self, text: str) -> list[ResultSeries]:
        """Return the series that one SELECT answers with."""
        return self._where_database_is(lambda: self._query("GET", text))

    def close(self) -> None:
        """Close the connections."""
        self._is_closed = True
        self._client.close()

    def _write(self, body: bytes) -> None:
        with self._explained():
            self._greet()
            self._writer.write(
                self.address.bucket, self.address.org, body, write_precision=WritePrecision.MS
            )

    def _query(self, method: str, text: str) -> list[ResultSeries]:
        try:
            with self._explained():
                self._greet()
                named = self.address.v1_parameters(epoch="ms", q=text)
                return answers.series_of(
                    str(self.address), self._call(method, "/query", named).data
                )
        except (RefusedError, TooLargeError) as error:
            raise StoreUnavailable(f"{self.address}: query refused: {error}") from error

    def _where_database_is(self, call: Callable[[], _T]) -> _T:
        """Return what `call` gives; on 1.x make the database first if it is not there."""
        try:
            return call()
        except StoreUnavailable as error:
            is_v1 = self._version is not None and self._version[0] == 1
            if not (self._may_create and is_v1 and answers.is_database_missing(error)):
                raise
        self._query("POST", f'CREATE DATABASE "{self.address.database}"')
        return call()

    def _greet(self) -> None:
        """Ask the server's version, once until something fails: it decides path and login."""
        with self._lock:
            if self._is_known:
                return
            self._version = answers.version_of(self._said_version())
            if self._token:
                self._api.set_default_header("Authorization", self._login())
            self._is_known = True

    def _said_version(self) -> str | None:
        try:
            answer = self._call("GET", "/ping", [])
        except ApiException as error:
            if error.status in _HAS_NO_PING:
                return None  # a gateway that lets only the rest through
            raise
        answer.drain_conn()  # or the connection could not be used again
        said: str | None = answer.headers.get("X-Influxdb-Version")
        return said

    def _login(self) -> str:
        if answers.lacks_v2_path(self._version):
            return make_headers(basic_auth=self._token)["authorization"]
        return f"Token {self._token}"

    def _call(self, method: str, path: str, parameters: list[tuple[str, str]]) -> Any:
        if self._is_closed:
            raise StoreUnavailable(f"{self.address}: closed")
        return self._api.call_api(
            path,
            method,
            query_params=parameters,
            header_params={"Accept": "application/json"},
            _preload_content=False,
            _return_http_data_only=True,
        )

    def _routed(self, method: str, url: str, **request: Any) -> Any:
        """Send a request of the client's; the 2.x write path becomes 1.x's where it must."""
        is_write = url.endswith(_WRITE_PATH)
        if is_write and answers.lacks_v2_path(self._version):
            url = url.removesuffix(_WRITE_PATH) + "/write"
            request["query_params"] = self.address.v1_parameters(precision="ms")
        answer = self._request(method, url, **request)
        if is_write and answer.status != _NO_CONTENT:
            # A proxy's friendly 200 must not pass for a stored batch.
            raise StoreUnavailable(
                f"{self.address}: a write was answered {answer.status}, not 204: no InfluxDB"
            )
        return answer

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn what client and network say into the store's own errors."""
        if self._is_closed:
            raise StoreUnavailable(f"{self.address}: closed")
        try:
            yield
        except ApiException as error:
            if error.status == _NOT_FOUND:
                self._is_known = False  # the server that was greeted may have been replaced
            pause = error.headers.get("Retry-After") if error.headers else None
            body = error.body or str(error.reason)
            raise answers.judge(str(self.address), error.status, body, pause) from error
        except (HTTPError, OSError, UnicodeDecodeError) as error:
            self._is_known = False
            raise StoreUnavailable(f"{self.address}: {answers.silence(error)}") from error
