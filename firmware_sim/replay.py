"""Send a recorded series as a device would: backlog, acknowledgements awaited."""

from __future__ import annotations

import csv
import gzip
import math
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO
from zoneinfo import ZoneInfo

import numpy as np

from firmware_sim.buffer import Span
from firmware_sim.chance import Floats, TimesMs, key
from firmware_sim.conditions import Passed
from firmware_sim.device import Broker
from firmware_sim.firmware import Device, Mould
from firmware_sim.fleet import Fleet
from firmware_sim.ledger import Ledger
from firmware_sim.passage import AT_ONCE, Leave
from firmware_sim.uplink import Uplink
from kahriz import plugins
from kahriz.clock import Clock, from_ms, scaled_clock, to_ms
from kahriz.codec import CODECS
from kahriz.errors import ConfigError, UnknownSensorError
from kahriz.units import property_of

_NEVER_MS = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Mapped:
    """One channel, the column it is taken from, and what its values are multiplied by."""

    channel: str
    column: str
    factor: float = 1.0

    @classmethod
    def parse(cls, text: str) -> Mapped:
        """Read ``channel=column`` or ``channel=column:factor``; ConfigError names what is wrong."""
        channel, equals, rest = text.partition("=")
        column, _, number = rest.rpartition(":") if ":" in rest else (rest, "", "1")
        try:
            factor = float(number)
            property_of(channel)
        except ValueError as error:
            raise ConfigError(f"--map {text}", f"factor {number!r} is no number") from error
        except UnknownSensorError as error:
            raise ConfigError(f"--map {text}", str(error)) from error
        if not (equals and column and math.isfinite(factor)):
            raise ConfigError(f"--map {text}", "expected channel=column or channel=column:factor")
        return cls(channel, column, factor)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded series: instants (n,) rising, values (n,) a channel; NaN where there was none."""

    time_ms: TimesMs
    columns: Mapping[str, Floats]
    skipped: int = 0
    """Rows of the file without any value."""

    def __len__(self) -> int:
        return len(self.time_ms)

    def shifted(self, by_ms: int) -> Recording:
        """Return the same values at other instants."""
        return Recording(self.time_ms + by_ms, self.columns, self.skipped)

    def passed(self, device: str, after_ms: int, now_ms: int, interval_ms: int) -> Passed:
        """Return what was recorded in (after, now]."""
        first, last = np.searchsorted(self.time_ms, [after_ms, now_ms], side="right").tolist()
        columns = {name: values[first:last] for name, values in self.columns.items()}
        end_ms = int(self.time_ms[last]) if last < len(self) else _NEVER_MS
        return Passed(self.time_ms[first:last], columns, next_ms=end_ms)

    def clock(self, device: str, time_ms: TimesMs, booted_ms: int) -> TimesMs:
        """Return the recorded instants as they are."""
        return time_ms

    def has_signal(self, device: str, now_ms: int) -> bool:
        """Return True."""
        return True

    def rows_poured(self, device: str, now_ms: int) -> int | None:
        """Return None: a recording is delivered in order."""
        return None

    def leaves(self, device: str, span: Span, now_ms: int) -> Sequence[Leave]:
        """Return that a payload leaves at once."""
        return AT_ONCE


def read_recording(
    path: Path, time_column: str, maps: Sequence[Mapped], zone: ZoneInfo | None = None
) -> Recording:
    """Read a CSV file, also gzipped.

    Parameters
    ----------
    path, time_column
        The file and its column of instants: ISO 8601, or milliseconds since 1970.
    maps
        The channels to take.
    zone
        Zone of instants that name none; UTC if None.

    Raises
    ------
    ConfigError
        Names the file, the line, the column and the value.
    """
    try:
        with ExitStack() as files:
            if path.suffix == ".gz":
                file = files.enter_context(gzip.open(path, "rt", encoding="utf-8", newline=""))
            else:
                file = files.enter_context(path.open(encoding="utf-8", newline=""))
            return _read(path, file, time_column, maps, zone)
    except (OSError, UnicodeDecodeError, csv.Error, EOFError) as error:
        raise ConfigError(str(path), str(error)) from error


def _read(
    path: Path, file: TextIO, time_column: str, maps: Sequence[Mapped], zone: ZoneInfo | None
) -> Recording:
    table = csv.DictReader(file)
    names = table.fieldnames or ()
    for column in (time_column, *(m.column for m in maps)):
        if column not in names:
            raise ConfigError(str(path), f"no column {column!r}", "columns: " + ", ".join(names))
    times: list[int] = []
    rows: list[list[float]] = []
    skipped = 0
    for row in table:
        where = f"{path}: line {table.line_num}"
        values = [_number(where, m.column, row[m.column]) * m.factor for m in maps]
        if all(math.isnan(v) for v in values):
            skipped += 1
            continue
        times.append(_instant(where, row[time_column], zone))
        rows.append(values)
    return _recording(path, times, rows, maps, skipped)


def _recording(
    path: Path, times: list[int], rows: list[list[float]], maps: Sequence[Mapped], skipped: int
) -> Recording:
    if not rows:
        raise ConfigError(str(path), "no row with a value")
    order = np.argsort(np.array(times), kind="stable")
    time_ms = np.array(times, np.int64)[order]
    twice = np.flatnonzero(np.diff(time_ms) == 0)
    if len(twice):
        instant = from_ms(int(time_ms[twice[0]]))
        raise ConfigError(str(path), f"two rows at {instant:%Y-%m-%d %H:%M:%S} UTC")
    values = np.round(np.array(rows, np.float64)[order], 9)
    return Recording(time_ms, {m.channel: values[:, i] for i, m in enumerate(maps)}, skipped)


def _number(where: str, column: str, text: str | None) -> float:
    if text is None or text.strip().lower() in ("", "nan", "na", "null"):
        return math.nan
    try:
        value = float(text)
    except ValueError as error:
        raise ConfigError(where, f"{column}: {text!r} is no number") from error
    if math.isinf(value):
        raise ConfigError(where, f"{column}: {text!r} is no finite number")
    return value


def _instant(where: str, text: str | None, zone: ZoneInfo | None) -> int:
    try:
        if text is not None and text.isdigit():
            return int(text)
        instant = datetime.fromisoformat(text or "")
    except ValueError as error:
        raise ConfigError(where, f"{text!r} is no instant", "ISO 8601, or ms since 1970") from error
    return to_ms(instant if instant.tzinfo else instant.replace(tzinfo=zone or UTC))


@dataclass(frozen=True, slots=True)
class Replayed:
    """What became of a replay."""

    readings: int
    acked: int
    seconds: float
    refusal: str = ""

    @property
    def is_complete(self) -> bool:
        """Whether every reading was acknowledged."""
        return self.acked == self.readings


def replay(
    recording: Recording,
    device: str,
    broker: Broker,
    *,
    password: str | None = None,
    speed: float = 0.0,
    timeout_s: float = 30.0,
    app_ack: bool = True,
    boot: int | None = None,
    is_stopped: Callable[[], bool] = lambda: False,
) -> Replayed:
    """Send a recording and wait until all of it is acknowledged.

    Parameters
    ----------
    recording, device, broker, password
        What, as whom, and where to.
    speed
        Recorded seconds a real second; 0 sends as fast as acknowledgements come.
    timeout_s
        Gives up after so many seconds without any progress.
    app_ack
        False: the broker's acknowledgement is enough.
    boot
        The device's count of starts; by default the wall clock's seconds: no state is kept, and
        no count may come twice.
    """
    began = time.monotonic()
    clock = _replay_clock(recording, speed)
    codec = plugins.load("codec", "json_v1", CODECS)()
    uplink = Uplink(
        list(recording.columns),
        codec,
        capacity=len(recording),
        app_ack=app_ack,
        tells_uptime=False,
    )
    ledger = Ledger(":memory:")
    mould = Mould(device, uplink, 0, password, chance=key(0, device, "backoff"))
    player = Device(mould, ledger, recording, int(recording.time_ms[0]) - 1, time.monotonic)
    player.start(int(time.time()) if boot is None else boot)
    fleet = Fleet([player], broker, ledger, clock)
    try:
        sent = _until_acked(fleet, len(recording), timeout_s, is_stopped)
        return Replayed(len(recording), sent - fleet.held, time.monotonic() - began, fleet.refusal)
    finally:
        fleet.stop()
        ledger.close()


def _replay_clock(recording: Recording, speed: float) -> Clock:
    if speed == 0:
        return lambda: from_ms(int(recording.time_ms[-1]))
    return scaled_clock(from_ms(int(recording.time_ms[0])), datetime.now(UTC), speed)


def _until_acked(fleet: Fleet, total: int, timeout_s: float, is_stopped: Callable[[], bool]) -> int:
    """Go on until all was taken and acknowledged; return how many readings were taken."""
    taken, held, since = 0, -1, time.monotonic()
    while not is_stopped() and not (taken == total and fleet.held == 0):
        taken += fleet.turn()
        is_waiting = fleet.held > 0
        if fleet.held != held or not is_waiting:
            held, since = fleet.held, time.monotonic()
        elif time.monotonic() - since > timeout_s:
            break
    return taken
