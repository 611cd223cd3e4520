"""JSON answers, encoded once: numpy columns go out as they are, NaN as null."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson
from fastapi import Response

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NAIVE_UTC | orjson.OPT_UTC_Z


def encode(content: Mapping[str, Any]) -> bytes:
    """Return JSON of dicts, lists, instants and numpy arrays; ``datetime64`` as ISO 8601 ``Z``."""
    return orjson.dumps(content, option=_OPTIONS)


class JSONAnswer(Response):
    """An answer that no cache keeps: the next one can differ."""

    media_type = "application/json"

    def __init__(self, content: Mapping[str, Any], status_code: int = 200) -> None:
        super().__init__(encode(content), status_code, {"Cache-Control": "no-store"})
