"""Answers, encoded once: JSON with numpy columns as they are and NaN as null; rows as CSV."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import orjson
from fastapi import Response

from kahriz.export.csv_text import cell

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z

MOVING = frozenset({"now", "as_of"})
"""What is another in every answer, although nothing has changed."""

NO_STORE = {"Cache-Control": "no-store"}


def encode(content: Mapping[str, Any]) -> bytes:
    """Return JSON of dicts, lists, instants and numpy arrays; ``datetime64`` as ISO 8601 ``Z``."""
    return orjson.dumps(content, option=_OPTIONS)


def tag(rows: bytes) -> str:
    """Return by what is known again that an answer says the same; weak: its clock may differ."""
    return f'W/"{hashlib.blake2b(rows, digest_size=12).hexdigest()}"'


class JSONAnswer(Response):
    """An answer that no cache keeps, because the next one can differ; with a tag to compare by.

    Parameters
    ----------
    content
        What it says.
    status_code
        Of HTTP.
    moving
        Parts of `content` that the tag leaves out.
    headers
        Added to the answer.
    """

    media_type = "application/json"

    def __init__(
        self,
        content: Mapping[str, Any],
        status_code: int = 200,
        *,
        moving: Collection[str] = MOVING,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        clock = {name: value for name, value in content.items() if name in moving}
        rest = encode({name: value for name, value in content.items() if name not in moving})
        body = encode(clock)[:-1] + b"," + rest[1:] if clock and rest != b"{}" else rest
        found = {"ETag": tag(rest)} if status_code == 200 else {}
        super().__init__(body, status_code, {**NO_STORE, **found, **(headers or {})})


class CSVAnswer(Response):
    """The rows of an answer as CSV: a header and nothing beside them."""

    media_type = "text/csv"

    def __init__(self, text: str, headers: Mapping[str, str] | None = None) -> None:
        body = text.encode()
        found = {**NO_STORE, "ETag": tag(body), **(headers or {})}
        super().__init__(body, 200, found)


def csv_of_rows(names: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows, each a mapping that has every one of `names`, as CSV."""
    lines = [",".join(names), *(",".join(_cell(row[name]) for name in names) for row in rows)]
    return "".join(f"{line}\r\n" for line in lines)


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, str):
        return cell(value)
    if isinstance(value, float) and not np.isfinite(value):
        return ""
    text = orjson.dumps(value, option=_OPTIONS).decode()
    return cell(text) if isinstance(value, dict | list) else text
