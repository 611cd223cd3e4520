"""Play a scenario against a broker: history first, as a backlog, then live."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from firmware_sim.chance import key
from firmware_sim.conditions import Conditions
from firmware_sim.credentials import passwords_of
from firmware_sim.device import Broker, Link
from firmware_sim.firmware import Device, Mould, Wall
from firmware_sim.fleet import Fleet
from firmware_sim.hydrology import DAY_MS
from firmware_sim.ledger import Ledger
from firmware_sim.progress import shown_backlog, shown_time
from firmware_sim.scenario import DeviceSpec, load_scenario
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
    for_ms: int | None = None
    """Pretended time from this start on after which nothing more is measured; None: for ever."""


@dataclass(frozen=True, slots=True)
class Outside:
    """Time and network: what the same seed gives the same bytes under."""

    wall: Wall = time.monotonic
    link: type[Link] = Link
    tick_s: float = 0.05
    clock: Clock | None = None
    """None: as the options say."""
    patience_s: float = 15.0
    """A finite run ends when for so long nothing more is acknowledged."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of everything that was ever measured in a state folder."""

    counts: Mapping[str, int]
    owed: int
    """Readings that devices with power and signal did not get rid of in a finite run."""
    refusal: str = ""


class Play:
    """A scenario on its way: world, ledger, fleet.

    Parameters
    ----------
    options
        What was asked for. A state folder goes on where it stopped.
    outside
        Time and network.

    Raises
    ------
    ConfigError
        The scenario, the credentials or the state folder cannot work.
    """

    def __init__(self, options: Options, outside: Outside = Outside()) -> None:
        self.scenario = load_scenario(options.scenario)
        self._outside = outside
        passwords = passwords_of(self.scenario.devices(), options.credentials)
        self.state = state = options.state or Path("var") / "sim" / self.scenario.name
        state.mkdir(parents=True, exist_ok=True)
        self.ledger = Ledger(state / "ledger.sqlite")
        try:
            self._prepare(options, state, passwords)
        except BaseException:
            self.ledger.close()
            raise

    def _prepare(self, options: Options, state: Path, passwords: Mapping[str, str | None]) -> None:
        self.clock = self._outside.clock or _clock(options, self.ledger)
        self.started_ms = to_ms(self.clock())
        self._live_start_ms, history_ms = self._begin(options, state)
        self._begin_ms = self._live_start_ms - history_ms
        self._seed = self._seed_of(options, state)
        world = World(self.scenario, self._seed, self._live_start_ms, self._begin_ms)
        write_truth(state / "truth.csv", world)
        self._conditions = Conditions(world)
        until_ms = None if options.for_ms is None else self.started_ms + options.for_ms
        self.until_ms = until_ms
        self.fleet = Fleet(
            [self._device(mould) for mould in self._moulds(passwords)],
            options.broker,
            self.ledger,
            self.clock,
            self._outside.wall,
            self._outside.link,
            self._outside.tick_s,
            until_ms,
        )

    def _moulds(self, passwords: Mapping[str, str | None]) -> list[Mould]:
        """Return what every device is made from, and behind them every clone."""
        specs = {name: spec for name, (_, spec) in self.scenario.devices().items()}
        interval_s = self.scenario.interval_s
        made = [
            _mould(spec, name, interval_s, passwords[name], self._seed)
            for name, spec in specs.items()
        ]
        for unit, clone in self._conditions.clones.items():
            spec, password = specs[clone.device], passwords[clone.device]
            made.append(_mould(spec, unit, interval_s, password, self._seed, clone.boot + 1))
        return made

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

    def _seed_of(self, options: Options, state: Path) -> int:
        asked = self.scenario.seed if options.seed is None else options.seed
        seed = int(self.ledger.remembered("seed", str(asked)))
        if options.seed is not None and seed != options.seed:
            problem = f"began with seed {seed}, not {options.seed}"
            raise ConfigError(f"state {state}", problem, "give another --state")
        return seed

    def _device(self, mould: Mould) -> Device:
        last = self.ledger.last_ms(mould.device)
        after = self._begin_ms if last is None else last
        for held in self.ledger.held(mould.device, mould.uplink.channels):
            mould.uplink.buffer.restore(held.boot, held.seq, held.said_ms, held.columns)
        device = Device(mould, self.ledger, self._conditions, after, self._outside.wall)
        device.start()
        return device

    def run(self, is_stopped: Callable[[], bool]) -> Outcome:
        """Play until told to stop, or the time is over; then part in order and keep the state."""
        began = time.monotonic()
        try:
            self.fleet.measure()
            self._deliver_backlog(is_stopped)
            if not is_stopped():
                seconds = round(time.monotonic() - began, 1)
                _LOG.info("backlog delivered", extra={"seconds": seconds, **self.ledger.count()})
            if self.until_ms is None:
                while not is_stopped():
                    self.fleet.turn()
            else:
                self._play_until(self.until_ms, is_stopped)
            owed = 0 if self.until_ms is None else self.fleet.owed
            return Outcome(self.ledger.count(), owed, self.fleet.refusal if owed else "")
        finally:
            self.ledger.remember("now_ms", str(to_ms(self.clock())))
            self.fleet.stop()
            self.ledger.close()

    def _deliver_backlog(self, is_stopped: Callable[[], bool]) -> None:
        """Go on until nothing from before this run is held by a device that could deliver it."""
        buffers = [(device, device.uplink.buffer.newest()) for device in self.fleet.devices]

        def left() -> int:
            now_ms = to_ms(self.clock())
            return sum(
                device.uplink.buffer.held_up_to(newest)
                for device, newest in buffers
                if device.has_signal(now_ms)
            )

        with shown_backlog(left()) as show:
            while not is_stopped() and not self._is_over() and (n := left()):
                self.fleet.turn()
                show(n)
            show(0)

    def _is_over(self) -> bool:
        return self.until_ms is not None and to_ms(self.clock()) >= self.until_ms

    def _play_until(self, until_ms: int, is_stopped: Callable[[], bool]) -> None:
        """Play to the end of the time, then wait for what is on its way, while it moves."""
        with shown_time((until_ms - self.started_ms) / 1000) as show:
            while not is_stopped() and not self._is_over():
                self.fleet.turn()
                show((to_ms(self.clock()) - self.started_ms) / 1000, self.fleet.held)
            owed, since = -1, time.monotonic()
            while not is_stopped() and (now_owed := self.fleet.owed):
                if now_owed != owed:
                    owed, since = now_owed, time.monotonic()
                elif time.monotonic() - since > self._outside.patience_s:
                    break
                self.fleet.turn()


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


def _mould(
    spec: DeviceSpec,
    unit: str,
    interval_s: int,
    password: str | None,
    seed: int,
    first_boot: int = 1,
) -> Mould:
    codec = plugins.load("codec", spec.codec, CODECS)()
    uplink = Uplink(
        spec.channels, codec, capacity=spec.buffer, order=spec.order, app_ack=spec.app_ack
    )
    interval_ms = 1000 * (spec.interval_s or interval_s)
    chance = key(seed, unit, "backoff")
    return Mould(unit, uplink, interval_ms, password, spec.id, first_boot, chance)
