"""The simulator as a process of its own: it stops cleanly, is killed, and goes on."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from firmware_sim.scenario import shipped
from tests.servers import Server
from tests.simulator.service import service
from tests.simulator.test_fleet import ORIGIN, eventually, ledger, playing, write
from tests.simulator.test_fleet import options as options_for


@contextmanager
def simulator(scenario: Path, port: int, *more: str) -> Iterator[subprocess.Popen[str]]:
    started = datetime.now(UTC).isoformat()
    origin = ORIGIN.isoformat()
    environment = os.environ | {
        "KAHRIZ_CLOCK__ORIGIN": origin,
        "KAHRIZ_CLOCK__STARTED": started,
        "KAHRIZ_CLOCK__SPEED": "300",
        "KAHRIZ_MQTT__PORT": str(port),
    }
    command = [sys.executable, "-m", "firmware_sim", "run", str(scenario)]
    command += ["--state", str(scenario.parent / "state"), *more]
    process = subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.server
@pytest.mark.alone
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_stops_within_2_s_with_exit_0_and_one_line_about_its_backlog(
    mosquitto: Server, tmp_path: Path, number: signal.Signals
) -> None:
    with service(mosquitto.port) as far, simulator(write(tmp_path), mosquitto.port) as process:
        assert far.wait_for(lambda: len(far.stored) >= 578)
        process.send_signal(number)
        began = time.monotonic()
        _, said = process.communicate(timeout=10)
        seconds = time.monotonic() - began

        assert far.wait_for(lambda: far.status["k-outlet"][-1:] == ["offline"])
    assert process.returncode == 0
    assert seconds < 2
    assert said.count("backlog delivered") == 1
    assert "Traceback" not in said


def test_without_a_broker_it_says_so_once_and_still_stops_in_time(tmp_path: Path) -> None:
    with simulator(write(tmp_path), 1) as process:
        assert process.stderr is not None
        lines = iter(process.stderr.readline, "")
        assert any("Connection refused" in line for line in lines)
        process.terminate()
        _, said = process.communicate(timeout=2)

    assert process.returncode == 0
    assert "Connection refused" not in said


@pytest.mark.server
def test_killed_in_the_middle_it_goes_on_and_no_number_is_used_twice(
    mosquitto: Server, tmp_path: Path
) -> None:
    scenario = write(tmp_path, days=30)
    with service(mosquitto.port) as far:
        with simulator(scenario, mosquitto.port) as process:
            assert far.wait_for(lambda: len(far.stored) >= 500)
            process.kill()
            process.wait()
        later = options_for(scenario, mosquitto.port, origin=ORIGIN + timedelta(hours=1))
        with playing(later) as play:
            assert far.wait_for(lambda: {boot for _, boot, _ in far.stored} == {1, 2})
            assert eventually(lambda: play.fleet.held <= 1)
        stored = set(far.stored)  # the service itself refuses another value for a number it has
    acked = set(ledger(scenario, "SELECT device, boot, seq FROM reading WHERE app_acked"))
    sent = set(ledger(scenario, "SELECT device, boot, seq FROM reading WHERE sent > 0"))

    assert acked <= stored <= sent
    assert len(stored) >= 8640


def test_wrong_use_is_one_line_and_exit_2(tmp_path: Path) -> None:
    for arguments, said in (
        (["run", "three_kahriz"], "did you mean 'three_kahrizes'?"),
        (["run", str(write(tmp_path)), "--origin", "soon", "--started", "now"], "'soon'"),
        (["run", str(write(tmp_path)), "--speed", "0"], "--speed: 0.0 is not above 0"),
    ):
        command = [sys.executable, "-m", "firmware_sim", *arguments]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)

        assert done.returncode == 2
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_the_scenarios_are_listed_a_line_each() -> None:
    command = [sys.executable, "-m", "firmware_sim", "scenarios"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)

    assert [line.split()[0] for line in done.stdout.splitlines()] == list(shipped())


def test_a_broker_without_mqtt_5_is_spoken_to_in_3_1_1(tmp_path: Path) -> None:
    levels: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=_old_broker, args=(listener, levels))
        thread.start()
        with playing(options_for(write(tmp_path), listener.getsockname()[1])):
            assert eventually(lambda: levels == [5, 4])
        thread.join(5)

    assert not thread.is_alive()


def _old_broker(listener: socket.socket, levels: list[int]) -> None:
    """Refuse MQTT 5 as a broker of 2014 does, then take the next in."""
    while True:
        line, _ = listener.accept()
        with line:
            levels.append(line.recv(4096)[8])
            is_refused = levels[-1] != 4
            line.sendall(bytes([0x20, 2, 0, int(is_refused)]))
            while not is_refused:
                if not line.recv(4096):
                    return
