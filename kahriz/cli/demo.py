"""``kahriz demo``: broker, ingest, API with the page, and simulated devices, on one command."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from kahriz.book import Book, keys
from kahriz.cli.children import Child
from kahriz.cli.demo_clock import resumed_clock, save_clock
from kahriz.cli.terminal import foreground
from kahriz.clock import Clock, iso
from kahriz.deploy import INGEST_USER, write_broker_files
from kahriz.deploy.broker import write_private
from kahriz.errors import ConfigError
from kahriz.settings import Settings, load_settings
from kahriz.sites import Registry, load_registry

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_EXAMPLE = Path(__file__).parents[2] / "sites.example.toml"


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command("demo")(demo)


def demo(
    speed: Annotated[
        float, typer.Option(min=0.1, max=3600, help="Simulated seconds a real second.")
    ] = 300.0,
    scenario: Annotated[
        str, typer.Option(help="A shipped scenario (kahriz sim scenarios) or a file.")
    ] = "three_kahrizes",
    broker: Annotated[
        str, typer.Option(help="auto, mosquitto or amqtt; auto takes mosquitto if it is on PATH.")
    ] = "auto",
) -> None:
    """Show a village's water: everything on this machine, with simulated devices.

    Stop with Ctrl-C; the next start goes on where this one stopped. State is kept in var/demo.

    Example: kahriz demo --speed 60
    """
    plan = _plan(speed, scenario, broker)
    stopping = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, lambda *_: stopping.set())
    with foreground():
        code = _Demo(plan, stopping).run()
    raise typer.Exit(code)


@dataclass(frozen=True, slots=True)
class Plan:
    """What will run, and with which settings."""

    settings: Settings
    registry: Registry
    broker: str
    scenario: str
    speed: float
    notes: tuple[str, ...]

    @property
    def url(self) -> str:
        """The address to open."""
        return f"http://{self.settings.api.host}:{self.settings.api.port}/"


def demo_settings() -> Settings:
    """Return the settings of a demo: its own folder and the example's kahrizes, unless named."""
    data_dir = os.environ.get("KAHRIZ_DATA_DIR", "var/demo")
    sites = os.environ.get("KAHRIZ_SITES", str(_EXAMPLE))
    return load_settings(data_dir=Path(data_dir).resolve(), sites=Path(sites).resolve())


def _plan(speed: float, scenario: str, broker: str) -> Plan:
    """Return what to run; ConfigError where something stands in the way."""
    given = demo_settings()
    notes: list[str] = []
    if given.mqtt.host not in _LOOPBACK:
        broker = "none"
    elif broker == "auto":
        broker = "mosquitto" if _mosquitto() else "amqtt"
    if broker not in ("none", "mosquitto", "amqtt"):
        raise ConfigError("--broker", f"{broker!r} is unknown", "auto, mosquitto or amqtt")
    if broker == "mosquitto" and not _mosquitto():
        raise ConfigError("--broker", "mosquitto is not on PATH", "apt-get install mosquitto")
    mqtt_port = given.mqtt.port
    if broker != "none":
        is_fixed = "port" in given.mqtt.model_fields_set
        mqtt_port = _free_port("mqtt.port", given.mqtt.host, mqtt_port, is_fixed, notes)
    is_fixed = "port" in given.api.model_fields_set
    api_port = _free_port("api.port", given.api.host, given.api.port, is_fixed, notes)
    settings = given.model_copy(
        update={
            "mqtt": given.mqtt.model_copy(update={"port": mqtt_port}),
            "api": given.api.model_copy(update={"port": api_port}),
        }
    )
    registry = load_registry(settings.sites)
    return Plan(settings, registry, broker, scenario, speed, tuple(notes))


def _mosquitto() -> str | None:
    # Debian keeps daemons where an ordinary user's PATH does not look.
    path = os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin"
    return shutil.which("mosquitto", path=path)


def _free_port(name: str, host: str, port: int, is_fixed: bool, notes: list[str]) -> int:
    """Return `port`, or the next free one where nobody asked for exactly this one."""
    variable = "KAHRIZ_" + name.upper().replace(".", "__")
    for candidate in range(port, min(port + 50, 65536)):
        problem = _bind_problem(host, candidate)
        if problem is None:
            if candidate != port:
                notes.append(f"port {port} is in use: {name} is {candidate} ({variable} chooses)")
            return candidate
        if is_fixed:
            raise ConfigError(name, f"port {port} on {host}: {problem}", f"set {variable}")
    raise ConfigError(name, f"no free port from {port} on", f"set {variable}")


def _bind_problem(host: str, port: int) -> str | None:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            return error.strerror or str(error)
    return None


class _Demo:
    """Starts everything in order, watches it, stops it in the reverse order."""

    def __init__(self, plan: Plan, stopping: threading.Event) -> None:
        self._plan = plan
        self._stopping = stopping
        self._folder = plan.settings.data_dir
        self._children: list[Child] = []
        self._console = Console(stderr=True, soft_wrap=True)
        self._metrics_port = _any_port()
        self._users = _demo_users(self._folder, plan.registry)
        self._clock, self._clock_environment = resumed_clock(self._folder, plan.speed)

    def run(self) -> int:
        """Run until told to stop (0) or until a part dies (1)."""
        for note in self._plan.notes:
            self._console.print(f"[yellow]{note}[/]")
        try:
            self._start()
            while not self._stopping.wait(0.5) and all(c.is_running for c in self._children):
                save_clock(self._folder, self._clock, self._plan.speed)
            dead = [c for c in self._children if not c.is_running]
            if dead and not self._stopping.is_set():
                return self._say_dead(dead[0])
        except _NotReadyError as error:
            return 0 if self._stopping.is_set() else self._say_dead(error.child)
        finally:
            self._stop()
        self._console.print(
            "Stopped. State is kept: the next start goes on. `make demo-clean` forgets it."
        )
        return 0

    def _start(self) -> None:
        began = time.monotonic()
        key = _demo_key(self._plan.settings, self._clock)
        if self._plan.broker != "none":
            self._say(f"broker ({self._plan.broker})")
            self._wait(self._start_broker(), self._is_broker_up)
        self._say("ingest")
        ingest = self._child("ingest", ["-m", "ingest"], is_shown=True)
        self._say("API")
        api = self._child("api", ["-m", "api"])
        self._wait(ingest, lambda: _answers(f"http://127.0.0.1:{self._metrics_port}/health", True))
        self._wait(api, lambda: _answers(f"{self._plan.url}health"))
        self._say("simulated devices")
        self._start_simulator()
        self._greet(key, time.monotonic() - began)

    def _start_broker(self) -> Child:
        settings = self._plan.settings
        files = write_broker_files(
            self._folder / "broker",
            self._users,
            anonymous_too=True,
            host=settings.mqtt.host,
            port=settings.mqtt.port,
        )
        if self._plan.broker == "mosquitto":
            command = [str(_mosquitto()), "-c", str(files.config)]
        else:
            host, port = settings.mqtt.host, str(settings.mqtt.port)
            users = str(self._folder / "credentials")
            command = [sys.executable, "-m", "kahriz.cli.demo_broker", host, port, users]
        return self._add(Child("broker", command, os.environ, self._log("broker")))

    def _start_simulator(self) -> None:
        settings = self._plan.settings
        arguments = ["-m", "firmware_sim", "run", self._plan.scenario]
        arguments += ["--state", str(self._folder / "simulator")]
        arguments += ["--host", settings.mqtt.host, "--port", str(settings.mqtt.port)]
        if self._plan.broker != "none":
            arguments += ["--credentials", str(self._folder / "credentials")]
        self._child("simulator", arguments)

    def _child(self, name: str, arguments: list[str], *, is_shown: bool = False) -> Child:
        environment = os.environ | self._environment()
        command = [sys.executable, *arguments]
        return self._add(Child(name, command, environment, self._log(name), is_shown=is_shown))

    def _add(self, child: Child) -> Child:
        self._children.append(child)
        return child

    def _log(self, name: str) -> Path:
        return self._folder / "logs" / f"{name}.log"

    def _environment(self) -> dict[str, str]:
        settings = self._plan.settings
        environment = {
            "KAHRIZ_DATA_DIR": str(settings.data_dir),
            "KAHRIZ_SITES": str(settings.sites),
            "KAHRIZ_MQTT__HOST": settings.mqtt.host,
            "KAHRIZ_MQTT__PORT": str(settings.mqtt.port),
            "KAHRIZ_API__HOST": settings.api.host,
            "KAHRIZ_API__PORT": str(settings.api.port),
            "KAHRIZ_API__OPEN_READS": "true",
            "KAHRIZ_INGEST__METRICS_PORT": str(self._metrics_port),
            "PYTHONUNBUFFERED": "1",
        }
        if self._plan.broker != "none":
            environment["KAHRIZ_MQTT__USERNAME"] = INGEST_USER
            environment["KAHRIZ_MQTT__PASSWORD"] = self._users[INGEST_USER]
        if self._plan.broker == "amqtt":
            environment["KAHRIZ_MQTT__PROTOCOL"] = "3.1.1"
        return environment | self._clock_environment

    def _is_broker_up(self) -> bool:
        settings = self._plan.settings.mqtt
        with suppress(OSError), socket.create_connection((settings.host, settings.port), 0.5):
            return True
        return False

    def _wait(self, child: Child, is_ready: Callable[[], bool]) -> None:
        deadline = time.monotonic() + 45
        while not is_ready():
            if self._stopping.wait(0.1) or not child.is_running or time.monotonic() > deadline:
                raise _NotReadyError(child)

    def _say(self, what: str) -> None:
        self._console.print(f"[dim]starting[/] {what}")

    def _greet(self, key: str, seconds: float) -> None:
        settings = self._plan.settings
        now = self._clock().replace(microsecond=0)
        pub = f"mosquitto_pub -h {settings.mqtt.host} -p {settings.mqtt.port} -q 1"
        lines = [
            f"Open   [bold link={self._plan.url}]{self._plan.url}[/]",
            f"Simulated time runs {self._plan.speed:g}x; it is {iso(now)}.",
            f"Key to acknowledge alerts: [bold]{key}[/]",
            f"Send readings of your own: {pub} -t kahriz/v1/DEVICE/up -m ... (docs/wire-format.md)",
            f"Logs: {_relative(self._folder / 'logs')}. SMS texts appear below. Ctrl-C stops.",
            f"Answer one of them: {_command()} sms receive --demo --from +994500000001 1",
        ]
        self._console.print(f"\n[green]Ready after {seconds:.0f} s.[/]")
        for line in lines:
            self._console.print("  " + line, highlight=False)

    def _say_dead(self, child: Child) -> int:
        self._console.print(f"[red]{child.name} ended. Its last words ({_relative(child.log)}):[/]")
        self._console.print(child.last_words(), markup=False, highlight=False)
        return 1

    def _stop(self) -> None:
        # Devices first, the broker last: nobody is left talking to nobody.
        for child in reversed(self._children):
            child.stop()
            if child.name == "simulator":
                save_clock(self._folder, self._clock, self._plan.speed)


class _NotReadyError(Exception):
    def __init__(self, child: Child) -> None:
        self.child = child
        super().__init__(child.name)


def _command() -> str:
    """Return how this installation's ``kahriz`` is called from here."""
    beside = Path(sys.executable).with_name("kahriz")
    return _relative(beside) if beside.exists() else "kahriz"


def _relative(path: Path) -> str:
    with suppress(ValueError):
        return str(path.relative_to(Path.cwd()))
    return str(path)


def _any_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str, must_be_ok: bool = False) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=1):
            return True
    except urllib.error.HTTPError:
        return not must_be_ok
    except OSError:
        return False


def _demo_users(folder: Path, registry: Registry) -> dict[str, str]:
    """Return token by user, made at the first start and kept in ``credentials`` (0600)."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"data_dir: {folder}", error.strerror or str(error)) from error
    path = folder / "credentials"
    known: dict[str, str] = {}
    if path.exists():
        known = dict(line.split(":", 1) for line in path.read_text().split() if ":" in line)
    users = {
        name: known.get(name) or secrets.token_urlsafe(32)
        for name in (INGEST_USER, *registry.devices)
    }
    write_private(path, "".join(f"{user}:{token}\n" for user, token in users.items()))
    return users


def _demo_key(settings: Settings, clock: Clock) -> str:
    """Return the demo's own API key with write scope, made where the book does not know it."""
    path = settings.data_dir / "api-key"
    key = path.read_text().strip() if path.exists() else ""
    book = Book(settings.book_url)
    book.migrate()
    try:
        with book.begin() as connection:
            keys.verify(connection, key, clock())
    except keys.KeyRefused:
        with book.begin() as connection:
            _, key = keys.create(connection, "demo", keys.Scope.WRITE, clock())
        write_private(path, key + "\n")
    finally:
        book.close()
    return key
