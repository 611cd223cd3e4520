"""Devices against a real broker, with a fake service behind it that acknowledges as told."""

from __future__ import annotations

import json
import sqlite3
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from firmware_sim.device import Broker
from firmware_sim.run import Options, Play
from firmware_sim.scenario import find_scenario
from kahriz.errors import ConfigError
from tests import servers
from tests.servers import Server
from tests.simulator.service import Service, service

pytestmark = pytest.mark.server

ORIGIN = datetime(2026, 11, 22, 12, tzinfo=UTC)
ONE = """
name = "one"
history_days = {days}
[[kahriz]]
id = "k"
source = {{ discharge_lps = 2.0 }}
[[kahriz.device]]
id = "k-outlet"
at = "outlet"
channels = ["stage_m", "battery_v"]
{device}
{trouble}
"""


@pytest.fixture
def scenario(tmp_path: Path) -> Path:
    return write(tmp_path)


def write(folder: Path, *, days: float = 2, device: str = "", trouble: str = "") -> Path:
    path = folder / "one.toml"
    path.write_text(ONE.format(days=days, device=device, trouble=trouble), encoding="utf-8")
    return path


def options(scenario: Path, port: int, *, speed: float = 300.0, **more: Any) -> Options:
    # Pretended time goes on from where the clock would stand after the runs before.
    chosen = {"origin": ORIGIN, "started": datetime.now(UTC)} | more
    state = scenario.parent / "state"
    return Options(scenario, Broker("127.0.0.1", port), state, speed=speed, **chosen)


@contextmanager
def playing(chosen: Options) -> Iterator[Play]:
    """Play in a thread of its own until the block ends; what it raises is raised here."""
    play: list[Play] = []
    failure: list[BaseException] = []
    made, stop = threading.Event(), threading.Event()

    def run() -> None:
        try:
            play.append(Play(chosen))
            made.set()
            play[0].run(stop.is_set)
        except BaseException as error:
            failure.append(error)
            made.set()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        assert made.wait(10)
        if failure:
            raise failure[0]
        yield play[0]
    finally:
        stop.set()
        thread.join(10)
    assert not thread.is_alive()
    assert not failure


def ledger(scenario: Path, what: str) -> list[tuple[Any, ...]]:
    with sqlite3.connect(scenario.parent / "state" / "ledger.sqlite") as db:
        rows = db.execute(what).fetchall()
    db.close()
    return rows


def test_a_history_arrives_whole_and_equals_the_ledger(mosquitto: Server, scenario: Path) -> None:
    with service(mosquitto.port) as far:
        with playing(options(scenario, mosquitto.port)):
            assert far.wait_for(lambda: len(far.stored) >= 580)
        stored = {key: (at, values) for key, (at, values) in far.stored.items()}
    rows = ledger(scenario, 'SELECT device, boot, seq, time_ms, "values", sent FROM reading')
    truth = {(d, b, s): (t, json.loads(v)) for d, b, s, t, v, sent in rows if sent}
    times = sorted(at for at, _ in stored.values())

    assert stored == {key: truth[key] for key in stored}
    assert len(truth) - len(stored) <= 2
    assert {b - a for a, b in pairwise(times)} == {300_000}
    assert times[0] == (int((ORIGIN - timedelta(days=2)).timestamp()) * 1000) + 300_000


def test_a_device_speaks_compact_v1_and_is_understood_to_the_last_digit(
    mosquitto: Server, tmp_path: Path
) -> None:
    scenario = write(tmp_path, device='codec = "compact_v1"')
    with service(mosquitto.port) as far, playing(options(scenario, mosquitto.port)) as play:
        assert far.wait_for(lambda: len(far.stored) >= 580)
        assert eventually(lambda: play.fleet.held == 0)
    rows = ledger(scenario, 'SELECT device, boot, seq, time_ms, "values" FROM reading WHERE sent')
    truth = {(d, b, s): (t, json.loads(v)) for d, b, s, t, v in rows}

    assert {payload[:1] for _, payload in far.payloads} == {b"\x01"}
    assert far.stored == {key: truth[key] for key in far.stored}
    assert far.repeats == 0


def test_a_month_of_nine_devices_is_delivered_in_seconds(mosquitto: Server, tmp_path: Path) -> None:
    path = find_scenario("three_kahrizes")
    chosen = replace(options(path, mosquitto.port), state=tmp_path / "state")
    began = time.monotonic()
    with service(mosquitto.port) as far, playing(chosen):
        assert far.wait_for(lambda: len(far.stored) >= 9 * 8640, 30)
    seconds = time.monotonic() - began

    assert len({device for device, _, _ in far.stored}) == 9
    assert seconds < 20  # alone on two cores it takes 2
    assert max(len(payload) for _, payload in far.payloads) <= 16 * 1024


def test_what_is_not_acknowledged_is_kept_over_a_restart_and_sent_as_the_old_boot(
    mosquitto: Server, scenario: Path
) -> None:
    with service(mosquitto.port, acks=False) as deaf:
        with playing(options(scenario, mosquitto.port)):
            assert deaf.wait_for(lambda: len(deaf.stored) >= 576)
        first = dict(deaf.stored)
    later = options(scenario, mosquitto.port, origin=ORIGIN + timedelta(hours=3))
    with service(mosquitto.port) as far, playing(later):
        assert far.wait_for(lambda: {boot for _, boot, _ in far.stored} == {1, 2})
        assert far.wait_for(lambda: set(first) <= set(far.stored))
        second = dict(far.stored)
    times = sorted(at for at, _ in second.values())

    assert all(second[key] == first[key] for key in first)
    assert {b - a for a, b in pairwise(times)} == {300_000}


def test_nothing_acknowledged_goes_again_after_a_restart(mosquitto: Server, scenario: Path) -> None:
    with service(mosquitto.port) as far:
        with playing(options(scenario, mosquitto.port, speed=1.0)) as play:
            assert far.wait_for(lambda: len(far.stored) == 576)
            assert eventually(lambda: play.fleet.held == 0)
        later = options(scenario, mosquitto.port, origin=ORIGIN + timedelta(hours=1))
        with playing(later):
            assert far.wait_for(lambda: len(far.stored) >= 588)

        assert far.repeats == 0


def test_the_broker_dies_and_comes_back_and_nothing_is_missing(
    mosquitto: Server, scenario: Path
) -> None:
    with service(mosquitto.port) as far, playing(options(scenario, mosquitto.port, speed=1500)):
        assert far.wait_for(lambda: len(far.stored) >= 100)
        mosquitto.kill()
        mosquitto.start()
        assert far.wait_for(lambda: len(far.stored) >= 590, 40)
    seqs = sorted(seq for _, _, seq in far.stored)

    assert seqs == list(range(len(seqs)))


def test_a_device_says_online_and_on_parting_offline(mosquitto: Server, scenario: Path) -> None:
    with service(mosquitto.port) as far:
        with playing(options(scenario, mosquitto.port)):
            assert far.wait_for(lambda: far.status["k-outlet"] == ["online"])
        assert far.wait_for(lambda: far.status["k-outlet"] == ["online", "offline"])
    assert "Received DISCONNECT from k-outlet" in mosquitto.log


def test_a_silent_device_leaves_a_gap_a_last_will_and_boots_anew(
    mosquitto: Server, tmp_path: Path
) -> None:
    trouble = '[[trouble]]\nkind = "silent"\ndevice = "k-outlet"\nat_h = 0.5\nduration_h = 1'
    scenario = write(tmp_path, trouble=trouble)
    with service(mosquitto.port) as far, playing(options(scenario, mosquitto.port, speed=1500)):
        assert far.wait_for(lambda: ("k-outlet", 2, 0) in far.stored)
        assert far.status["k-outlet"] == ["online", "offline", "online"]
    last = max(at for (_, boot, _), (at, _) in far.stored.items() if boot == 1)

    assert far.stored["k-outlet", 2, 0][0] - last == pytest.approx(3_600_000, abs=300_000)


def test_a_device_without_signal_delivers_a_backlog_afterwards(
    mosquitto: Server, tmp_path: Path
) -> None:
    trouble = '[[trouble]]\nkind = "no_signal"\ndevice = "k-outlet"\nat_h = 0.5\nduration_h = 2'
    scenario = write(tmp_path, trouble=trouble)
    with service(mosquitto.port) as far, playing(options(scenario, mosquitto.port, speed=3000)):
        assert far.wait_for(lambda: len(far.stored) >= 576 + 34)
        assert far.status["k-outlet"][:3] == ["online", "offline", "online"]
    times = sorted(at for at, _ in far.stored.values())

    assert {boot for _, boot, _ in far.stored} == {1}
    assert {b - a for a, b in pairwise(times)} == {300_000}


def test_a_configuration_changes_the_interval_and_nonsense_changes_nothing(
    mosquitto: Server, scenario: Path, caplog: pytest.LogCaptureFixture
) -> None:
    def steps(far: Service) -> set[int]:
        times = sorted(at for at, _ in far.stored.values())[-5:]
        return {b - a for a, b in pairwise(times)}

    with service(mosquitto.port) as far, playing(options(scenario, mosquitto.port)):
        assert far.wait_for(lambda: len(far.stored) >= 577)
        far.send("k-outlet", "config", {"interval_s": "often"})
        far.send("k-outlet", "config", {"interval_s": 60})

        assert far.wait_for(lambda: steps(far) == {60_000})
    assert any(getattr(r, "why", "").startswith("interval_s: 'often'") for r in caplog.records)


def test_a_device_without_application_acks_is_content_with_the_brokers(
    mosquitto: Server, tmp_path: Path
) -> None:
    scenario = write(tmp_path, device="app_ack = false")
    with (
        service(mosquitto.port, acks=False) as far,
        playing(options(scenario, mosquitto.port, speed=1.0)) as play,
    ):
        assert far.wait_for(lambda: len(far.stored) == 576)
        assert eventually(lambda: play.fleet.held == 0)

    assert ledger(scenario, "SELECT DISTINCT gone, app_acked FROM reading") == [("broker_acked", 0)]


def test_passwords_open_the_broker_and_a_wrong_one_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    scenario = write(tmp_path)
    secrets = tmp_path / "secrets"
    hashed = servers.program("mosquitto_passwd", "mosquitto")
    subprocess.run([hashed, "-b", "-c", tmp_path / "p", "k-outlet", "right"], check=True)
    config = "allow_anonymous false\npassword_file {folder}/p\n"
    with servers.mosquitto(config, files={"p": (tmp_path / "p").read_text()}) as broker:
        secrets.write_text("k-outlet:wrong\n", encoding="utf-8")
        with playing(options(scenario, broker.port, credentials=secrets)) as play:
            assert eventually(lambda: "authori" in play.fleet.refusal)
            assert eventually(lambda: _tries(play) >= 3)
        secrets.write_text("k-outlet:right\n", encoding="utf-8")
        with playing(options(scenario, broker.port, credentials=secrets)) as play:
            assert eventually(lambda: play.fleet.devices[0].link is not None and _is_up(play))
    refusals = [r for r in caplog.records if "k-outlet" in str(getattr(r, "what", ""))]

    assert len(refusals) == 1


def _tries(play: Play) -> int:
    link = play.fleet.devices[0].link
    return 0 if link is None else link._tries


def _is_up(play: Play) -> bool:
    link = play.fleet.devices[0].link
    return link is not None and link.is_up


def test_a_state_folder_of_other_chance_or_scenario_is_refused(
    tmp_path: Path, scenario: Path
) -> None:
    Play(options(scenario, 1, seed=4)).ledger.close()

    with pytest.raises(ConfigError, match="began with seed 4, not 5"):
        Play(options(scenario, 1, seed=5))
    scenario.write_text(scenario.read_text().replace('"one"', '"two"'), encoding="utf-8")
    with pytest.raises(ConfigError, match="holds scenario 'one', not 'two'"):
        Play(options(scenario, 1))


def test_two_simulators_on_one_state_folder_are_refused(scenario: Path) -> None:
    first = Play(options(scenario, 1))

    with pytest.raises(ConfigError, match="does another simulator use it"):
        Play(options(scenario, 1))
    first.ledger.close()


def eventually(is_so: Any, seconds: float = 10.0) -> bool:
    """Return whether it became so; for what no message tells."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            return False
        threading.Event().wait(0.02)
    return True
