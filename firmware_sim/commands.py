"""The simulator's commands: ``kahriz sim ...``, and the same as ``python -m firmware_sim ...``."""

from __future__ import annotations

import re
import resource
import signal
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import typer

from firmware_sim.credentials import passwords_of
from firmware_sim.device import Broker
from firmware_sim.record import record, recorded_span
from firmware_sim.registry import sites_toml
from firmware_sim.replay import Mapped, Recording, read_recording, replay
from firmware_sim.run import Options, Outcome, Play
from firmware_sim.scenario import find_scenario, load_scenario, shipped
from firmware_sim.world import World
from kahriz import logs
from kahriz.clock import to_ms
from kahriz.errors import ConfigError

Host = Annotated[str, typer.Option(envvar="KAHRIZ_MQTT__HOST", help="The broker's host.")]
Port = Annotated[
    int, typer.Option(envvar="KAHRIZ_MQTT__PORT", min=1, max=65535, help="The broker's port.")
]
Credentials = Annotated[
    Path | None,
    typer.Option(help="device:password lines, or TOML; none connects without a name."),
]


def application() -> typer.Typer:
    """Return the commands of the simulator."""
    app = typer.Typer(
        help="Pretend devices: play a scenario, or replay a recorded series.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    app.command("run")(run)
    app.command("scenarios")(scenarios)
    app.command("sites")(sites)
    app.command("record")(record_scenario)
    app.command("replay")(replay_file)
    return app


def run(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a TOML file.")],
    speed: Annotated[
        float,
        typer.Option(envvar="KAHRIZ_CLOCK__SPEED", help="Pretended seconds a real second."),
    ] = 1.0,
    seed: Annotated[int | None, typer.Option(help="Other chance than the scenario's.")] = None,
    state: Annotated[
        Path | None,
        typer.Option(help="Folder of ledger and truth; default var/sim/<scenario>."),
    ] = None,
    history: Annotated[
        float | None, typer.Option(min=0, max=3660, help="Days delivered as a backlog first.")
    ] = None,
    for_: Annotated[
        str | None,
        typer.Option("--for", help="Stop after so much pretended time: 90m, 12h, 30d."),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = 1883,
    credentials: Credentials = None,
    origin: Annotated[
        str | None,
        typer.Option(envvar="KAHRIZ_CLOCK__ORIGIN", help="Pretended instant at --started."),
    ] = None,
    started: Annotated[
        str | None,
        typer.Option(envvar="KAHRIZ_CLOCK__STARTED", help="Real instant the time runs from."),
    ] = None,
) -> None:
    """Play a scenario: its history as a backlog, then live, until SIGINT, SIGTERM or --for.

    Exit 1 if --for is over and devices that reach the broker still hold readings.

    Example: kahriz sim run three_kahrizes --speed 3600 --for 2d
    """
    logs.setup()
    _let_many_connect()
    is_stopped = _until_signal()
    if not speed > 0:
        raise ConfigError("--speed", f"{speed} is not above 0")
    options = Options(
        find_scenario(scenario),
        Broker(host, port),
        state,
        credentials,
        seed,
        history,
        speed,
        _instant("--origin", origin),
        _instant("--started", started),
        None if for_ is None else _duration_ms("--for", for_),
    )
    play = Play(options)
    done = play.run(is_stopped)
    typer.echo(f"{play.scenario.name}: {_said_of(done)}; ledger and truth in {play.state}")
    raise typer.Exit(1 if done.owed else 0)


def _said_of(done: Outcome) -> str:
    n = done.counts
    said = (
        f"{n['measured']} measured, {n['sent']} sent, {n['app_acked']} acknowledged, "
        f"{n['held']} held, {n['refused']} refused, {n['lost']} lost"
    )
    why = f": {done.refusal}" if done.refusal else ""
    return said + (f" ({done.owed} not delivered in time{why})" if done.owed else "")


def scenarios() -> None:
    """List the shipped scenarios, one line each.

    Example: kahriz sim scenarios
    """
    for name, path in shipped().items():
        typer.echo(f"{name:20} {load_scenario(path).summary}")


def sites(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a TOML file.")],
) -> None:
    """Print a sites.toml with a scenario's devices, for the service that is to hear them.

    Example: kahriz sim sites district > sites.toml
    """
    typer.echo(sites_toml(load_scenario(find_scenario(scenario))))


def record_scenario(
    scenario: Annotated[str, typer.Argument(help="A shipped scenario's name, or a TOML file.")],
    out: Annotated[Path, typer.Option(help="Folder for the series and their truth.")],
    seed: Annotated[int | None, typer.Option(help="Other chance than the scenario's.")] = None,
    live: Annotated[
        str, typer.Option(help="Instant the troubles' hours count from; the history is before.")
    ] = "2026-01-01",
) -> None:
    """Write what a scenario's sensors say, and the truth, as a folder of CSV: no broker needed.

    Example: kahriz sim record quiet_year --out var/quiet_year
    """
    played = load_scenario(find_scenario(scenario))
    live_ms = to_ms(_instant("--live", live) or datetime.now(UTC))
    world = World(played, played.seed if seed is None else seed, live_ms)
    for path in record(out, world, *recorded_span(world, live_ms)):
        typer.echo(path)


def replay_file(
    file: Annotated[Path, typer.Argument(help="A CSV file, also gzipped.")],
    device: Annotated[str, typer.Option(help="The device it is sent as.")],
    time: Annotated[str, typer.Option(help="Column of instants: ISO 8601, or ms since 1970.")],
    map: Annotated[list[str], typer.Option(help="channel=COLUMN[:factor]; may be repeated.")],
    timezone: Annotated[str, typer.Option(help="Zone of instants that name none.")] = "UTC",
    speed: Annotated[
        float, typer.Option(min=0, help="Recorded seconds a real second; 0: as fast as acks come.")
    ] = 0.0,
    shift_to_now: Annotated[
        bool,
        typer.Option("--shift-to-now", help="The last reading is now (with --speed: the first)."),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=0.1, help="Seconds without progress before it gives up.")
    ] = 30.0,
    app_ack: Annotated[
        bool, typer.Option(help="Await the service's acknowledgement, not only the broker's.")
    ] = True,
    host: Host = "127.0.0.1",
    port: Port = 1883,
    credentials: Credentials = None,
) -> None:
    """Send a recorded series as a device would; exit 1 if some of it stays unacknowledged.

    Example: kahriz sim replay levels.csv --device agh-dere-line --time time --map stage_m=level
    """
    logs.setup()
    is_stopped = _until_signal()
    try:
        zone = ZoneInfo(timezone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise ConfigError("--timezone", f"{timezone!r} is no IANA time zone") from error
    recording = read_recording(file, time, [Mapped.parse(m) for m in map], zone)
    if shift_to_now:
        recording = _shifted(recording, is_paced=speed > 0)
    done = replay(
        recording,
        device,
        Broker(host, port),
        password=passwords_of([device], credentials)[device],
        speed=speed,
        timeout_s=timeout,
        app_ack=app_ack,
        is_stopped=is_stopped,
    )
    left = f", {done.readings - done.acked} unacknowledged" if not done.is_complete else ""
    why = f" ({done.refusal})" if done.refusal else ""
    skipped = f", {recording.skipped} rows without a value skipped" if recording.skipped else ""
    typer.echo(
        f"{device}: {done.readings} readings, {done.acked} acknowledged{left} "
        f"in {done.seconds:.1f} s{skipped}{why}"
    )
    raise typer.Exit(0 if done.is_complete else 1)


def _shifted(recording: Recording, *, is_paced: bool) -> Recording:
    now_ms = to_ms(datetime.now(UTC))
    return recording.shifted(now_ms - int(recording.time_ms[0 if is_paced else -1]))


_UNITS_MS = {"s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}


def _duration_ms(option: str, text: str) -> int:
    said = re.fullmatch(r"(\d+(?:\.\d+)?)([smhd])", text.strip())
    if said is None or not float(said[1]) > 0:
        raise ConfigError(option, f"{text!r} is no time above 0", "such as 90m, 12h, 30d")
    return round(float(said[1]) * _UNITS_MS[said[2]])


def _let_many_connect() -> None:
    """Allow as many connections as the system lets one process have."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _instant(option: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        instant = datetime.fromisoformat(text)
    except ValueError as error:
        raise ConfigError(option, f"{text!r} is no ISO 8601 instant") from error
    return instant if instant.tzinfo else instant.replace(tzinfo=UTC)


def _until_signal() -> Callable[[], bool]:
    """Return what says whether SIGINT or SIGTERM came; both end the process in order, exit 0."""
    came: list[int] = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda got, _frame: came.append(got))
    return lambda: bool(came)
