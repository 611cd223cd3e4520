"""CSV that a spreadsheet opens by a double click and never runs."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import numpy as np
import pytest

from kahriz.clock import from_ms
from kahriz.export.csv_text import BOM, Dialect, cell, written
from kahriz.export.table import Column, Kind, Part, Table, instants

PLAIN = Dialect(has_bom=False, has_metadata=False)
COLUMNS = (
    Column("who", Kind.TEXT),
    Column("at", Kind.INSTANT, "UTC", "when"),
    Column("lps", Kind.NUMBER, "L/s"),
    Column("n", Kind.INTEGER),
    Column("ok", Kind.FLAG),
)
NOON_MS = 1_795_348_800_000


def text(*parts: Part, dialect: Dialect = PLAIN, about: tuple[tuple[str, str], ...] = ()) -> str:
    table = Table("some", COLUMNS, about, iter(parts))
    return b"".join(written(table, dialect)).decode()


def row(who: str | None, at: int | None, lps: float | None, n: int | None, ok: bool | None) -> Part:
    return [who], instants([at]), [lps], [n], [ok]


@pytest.mark.parametrize(
    "name", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\uff1d1", "=a;b,c"]
)
def test_text_that_a_spreadsheet_would_run_gets_an_apostrophe(name: str) -> None:
    for dialect in (PLAIN, Dialect(";", has_bom=False, has_metadata=False)):
        out = text(row(name, NOON_MS, 1.0, 1, True), dialect=dialect)
        _, (found, *_) = csv.reader(io.StringIO(out, newline=""), delimiter=dialect.delimiter)

        assert found == f"'{name}"


def test_a_negative_number_stays_a_number() -> None:
    assert text(row("a", NOON_MS, -1.5, -3, None)).splitlines()[1].split(",")[2:4] == ["-1.5", "-3"]


def test_every_other_text_comes_back_as_it_was() -> None:
    names = ["Ağ Dərə, Molla Cəlilli", 'a "b"', "#K7 two\nlines", " spaced ", "a;b", "", "K7"]
    out = text(*(row(name, NOON_MS, 1.0, 1, True) for name in names))

    found = [r[0] for r in csv.reader(io.StringIO(out, newline=""))][1:]
    assert found == names
    assert cell("#K7") == '"#K7"', "a program that skips comments must not take it for one"


def test_what_is_not_known_is_an_empty_cell() -> None:
    assert text(row(None, None, None, None, None)).splitlines()[1] == ",,,,"
    assert text(row("a", NOON_MS, float("nan"), 0, False)).splitlines()[1].endswith("Z,,0,false")


def test_numbers_keep_their_last_bit_and_instants_their_milliseconds() -> None:
    values = np.random.default_rng(3).normal(0, 1e-3, 500)
    at = (NOON_MS + np.arange(500)).astype("datetime64[ms]")
    out = text((["a"] * 500, at, values, np.arange(500), [True] * 500))

    found = list(csv.DictReader(io.StringIO(out)))
    assert [float(r["lps"]) for r in found] == values.tolist()
    assert [datetime.fromisoformat(r["at"]) for r in found] == [
        from_ms(NOON_MS + i) for i in range(500)
    ]


def test_with_a_semicolon_numbers_have_a_comma_and_instants_a_space() -> None:
    dialect = Dialect(";", has_bom=False, has_metadata=False)
    out = text(row("a,b", NOON_MS, -2.41, 7, True), dialect=dialect)
    fraction = text(row("a", NOON_MS + 473, 1e-7, 7, True), dialect=dialect)

    assert out.splitlines() == ["who;at;lps;n;ok", '"a,b";2026-11-22 12:00:00;-2,41;7;true']
    assert fraction.splitlines()[1] == "a;2026-11-22 12:00:00,473;1e-07;7;true"


def test_it_begins_with_the_mark_of_utf8_and_says_what_it_is_and_where_it_ends() -> None:
    about = (("kahriz", "water,=cmd() of\nAğ Dərə"), ("empty", ""))
    out = text(row("a", NOON_MS, 2.4, 1, True), dialect=Dialect(), about=about)

    assert out.startswith(BOM)
    assert out.removeprefix(BOM).split("\r\n") == [
        "# kahriz: water,'=cmd() of Ağ Dərə",
        "# column at: [UTC] when",
        "# column lps: [L/s]",
        "who,at,lps,n,ok",
        "a,2026-11-22T12:00:00.000Z,2.4,1,true",
        "# end: 1 rows",
        "",
    ]


def test_a_table_without_rows_is_its_header() -> None:
    assert text() == "who,at,lps,n,ok\r\n"
    assert text(dialect=Dialect(has_bom=False)).endswith("who,at,lps,n,ok\r\n# end: 0 rows\r\n")


def test_nothing_is_given_before_the_first_part_is_read() -> None:
    def failing() -> Iterator[Part]:
        yield from [row("a", NOON_MS, 1.0, 1, True)] * int(Path("/nowhere").read_text())

    with pytest.raises(FileNotFoundError):
        next(written(Table("some", COLUMNS, (), failing()), Dialect()))
