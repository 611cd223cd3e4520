"""Play a scenario against a broker: history first, as a backlog, then live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from firmware_sim.credentials import passwords_of
from firmware_sim.device import Broker
from firmware_sim.fleet import Device, Fleet, Mould
from firmware_sim.hydrology import DAY_MS
from firmware_sim.ledger import Ledger
from firmware_sim.scenario import DeviceSpec, Scenario, load_scenario
from firmware_sim.uplink import Uplink
from firmware_sim.world import World, write_truth
from kahriz import plugins
from kahriz.clock import Clock, from_ms, iso, scaled_clock, system_clock, to_ms
from kahriz.codec import CODECS
from kahriz.errors import ConfigError

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Options:
    """What an operator chose for one run; None where the scenario or the state decides."""

    scenario: Path
    broker: Broker
    state: Path | None = None
    credentials: Path | None = None
    seed: int | None = None
    history_days: float | None = None
    speed: float = 1.0
    origin: datetime | None = None
    started: datetime | None = None


class Play:
    """A scenario on its way: world, ledger, fleet.

    Parameters
    ----------
    options
        What was asked for. A state folder goes on where it stopped.

    Raises
    ------
    ConfigError
        The scenario, the credentials or the state folder cannot work.
    """

    def __init__(self, options: Options) -> None:
        self.scenario = load_scenario(options.scenario)
        devices = self.scenario.devices()
        passwords = passwords_of(devices, options.credentials)
        state = options.state or Path("var") / "sim" / self.scenario.name
        state.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(state / "ledger.sqlite")
        try:
            self._prepare(options, state, passwords)
        except BaseException:
            self.ledger.close()
            raise

    def _prepare(self, options: Options, state: Path, passwords: Mapping[str, str | None]) -> None:
        devices = self.scenario.devices()
        self.clock = _clock(options, self.ledger)
        self.started_ms = to_ms(self.clock())
        self._live_start_ms, self._history_ms = self._begin(options, state)
        self._world = World(self.scenario, self._seed(options, state), self._live_start_ms)
        write_truth(state / "truth.csv", self._world)
        moulds = [_mould(spec, self.scenario, passwords[spec.id]) for _, spec in devices.values()]
        made = {m.device: (self._device(m), m.password) for m in moulds}
        self.fleet = Fleet(made, options.broker, self.ledger, self.clock)

    def _begin(self, options: Options, state: Path) -> tuple[int, int]:
        """Return the live start and the history's length [ms], of this run or of the first one."""
        name = self.ledger.remembered("scenario", self.scenario.name)
        if name != self.scenario.name:
            problem = f"holds scenario {name!r}, not {self.scenario.name!r}"
            raise ConfigError(f"state {state}", problem, "give another --state")
        days = self.scenario.history_days if options.history_days is None else options.history_days
        history = float(self.ledger.remembered("history_days", str(days)))
        live_start = int(self.ledger.remembered("live_start_ms", str(self.started_ms)))
        return live_start, round(history * DAY_MS)

    def _seed(self, options: Options, state: Path) -> int:
        asked = self.scenario.seed if options.seed is None else options.seed
        seed = int(self.ledger.remembered("seed", str(asked)))
        if options.seed is not None and seed != options.seed:
            problem = f"began with seed {seed}, not {options.seed}"
            raise ConfigError(f"state {state}", problem, "give another --state")
        return seed

    def _device(self, mould: Mould) -> Device:
        last = self.ledger.last_ms(mould.device)
        after = self._live_start_ms - self._history_ms if last is None else last
        for held in self.ledger.held(mould.device, mould.uplink.channels):
            mould.uplink.buffer.restore(held.boot, held.seq, held.time_ms, held.columns)
        device = Device(mould, self.ledger, self._world, after)
        device.start(self.ledger.next_boot(mould.device), self.started_ms)
        return device

    def run(self, is_stopped: Callable[[], bool]) -> None:
        """Play until told to stop; then part in order and keep the state."""
        began = time.monotonic()
        try:
            self.fleet.measure()
            with _shown_backlog(self.fleet.held) as show:
                while not is_stopped() and self._has_backlog():
                    self.fleet.turn()
                    show(self._backlog())
            if not is_stopped():
                seconds = round(time.monotonic() - began, 1)
                _LOG.info("backlog delivered", extra={"seconds": seconds, **self.ledger.count()})
            while not is_stopped():
                self.fleet.turn()
        finally:
            self.ledger.remember("now_ms", str(to_ms(self.clock())))
            self.fleet.stop()
            self.ledger.close()

    def _backlog(self) -> int:
        """Return how many readings from before this run are not acknowledged."""
        return sum(d.uplink.buffer.held_until(self.started_ms) for d in self.fleet.devices)

    def _has_backlog(self) -> bool:
        oldest = (d.uplink.buffer.oldest_ms for d in self.fleet.devices)
        return any(at is not None and at <= self.started_ms for at in oldest)


def _clock(options: Options, ledger: Ledger) -> Clock:
    if (options.origin is None) != (options.started is None):
        missing = "--origin" if options.origin is None else "--started"
        raise ConfigError("clock", f"{missing} is missing", "give both, or neither")
    if options.origin is not None and options.started is not None:
        return scaled_clock(options.origin, options.started, options.speed)
    if options.speed == 1.0:
        return system_clock
    now = datetime.now(UTC).replace(microsecond=0)
    before = ledger.recall("now_ms")
    origin = now if before is None else from_ms(int(before))
    _LOG.info(
        "pretended time: give the other processes the same",
        extra={
            "KAHRIZ_CLOCK__ORIGIN": iso(origin),
            "KAHRIZ_CLOCK__STARTED": iso(now),
            "KAHRIZ_CLOCK__SPEED": options.speed,
        },
    )
    return scaled_clock(origin, now, options.speed)


def _mould(spec: DeviceSpec, scenario: Scenario, password: str | None) -> Mould:
    codec = plugins.load("codec", spec.codec, CODECS)()
    uplink = Uplink(
        spec.channels, codec, capacity=spec.buffer, order=spec.order, app_ack=spec.app_ack
    )
    interval_s = spec.interval_s or scenario.interval_s
    return Mould(spec.id, uplink, interval_s * 1000, password)


@contextmanager
def _shown_backlog(total: int) -> Iterator[Callable[[int], None]]:
    """Show how much of the backlog is delivered: a bar on a terminal, else one line."""
    console = Console(stderr=True)
    if not console.is_terminal or not total:
        _LOG.info("backlog to deliver", extra={"readings": total})
        yield lambda left: None
        return
    columns = (TextColumn("backlog"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console) as bar:
        task = bar.add_task("backlog", total=total)
        yield lambda left: bar.update(task, completed=total - left)
