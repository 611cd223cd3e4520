"""A scenario as a folder of series with the truth beside them: what to judge a detector by.

One ``KAHRIZ.csv.gz`` each, ``time`` (UTC) and a column ``<place>_<channel>`` for whatever is
measured there, empty where nothing was; ``label`` is 1 while something is wrong that somebody
should be told of. ``events.csv`` is the truth, ``meta.json`` says what of it is nature's own. No
broker, no device's memory: what a reading meets on its way to the service is not in it.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np

from firmware_sim.chance import Floats, TimesMs
from firmware_sim.conditions import Conditions
from firmware_sim.hydrology import DAY_MS
from firmware_sim.scenario import DeviceSpec, KahrizSpec
from firmware_sim.world import World, write_truth


def recorded_span(world: World, live_start_ms: int) -> tuple[int, int]:
    """Return [start, end) of what a scenario is about: its history, until a day after the last."""
    start = live_start_ms - round(world.scenario.history_days * DAY_MS)
    ends = [trouble.end_ms for trouble in world.troubles]
    return start, max([live_start_ms, *ends]) + DAY_MS


def record(folder: Path, world: World, start_ms: int, end_ms: int) -> Iterator[Path]:
    """Write every kahriz's series in [start, end), then the truth; yield each file.

    The same world and span give the same bytes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    for kahriz in world.scenario.kahriz:
        path = folder / f"{kahriz.id}.csv.gz"
        _write_series(path, world, kahriz, start_ms, end_ms)
        yield path
    write_truth(folder / "events.csv", world)
    yield folder / "events.csv"
    (folder / "meta.json").write_text(_rules(world), encoding="utf-8")
    yield folder / "meta.json"


def _rules(world: World) -> str:
    """Return what the scoreboard cannot see in the series: the usual rules hold for the rest."""
    first = world.scenario.kahriz[0].device[0]
    rules = {
        "step_min": world.scenario.interval_s / 60,
        "var": f"{first.at}_{first.channels[0]}",
        "neutral": sorted({t.kind for t in world.troubles if t.is_natural}),
    }
    return json.dumps(rules, indent=1) + "\n"


def _write_series(path: Path, world: World, kahriz: KahrizSpec, start_ms: int, end_ms: int) -> None:
    grids = {d.id: _instants(world, d, start_ms, end_ms) for d in kahriz.device}
    times = np.unique(np.concatenate(list(grids.values())))
    columns: dict[str, Floats] = {}
    for device in kahriz.device:
        for channel, values in _said(world, device, grids[device.id]).items():
            spread = np.full(len(times), np.nan)
            spread[np.searchsorted(times, grids[device.id])] = values
            columns[_free(f"{device.at}_{channel}", columns)] = spread
    # No name and no time of day in the file's head: the same series are the same bytes.
    with (
        path.open("wb") as raw,
        gzip.GzipFile("", "wb", 6, raw, mtime=0) as packed,
        io.TextIOWrapper(packed, encoding="utf-8", newline="") as file,
    ):
        _write_table(file, times, columns, _is_wrong(world, kahriz, times))


def _write_table(
    file: io.TextIOWrapper, times: TimesMs, columns: Mapping[str, Floats], is_wrong: list[str]
) -> None:
    table = csv.writer(file, lineterminator="\n")
    table.writerow(["time", *columns, "label"])
    instants = np.datetime_as_string(times.astype("datetime64[ms]"), unit="s").tolist()
    texts = [["" if math.isnan(v) else f"{v:g}" for v in c.tolist()] for c in columns.values()]
    table.writerows(zip(instants, *texts, is_wrong, strict=True))


def _instants(world: World, device: DeviceSpec, start_ms: int, end_ms: int) -> TimesMs:
    step = (device.interval_s or world.scenario.interval_s) * 1000
    return np.arange(-(-start_ms // step) * step, end_ms, step, dtype=np.int64)


def _said(world: World, device: DeviceSpec, times: TimesMs) -> Mapping[str, Floats]:
    is_on = Conditions(world).measures(device.id, times)
    return {c: np.where(is_on, v, np.nan) for c, v in world.measure(device.id, times).items()}


def _is_wrong(world: World, kahriz: KahrizSpec, times: TimesMs) -> list[str]:
    is_wrong = np.zeros(len(times), dtype=bool)
    for trouble in world.troubles_at(kahriz):
        if not trouble.is_natural:
            is_wrong |= trouble.is_on(times)
    return ["1" if wrong else "0" for wrong in is_wrong.tolist()]


def _free(name: str, taken: Mapping[str, Floats]) -> str:
    """Return `name`, numbered where a place has more than one of its kind."""
    n = 1 + sum(t == name or t.startswith(f"{name}_") for t in taken)
    return name if n == 1 else f"{name}_{n}"
