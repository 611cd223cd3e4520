"""`kahriz detect run`: the live detectors over recorded series, without ever seeing the truth."""

from __future__ import annotations

import csv
import os
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kahriz import cli
from kahriz.detect.station.channel import IMPOSSIBLE
from tests.unit.cli.recorded import QUARTER, ROLES, T0, table, write
from tests.unit.detect.station.days import LINE, OUTLET, SHAFT, Days

Run = Callable[..., tuple[int, str, str]]
Alarm = tuple[datetime, datetime, str]

DAYS = 26
SINCE = 22.3


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run ``kahriz detect run`` from ``data`` to ``alarms``; gives exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "200")
    (tmp_path / "data").mkdir()

    def command(*words: str) -> tuple[int, str, str]:
        arguments = ["kahriz", "detect", "run", "--data", "data", "--out", "alarms", *words]
        monkeypatch.setattr(sys, "argv", arguments)
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    return command


@pytest.fixture
def data(tmp_path: Path, run: Run) -> Path:
    return tmp_path / "data"


def alarms(folder: Path, name: str) -> list[Alarm]:
    with (folder.parent / "alarms" / f"{name}.csv").open(newline="", encoding="utf-8") as file:
        rows = csv.DictReader(file)
        assert rows.fieldnames == ["start", "end", "kind"]
        return [(_at(row["start"]), _at(row["end"]), row["kind"]) for row in rows]


def _at(said: str) -> datetime:
    return datetime.strptime(said, "%Y-%m-%d %H:%M:%S").replace(tzinfo=T0.tzinfo)


def day(days: float) -> datetime:
    return T0 + round(days * 96) * QUARTER


def kinds(folder: Path, name: str) -> list[str]:
    return [kind for _, _, kind in alarms(folder, name)]


def test_a_message_is_a_row_from_when_it_would_have_left_until_its_trouble_was_over(
    run: Run, data: Path
) -> None:
    write(data / "s1.csv", table(Days().blocked(SINCE, until=SINCE + 1), DAYS))

    assert run(*ROLES) == (0, "", "")
    ((start, end, kind),) = alarms(data, "s1")
    assert kind == "blockage"
    assert day(SINCE) < start <= day(SINCE) + timedelta(hours=1)
    assert day(SINCE + 1) < end < day(SINCE + 1.3)


def test_what_still_stands_at_the_end_ends_with_the_last_reading(run: Run, data: Path) -> None:
    write(data / "s1.csv", table(Days().blocked(SINCE), DAYS))

    assert run(*ROLES)[0] == 0
    assert [end for _, end, _ in alarms(data, "s1")] == [day(DAYS) - QUARTER]


def test_every_kind_of_instrument_and_every_station_gets_its_file(run: Run, data: Path) -> None:
    write(data / "quiet.csv.gz", table(Days(), DAYS))
    write(data / "tapped.csv.gz", table(Days().tapped(SINCE), DAYS))
    write(data / "broken.csv", table(Days().says(SHAFT, IMPOSSIBLE, SINCE, SINCE + 1), DAYS))
    deaf = Days().says(LINE, np.nan, SINCE, SINCE + 1)
    write(data / "silent.csv", table(deaf, DAYS))

    assert run(*ROLES)[0] == 0
    assert sorted(path.name for path in (data.parent / "alarms").iterdir()) == [
        "broken.csv",
        "quiet.csv",
        "silent.csv",
        "tapped.csv",
    ]
    assert kinds(data, "quiet") == []
    assert kinds(data, "tapped") == ["tap_leak"]
    assert kinds(data, "broken") == ["sensor"]
    ((start, end, kind),) = alarms(data, "silent")
    assert (kind, start) == ("offline", day(SINCE) - QUARTER + timedelta(hours=2))
    assert day(SINCE + 1) <= end <= day(SINCE + 1) + timedelta(hours=1)


def test_several_devices_that_fall_silent_at_once_are_one_message(run: Run, data: Path) -> None:
    water = Days()
    lines = table(water, DAYS).splitlines(keepends=True)
    kept = [*lines[: 1 + round(SINCE * 96)], *lines[1 + round((SINCE + 1) * 96) :]]
    write(data / "s1.csv", "".join(kept))

    assert run(*ROLES)[0] == 0
    assert kinds(data, "s1") == ["offline"]


def test_columns_without_a_role_are_not_read_and_a_missing_instrument_is_none(
    run: Run, data: Path
) -> None:
    water = Days().blocked(SINCE)
    write(data / "whole.csv", table(water, DAYS))
    write(data / "alone.csv", table(water, DAYS, "flow_out"))

    assert run(*ROLES)[0] == 0
    assert (kinds(data, "whole"), kinds(data, "alone")) == (["blockage"], ["decline"])
    assert run(ROLES[0])[0] == 0
    assert (kinds(data, "whole"), kinds(data, "alone")) == (["decline"], ["decline"])


@pytest.mark.parametrize("name", ["events.csv", "events.csv.gz"])
def test_the_truth_is_never_opened(run: Run, data: Path, name: str) -> None:
    write(data / "s1.csv", table(Days().blocked(SINCE), DAYS))
    # Whoever opens a folder, or reads a label as a number, fails.
    (data / name).mkdir()

    assert run(*ROLES) == (0, "", "")
    assert kinds(data, "s1") == ["blockage"]
    assert not (data.parent / "alarms" / "events.csv").exists()


def test_the_order_of_rows_and_an_offset_in_the_time_do_not_matter(run: Run, data: Path) -> None:
    text = table(Days().blocked(SINCE), DAYS)
    head, *rows = text.splitlines()
    write(data / "plain.csv", text)
    write(data / "shuffled.csv", "\n".join([head, *rows[1::2], *rows[::2]]))
    write(data / "zoned.csv", "\n".join([head, *(_in_baku(row) for row in rows)]))

    assert run(*ROLES)[0] == 0
    assert alarms(data, "plain") == alarms(data, "shuffled") == alarms(data, "zoned") != []


def _in_baku(row: str) -> str:
    time, rest = row.split(",", 1)
    later = datetime.fromisoformat(time) + timedelta(hours=4)
    return f"{later.isoformat()}+04:00,{rest}"


def test_flags_are_a_row_an_instant(run: Run, data: Path) -> None:
    water = Days()
    spike = 18 * 96
    water.value[OUTLET][spike] = 40.0
    write(data / "s1.csv", table(water.says(SHAFT, IMPOSSIBLE, 19, 19.5), 20))

    assert run(*ROLES, "--flags") == (0, "", "")
    with (data.parent / "alarms" / "s1.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    flagged = {(_at(row["time"]) - T0) // QUARTER for row in rows if row["flag"] == "1"}
    assert len(rows) == 20 * 96
    assert {row["flag"] for row in rows} == {"0", "1"}
    assert flagged >= {spike, *range(19 * 96, 19 * 96 + 48)}
    assert len(flagged) < 80


def test_a_series_without_readings_is_a_file_without_rows(run: Run, data: Path) -> None:
    write(data / "s1.csv", "time,flow_out\n")

    assert run(*ROLES)[0] == 0
    assert alarms(data, "s1") == []
    assert run(*ROLES, "--flags")[0] == 0


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("time,flow_out\n2025-03-01 00:00,12\nyesterday,12\n", "line 3: Invalid isoformat string"),
        ("time,flow_out\n2025-03-01 00:00,much\n", "line 2: could not convert string to float"),
        ("time,flow_out\n2025-03-01 00:00\n", "line 2: list index out of range"),
        ("when,flow_out\n2025-03-01 00:00,12\n", "no column 'time'"),
        ("time,level\n2025-03-01 00:00,12\n", "none of the columns flow_out, level_up"),
        ("", "no column 'time'"),
    ],
)
def test_what_is_wrong_in_a_file_names_the_file_and_the_line(
    run: Run, data: Path, text: str, named: str
) -> None:
    write(data / "s1.csv", text)
    code, out, err = run(*ROLES)

    assert (code, out) == (2, "")
    assert err.startswith("kahriz: data/s1.csv")
    assert named in err
    assert err.count("\n") == 1


@pytest.mark.parametrize("name", ["s1.csv.gz", "s1.csv"])
def test_a_file_that_cannot_be_read_is_named(run: Run, data: Path, name: str) -> None:
    (data / name).write_bytes(b"\x1f\x8b\x08 cut off \xff")
    code, _, err = run(*ROLES)

    assert code == 2
    assert err.startswith(f"kahriz: data/{name}")


@pytest.mark.parametrize(
    ("said", "named"),
    [
        ("flow_out", "'flow_out' is no role"),
        ("flow_out=flow@outlet", "'flow_out=flow@outlet' is no role"),
        ("flow_out=discharge@village", "'flow_out=discharge@village' is no role"),
        ("=discharge@outlet", "'=discharge@outlet' is no role"),
    ],
)
def test_a_role_that_there_is_not_is_named_with_those_there_are(
    run: Run, data: Path, said: str, named: str
) -> None:
    write(data / "s1.csv", table(Days(), 1))
    code, _, err = run("--role", said)

    assert code == 2
    assert named in err
    assert "discharge, stage" in err
    assert "outlet, shaft, mother_well, line" in err


def test_two_columns_cannot_be_the_same(run: Run, data: Path) -> None:
    write(data / "s1.csv", table(Days(), 1))
    code, _, err = run("--role", "flow_out=discharge@outlet", "--role", "battery=discharge@outlet")

    assert code == 2
    assert "discharge@outlet" in err
    assert "flow_out" in err


def test_a_folder_with_nothing_in_it_is_an_error_and_so_is_none(run: Run, data: Path) -> None:
    (data / "events.csv").write_text("series,start,end,type\n", encoding="utf-8")
    code, _, err = run(*ROLES)
    assert (code, err.startswith("kahriz: data")) == (2, True)
    assert "holds no series" in err

    (data / "events.csv").unlink()
    data.rmdir()
    code, _, err = run(*ROLES)
    assert (code, "is no folder" in err) == (2, True)


def test_without_a_role_nothing_is_known_of_any_column(run: Run, data: Path) -> None:
    write(data / "s1.csv", table(Days(), 1))
    code, _, err = run()

    assert code == 2
    assert "--role" in err
