"""Tell by its look which codec a payload is meant for."""

from __future__ import annotations

from kahriz.errors import DecodeError

_BLANK = b" \t\r\n"
_BY_FIRST_BYTE = {b"{": "json_v1", b"[": "senml", b"\x01": "compact_v1"}


def codec_for(payload: bytes) -> str:
    """Return the name of the codec for `payload`: an object, an array, or compact_v1's version.

    Only the first byte that is not blank is looked at: whether the rest holds is the codec's task.

    Raises
    ------
    DecodeError
        Nothing there, or none of these.
    """
    first = payload.lstrip(_BLANK)[:1]
    if not first:
        raise DecodeError("", "empty payload")
    name = _BY_FIRST_BYTE.get(first)
    if name is None:
        raise DecodeError(
            "",
            f"begins with byte {first[0]:#04x}: not {{ (json_v1), [ (SenML) or 0x01 (compact_v1)",
        )
    return name
