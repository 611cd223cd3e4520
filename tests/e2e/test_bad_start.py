"""What is wrong before the service runs: one line and exit code 2, or waited for without a loss."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from kahriz.deploy import INGEST_USER, password_line
from tests import servers
from tests.e2e.device import GOOD_TOPIC, NOW_MS, ask, publisher, reading, said, stages
from tests.e2e.processes import ROOT, House, get, wait_until
from tests.servers import Server, free_port

pytestmark = pytest.mark.server

EXAMPLE = (ROOT / "sites.example.toml").read_text(encoding="utf-8")
RATING = re.search(r"\[\[kahriz\.site\.rating\]\]\n(?:.+\n)+", EXAMPLE)


@dataclass(frozen=True)
class Mistake:
    """One wrong configuration of one process, and what the one line has to hold."""

    name: str
    process: str
    line: str
    sites: str | None = EXAMPLE
    toml: str = ""
    variables: Mapping[str, str] | None = None


def mistakes(taken: int) -> list[Mistake]:
    """Return the mistakes; `taken` is a port somebody listens on."""
    assert RATING is not None
    misspelt = EXAMPLE.replace("village =", "vilage =", 1)
    twice = EXAMPLE.replace('id = "barana"', 'id = "agh-dere"', 1)
    overlap = EXAMPLE.replace(RATING[0], RATING[0] + RATING[0].replace("2020", "2021"), 1)
    zone = EXAMPLE.replace('use = "drinking"', 'timezone = "Asia/Bakou"', 1)
    method = EXAMPLE.replace("v_notch_90", "v_notch_9", 1)
    port = str(taken)
    return [
        Mistake("misspelt", "ingest", "unknown key 'vilage' (did you mean 'village'?)", misspelt),
        Mistake("twice", "ingest", "kahriz 'agh-dere' is named more than once", twice),
        Mistake("overlap", "api", "ratings of 'outlet' overlap", overlap),
        Mistake("zone", "api", "'Asia/Bakou' is no IANA time zone", zone),
        Mistake("method", "ingest", "site 'outlet' rating: unknown name 'v_notch_9'", method),
        Mistake("missing", "ingest", "sites.toml: No such file or directory", None),
        Mistake("toml", "ingest", "kahriz.toml: Expected ']'", toml="[mqtt\n"),
        Mistake("env", "ingest", "KAHRIZ_MQTT__PROT: no such", variables={"KAHRIZ_MQTT__PROT": ""}),
        Mistake("level", "api", "(got 'LOUD')", variables={"KAHRIZ_LOG_LEVEL": "LOUD"}),
        Mistake(
            "notifier",
            "ingest",
            "notifier: unknown name 'consol' (valid: console",
            variables={"KAHRIZ_NOTIFY__NOTIFIERS": '["consol"]'},
        ),
        Mistake("store", "api", "'mysql://***@h/b' names", variables={"KAHRIZ_STORE__URL": MYSQL}),
        Mistake("folder", "ingest", "cannot make the", variables={"KAHRIZ_DATA_DIR": "/dev/null"}),
        Mistake("tls", "ingest", "/no.pem: No such", variables={"KAHRIZ_MQTT__TLS_CA": "/no.pem"}),
        Mistake("port", "api", f":{port} is in use", variables={"KAHRIZ_API__PORT": port}),
        Mistake(
            "metrics",
            "ingest",
            f":{port}: Address already in use",
            variables={"KAHRIZ_INGEST__METRICS_PORT": port},
        ),
    ]


MYSQL = "mysql://user:s3cret@h/b"


def start(mistake: Mistake, folder: Path) -> subprocess.Popen[str]:
    """Run a process in a folder of its own, as an operator who has made one mistake."""
    folder.mkdir()
    if mistake.sites is not None:
        (folder / "sites.toml").write_text(mistake.sites, encoding="utf-8")
    if mistake.toml:
        (folder / "kahriz.toml").write_text(mistake.toml, encoding="utf-8")
    clean = {k: v for k, v in os.environ.items() if not k.startswith("KAHRIZ_")}
    return subprocess.Popen(
        [sys.executable, "-m", mistake.process],
        cwd=folder,
        env=clean | {"PYTHONPATH": str(ROOT)} | dict(mistake.variables or {}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_a_wrong_configuration_is_one_line_and_exit_code_2(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as taken:
        made = mistakes(taken.getsockname()[1])
        running = [(mistake, start(mistake, tmp_path / mistake.name)) for mistake in made]
        try:
            ended = [(m, p.communicate(timeout=60)[0], p.returncode) for m, p in running]
        finally:
            for _, process in running:
                process.kill()
                process.wait()

    for mistake, output, code in ended:
        lines = [line for line in output.splitlines() if " INFO " not in line]
        assert code == 2, (mistake.name, output)
        assert len(lines) == 1, (mistake.name, output)
        assert lines[0].startswith(f"kahriz {mistake.process}: "), (mistake.name, output)
        assert mistake.line in lines[0], mistake.name
        assert "s3cret" not in output


def test_a_store_that_is_down_at_the_start_gets_all_that_was_published_meanwhile(
    mosquitto: Server, tmp_path: Path
) -> None:
    port = free_port()
    url = f"influxdb://127.0.0.1:{port}/kahriz"
    extra = {"KAHRIZ_STORE__URL": url, "KAHRIZ_INGEST__RETRY_MAX_S": "0.5"}
    house = House(tmp_path, mosquitto.port, extra)
    values = [round(0.1 + i / 1000, 3) for i in range(50)]
    with house.run("ingest"), house.run("api"):
        house.wait_for_ingest()
        house.wait_for_api()
        with publisher(mosquitto.port) as publish:
            for i, value in enumerate(values):
                publish(GOOD_TOPIC, reading(value, seq=i, time_ms=NOW_MS - 60_000 + i * 1000))
        wait_until(lambda: bool(said(house, "ingest", "what=store ")), "ingest says so")
        code, kind, problem = ask(house, "GET", "/api/v1/latest")
        health = ask(house, "GET", "/health")[2]
        with servers.influxd(port=port):
            wait_until(lambda: stages(house, "velibey.outlet.stage") == values, "all of them", 15)

    reason = f"influxdb 127.0.0.1:{port}/kahriz: no answer: Connection refused"
    assert len(said(house, "ingest", f"failing what=store reason='{reason}'")) == 1
    assert (code, kind) == (503, "application/problem+json")
    assert reason in problem["detail"]
    assert health["status"] == "degraded"
    assert len(said(house, "ingest", "works again what=store")) >= 1
    assert "Traceback" not in house.log("ingest") + house.log("api")


def test_a_broker_that_is_down_or_refuses_the_password_is_waited_for(tmp_path: Path) -> None:
    port = free_port()
    login = {"KAHRIZ_MQTT__USERNAME": INGEST_USER, "KAHRIZ_MQTT__PASSWORD": "s3cret"}
    house = House(tmp_path, port, login)
    config = "allow_anonymous false\npassword_file {folder}/passwords\n"
    wrong = {"passwords": password_line(INGEST_USER, "another") + "\n"}
    right = "\n".join(password_line(name, "s3cret") for name in (INGEST_USER, "velibey-outlet"))
    with house.run("ingest"), house.run("api"):
        wait_until(lambda: bool(said(house, "ingest", "what=broker")), "ingest says so")
        with servers.mosquitto(config, files=wrong, port=port) as broker:
            wait_until(lambda: bool(said(house, "ingest", "refuses user")), "it is refused")
            report = get(f"http://127.0.0.1:{house.status_port}/health")
            (broker.folder / "passwords").write_text(right + "\n", encoding="utf-8")
            os.kill(broker.pid, signal.SIGHUP)
            house.wait_for_ingest()
            with publisher(port, "velibey-outlet", "s3cret") as publish:
                publish(GOOD_TOPIC, reading(0.127))
            wait_until(lambda: stages(house, "velibey.outlet.stage") == [0.127], "the reading", 5)
    where = f"broker 127.0.0.1:{port}"
    lines = said(house, "ingest", "failing what=broker")

    assert f"{where} cannot be reached: Connection refused" in lines[0]
    assert f"{where} refuses user 'kahriz-ingest': Not authorized (mqtt.username" in lines[1]
    assert report["status"] == "degraded"
    assert f"{where} refuses user 'kahriz-ingest'" in report["reason"]
    assert "s3cret" not in house.log("ingest") + house.log("api")
    assert "Traceback" not in house.log("ingest")
