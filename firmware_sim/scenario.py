"""A scenario: which kahrizes and devices there are, and what goes wrong when (TOML)."""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from firmware_sim.battery import Battery
from firmware_sim.demand import Delivery
from firmware_sim.hydrology import Shaft, Shafts, Source
from firmware_sim.sensor import Sensor
from firmware_sim.trouble import TROUBLES, Trouble
from firmware_sim.trouble.water import WaterTrouble
from kahriz import plugins
from kahriz.errors import ConfigError

_CONFIG = ConfigDict(frozen=True, extra="forbid")
_M = TypeVar("_M", bound=BaseModel)

CHANNELS: dict[str, frozenset[str]] = {
    "outlet": frozenset({"stage_m", "discharge_lps", "turbidity_ntu", "water_temperature_degc"}),
    "mother_well": frozenset({"stage_m"}),
    "shaft": frozenset({"stage_m"}),
    "lower_shaft": frozenset({"stage_m"}),
    "reservoir": frozenset({"stage_m"}),
    "line": frozenset({"discharge_lps"}),
}
"""What a device can measure at each place of a kahriz; ``battery_v`` it can tell anywhere."""
STAGED = ("mother_well", "shaft", "lower_shaft", "reservoir")
"""Places where the level of still water is measured."""


class DeviceSpec(BaseModel):
    """One device: where it stands, what it measures, how its firmware behaves."""

    model_config = _CONFIG
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    at: Literal["outlet", "mother_well", "shaft", "lower_shaft", "reservoir", "line"]
    channels: tuple[str, ...] = Field(min_length=1)
    sensor: dict[str, Sensor] = {}
    """Other figures than the usual ones for a channel's sensor."""
    interval_s: int | None = Field(None, ge=1, le=86400)
    buffer: int = Field(50_000, ge=1, le=1_000_000)
    """Readings its memory holds; the oldest is overwritten."""
    order: Literal["oldest_first", "live_first"] = "oldest_first"
    app_ack: bool = True
    """Whether it knows ``down/ack``; one that does not frees what the broker took."""
    codec: str = "json_v1"
    jitter_s: float = Field(0.0, ge=0, le=3600)
    """It measures up to so much later than the interval says, by chance."""
    battery: Battery | None = None
    """What it lives on; None: power without end, and a voltage that breathes with the sun."""

    @model_validator(mode="after")
    def _acks_need_numbers(self) -> DeviceSpec:
        if self.codec == "senml" and self.app_ack:
            raise ValueError("codec 'senml' has no sequence numbers: app_ack must be false")
        return self


class KahrizSpec(BaseModel):
    """One kahriz: its water, its people's demand, its devices."""

    model_config = _CONFIG
    id: str = Field(pattern=r"^[a-z0-9][a-z0-9-]{0,39}$")
    source: Source
    mother_well: Shaft = Shaft(stage_m=3.0, gain_m=0.5)
    shaft: Shaft = Shaft()
    lower_shaft: Shaft = Shaft(stage_m=0.6, gain_m=0.3)
    delivery: Delivery = Delivery()
    device: tuple[DeviceSpec, ...] = Field(min_length=1)

    @property
    def shafts(self) -> Shafts:
        """Where a level may be measured, from the upper end down."""
        return Shafts(self.mother_well, self.shaft, self.lower_shaft)


class Scenario(BaseModel):
    """Everything a scenario file says."""

    model_config = _CONFIG
    name: str
    summary: str = ""
    seed: int = 1
    interval_s: int = Field(300, ge=1, le=86400)
    history_days: float = Field(30.0, ge=0, le=3660)
    kahriz: tuple[KahrizSpec, ...] = Field(min_length=1)
    trouble: tuple[Trouble, ...] = ()

    def devices(self) -> Mapping[str, tuple[KahrizSpec, DeviceSpec]]:
        """Return every device with its kahriz."""
        return {d.id: (k, d) for k in self.kahriz for d in k.device}


def shipped() -> dict[str, Path]:
    """Return the scenarios that come with the simulator, by name."""
    folder = Path(str(files("firmware_sim") / "scenarios"))
    return {path.stem: path for path in sorted(folder.glob("*.toml"))}


def find_scenario(name: str) -> Path:
    """Return the file of a shipped scenario's name, or of a path.

    Raises
    ------
    ConfigError
        There is neither; lists the shipped names.
    """
    known = shipped()
    if name in known:
        return known[name]
    path = Path(name)
    if path.suffix == ".toml" or path.exists():
        return path
    raise ConfigError("scenario", f"unknown name {name!r}", _nearest(name, known) + ", or a path")


def load_scenario(path: Path) -> Scenario:
    """Read a scenario file.

    Raises
    ------
    ConfigError
        Names the file, the place in it, the value and, for a misspelt key, the nearest right one.
    """
    data = _read(path)
    troubles = data.pop("trouble", [])
    scenario = _valid(Scenario, str(path), data)
    _check_devices(path, scenario)
    if not isinstance(troubles, list):
        raise ConfigError(str(path), "trouble is not a list", "write [[trouble]]")
    events = tuple(
        _trouble(f"{path}: trouble #{i}", t, scenario) for i, t in enumerate(troubles, 1)
    )
    return scenario.model_copy(update={"trouble": events})


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except (UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise ConfigError(str(path), str(error)) from error


def _check_devices(path: Path, scenario: Scenario) -> None:
    _refuse_twice(path, "kahriz", (k.id for k in scenario.kahriz))
    _refuse_twice(path, "device", (d.id for k in scenario.kahriz for d in k.device))
    for kahriz, spec in scenario.devices().values():
        if spec.at == "reservoir" and kahriz.delivery.reservoir is None:
            problem, hint = f"kahriz {kahriz.id!r} has no reservoir", "give delivery.reservoir"
            raise ConfigError(f"{path}: device {spec.id!r}", problem, hint)
        valid = CHANNELS[spec.at] | {"battery_v"}
        for channel in (*spec.channels, *spec.sensor):
            if channel not in valid:
                problem = f"no channel {channel!r} at {spec.at!r}"
                raise ConfigError(f"{path}: device {spec.id!r}", problem, _nearest(channel, valid))


def _refuse_twice(path: Path, what: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise ConfigError(str(path), f"{what} {name!r} is named more than once")
        seen.add(name)


def _trouble(where: str, data: Any, scenario: Scenario) -> Trouble:
    if not isinstance(data, dict) or "kind" not in data:
        raise ConfigError(where, "has no kind", "valid: " + ", ".join(TROUBLES))
    kind = str(data["kind"])
    if kind not in TROUBLES and ":" not in kind:
        raise ConfigError(where, f"unknown kind {kind!r}", _nearest(kind, TROUBLES))
    model: type[Trouble] = plugins.load("trouble", kind, TROUBLES)
    if "live_start_ms" in data:
        raise ConfigError(where, "unknown key 'live_start_ms'", "give at_h")
    trouble = _valid(model, f"{where} ({kind})", data)
    _check_target(f"{where} ({kind})", trouble, scenario)
    return trouble


def _check_target(where: str, trouble: Trouble, scenario: Scenario) -> None:
    devices = scenario.devices()
    if isinstance(trouble, WaterTrouble):
        _check_water(where, trouble, scenario)
        return
    _must_be(where, "device", trouble.device, devices)
    if trouble.channel or trouble.needs == "channel":
        _must_be(where, "channel", trouble.channel, devices[trouble.device][1].channels)


def _check_water(where: str, trouble: WaterTrouble, scenario: Scenario) -> None:
    if trouble.device or trouble.channel:
        name = trouble.device or trouble.channel
        raise ConfigError(where, f"befalls the water, not {name!r}", "give kahriz or climate")
    if trouble.climate and trouble.kahriz:
        raise ConfigError(where, "names a kahriz and a climate", "give one of them")
    if trouble.climate:
        climates = {k.source.climate for k in scenario.kahriz} - {""}
        _must_be(where, "climate", trouble.climate, climates)
    else:
        _must_be(where, "kahriz", trouble.kahriz, [k.id for k in scenario.kahriz])


def _must_be(where: str, what: str, name: str, known: Iterable[str]) -> None:
    if name not in (names := list(known)):
        raise ConfigError(where, f"unknown {what} {name!r}", _nearest(name, names))


def _nearest(name: str, known: Iterable[str]) -> str:
    names = sorted(known)
    near = difflib.get_close_matches(name, names, n=1)
    return f"did you mean {near[0]!r}?" if near else "valid: " + ", ".join(names)


def _valid(model: type[_M], where: str, data: Any) -> _M:
    try:
        return model.model_validate(data)
    except ValidationError as error:
        # A misspelt key also leaves the right one missing: the misspelling is the cause.
        first = min(error.errors(), key=lambda e: e["type"] != "extra_forbidden")
        words = " ".join(_words(data, first["loc"]))
        place = f"{where}: {words}" if words else where
        if first["type"] == "extra_forbidden":
            name = str(first["loc"][-1])
            hint = _nearest(name, _keys(model, first["loc"][:-1]))
            raise ConfigError(place, f"unknown key {name!r}", hint) from error
        given = first.get("input")
        shown = "" if isinstance(given, dict | list | tuple) else f" (got {given!r})"
        message = first["msg"].removeprefix("Value error, ")
        raise ConfigError(place, message + shown) from error


def _keys(model: type[BaseModel], loc: tuple[int | str, ...]) -> list[str]:
    """Return the keys valid at `loc`, by walking the models' annotations."""
    for part in loc:
        if isinstance(part, str) and part in model.model_fields:
            model = _inner(model.model_fields[part].annotation) or model
    return [name for name in model.model_fields if name != "live_start_ms"]


def _inner(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    for part in getattr(annotation, "__args__", ()):
        if found := _inner(part):
            return found
    return None


def _words(data: Any, loc: tuple[int | str, ...]) -> list[str]:
    """Say where in the file, by ids rather than by counting."""
    words: list[str] = []
    here = data
    for part in loc:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            words.append(str(part))
            break
        label = here.get("id") if isinstance(here, dict) and isinstance(part, int) else None
        words.append(repr(label) if label else str(part))
    return words
