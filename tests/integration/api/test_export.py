"""A year out by the command line and by the API: the same bytes, and read back it is what was."""

from __future__ import annotations

import math
import os
import shutil
import socket
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import httpx
import numpy as np
import pandas as pd  # type: ignore[import-untyped]
import pytest
from pyarrow import parquet

from api.exported import water_rows
from api.water import rows as rows_of_the_api
from kahriz.book import Book, alerts, messages
from kahriz.clock import from_ms, iso, to_datetime64
from kahriz.export import Source, Wanted, observations, water
from kahriz.sites import Registry, load_registry
from kahriz.store import Store, open_store
from tests.integration.api import year
from tests.integration.api.client import BOOK, EXAMPLE, assert_problem
from tests.integration.api.test_process import Running, environment, running
from tests.integration.api.year import END, NOW, START

ROOT = Path(__file__).parents[3]
EXPORT = "/api/v1/export"
TABLES = ["observations", *(f"water?by={by}" for by in water.BY), "alerts", "datastreams"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("year")
    year.fill(folder)
    return folder


@pytest.fixture(scope="module")
def api(folder: Path) -> Iterator[Running]:
    with running(folder, **year.clock()) as api:
        yield api


@pytest.fixture(scope="module")
def registry() -> Registry:
    return load_registry(EXAMPLE)


@pytest.fixture
def store(folder: Path) -> Iterator[Store]:
    with closing(open_store(f"sqlite:///{folder / year.STORE}", read_only=True)) as store:
        yield store


@pytest.fixture
def book(folder: Path) -> Iterator[Book]:
    with closing(Book(f"sqlite:///{folder / BOOK}")) as book:
        yield book


def command(folder: Path, *words: str) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, "-m", "kahriz", "export", *words],
        cwd=folder,
        env=environment(folder, **year.clock()),
        capture_output=True,
        check=False,
    )


def fetched(api: Running, path: str, to: Path) -> Path:
    with httpx.stream("GET", f"{api.url}{EXPORT}/{path}", timeout=60) as answer:
        assert answer.status_code == 200, answer.read()
        with to.open("wb") as file:
            for piece in answer.iter_bytes():
                file.write(piece)
    return to


def options(path: str) -> list[str]:
    name, _, query = path.partition("?")
    words = [word for part in filter(None, query.split("&")) for word in part.split("=")]
    return ["--what", name, *(f"--{w}" if i % 2 == 0 else w for i, w in enumerate(words))]


@pytest.mark.parametrize(
    "path",
    [
        "observations?kahriz=barana&start=2026-03-01T00:00:00Z&end=2026-03-09T12:00:00Z",
        "water?by=month&kahriz=agh-dere&start=2026-02-03T00:00:00Z&end=2026-05-03T00:00:00Z",
        "alerts?delimiter=semicolon",
    ],
)
def test_the_api_gives_what_the_command_writes_byte_by_byte(
    api: Running, folder: Path, tmp_path: Path, path: str
) -> None:
    said = command(folder, *options(path))
    got = fetched(api, path, tmp_path / "got").read_bytes()

    assert said.returncode == 0, said.stderr
    assert got == said.stdout
    assert len(got) > 500


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_everything_is_a_folder_of_files_that_are_the_same_by_the_api(
    api: Running, folder: Path, tmp_path: Path, format: str
) -> None:
    done = command(folder, str(tmp_path / "all"), "--what", "everything", "--format", format)

    assert done.returncode == 0, done.stderr
    written = {path.name: path.read_bytes() for path in (tmp_path / "all").iterdir()}
    got = {
        f"{name.replace('?by=', '-')}.{format}": fetched(
            api, f"{name}{'&' if '?' in name else '?'}format={format}", tmp_path / "one"
        ).read_bytes()
        for name in TABLES
    }
    assert written == got


@pytest.mark.parametrize("format", ["csv", "parquet"])
def test_duckdb_reads_back_every_observation_of_the_year(
    api: Running, store: Store, registry: Registry, tmp_path: Path, format: str
) -> None:
    file = fetched(api, f"observations?format={format}", tmp_path / f"year.{format}")
    read = f"'{file}'" if format == "parquet" else f"read_csv('{file}', comment = '#')"
    query = f"""SELECT datastream, epoch_ms(time) AS ms, value, unit, quality
                FROM {read} ORDER BY datastream, ms"""
    found = duckdb.execute(query).fetchnumpy()
    known = [store.series(d.id, START, NOW) for d in registry.datastreams]
    known.sort(key=lambda series: series.datastream)

    assert len(known) == 21
    assert sum(map(len, known)) > 140_000
    assert list(dict.fromkeys(found["datastream"].tolist())) == [s.datastream for s in known]
    assert np.array_equal(found["ms"], np.concatenate([s.time for s in known]).astype(np.int64))
    assert np.array_equal(found["value"], np.concatenate([s.value for s in known]))
    assert np.array_equal(found["quality"], np.concatenate([s.quality for s in known]))
    units = {d.id: d.unit for d in registry.datastreams}
    pairs = zip(found["datastream"].tolist(), found["unit"].tolist(), strict=True)
    assert set(pairs) == set(units.items())


@pytest.mark.parametrize(("by", "format"), [("hour", "parquet"), ("day", "csv"), ("month", "csv")])
def test_pandas_reads_back_the_water_that_the_book_and_the_api_tell(
    api: Running, book: Book, registry: Registry, tmp_path: Path, by: Any, format: str
) -> None:
    file = fetched(api, f"water?by={by}&format={format}", tmp_path / "water")
    found = pd.read_csv(file, comment="#") if format == "csv" else pd.read_parquet(file)
    with book.read() as connection:
        known = [
            {"kahriz": k.id, "datastream": k.delivery, "by": by} | row
            for k in registry.kahriz
            for row in rows_of_the_api(connection, k, by, START, END, NOW)
        ]

    assert list(found) == list(known[0])
    assert len(found) == len(known) >= {"hour": 25_000, "day": 3 * 365, "month": 36}[by]
    for told, row in zip(found.to_dict("records"), known, strict=True):
        assert {name: _plain(value) for name, value in told.items()} == {
            name: _plain(value) for name, value in row.items()
        }


def test_pandas_reads_back_every_alert_with_its_response_times(
    api: Running, book: Book, tmp_path: Path
) -> None:
    file = fetched(api, "alerts?format=parquet", tmp_path / "alerts")
    found = pd.read_parquet(file).to_dict("records")
    with book.read() as connection:
        rows = sorted(alerts.list_alerts(connection, limit=10_000), key=lambda row: row.id)
        texts = {text.alert_id: text for text in messages.list_messages(connection, limit=10_000)}

    assert 600 < len(rows) < year.ALERTS, "one that nobody believed is left out"
    assert [each["id"] for each in found] == [row.id for row in rows]
    for each, row in zip(found, rows, strict=True):
        assert _plain(each["since"]) == iso(from_ms(row.since_ms))
        assert _plain(each["acknowledged_by"]) == row.acknowledged_by
        assert each["explanation"] == row.explanation
        is_told = row.id in texts
        assert _plain(each["told_min"]) == (1.0 if is_told and row.fired_at_ms else None)
        assert _plain(each["delivered_min"]) == (2.0 if is_told and row.fired_at_ms else None)
        assert _plain(each["resolved_min"]) == (
            540.0 if row.resolved_at_ms and row.fired_at_ms else None
        )


def test_no_text_of_an_alert_is_a_formula_and_it_is_all_there(api: Running, tmp_path: Path) -> None:
    file = fetched(api, "alerts", tmp_path / "alerts.csv")
    found = pd.read_csv(file, comment="#", keep_default_na=False)

    texts = found[["acknowledged_by", "explanation", "evidence"]].to_numpy().ravel().tolist()
    assert [text for text in texts if text.startswith(("=", "+", "-", "@"))] == []
    assert set(found["explanation"]) == {
        f"'{text}" if text[0] in "=+-@" else text for text in year.NASTY
    }


def test_parquet_says_each_columns_unit_and_what_it_is(api: Running, tmp_path: Path) -> None:
    file = fetched(api, "water?format=parquet", tmp_path / "water")
    schema: Any = parquet.read_schema(file)

    units = {f.name: (f.metadata or {}).get(b"unit", b"").decode() for f in schema}
    assert (units["volume_m3"], units["mean_lps"], units["lpcd"]) == ("m3", "L/s", "L/person/day")
    assert schema.metadata[b"as of"].decode() == iso(NOW)
    assert "2500 people" in schema.metadata[b"kahriz agh-dere"].decode()


def test_a_csv_says_what_it_is_and_how_many_rows_there_were(api: Running) -> None:
    answer = httpx.get(f"{api.url}{EXPORT}/water?kahriz=agh-dere&start=2026-01-01T00:00:00Z")
    lines = answer.text.splitlines()

    assert answer.headers["content-type"] == "text/csv; charset=utf-8"
    assert answer.headers["content-disposition"] == (
        'attachment; filename="kahriz-water-day-agh-dere-2026-01-01.csv"'
    )
    assert f"# as of: {iso(NOW)}" in lines
    assert "# start: from 2026-01-01T00:00:00Z until before the last" in lines
    assert any(line.startswith("# column volume_m3: [m3]") for line in lines)
    n = sum(not line.startswith(("#", "\ufeff")) for line in lines) - 1
    assert lines[-1] == f"# end: {n} rows"


def test_what_cannot_be_exported_is_named_before_anything_is_sent(api: Running) -> None:
    turned = "start=2026-02-01T00:00:00Z&end=2026-01-01T00:00:00Z"

    assert_problem(httpx.get(f"{api.url}{EXPORT}/water?kahriz=nowhere"), 404, "'nowhere'")
    assert_problem(httpx.get(f"{api.url}{EXPORT}/observations?datastream=x.y.z"), 404, "'x.y.z'")
    assert_problem(httpx.get(f"{api.url}{EXPORT}/alerts?{turned}"), 422, "not before end")
    assert_problem(httpx.get(f"{api.url}{EXPORT}/alerts?format=xlsx"), 422, "'xlsx'")
    assert httpx.head(f"{api.url}{EXPORT}/alerts").status_code == 405


def test_a_store_that_fails_midway_is_seen_by_whoever_reads(folder: Path, tmp_path: Path) -> None:
    for file in folder.iterdir():
        if file.name.startswith((year.STORE, BOOK)):
            shutil.copy(file, tmp_path)
    with closing(sqlite3.connect(tmp_path / year.STORE)) as database, database:
        last = "(SELECT id FROM datastream ORDER BY name DESC LIMIT 1)"
        damaged = f"UPDATE sealed SET data = zeroblob(length(data)) WHERE stream = {last}"
        assert database.execute(damaged).rowcount > 300
    said = command(tmp_path, "all.csv")
    got: list[bytes] = []
    with running(tmp_path) as api:
        with httpx.stream("GET", f"{api.url}{EXPORT}/observations") as answer:
            assert answer.status_code == 200
            with pytest.raises(httpx.RemoteProtocolError, match="incomplete chunked"):
                got.extend(answer.iter_bytes())
        after = httpx.get(f"{api.url}{EXPORT}/datastreams")
        api.process.terminate()
        _, log = api.process.communicate(timeout=20)

    assert len(b"".join(got)) > 1_000_000
    assert b"# end" not in b"".join(got)
    assert after.status_code == 200
    assert "export cut short" in log
    assert "the file is damaged" in log
    assert "Traceback" not in log
    assert (said.returncode, list(tmp_path.glob("all.csv*"))) == (1, [])


def test_readers_who_take_nothing_or_go_hold_up_nobody(api: Running) -> None:
    host, port = api.url.removeprefix("http://").split(":")
    request = f"GET {EXPORT}/observations HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode()
    lazy = []
    for _ in range(4):
        reader = socket.socket()
        reader.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        reader.connect((host, int(port)))
        reader.sendall(request)
        assert reader.recv(15) == b"HTTP/1.1 200 OK"
        lazy.append(reader)
    began = time.monotonic()
    refused = httpx.get(f"{api.url}{EXPORT}/alerts")
    others = [httpx.get(f"{api.url}/api/v1/{path}") for path in ("latest", "kahrizes", "alerts")]
    took = time.monotonic() - began
    memory = _resident_mb(api.process.pid)
    for reader in lazy:
        reader.close()

    assert_problem(refused, 503, "4 others are on their way")
    assert int(refused.headers["retry-after"]) > 0
    assert [answer.status_code for answer in others] == [200] * 3
    assert took < 5
    assert memory < 350
    until = time.monotonic() + 20
    while (again := httpx.get(f"{api.url}{EXPORT}/alerts")).status_code == 503:
        assert time.monotonic() < until, "nobody noticed that they went"
        time.sleep(0.05)
    assert again.status_code == 200


def test_parts_are_small(store: Store, registry: Registry, book: Book) -> None:
    source = Source(registry, store, book, water_rows())
    table = observations.table(source, Wanted(NOW))

    sizes = [len(part[0]) for part in table.parts]
    assert max(sizes) <= observations.ROWS
    assert len(sizes) > len(registry.datastreams)


def _resident_mb(pid: int) -> float:
    pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _plain(value: Any) -> Any:
    """Return a cell of either as the API's JSON has it."""
    if value is None or value is pd.NaT or (isinstance(value, float) and math.isnan(value)):
        return None
    if isinstance(value, pd.Timestamp):
        return iso(value.to_pydatetime())
    if isinstance(value, str) and len(value) > 18 and value.endswith("Z"):
        return iso(from_ms(int(to_datetime64(pd.Timestamp(value)).astype(np.int64))))
    return value.item() if isinstance(value, np.generic) else value
