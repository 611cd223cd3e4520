"""Long lists page by page: a cursor stands behind the last row that was given.

It names that row by what the list is ordered by, never by a count: what is written meanwhile in
front of it moves nothing. It holds no secret and opens nothing; whoever makes one up gets a part
of a list that may be read anyway.
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode

import orjson
from fastapi import Request
from pydantic import BaseModel, ConfigDict, Field

from api.problems import invalid_parameter

T = TypeVar("T")
Key = tuple[int, ...]

_INT64 = range(-(2**63), 2**63)


class Paged(BaseModel):
    """How much of a list, and from where."""

    model_config = ConfigDict(extra="forbid")
    limit: int = Field(100, ge=1, le=1000, examples=[100])
    cursor: str | None = Field(
        None,
        max_length=200,
        description="`next` of the answer before; everything else has to be as it was then.",
    )


@dataclass(frozen=True, slots=True)
class Place:
    """Where in which list a request wants to go on.

    Attributes
    ----------
    of
        By what the list and the rest of its question are known again.
    after
        Key of the last row that was given; None: from the beginning.
    """

    of: str
    after: Key | None

    @property
    def pair(self) -> tuple[int, int] | None:
        """Return the key of a list that is ordered by two."""
        return None if self.after is None else (self.after[0], self.after[1])

    @property
    def one(self) -> int | None:
        """Return the key of a list that is ordered by one."""
        return None if self.after is None else self.after[0]

    def next(self, key: Key) -> str:
        """Return the cursor that stands behind the row of this key."""
        return urlsafe_b64encode(orjson.dumps([self.of, *key])).rstrip(b"=").decode()


def place(cursor: str | None, size: int, name: str, *question: object) -> Place:
    """Return where a request goes on.

    Parameters
    ----------
    cursor
        As it was given.
    size
        How many integers a key of this list has.
    name, question
        Of the list, and what else was asked; they have to be those the cursor was made for.

    Raises
    ------
    Problem
        422: no answer gave this cursor, or one to another question.
    """
    of = hashlib.blake2b(repr((name, *question)).encode(), digest_size=6).hexdigest()
    if cursor is None:
        return Place(of, None)
    try:
        said, *key = orjson.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (ValueError, TypeError) as error:
        raise invalid_parameter("cursor", cursor, "no answer gave it as `next`") from error
    if said != of:
        raise invalid_parameter("cursor", cursor, "it belongs to another list or question")
    is_key = len(key) == size and all(type(part) is int and part in _INT64 for part in key)
    if not is_key:
        raise invalid_parameter("cursor", cursor, "no answer gave it as `next`")
    return Place(of, tuple(key))


def cut(
    rows: Sequence[T], limit: int, at: Place, key: Callable[[T], Key]
) -> tuple[Sequence[T], str | None]:
    """Return a page of at most `limit` rows, and the cursor of the next one; None: the last.

    Parameters
    ----------
    rows
        One more than the limit, where there are so many.
    limit
        Of a page.
    at
        Where it begins.
    key
        What the list is ordered by.
    """
    if len(rows) <= limit:
        return rows, None
    return rows[:limit], at.next(key(rows[limit - 1]))


def link(request: Request, cursor: str | None) -> Mapping[str, str]:
    """Return the header that leads to the next page (RFC 8288), relative to the request."""
    if cursor is None:
        return {}
    kept: list[tuple[str, Any]] = [
        (name, value) for name, value in request.query_params.multi_items() if name != "cursor"
    ]
    return {"Link": f'<?{urlencode([*kept, ("cursor", cursor)])}>; rel="next"'}
