"""The shape of what says which payloads could not be used."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from api.schemas import Next, Time

_LETTER: dict[str, Any] = {
    "id": 7,
    "received_at": "2026-11-21T20:00:00Z",
    "topic": "kahriz/v1/agh-dere-outlet/up",
    "device": "agh-dere-outlet",
    "kind": "decode_error",
    "reason": "no JSON: unexpected end of data",
    "bytes": 41,
    "times": 3,
}


class DeadLetter(BaseModel):
    """One payload that nobody could use; ``times``: so often it came."""

    model_config = ConfigDict(extra="forbid")
    id: int
    received_at: Annotated[Time, Field(description="The last time.")]
    topic: str
    device: str | None
    kind: str | None
    reason: str
    bytes: int
    times: int


class DeadLetters(BaseModel):
    """Payloads that nobody could use, the last to be new first."""

    model_config = ConfigDict(
        extra="forbid", json_schema_extra={"examples": [{"letters": [_LETTER], "next": None}]}
    )
    letters: list[DeadLetter]
    next: Next
