"""The same seed gives the same bytes, whatever the machine's clock says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from firmware_sim.run import Options, Play
from tests.simulator.network import NOWHERE, Network, play

ORIGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = """
name = "day"
interval_s = 300
history_days = 1
[[kahriz]]
id = "k"
source = { discharge_lps = 2.0 }
[[kahriz.device]]
id = "k-outlet"
at = "outlet"
channels = ["stage_m", "battery_v"]
jitter_s = 60
[kahriz.device.battery]
load_w = 1.0
[[kahriz.device]]
id = "k-shaft"
at = "shaft"
channels = ["stage_m"]
codec = "compact_v1"
order = "live_first"
[[kahriz.device]]
id = "k-line"
at = "line"
channels = ["discharge_lps"]
codec = "senml"
app_ack = false
"""
TROUBLES = (
    ("k-outlet", "clock_drift", 1, 6, "ppm = 5000"),
    ("k-outlet", "duplicates", 0, 12, "severity = 0.5"),
    ("k-outlet", "no_sun", -12, 24, ""),
    ("k-outlet", "reordering", 0, 12, ""),
    ("k-shaft", "reboot", 2, 8, 'every_h = 2\nunsent = "lost"'),
    ("k-shaft", "no_signal", 4, 3, "severity = 0.5"),
    ("k-shaft", "clone", 3, 4, ""),
    ("k-line", "backlog", 1, 3, "alone = true"),
    ("k-line", "clock_1970", 2, 3, ""),
)


def options(folder: Path) -> Options:
    text = DAY
    for device, kind, at_h, duration_h, more in TROUBLES:
        text += f'[[trouble]]\nkind = "{kind}"\ndevice = "{device}"\n'
        text += f"at_h = {at_h}\nduration_h = {duration_h}\n{more}\n"
    folder.mkdir()
    path = folder / "day.toml"
    path.write_text(text, encoding="utf-8")
    return Options(path, NOWHERE, folder / "state")


def flaky() -> Network:
    """Return a broker that is away twice, and a service that says nothing for a while."""
    return Network(
        is_there=lambda wall: not (20 <= wall < 60 or 300 <= wall < 310),
        acks=lambda wall: not 100 <= wall < 150,
    )


def played(options: Options, network: Network) -> Play:
    made = play(options, network, ORIGIN, hours=12)
    made.ledger.close()
    return made


def test_the_same_seed_gives_the_same_bytes_at_the_same_instants(tmp_path: Path) -> None:
    first, second = flaky(), flaky()
    for name, network in (("a", first), ("b", second)):
        played(options(tmp_path / name), network)

    assert first.said == second.said
    assert len(first.payloads("k-outlet")) > 100
    assert {p[:1] for p in first.payloads("k-shaft")} == {b"\x01"}
    assert {p[:1] for p in first.payloads("k-line")} == {b"["}


def test_another_seed_gives_other_bytes_and_other_pauses(tmp_path: Path) -> None:
    first, second = flaky(), flaky()
    played(options(tmp_path / "a"), first)
    played(replace(options(tmp_path / "b"), seed=2), second)

    assert first.payloads("k-outlet") != second.payloads("k-outlet")
    assert first.tries("k-outlet") != second.tries("k-outlet")


def test_a_device_tries_again_after_growing_pauses_of_its_own(tmp_path: Path) -> None:
    away = Network(is_there=lambda wall: False)
    played(options(tmp_path / "a"), away)
    pauses = [b - a for a, b in pairwise(away.tries("k-outlet"))]

    assert pauses[0] <= 1.0
    assert all(15.0 <= pause <= 31.0 for pause in pauses[6:])
    assert len({*pauses[6:]}) > 3
    assert away.tries("k-outlet") != away.tries("k-line")
