"""A folder of recorded series, as `kahriz detect run` and a scoreboard exchange them."""

from __future__ import annotations

import csv
import gzip
import io
import math
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kahriz.detect.station.channel import IMPOSSIBLE
from tests.unit.detect.station.days import BATTERY, LINE, OUTLET, SHAFT, Days

T0 = datetime(2025, 3, 1, tzinfo=UTC)
QUARTER = timedelta(minutes=15)
COLUMNS = {"flow_out": OUTLET, "level_up": SHAFT, "flow_dist": LINE, "battery": BATTERY}
ROLES = (
    "--role=flow_out=discharge@outlet",
    "--role=level_up=stage@shaft",
    "--role=flow_dist=discharge@line",
    "--role=battery=battery_voltage@outlet",
)
TRUTH = "the truth is nobody's business"


def table(water: Days, days: float, *columns: str) -> str:
    """Return the first days of some water as a CSV, with a label that no number can be read from.

    What cannot be is 999; of what was not measured the field is empty.
    """
    text = io.StringIO()
    writer = csv.writer(text)
    columns = columns or tuple(COLUMNS)
    writer.writerow(["time", *columns, "label"])
    values = [water.value[COLUMNS[name]].tolist() for name in columns]
    for i, row in enumerate(zip(*values, strict=True)):
        if i == round(days * 96):
            break
        at = (T0 + i * QUARTER).strftime("%Y-%m-%d %H:%M:%S")
        writer.writerow([at, *(_field(value) for value in row), TRUTH])
    return text.getvalue()


def _field(value: float) -> str:
    return "" if math.isnan(value) else "999" if value == IMPOSSIBLE else f"{value:.5f}"


def write(path: Path, text: str) -> None:
    """Write a file, compressed where its name says so."""
    data = text.encode()
    path.write_bytes(gzip.compress(data, 1) if path.suffix == ".gz" else data)
