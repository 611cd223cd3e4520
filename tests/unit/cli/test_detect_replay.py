"""`kahriz detect replay`: what would have been told of a kahriz's past, with other options too."""

from __future__ import annotations

import hashlib
import logging
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

from kahriz import cli
from kahriz.book import Book, maintenance
from kahriz.detect.gallery import Gallery
from kahriz.observations import ObservationBatch
from kahriz.sites import Kahriz
from kahriz.store import open_store
from tests.unit.detect.station.days import FIRST, SHAFT, Days, kahriz, log

Run = Callable[..., tuple[int, str, str]]

BLOCKED, OFF, LEARNED = 105.3, 112.3, 100
END = 118

SITES = """
[[kahriz]]
id = "k"
name = "K"
village = "V"
district = "D"
use = "irrigation"

[[kahriz.contact]]
name = "Chair"
role = "chair"
phone = "+994500000001"

[[kahriz.contact]]
name = "Engineer"
role = "engineer"
phone = "+994500000009"
language = "en"
"""


def site(name: str, kind: str, *channels: str) -> str:
    lines = ["[[kahriz.site]]", f'id = "{name}"', f'kind = "{kind}"', f'name = "{name.title()}"']
    for channel in channels:
        lines += ["[[kahriz.site.sensor]]", f'device = "k-{name}"', f'channel = "{channel}"']
    return "\n".join(lines) + "\n"


def day(days: float) -> str:
    """Return the instant a day of the water begins, as the option takes it."""
    return QUARTERS.end(FIRST + round(days * 96)).isoformat()


OF: Kahriz = kahriz(battery=True)
QUARTERS = Gallery(OF).quarters


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Fill a store and a registry: a blockage of a day, then a level that is off for a day."""
    made = tmp_path_factory.mktemp("replay")
    water = Days(days=END).blocked(BLOCKED, part=0.15, rise=0.08, until=BLOCKED + 1)
    water.shifted(SHAFT, OFF, 0.2, OFF + 1)
    with closing(open_store(f"sqlite:///{made / 'observations.sqlite'}")) as store:
        for series in log(OF, water).values():
            stream = np.zeros(len(series), np.int32)
            store.write(
                ObservationBatch(
                    (series.datastream,), stream, series.time, series.value, series.quality
                )
            )
        while store.tidy(QUARTERS.end(FIRST + END * 96) + timedelta(days=2)):
            pass
    places = site("outlet", "outlet", "discharge_lps", "battery_v") + site(
        "shaft", "shaft", "stage_m"
    )
    (made / "sites.toml").write_text(
        SITES + places + site("line", "delivery_line", "discharge_lps"), encoding="utf-8"
    )
    return made


def contents(folder: Path) -> dict[str, str]:
    return {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in folder.iterdir()
        if path.is_file()
    }


@pytest.fixture
def run(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Iterator[Run]:
    """Run ``kahriz detect replay``; gives exit code, stdout and stderr."""
    for name in [name for name in os.environ if name.startswith("KAHRIZ_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("KAHRIZ_STORE__URL", f"sqlite:///{folder / 'observations.sqlite'}")
    monkeypatch.setenv("KAHRIZ_BOOK__URL", f"sqlite:///{folder / 'book.sqlite'}")
    monkeypatch.setenv("KAHRIZ_SITES", str(folder / "sites.toml"))
    monkeypatch.setenv("COLUMNS", "200")
    handlers = logging.getLogger().handlers[:]

    def command(*words: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["kahriz", "detect", "replay", *words])
        with pytest.raises(SystemExit) as left:
            cli.main()
        said = capsys.readouterr()
        return int(left.value.code or 0), said.out, said.err

    yield command
    logging.getLogger().handlers[:] = handlers


WHOLE = ("--kahriz", "k", "--from", day(LEARNED), "--to", day(END))


def test_it_says_what_would_have_been_told_when_and_on_what_grounds(run: Run) -> None:
    code, out, err = run(*WHOLE)
    head, *rest = out.splitlines()

    assert (code, err) == (0, "")
    assert head == "k: 2025-01-12 to 2025-01-30: 2 alerts, 4 SMS if whoever is called first answers"
    # Told to the chair and to the engineer, who answer, its end as well; times are the village's.
    assert rest[0] == "  2025-01-17 08:00  blockage, until 2025-01-18 10:30, 2 SMS"
    assert rest[1].startswith("      Outlet 11.8 L/s, expected 13.9 (-15 %). Shaft level +8 cm.")
    assert rest[2] == "  2025-01-24 11:00  sensor k-shaft, until 2025-01-25 17:30, 2 SMS"
    assert rest[3].startswith("      Outlet 13.7 L/s, expected 13.9 (-1 %). Shaft level +20 cm.")
    assert len(rest) == 4


def alerts(out: str) -> list[str]:
    return [line.split("  ")[2] for line in out.splitlines() if line.startswith("  2025")]


def test_another_option_says_what_it_would_have_told(run: Run) -> None:
    patient = ("--set", "fall=0.3", "--set", "off_curve_m=0.5")
    code, out, _ = run(*WHOLE, *patient)

    assert code == 0
    assert [what.split(",")[0] for what in alerts(out)] == ["sensor k-shaft", "sensor k-shaft"]
    code, out, _ = run(*WHOLE, *patient, "--set", "lone_level_m=0.5")
    assert code == 0
    assert out.startswith("k: 2025-01-12 to 2025-01-30: 0 alerts, 0 SMS if")


def test_what_began_before_the_first_instant_was_told_before(run: Run) -> None:
    _, out, _ = run("--kahriz", "k", "--from", day(BLOCKED + 0.5), "--to", day(END))

    assert [what.split(",")[0] for what in alerts(out)] == ["sensor k-shaft"]


def test_what_is_not_over_at_the_end_is_still_on(run: Run) -> None:
    _, out, _ = run("--kahriz", "k", "--from", day(LEARNED), "--to", day(BLOCKED + 0.5))

    assert alerts(out) == ["blockage, still on, 1 SMS"]


def test_nothing_is_written(run: Run, folder: Path) -> None:
    before = contents(folder)

    assert run(*WHOLE, "--set", "fall=0.1")[0] == 0
    assert contents(folder) == before
    assert "book.sqlite" not in before


def test_what_happened_while_somebody_worked_there_would_not_have_been_told(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAHRIZ_BOOK__URL", f"sqlite:///{tmp_path / 'book.sqlite'}")
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    began, ended = QUARTERS.end(FIRST + 105 * 96), QUARTERS.end(FIRST + 107 * 96)
    with book.begin() as connection:
        maintenance.start(connection, "k", began, by="A", note="", now=began)
        maintenance.end(connection, "k", ended, is_new_normal=False, by="A", now=ended)
    book.close()

    code, out, err = run(*WHOLE)
    assert (code, err) == (0, "")
    assert [what.split(",")[0] for what in alerts(out)] == ["sensor k-shaft"]


def test_without_an_end_it_goes_on_until_now_and_silence_is_told(
    run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The clock of a demo stands near the end of the water, a second a second.
    origin = QUARTERS.end(FIRST + END * 96) + timedelta(hours=3)
    monkeypatch.setenv("KAHRIZ_CLOCK__ORIGIN", origin.isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__STARTED", datetime.now(UTC).isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__SPEED", "1")
    code, out, _ = run("--kahriz", "k", "--from", day(END - 1))

    assert code == 0
    assert [what.split(",")[0] for what in alerts(out)] == [
        f"offline k-{name}" for name in ("outlet", "shaft", "line")
    ]


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--set", "full=0.1"), "'full=0.1' sets no option (fall, lone_fall, rise"),
        (("--set", "fall"), "'fall' sets no option"),
        (("--set", "fall=much"), "--set fall: not a number (got 'much')"),
        (("--set", "fall=2"), "--set fall: Input should be less than 1 (got '2')"),
        (("--kahriz", "agh-dara"), "'agh-dara' is not in the registry (k)"),
        (("--to", "tomorrow"), "'tomorrow' is no instant"),
        (("--to", day(LEARNED)), "is not before the end"),
    ],
)
def test_wrong_use_is_named(run: Run, words: tuple[str, ...], named: str) -> None:
    whose = () if "--kahriz" in words else ("--kahriz", "k")
    code, out, err = run("--from", day(LEARNED), *whose, *words)

    assert (code, out) == (2, "")
    assert named in " ".join(err.replace("│", " ").split())


def test_a_store_that_is_not_there_yet_is_exit_1(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KAHRIZ_STORE__URL", f"sqlite:///{tmp_path / 'observations.sqlite'}")
    code, out, err = run(*WHOLE)

    assert (code, out) == (1, "")
    assert "observations.sqlite" in err
    assert list(tmp_path.iterdir()) == []
