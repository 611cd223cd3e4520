r"""CSV as RFC 4180 has it, that a spreadsheet opens by a double click and never runs.

Two dialects, chosen by the delimiter. With ``,`` numbers have a point and instants are ISO 8601
with ``T`` and ``Z``: for programs, and for spreadsheets of countries that write 2.41. With ``;``
numbers have a comma and instants are ``2026-11-22 06:00:00``: what a spreadsheet expects where
people write 2,41, as in Azerbaijan, Turkey and Russia.

Text that a spreadsheet would run as a formula gets an apostrophe in front; numbers never do, so a
negative one stays a number. Source of the list: OWASP, *CSV Injection* (``= + - @``, tab, CR, LF
and the full-width forms of the first four).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from kahriz.export.table import Column, Kind, Table

BOM = "\ufeff"
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")
_QUOTED = re.compile(r'[",;#\r\n\t]|^\s|\s$')
_NEW_CELL = re.compile(r"([,;\t]\s*)(?=[=+\-@\uff1d\uff0b\uff0d\uff20])")


@dataclass(frozen=True, slots=True)
class Dialect:
    """How CSV looks.

    Attributes
    ----------
    delimiter
        ``,`` or ``;``; the second also writes numbers with a decimal comma.
    has_bom
        Begin with the mark by which Excel knows UTF-8; other programs skip it.
    has_metadata
        Lines that begin with ``# `` before the header, and one after the last row that says how
        many there were.
    """

    delimiter: str = ","
    has_bom: bool = True
    has_metadata: bool = True

    @property
    def is_for_spreadsheets(self) -> bool:
        """Whether numbers have a comma and instants a space."""
        return self.delimiter == ";"


def written(table: Table, dialect: Dialect) -> Iterator[bytes]:
    """Yield a table's bytes, a part at a time."""
    head = _head(table, dialect)
    rows = 0
    # With the first part, so that whoever fails at once has not begun.
    for part in table.parts:
        rows += len(part[0])
        yield (head + _text(table.columns, part, dialect)).encode()
        head = ""
    end = f"# end: {rows} rows\r\n" if dialect.has_metadata else ""
    if head or end:
        yield (head + end).encode()


def _head(table: Table, dialect: Dialect) -> str:
    names = dialect.delimiter.join(column.name for column in table.columns)
    said = ""
    if dialect.has_metadata:
        about = [*table.about, *(_of(column) for column in table.columns)]
        said = "".join(f"# {_line(f'{key}: {value}')}\r\n" for key, value in about if value)
    return f"{BOM if dialect.has_bom else ''}{said}{names}\r\n"


def _of(column: Column) -> tuple[str, str]:
    unit = f"[{column.unit}] " if column.unit else ""
    return f"column {column.name}", f"{unit}{column.about}".strip()


def _line(text: str) -> str:
    """Return one line that begins no formula behind a delimiter."""
    return _NEW_CELL.sub(r"\1'", " ".join(text.split()))


def _text(columns: Sequence[Column], part: Sequence[Sequence[Any]], dialect: Dialect) -> str:
    cells = [_WRITERS[c.kind](values, dialect) for c, values in zip(columns, part, strict=True)]
    return "".join(f"{row}\r\n" for row in map(dialect.delimiter.join, zip(*cells, strict=True)))


def _texts(values: Sequence[Any], _: Dialect) -> list[str]:
    known: dict[Any, str] = {}
    return [known.get(v) or known.setdefault(v, cell(v)) for v in values]


def cell(text: str | None) -> str:
    """Return one cell of text, quoted where it has to be, that no spreadsheet runs."""
    if text is None:
        return ""
    begins = "'" if text.startswith(_FORMULA) else ""
    first = len(begins)  # whoever splits at the other delimiter finds another cell behind it
    safe = begins + text[:first] + _NEW_CELL.sub(r"\1'", text[first:])
    quoted = safe.replace('"', '""')
    return f'"{quoted}"' if _QUOTED.search(safe) else safe


def _numbers(values: Sequence[Any], dialect: Dialect) -> list[str]:
    found = ["" if v is None or v != v else repr(float(v)) for v in _plain(values)]
    return [text.replace(".", ",") for text in found] if dialect.is_for_spreadsheets else found


def _integers(values: Sequence[Any], _: Dialect) -> list[str]:
    return ["" if v is None else str(v) for v in _plain(values)]


def _plain(values: Any) -> list[Any]:
    return list(values.tolist() if isinstance(values, np.ndarray) else values)


def _flags(values: Sequence[Any], _: Dialect) -> list[str]:
    return ["" if v is None else "true" if v else "false" for v in values]


def _instants(values: Any, dialect: Dialect) -> list[str]:
    texts = np.datetime_as_string(values, unit="ms").tolist()
    if dialect.is_for_spreadsheets:
        return ["" if t == "NaT" else _for_spreadsheets(t) for t in texts]
    return ["" if t == "NaT" else f"{t}Z" for t in texts]


def _for_spreadsheets(text: str) -> str:
    return text.removesuffix(".000").replace("T", " ").replace(".", ",")


_WRITERS: dict[Kind, Callable[[Any, Dialect], list[str]]] = {
    Kind.TEXT: _texts,
    Kind.NAME: _texts,
    Kind.INSTANT: _instants,
    Kind.NUMBER: _numbers,
    Kind.INTEGER: _integers,
    Kind.FLAG: _flags,
}
