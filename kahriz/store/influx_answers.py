"""What InfluxDB's answers mean, 1.6 to 3.x: pure functions of status, headers and body.

The versions refuse the same content in different ways: 1.x answers 400 and stores the rest; 2.x
answers 400 to a line it cannot parse and stores nothing, 422 to a type conflict and stores the
rest; 3.x answers 400 and stores nothing. So a refusal only says that *something* was refused; the
store finds out what by halving (see `kahriz.store.influx`).
"""

from __future__ import annotations

import re
from datetime import timedelta

import msgspec

from kahriz.errors import StoreUnavailable

_SHOWN = 300
_TOO_OLD_FOR_V2_PATH = (1, 8)
_BAD_REQUEST, _UNPROCESSABLE, _TOO_LARGE = 400, 422, 413
_UNAUTHORIZED, _FORBIDDEN, _NOT_FOUND = 401, 403, 404
_DROPPED = re.compile(r"dropped=(\d+)")
_VERSION = re.compile(r"v?(\d+)\.(\d+)")


class RefusedError(Exception):
    """Something of a request's content was refused; ``dropped`` points, where the server says."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        found = _DROPPED.search(text)
        self.dropped = int(found[1]) if found else 0


class TooLargeError(Exception):
    """The request is larger than the server takes; half of it may not be."""


def version_of(header: str | None) -> tuple[int, int] | None:
    """Return (major, minor) of ``X-Influxdb-Version``, e.g. ``1.6.7~rc0``; None where unsaid."""
    found = _VERSION.match(header or "")
    return (int(found[1]), int(found[2])) if found else None


def lacks_v2_path(version: tuple[int, int] | None) -> bool:
    """Return whether a server of this version answers 404 to ``/api/v2/write``."""
    return version is not None and version < _TOO_OLD_FOR_V2_PATH


def judge(where: str, status: int, body: bytes | str | None, retry_after: str | None) -> Exception:
    """Return what an answer that is no success stands for.

    Parameters
    ----------
    where
        The server and the bucket, for the reason.
    status, body, retry_after
        The HTTP answer.

    Returns
    -------
    RefusedError or TooLargeError, which the writer resolves, else StoreUnavailable.
    """
    text = message_of(body)
    if status in (_BAD_REQUEST, _UNPROCESSABLE):
        return RefusedError(text or f"refused ({status})")
    if status == _TOO_LARGE:
        return TooLargeError(text or "request too large")
    said = f" ({status}): {text}" if text else f" ({status})"
    if status == _UNAUTHORIZED:
        return StoreUnavailable(f"{where}: the token is missing or wrong{said}")
    if status == _FORBIDDEN:
        return StoreUnavailable(f"{where}: the token does not allow this{said}")
    if status == _NOT_FOUND:
        return StoreUnavailable(f"{where}: no such bucket, organisation or path{said}")
    return StoreUnavailable(f"{where}: cannot serve now{said}", _pause(retry_after))


def silence(error: Exception) -> str:
    """Return why there was no answer: of a refused connection the system's word, no object's."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.strerror:
            return f"no answer: {cause.strerror}"
        reason = getattr(cause, "reason", None)
        cause = reason if isinstance(reason, BaseException) else cause.__cause__
    return f"no answer: {error}"


def message_of(body: bytes | str | None) -> str:
    """Return what an error's body says, one line of at most 300 characters."""
    raw = body.decode("utf-8", "replace") if isinstance(body, bytes) else body or ""
    try:
        said = msgspec.json.decode(raw.encode())
    except msgspec.DecodeError:
        said = None
    if isinstance(said, dict):
        raw = str(said.get("message") or said.get("error") or raw)
    return " ".join(raw.split())[:_SHOWN]


def _pause(retry_after: str | None) -> timedelta | None:
    # The other form, a date, is none that InfluxDB sends.
    if retry_after is None or not retry_after.strip().isdecimal():
        return None
    return timedelta(seconds=int(retry_after))


class ResultSeries(msgspec.Struct):
    """One series of a query's answer: time in ms, value, quality.

    ``partial`` says that more rows may follow: 1.x sets it where a row limit cut the answer off,
    and leaves it set on a whole answer of more than 10000 rows.
    """

    values: list[tuple[int, float | None, int | None]]
    tags: dict[str, str] = {}
    partial: bool = False


class _Result(msgspec.Struct):
    series: list[ResultSeries] = []
    error: str = ""
    partial: bool = False


class _Answer(msgspec.Struct):
    results: list[_Result] = []
    error: str = ""


_decoder = msgspec.json.Decoder(_Answer)


def series_of(where: str, body: bytes) -> list[ResultSeries]:
    """Return the series of a query's answer of status 200.

    Raises
    ------
    StoreUnavailable
        The body is no answer of InfluxDB's, or carries an error.
    """
    try:
        answer = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        shown = message_of(body)[:80]
        raise StoreUnavailable(
            f"{where}: the answer to a query is not InfluxDB's ({error}): {shown!r}"
        ) from error
    problem = answer.error or next((r.error for r in answer.results if r.error), "")
    if problem:
        raise StoreUnavailable(f"{where}: query refused: {problem}")
    if not answer.results:
        raise StoreUnavailable(f"{where}: the answer to a query holds no result")
    for result in answer.results:
        for series in result.series:
            series.partial |= result.partial
    return [series for result in answer.results for series in result.series]


def is_database_missing(error: Exception) -> bool:
    """Return whether `error` is 1.x saying that the database was never created."""
    return "database not found" in str(error)
