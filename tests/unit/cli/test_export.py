"""`kahriz export`: everything comes out, and read back it is what was stored."""

from __future__ import annotations

import csv
import itertools
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyarrow import parquet

from kahriz import cli
from kahriz.clock import to_ms
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.store import Store, open_store
from tests.servers import Server

Run = Callable[..., tuple[int, str, str]]
Row = tuple[str, int, float, int]

NAMES = ["datastream", "time", "value", "unit", "quality"]
T0 = datetime(2026, 11, 22, 6, tzinfo=UTC)
STAGE = DatastreamId("agh-dere.outlet.stage")
FLOW = DatastreamId("agh-dere.outlet.discharge")
OTHER = DatastreamId("qarabulaq.shaft.stage")
EXAMPLE = Path(__file__).parents[3] / "sites.example.toml"
_fresh = itertools.count()


def held() -> list[Observation]:
    """Observations over years, with gaps, in an order of their own, values of every kind."""
    rng = np.random.default_rng(4)
    times = [datetime(1999, 3, 1, tzinfo=UTC), datetime(2011, 1, 1, 0, 0, 0, 7000, UTC)]
    times += [T0 + timedelta(minutes=i) for i in range(50)]
    return [
        Observation(STAGE, T0, 0.1, Quality.FAIL),
        Observation(OTHER, T0, -7.25, Quality.SUSPECT),
        *(
            Observation(name, time, float(rng.random()), Quality.GOOD)
            for name in (FLOW, STAGE)
            for time in rng.permutation(np.array(times, object)).tolist()
            if (name, time) != (STAGE, T0)
        ),
    ]


def rows(observations: list[Observation]) -> list[Row]:
    return sorted((o.datastream, to_ms(o.time), o.value, int(o.quality)) for o in observations)


@pytest.fixture(params=["sqlite", pytest.param("influx", marks=pytest.mark.server)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'observations.sqlite'}"
    influxd: Server = request.getfixturevalue("influxd")
    return f"influxdb://{influxd.host}:{influxd.port}/export{next(_fresh)}"


@pytest.fixture
def run(
    url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run ``kahriz export`` in a folder of its own; gives exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("KAHRIZ_STORE__URL", url)
    monkeypatch.setenv("KAHRIZ_SITES", str(EXAMPLE))
    monkeypatch.setenv("COLUMNS", "200")
    handlers = logging.getLogger().handlers[:]

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", "export", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


@pytest.fixture
def store(url: str) -> Iterator[Store]:
    with closing(open_store(url)) as opened:
        opened.write(ObservationBatch.of(held()))
        yield opened


def read_csv(text: str) -> list[Row]:
    lines = text.removeprefix("\ufeff").splitlines(keepends=True)
    table = csv.DictReader(line for line in lines if not line.startswith("#"))
    assert table.fieldnames == NAMES
    return [(r["datastream"], _ms(r["time"]), float(r["value"]), int(r["quality"])) for r in table]


def _ms(text: str) -> int:
    assert len(text) == len("2026-11-22T06:00:00.000Z")
    return to_ms(datetime.fromisoformat(text))


def read_parquet(path: Path) -> list[Row]:
    table: Any = parquet.read_table(path)
    assert table.schema.names == NAMES
    assert str(table.schema.field("time").type) == "timestamp[ms, tz=UTC]"
    columns = [column.to_pylist() for column in table.columns]
    return [(name, to_ms(t), v, q) for name, t, v, _, q in zip(*columns, strict=True)]


def test_csv_on_standard_output_is_everything_by_datastream_and_time(
    run: Run, store: Store
) -> None:
    code, out, err = run()

    assert (code, err) == (0, "105 rows of observations written\n")
    assert read_csv(out) == rows(held())


def test_a_file_is_csv_or_parquet_by_its_name(run: Run, store: Store, tmp_path: Path) -> None:
    of_csv = run("all.csv")
    of_parquet = run("all.parquet")
    as_told = run("all.table", "--format", "parquet")

    assert [code for code, _, _ in (of_csv, of_parquet, as_told)] == [0, 0, 0]
    assert of_csv[1:] == ("", "105 rows of observations written to all.csv\n")
    assert read_csv((tmp_path / "all.csv").read_text(encoding="utf-8")) == rows(held())
    assert read_parquet(tmp_path / "all.parquet") == rows(held())
    assert read_parquet(tmp_path / "all.table") == rows(held())


def test_sealed_days_come_out_as_they_went_in(run: Run, store: Store) -> None:
    while store.tidy(T0):
        pass

    assert read_csv(run()[1]) == rows(held())


@pytest.mark.parametrize(
    ("options", "kept"),
    [
        (("--kahriz", "qarabulaq"), lambda o: o.datastream == OTHER),
        (("--datastream", FLOW, "--datastream", OTHER), lambda o: o.datastream in (FLOW, OTHER)),
        (("--datastream", FLOW, "--kahriz", "qarabulaq"), lambda o: o.datastream in (FLOW, OTHER)),
        (("--start", "2026-11-22T06:10:00Z"), lambda o: o.time >= T0 + timedelta(minutes=10)),
        (("--end", "2026-11-22T10:10:00+04:00"), lambda o: o.time < T0 + timedelta(minutes=10)),
        (("--start", "2005-01-01", "--end", "2026-11-22"), lambda o: o.time.year == 2011),
    ],
)
def test_a_part_is_named_by_kahriz_datastream_and_time(
    run: Run, store: Store, options: tuple[str, ...], kept: Callable[[Observation], bool]
) -> None:
    code, out, _ = run(*options)

    assert code == 0
    assert read_csv(out) == rows([o for o in held() if kept(o)]) != []


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (
            ("--kahriz", "agh-dara"),
            "there is no 'agh-dara'; the nearest are agh-dere, ",
        ),
        (("--datastream", "x.y.stage"), "there is no 'x.y.stage'"),
        (("--what", "water", "--datastream", FLOW), "water are not by datastream"),
        (("--what", "water", "--by", "week"), "'week' is none of hour, day"),
        (("--what", "everything"), "'None' cannot be a folder here"),
        (("--start", "yesterday"), "'yesterday' is no instant"),
        (("--start", "2026-01-02", "--end", "2026-01-02"), "2026-01-02T00:00:00Z is not after"),
        (("--format", "parquet"), "Parquet needs the name of a file"),
        (("nowhere/all.csv",), "'nowhere/all.csv' cannot be a file here"),
        (("--format", "xlsx"), "'xlsx' is not one of 'csv', 'parquet'"),
    ],
)
def test_wrong_use_is_named_and_leaves_nothing_behind(
    run: Run, store: Store, tmp_path: Path, words: tuple[str, ...], named: str
) -> None:
    code, out, err = run(*words)

    assert (code, out) == (2, "")
    assert named in " ".join(err.replace("│", " ").split())
    assert [path.name for path in tmp_path.iterdir() if "observations" not in path.name] == []


class TestWithoutAServer:
    @pytest.fixture
    def url(self, tmp_path: Path) -> str:
        return f"sqlite:///{tmp_path / 'observations.sqlite'}"

    def test_a_store_that_is_not_there_yet_is_exit_1(self, run: Run) -> None:
        code, out, err = run()

        assert (code, out) == (1, "")
        assert "observations.sqlite: no such file yet; ingest makes it" in err

    def test_a_store_that_fails_midway_leaves_the_file_that_was_there(
        self, run: Run, store: Store, tmp_path: Path
    ) -> None:
        (tmp_path / "all.csv").write_text("the one of yesterday", encoding="utf-8")
        store.close()
        data = (tmp_path / "observations.sqlite").read_bytes()
        at = data.index(np.float64(-7.25).tobytes())
        changed = data[:at] + np.float64(-7.5).tobytes() + data[at + 8 :]
        (tmp_path / "observations.sqlite").write_bytes(changed)
        code, _, err = run("all.csv")

        assert code == 1
        assert "the checksum does not match" in err
        assert (tmp_path / "all.csv").read_text(encoding="utf-8") == "the one of yesterday"
        assert not (tmp_path / "all.csv.part").exists()

    def test_parquet_without_pyarrow_says_what_to_install(
        self, run: Run, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(sys.modules, "pyarrow", None)
        code, _, err = run("all.parquet")

        assert code == 2
        assert "Parquet needs pyarrow, which is missing (pip install '.[parquet]')" in err
        assert not list(tmp_path.glob("all.*"))


def test_what_the_demo_has_kept_comes_out_by_one_word(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("KAHRIZ_SITES")
    without = run("--what", "datastreams")
    code, out, err = run("--demo", "--what", "datastreams", "--no-metadata")

    assert without[0] == 2
    assert "sites.toml" in without[2]
    assert code == 0, err
    assert "agh-dere.outlet.stage" in out
    assert not (tmp_path / "var" / "demo").exists()
