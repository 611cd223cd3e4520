"""What goes wrong with devices: what they say of it, and what the ledger knows better."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from firmware_sim.ledger import Ledger
from firmware_sim.run import Options, Outside, Play
from kahriz.clock import to_ms
from tests.simulator.network import NOWHERE, Network, Reason, play

ORIGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
T0 = to_ms(ORIGIN)
MINUTE = 60_000
HOUR = 60 * MINUTE
ONE = """
name = "one"
interval_s = 60
history_days = {days}
[[kahriz]]
id = "k"
source = {{ discharge_lps = 2.0 }}
[[kahriz.device]]
id = "k-outlet"
at = "outlet"
channels = ["stage_m", "battery_v"]
{device}
"""


def options(
    folder: Path, *troubles: dict[str, Any], device: str = "", days: float = 0, **more: Any
) -> Options:
    text = ONE.format(device=device, days=days)
    for trouble in troubles:
        text += '[[trouble]]\ndevice = "k-outlet"\n'
        text += "".join(f"{name} = {json.dumps(value)}\n" for name, value in trouble.items())
    path = folder / "one.toml"
    path.write_text(text, encoding="utf-8")
    return Options(path, NOWHERE, folder / "state", **more)


def run(chosen: Options, network: Network, hours: float = 4, origin: datetime = ORIGIN) -> None:
    play(chosen, network, origin, hours).ledger.close()


def ledger(folder: Path, what: str = "boot, seq, time_ms, said_ms", where: str = "1") -> list[Any]:
    with closing(sqlite3.connect(folder / "state" / "ledger.sqlite")) as db:
        order = "ORDER BY device, boot, seq"
        return db.execute(f"SELECT {what} FROM reading WHERE {where} {order}").fetchall()


def by_number(network: Network) -> dict[tuple[int, int], int]:
    return {(boot, seq): at for boot, seq, at in network.readings("k-outlet")}


def test_a_gap_has_no_readings_and_no_hole_in_the_numbers(tmp_path: Path) -> None:
    far = Network()
    run(options(tmp_path, {"kind": "gap", "at_h": 1, "duration_h": 2}), far)
    times = [at - T0 for _, _, at in far.readings("k-outlet")]

    assert not any(HOUR <= at < 3 * HOUR for at in times)
    assert [seq for _, seq, _ in far.readings("k-outlet")] == list(range(len(times)))
    assert len(times) >= 118
    assert {boot for boot, _, _ in far.readings("k-outlet")} == {1}


@pytest.mark.parametrize("unsent", ["kept", "lost"])
def test_a_start_counts_from_0_and_what_was_not_sent_is_kept_or_lost(
    tmp_path: Path, unsent: str
) -> None:
    far = Network(acks=lambda wall: wall > 150)  # from 2.5 hours on
    reboot = {"kind": "reboot", "at_h": 2, "duration_h": 1, "unsent": unsent}
    run(options(tmp_path, reboot), far)
    seqs = {b: [s for boot, s in by_number(far) if boot == b] for b in (1, 2)}
    rows = ledger(tmp_path, "boot, count(*), sum(gone = 'lost')", "1 GROUP BY boot, 'x'")
    first = {row[0]: row[1:] for row in ledger(tmp_path, "boot, app_acked, gone")}

    assert min(seqs[2]) == 0
    assert rows[0][0] == 1
    assert first[1] == ((1, None) if unsent == "kept" else (0, "lost"))
    assert first[2][0] in (0, 1)


def test_starts_come_again_and_again_until_the_end(tmp_path: Path) -> None:
    far = Network()
    reboot = {"kind": "reboot", "at_h": 1, "duration_h": 2, "every_h": 0.5}
    run(options(tmp_path, reboot), far)
    begins = {boot: at for boot, seq, at in far.readings("k-outlet") if seq == 0}

    assert sorted(begins) == [1, 2, 3, 4, 5]
    assert [at - T0 for boot, at in begins.items() if boot > 1] == [
        round(h * HOUR) for h in (1, 1.5, 2, 2.5)
    ]


def test_a_weak_signal_comes_through_in_between_and_nothing_is_missing(tmp_path: Path) -> None:
    far = Network()
    weak = {
        "kind": "no_signal", "at_h": 0.5, "duration_h": 3, "severity": 0.5, "spell_min": 10,
    }  # fmt: skip
    run(options(tmp_path, weak), far)

    assert 2 < len(far.tries("k-outlet")) < 18
    assert sorted(by_number(far)) == [(1, seq) for seq in range(len(by_number(far)))]
    assert len(by_number(far)) >= 238


@pytest.mark.parametrize("alone", [False, True])
def test_a_backlog_comes_all_at_once_without_waiting_for_acknowledgements(
    tmp_path: Path, alone: bool
) -> None:
    far = Network(acks=lambda wall: wall > 210)
    away = {"kind": "backlog", "at_h": 0.5, "duration_h": 2.5, "alone": alone}
    run(options(tmp_path, away), far, hours=3.2)
    came = [wall for _, wall, topic, _ in far.said if topic.endswith("/up") and wall >= 180]

    assert [b - a for a, b in pairwise(sorted(by_number(far).values()))] == [MINUTE] * 190
    assert sum(wall < 182 for wall in came) >= (150 if alone else 1)
    assert max(len(p) for p in far.payloads("k-outlet")) <= 16 * 1024


@pytest.mark.parametrize(("epoch", "begins"), [(1970, 0), (1980, 315_964_800_000)])
def test_a_clock_without_a_cell_counts_from_its_epoch_and_the_ledger_has_the_true_instant(
    tmp_path: Path, epoch: int, begins: int
) -> None:
    far = Network()
    wrong = {"kind": "clock_1970", "at_h": 1, "duration_h": 2, "epoch": epoch}
    run(options(tmp_path, wrong), far)
    rows = {(boot, seq): (at, said) for boot, seq, at, said in ledger(tmp_path)}
    during = [(at, said) for at, said in rows.values() if HOUR <= at - T0 < 3 * HOUR]
    uptimes = [json.loads(p) for p in far.payloads("k-outlet")]

    assert len(during) == 120
    assert all(said == begins + at - T0 - HOUR for at, said in during)
    assert all(said == at for at, said in rows.values() if not HOUR <= at - T0 < 3 * HOUR)
    assert by_number(far) == {key: said for key, (_, said) in rows.items() if key in by_number(far)}
    for said in uptimes:
        measured_ms = rows[said["boot"], said["seq"]][0]
        booted_ms = T0 if said["boot"] == 1 else T0 + HOUR
        assert 0 <= booted_ms + said["uptime_ms"] - measured_ms <= MINUTE


def test_a_drifting_clock_is_off_more_and_more_until_it_is_set_right(tmp_path: Path) -> None:
    fast = {"kind": "clock_drift", "at_h": 1, "duration_h": 2, "ppm": -10_000}
    run(options(tmp_path, fast), Network())
    off = {at - T0: said - at for _, _, at, said in ledger(tmp_path)}

    assert off[59 * MINUTE] == 0
    assert off[2 * HOUR] == -36_000
    assert off[3 * HOUR - MINUTE] == -71_400
    assert off[3 * HOUR] == 0


@pytest.mark.parametrize("by_s", [259_200, -3600, -3e9])
def test_a_clock_jumps_ahead_or_back_but_never_before_1970(tmp_path: Path, by_s: float) -> None:
    jump = {"kind": "clock_jump", "at_h": 1, "duration_h": 1, "by_s": by_s}
    far = Network()
    run(options(tmp_path, jump), far)
    wrong = [(at, said) for _, _, at, said in ledger(tmp_path) if at != said]

    assert [at - T0 for at, _ in wrong] == [HOUR + MINUTE * i for i in range(60)]
    assert all(said == max(at + round(by_s * 1000), 0) for at, said in wrong)
    assert len(by_number(far)) >= 238


def test_two_clocks_at_once_add_up_in_the_scenarios_order(tmp_path: Path) -> None:
    cell = {"kind": "clock_1970", "at_h": 1, "duration_h": 1}
    jump = {"kind": "clock_jump", "at_h": 1, "duration_h": 1, "by_s": 100}
    run(options(tmp_path, cell, jump), Network())
    said = [said for _, _, at, said in ledger(tmp_path) if HOUR <= at - T0 < 2 * HOUR]

    assert said == [100_000 + MINUTE * i for i in range(60)]


def test_duplicates_are_the_same_bytes_of_readings_acknowledged_before(tmp_path: Path) -> None:
    far = Network()
    twice = {"kind": "duplicates", "at_h": 1, "duration_h": 2, "times": 2, "after_min": 5}
    run(options(tmp_path, twice), far)
    payloads = far.payloads("k-outlet")
    sent = {row[0]: row[1] for row in ledger(tmp_path, "time_ms - 1795348800000, sent")}

    assert len(payloads) - len(set(payloads)) == 240
    assert {sent[HOUR + MINUTE * i] for i in range(120)} == {3}
    assert sent[30 * MINUTE] == sent[3 * HOUR + 20 * MINUTE] == 1


def test_duplicates_wait_until_their_readings_are_acknowledged(tmp_path: Path) -> None:
    far = Network(acks=lambda wall: False)
    twice = {"kind": "duplicates", "at_h": 0, "duration_h": 1, "after_min": 0}
    run(options(tmp_path, twice), far, hours=0.2)
    uptimes = [json.loads(p)["uptime_ms"] for p in far.payloads("k-outlet")]

    assert uptimes == sorted(set(uptimes)) or len(far.payloads("k-outlet")) == len(
        set(far.payloads("k-outlet"))
    )


def test_payloads_out_of_order_all_arrive_once_each(tmp_path: Path) -> None:
    far = Network()
    mixed = {"kind": "reordering", "at_h": 0, "duration_h": 3, "severity": 0.4, "late_min": 2.5}
    run(options(tmp_path, mixed), far)
    seqs = [seq for _, seq, _ in far.readings("k-outlet")]

    assert sum(b < a for a, b in pairwise(seqs)) >= 30
    assert sorted(set(seqs)) == list(range(len(set(seqs))))
    assert len(seqs) == len(set(seqs))
    assert ledger(tmp_path, "count(*)", "gone IS NOT NULL") == [(0,)]


def test_a_clone_measures_on_its_own_and_counts_its_own_boots(tmp_path: Path) -> None:
    far = Network()
    second = {"kind": "clone", "at_h": 1, "duration_h": 2, "boot": 500}
    run(options(tmp_path, second), far)
    own = [(boot, at - T0) for boot, _, at in far.readings("k-outlet") if boot > 500]
    rows = ledger(tmp_path, "device, boot, count(*)", "1 GROUP BY device, boot")

    assert {at % MINUTE for _, at in own} == {30_000}
    assert HOUR <= min(at for _, at in own) <= max(at for _, at in own) < 3 * HOUR
    assert {row[0] for row in rows} == {"k-outlet", "k-outlet~clone"}
    assert rows[-1][1:] == (502, 120)


def test_jitter_delays_each_reading_by_chance_and_never_to_the_next_interval(
    tmp_path: Path,
) -> None:
    run(options(tmp_path, device="jitter_s = 3600"), Network())
    times = [row[0] for row in ledger(tmp_path, "time_ms")]

    assert [at // MINUTE for at in times] == list(
        range(times[0] // MINUTE, times[-1] // MINUTE + 1)
    )
    assert np.std([at % MINUTE for at in times]) == pytest.approx(MINUTE / 12**0.5, rel=0.15)


def test_an_interval_is_remembered_over_a_start_without_being_told_again(tmp_path: Path) -> None:
    told, untold = Network(), Network()
    told.retain("k-outlet", "config", {"interval_s": 600})
    run(options(tmp_path), told, hours=2)
    run(options(tmp_path), untold, hours=3, origin=ORIGIN + timedelta(hours=2))
    steps = {b - a for a, b in pairwise(at for _, _, at in untold.readings("k-outlet"))}

    assert steps == {10 * MINUTE}


def test_what_the_service_never_acknowledges_is_given_up_and_the_next_goes_on(
    tmp_path: Path,
) -> None:
    far = Network(takes=lambda payload: b'"seq":7,' not in payload)
    run(options(tmp_path), far)
    tries = [seq for _, seq, _ in far.readings("k-outlet")].count(7)
    last = json.loads(far.payloads("k-outlet")[-1])

    assert tries == 3
    assert ledger(tmp_path, "seq", "gone = 'refused'") == [(7,)]
    assert last["oldest"] > 230


def test_while_nothing_is_acknowledged_nothing_is_given_up(tmp_path: Path) -> None:
    far = Network(acks=lambda wall: wall > 150)
    run(options(tmp_path), far)

    assert ledger(tmp_path, "count(*)", "gone IS NOT NULL") == [(0,)]
    assert ledger(tmp_path, "count(*)", "app_acked")[0][0] >= 235


def test_what_the_broker_answers_with_a_failure_is_kept_and_sent_again(tmp_path: Path) -> None:
    far = Network(puback=Reason(151, True))  # the service acknowledges, to deaf ears
    run(options(tmp_path, device="app_ack = false"), far, hours=1)

    assert ledger(tmp_path, "count(*)", "gone IS NOT NULL OR app_acked") == [(0,)]
    assert len(far.readings("k-outlet")) > len(by_number(far)) >= 40


def test_a_ledger_of_an_earlier_version_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.sqlite"
    with closing(sqlite3.connect(path)) as db:
        db.execute(
            "CREATE TABLE reading (device TEXT, boot INTEGER, seq INTEGER, time_ms INTEGER,"
            ' "values" TEXT, sent INTEGER DEFAULT 0, app_acked INTEGER DEFAULT 0, gone TEXT,'
            " PRIMARY KEY (device, boot, seq)) WITHOUT ROWID"
        )
        db.execute("INSERT INTO reading VALUES ('d', 1, 0, 77, '{\"stage_m\": 1.5}', 1, 0, NULL)")
        db.commit()
    again = Ledger(path)
    (held,) = again.held("d", ["stage_m"])
    again.close()

    assert held.said_ms.tolist() == [77]
    assert held.columns["stage_m"].tolist() == [1.5]


def test_a_finite_run_that_cannot_deliver_says_how_much_and_why(tmp_path: Path) -> None:
    far = Network(is_there=lambda wall: False)

    def clock() -> datetime:
        far.wall += 0.5
        return ORIGIN + timedelta(seconds=30 * far.wall)

    outside = Outside(lambda: far.wall, far.link(), tick_s=0.0, clock=clock, patience_s=0.05)
    done = Play(options(tmp_path, for_ms=HOUR), outside).run(lambda: False)

    assert done.counts["measured"] == done.counts["held"] == done.owed == 60
    assert done.refusal == "Connection refused"
