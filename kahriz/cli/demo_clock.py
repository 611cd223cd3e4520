"""The pretended time of a demo: kept in its folder, and shared by whoever works there meanwhile."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

from kahriz.clock import Clock, scaled_clock, system_clock

_FILE = "clock.json"
_RUNS = timedelta(seconds=5)
"""The demo saves its time twice a second; what is older was left behind by one that has ended."""


def resumed_clock(folder: Path, speed: float) -> tuple[Clock, dict[str, str]]:
    """Return the simulated clock, going on where it stood, and what children need to share it.

    It never stands before the real time: a real device beside the simulated ones is not ahead.
    """
    path = folder / _FILE
    started = datetime.now(UTC)
    origin = started
    if path.exists():
        origin = max(origin, datetime.fromisoformat(json.loads(path.read_text())["simulated"]))
    environment = {
        "KAHRIZ_CLOCK__ORIGIN": origin.isoformat(),
        "KAHRIZ_CLOCK__STARTED": started.isoformat(),
        "KAHRIZ_CLOCK__SPEED": str(speed),
    }
    return scaled_clock(origin, started, speed), environment


def save_clock(folder: Path, clock: Clock, speed: float, wall: Clock = system_clock) -> None:
    """Keep what time it is, for the next start and for commands that run beside the demo."""
    said = {"simulated": clock().isoformat(), "saved": wall().isoformat(), "speed": speed}
    draft = folder / (_FILE + ".new")
    draft.write_text(json.dumps(said))
    draft.replace(folder / _FILE)


def clock_beside_a_demo(folder: Path, wall: Clock = system_clock) -> Clock | None:
    """Return the clock of the demo that runs in `folder`; None: none runs there."""
    try:
        said = json.loads((folder / _FILE).read_text())
    except FileNotFoundError:
        return None
    if "saved" not in said:  # an older demo's
        return None
    saved = datetime.fromisoformat(said["saved"])
    if not timedelta(0) <= wall() - saved <= _RUNS:
        return None
    return scaled_clock(
        datetime.fromisoformat(said["simulated"]),
        saved,
        said["speed"],
        lambda: wall().timestamp(),
    )
