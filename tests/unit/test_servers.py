"""The servers other tests stand on: they start, stop, die and come back."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import textwrap
from contextlib import suppress
from pathlib import Path

import pytest

from tests import servers
from tests.servers import ProgramMissingError, Server

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]


@pytest.mark.server
def test_a_killed_broker_comes_back_on_its_port(mosquitto: Server) -> None:
    first = mosquitto.pid
    mosquitto.kill()
    with pytest.raises(OSError):
        socket.create_connection((mosquitto.host, mosquitto.port), timeout=1).close()
    mosquitto.start()

    assert mosquitto.pid != first
    socket.create_connection((mosquitto.host, mosquitto.port), timeout=1).close()


@pytest.mark.server
def test_a_broker_takes_its_own_files() -> None:
    config = "allow_anonymous false\npassword_file {folder}/passwords\n"
    with servers.mosquitto(config, files={"passwords": ""}) as server:
        folder = server.folder

        assert (folder / "passwords").stat().st_mode & 0o777 == 0o600
    assert not folder.exists()


@pytest.mark.server
def test_a_broker_that_cannot_start_says_why() -> None:
    with (
        pytest.raises(RuntimeError, match=r"ended with .*[\s\S]*no_such_option"),
        servers.mosquitto("no_such_option 1\n"),
    ):
        pass


@pytest.mark.server
def test_influxd_leaves_nothing_running() -> None:
    with servers.influxd() as server:
        pid = server.pid
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


@pytest.mark.server
def test_a_server_does_not_outlive_tests_that_were_killed() -> None:
    script = "from tests import servers\nwith servers.mosquitto() as s:\n print(s.pid, flush=True)"
    with subprocess.Popen(
        [sys.executable, "-c", f"{script}\n input()"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[2],
    ) as tests:
        assert tests.stdout is not None
        server = os.pidfd_open(int(tests.stdout.readline()))
        tests.kill()
        ended, _, _ = select.select([server], [], [], 10)
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(server, signal.SIGKILL)
        os.close(server)

    assert ended


@pytest.mark.server
def test_postgres_gives_an_empty_database(postgres_url: str) -> None:
    assert postgres_url.startswith("postgresql+psycopg://kahriz@127.0.0.1:")


def test_a_missing_program_names_its_package() -> None:
    with pytest.raises(ProgramMissingError, match="apt-get install no-such-package"):
        servers.program("no-such-program", "no-such-package")


@pytest.mark.parametrize(("ci", "outcome"), [("", "skipped"), ("true", "failed")])
def test_a_missing_server_skips_and_in_ci_fails(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, ci: str, outcome: str
) -> None:
    monkeypatch.setenv("CI", ci)
    conftest = Path(__file__).parents[1] / "conftest.py"
    pytester.makeconftest(conftest.read_text(encoding="utf-8"))
    pytester.makeini("[pytest]\nmarkers = server: needs a real server")
    pytester.makepyfile(
        textwrap.dedent("""
        import pytest
        from tests.servers import program

        @pytest.fixture
        def absent():
            program("no-such-program", "no-such-package")

        @pytest.mark.server
        def test_it(absent):
            pass
        """)
    )

    # In setup pytest counts a failure as an error.
    counted = {"failed": "errors"}.get(outcome, outcome)
    pytester.runpytest().assert_outcomes(**{counted: 1})


def test_a_free_port_is_given_once_and_is_none_the_kernel_gives_away() -> None:
    given = [servers.free_port() for _ in range(250)]
    with socket.socket() as anybody:
        anybody.bind(("127.0.0.1", 0))
        kernels = anybody.getsockname()[1]

    assert len(set(given)) == 250
    assert set(given) <= set(servers.PORTS)
    assert kernels not in servers.PORTS


def test_another_process_is_given_other_ports() -> None:
    mine = {servers.free_port() for _ in range(250)}
    ask = "from tests.servers import free_port; print(*(free_port() for _ in range(5000)))"
    asked = subprocess.run(
        [sys.executable, "-c", ask], cwd=ROOT, check=True, capture_output=True, text=True
    )
    theirs = set(map(int, asked.stdout.split()))

    assert len(theirs) == 5000
    assert not theirs & mine


def test_a_port_somebody_listens_on_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    taken, free = servers.free_port(), servers.free_port()
    monkeypatch.setattr(servers, "_walk", iter([taken, free]))
    with socket.create_server(("127.0.0.1", taken)):
        assert servers.free_port() == free
