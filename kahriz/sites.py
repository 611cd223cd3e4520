"""The registry of what is measured (sites.toml): kahrizes, sites, sensors, ratings, contacts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    ValidationInfo,
    field_validator,
    model_validator,
)

from kahriz.configured import (
    SLUG_PATTERN,
    closest,
    first_error,
    one_line,
    problem_of,
    read_toml,
)
from kahriz.contacts import DEFAULT_COUNTRY, Contact, country_code
from kahriz.errors import ConfigError, NotFoundError, UnknownSensorError
from kahriz.observations import DatastreamId, datastream_id
from kahriz.units import PROPERTIES, Property, property_of

# As in docs/wire-format.md.
_CHANNEL = re.compile(r"[a-z0-9_]{1,64}")
_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


def _ascending(pair: tuple[float, float]) -> tuple[float, float]:
    if not pair[0] < pair[1]:
        raise ValueError(f"lowest {pair[0]:g} is not below highest {pair[1]:g}")
    return pair


Slug = Annotated[str, Field(pattern=SLUG_PATTERN)]
Pair = Annotated[tuple[float, float], AfterValidator(_ascending)]


INGEST_LOGIN = "kahriz-ingest"
"""User name under which ingest hears every device; no device may have it."""

CHIRPSTACK_LOGIN = "kahriz-chirpstack"
"""User name under which ChirpStack tells of LoRaWAN devices; no device may have it either."""


class SiteKind(StrEnum):
    """Where along the water's way a site lies."""

    MOTHER_WELL = "mother_well"
    SHAFT = "shaft"
    OUTLET = "outlet"
    RESERVOIR = "reservoir"
    DELIVERY_LINE = "delivery_line"


MOST_PAIRS = 500
"""Pairs of a tabulated rating."""


class RatingEntry(BaseModel):
    """How a site's stage becomes discharge, from one date on; see kahriz/rating."""

    model_config = _CONFIG
    method: str
    """A name of ``kahriz.rating.RATINGS``: v_notch_90, cipolletti, power_law ..."""
    version: str = Field("", max_length=40)
    """What its author calls it, such as ``2026-2``."""
    author: str = Field("", max_length=80)
    """Who found it and answers for it."""
    valid_from: date
    valid_to: date | None = None
    """The first local day it no longer holds."""
    zero_offset_m: float = 0.0
    """Stage reading at zero head: head = stage - zero offset."""
    stage_uncertainty_m: float = Field(0.003, ge=0)
    """Standard uncertainty of the stage."""
    crest_m: float | None = None
    """Length of a rectangular or Cipolletti weir's crest."""
    angle_deg: float | None = None
    """Angle of a V-notch."""
    sill_m: float | None = None
    """Height of a weir's crest, or of a V-notch's point, over the bed in front."""
    channel_m: float | None = None
    """Width of the channel in front of a rectangular weir."""
    throat_m: float | None = None
    """Narrowest width of a flume."""
    length_m: float | None = None
    """Length of a cutthroat flume."""
    coefficient: float | None = None
    exponent: float | None = None
    table: tuple[tuple[float, float], ...] | None = Field(None, max_length=MOST_PAIRS)
    """Of a table: pairs of stage [m] and discharge [L/s]."""
    interpolation: Literal["log", "linear"] | None = None
    """Of a table: how it runs between its pairs."""
    curve_uncertainty: float | None = Field(None, ge=0, lt=1)
    """Standard uncertainty of a fitted or tabulated curve, as a part of discharge."""
    min_head_m: float | None = None
    max_head_m: float | None = None
    """Limits of a power law, and the height of a weir's notch: outside discharge is refused."""
    note: str = ""


class Sensor(BaseModel):
    """One channel of one device, and what its values can be."""

    model_config = _CONFIG
    device: Slug
    channel: str
    """Its name in the payload; ends with a property and its unit, e.g. ``stage_m``."""
    range_fail: Pair | None = None
    """[lowest, highest] the sensor can say at all; outside: FAIL."""
    range_suspect: Pair | None = None
    """[lowest, highest] expected here; outside: SUSPECT."""
    max_rate_per_h: float | None = Field(None, gt=0)
    """Change in an hour beyond which a value is SUSPECT."""
    spike: float | None = Field(None, gt=0)
    """Distance from the median of the last five values beyond which a value is SUSPECT."""
    noise: float | None = Field(None, gt=0)
    """Distance from its neighbours' line beyond which values that go to and fro are SUSPECT."""
    flat_line_h: float | None = Field(None, gt=0)
    """Hours without any change after which values are SUSPECT."""

    @field_validator("device")
    @classmethod
    def _name_is_free(cls, device: str) -> str:
        if device in (INGEST_LOGIN, CHIRPSTACK_LOGIN):
            raise ValueError("is a name of the service's own at the broker; a device needs another")
        return device

    @field_validator("channel")
    @classmethod
    def _channel_names_a_property(cls, channel: str) -> str:
        if not _CHANNEL.fullmatch(channel):
            raise ValueError("no payload can say it: expected at most 64 of a-z, 0-9 and _")
        try:
            property_of(channel)
        except UnknownSensorError as error:
            raise ValueError(str(error)) from error
        return channel

    @property
    def measures(self) -> Property:
        """The property it measures."""
        return property_of(self.channel)


class PayloadChannel(BaseModel):
    """What a ready-made device calls one of its values, and which channel that is."""

    model_config = _CONFIG
    name: str = Field(min_length=1, max_length=64)
    """As the payload's decoder names it: ``analog_in_1``, ``level``."""
    channel: str
    """One of the device's channels, as at its sensors."""
    times: float = 1.0
    over: float = Field(1.0, gt=0)
    plus: float = 0.0
    """The channel's value is value * times / over + plus; ``over = 100`` makes metres of cm."""

    def converted(self, value: float) -> float:
        """Return `value` in the channel's unit."""
        return value * self.times / self.over + self.plus


class Device(BaseModel):
    """How a device's payload is read, where the payload itself does not say it (LoRaWAN)."""

    model_config = _CONFIG
    id: Slug
    """As at its sensors; of a LoRaWAN device its DevEUI in lower case."""
    payload: str
    """A name of ``kahriz.codec.payload.PAYLOAD_DECODERS``: compact_v1, cayenne_lpp, object."""
    channel: tuple[PayloadChannel, ...] = ()
    """Without any: the payload's names are the channels'. With some: others are left out."""

    @model_validator(mode="after")
    def _names_are_unique(self) -> Device:
        for what in ("name", "channel"):
            _refuse_twice(what, [getattr(entry, what) for entry in self.channel])
        return self


METER_UNCERTAINTY = 0.05 / 3.0**0.5
"""Standard uncertainty of a water meter, as a part of what passes: 5 % either way, as evenly likely
(JCGM 100:2008, 4.3.7). ISO 4064-1:2014 permits that to a meter of class 2 below Q2, as its makers
quote it; above Q2 it is 2 %."""
DRY_BELOW_LPS = 0.05
"""A line that carries less is called dry: at zero a meter and a weir still say a little."""

_OF_FLOW = ("dry_below_lps", "meter_uncertainty", "capacity_lps")


class Site(BaseModel):
    """A measured place on a kahriz."""

    model_config = _CONFIG
    id: Slug
    kind: SiteKind
    name: str
    latitude: float | None = Field(None, ge=-90, le=90)
    longitude: float | None = Field(None, ge=-180, le=180)
    area_m2: float | None = Field(None, gt=0)
    """Of a reservoir: its surface, by which a level tells how much it holds."""
    dry_below_lps: float = Field(DRY_BELOW_LPS, gt=0, le=1000)
    """Of an outlet or a line: less than this is no service."""
    meter_uncertainty: float = Field(METER_UNCERTAINTY, gt=0, lt=0.5)
    """Of an outlet or a line that a meter measures: its standard uncertainty, as a part."""
    capacity_lps: float | None = Field(None, gt=0)
    """Of an outlet or a line: the most that can flow there; bounds what gaps may have held."""
    sensor: tuple[Sensor, ...] = ()
    rating: tuple[RatingEntry, ...] = ()

    @model_validator(mode="after")
    def _only_a_reservoir_has_a_surface(self) -> Site:
        if self.area_m2 is not None and self.kind is not SiteKind.RESERVOIR:
            raise ValueError(
                f"area_m2 is for a reservoir: {self.id!r} is of kind {self.kind.value!r}"
            )
        return self

    @model_validator(mode="after")
    def _only_flowing_water_is_metered(self) -> Site:
        fields = type(self).model_fields
        # What only repeats the default says nothing: so does a registry that is written out whole.
        said = [key for key in _OF_FLOW if getattr(self, key) != fields[key].default]
        if said and self.kind not in (SiteKind.OUTLET, SiteKind.DELIVERY_LINE):
            raise ValueError(
                f"{said[0]} is for an outlet or a delivery_line: {self.id!r} is of kind"
                f" {self.kind.value!r}"
            )
        if self.rating and "meter_uncertainty" in said:
            raise ValueError(
                f"meter_uncertainty of {self.id!r}: its discharge is rated, and is as sure as the"
                " rating's stage_uncertainty_m"
            )
        return self

    @model_validator(mode="after")
    def _ratings_do_not_overlap(self) -> Site:
        entries = sorted(self.rating, key=lambda r: r.valid_from)
        for earlier, later in pairwise(entries):
            if earlier.valid_to is None or earlier.valid_to > later.valid_from:
                raise ValueError(
                    f"ratings of {self.id!r} overlap: the one from {earlier.valid_from} has to end"
                    f" (valid_to) by {later.valid_from}"
                )
        return self


class Norm(BaseModel):
    """Litres a person should have in a day, and who says so."""

    model_config = _CONFIG
    lpcd: float = Field(gt=0)
    name: str
    source: str


DEFAULT_NORMS = (
    Norm(lpcd=15, name="emergency", source="Sphere Handbook 2018"),
    Norm(lpcd=20, name="basic", source="WHO 2020, Domestic water quantity"),
    Norm(lpcd=50, name="intermediate", source="WHO 2020, Domestic water quantity"),
    Norm(lpcd=60, name="design", source="Azerbaijani design norm (press; to be confirmed)"),
    Norm(lpcd=100, name="optimal", source="WHO 2020, Domestic water quantity"),
)

_DAY_S = 86_400

PEOPLE_A_HOUSEHOLD = 4
"""Assumed where only households were counted; shown as an assumption wherever it is used."""


class Detect(BaseModel):
    """What matters enough at a kahriz to tell somebody; smaller changes are kept, not told.

    Below these an instrument's own scatter (learned) and its rating's uncertainty are the limit.
    """

    model_config = _CONFIG
    fall: float = Field(0.06, gt=0, lt=1)
    """Part of the outlet's flow whose loss matters, where another instrument confirms it."""
    lone_fall: float = Field(0.15, gt=0, lt=1)
    """The same where the outlet is alone."""
    rise: float = Field(0.35, gt=0)
    """Part by which the flow has to rise to be a surge."""
    level_m: float = Field(0.010, gt=0, le=1)
    """Change of a shaft's level that confirms [m]."""
    lone_level_m: float = Field(0.04, gt=0, le=5)
    """Change of a level for which its sensor is blamed, all else being as it was [m]."""
    off_curve_m: float = Field(0.008, gt=0, le=1)
    """Distance of a level from what the flow explains, over half a day, that is no chance [m]."""
    loss: float = Field(0.045, gt=0, lt=1)
    """Part of the water lost on the way to the village, beyond the usual."""
    drought: float = Field(0.14, gt=0, lt=1)
    """Part of the flow lost in three weeks, being below the mean of eleven; four fifths of it
    where the water was steady before."""
    battery_v: float = Field(0.3, gt=0)
    """Fall of a battery's mean day [V]."""


LONGEST_NAME = 24
"""Characters of a kahriz's, a village's and a district's name: with these limits a text of any
kind fits into one SMS folded and into two in full letters (docs/alerts.md)."""

LONGEST_CALL = 40
"""Characters of whom to call, with the number; never cut from a text."""

LONGEST_ACCESS_NOTE = 60
"""Characters of the note on the way to the shafts; never cut from a text."""

OneLine = Annotated[str, AfterValidator(one_line)]
Name = Annotated[str, Field(max_length=LONGEST_NAME), AfterValidator(one_line)]


class Kahriz(BaseModel):
    """One gallery system and the people who live by it."""

    model_config = _CONFIG
    id: Slug
    name: Name
    village: Name
    district: Name
    timezone: str = "Asia/Baku"
    country: str = DEFAULT_COUNTRY
    """Two letters; whose national notation the contacts' numbers may be in."""
    use: Literal["drinking", "irrigation"] = "drinking"
    people: int | None = Field(None, gt=0)
    households: int | None = Field(None, gt=0)
    contact_for_repair: OneLine = Field("", max_length=LONGEST_CALL)
    """Whom the committee calls, as it stands in the text: "kankan Əli +994..."."""
    access_note: OneLine = Field("", max_length=LONGEST_ACCESS_NOTE)
    """Repeated by every message that sends somebody to a shaft (mines, bad air)."""
    norms: tuple[Norm, ...] = DEFAULT_NORMS
    site: tuple[Site, ...] = Field(min_length=1)
    device: tuple[Device, ...] = ()
    contact: tuple[Contact, ...] = ()
    detect: Detect = Detect()
    """From which size on a change is told."""
    placeholder: tuple[str, ...] = ()
    """Fields whose value is a placeholder, not public or not yet known."""

    @field_validator("timezone")
    @classmethod
    def _zone_exists(cls, name: str) -> str:
        try:
            ZoneInfo(name)
        except (KeyError, ValueError, OSError) as error:
            raise ValueError(f"{name!r} is no IANA time zone") from error
        return name

    @field_validator("country")
    @classmethod
    def _country_has_numbers(cls, country: str) -> str:
        return country_code(country)

    @field_validator("contact", mode="before")
    @classmethod
    def _contacts_dial_as_their_kahriz(cls, contacts: Any, info: ValidationInfo) -> Any:
        country = info.data.get("country", DEFAULT_COUNTRY)
        if not isinstance(contacts, list | tuple):
            return contacts
        return [{"country": country} | c if isinstance(c, dict) else c for c in contacts]

    @model_validator(mode="after")
    def _devices_measure_here(self) -> Kahriz:
        _refuse_twice("device", [d.id for d in self.device])
        sensors = [sensor for site in self.site for sensor in site.sensor]
        for device in self.device:
            channels = {sensor.channel for sensor in sensors if sensor.device == device.id}
            if not channels:
                raise ValueError(f"device {device.id!r} has no sensor on kahriz {self.id!r}")
            for entry in device.channel:
                if entry.channel not in channels:
                    valid = ", ".join(sorted(channels))
                    raise ValueError(
                        f"device {device.id!r} has no sensor with channel {entry.channel!r}:"
                        f" valid are {valid}"
                    )
        return self

    @property
    def zone(self) -> ZoneInfo:
        """The zone its local days are counted in."""
        return ZoneInfo(self.timezone)

    @property
    def served(self) -> int | None:
        """People served; from households where nobody counted people; None: nobody counted."""
        if self.people is not None:
            return self.people
        return None if self.households is None else self.households * PEOPLE_A_HOUSEHOLD

    def lpcd(self, discharge_lps: float | None) -> float | None:
        """Return litres a person and day at a flow; None: not known, or nobody drinks it."""
        if discharge_lps is None or not self.served or self.use != "drinking":
            return None
        return discharge_lps * _DAY_S / self.served

    @property
    def is_served_assumed(self) -> bool:
        """Whether `served` rests on the assumed size of a household."""
        return self.people is None and self.households is not None

    def sites_of(self, kind: SiteKind) -> tuple[Site, ...]:
        """Return the sites of one kind, in the order of the file."""
        return tuple(site for site in self.site if site.kind == kind)

    @property
    def delivery(self) -> DatastreamId | None:
        """The discharge that counts as delivered: the delivery line's, else the outlet's."""
        site = self.delivery_site
        return None if site is None else datastream_id(self.id, site.id, Property.DISCHARGE)

    @property
    def delivery_site(self) -> Site | None:
        """Where `delivery` is measured."""
        line = self.measuring(SiteKind.DELIVERY_LINE, Property.DISCHARGE)
        return line or self.measuring(SiteKind.OUTLET, Property.DISCHARGE)

    def measuring(self, kind: SiteKind, prop: Property) -> Site | None:
        """Return the first site of a kind at which a property is measured, or rated."""
        for site in self.sites_of(kind):
            is_rated = prop is Property.DISCHARGE and bool(site.rating)
            if is_rated or any(sensor.measures is prop for sensor in site.sensor):
                return site
        return None


@dataclass(frozen=True, slots=True)
class Datastream:
    """One property of one site in one unit; `sensor` is None where a rating derives it."""

    id: DatastreamId
    kahriz: Kahriz
    site: Site
    measures: Property
    sensor: Sensor | None

    @property
    def unit(self) -> str:
        """The unit of its values."""
        return PROPERTIES[self.measures].unit


class Registry(BaseModel):
    """Everything sites.toml says, and the tables made from it once."""

    model_config = ConfigDict(frozen=True, extra="forbid", ignored_types=(cached_property,))
    kahriz: tuple[Kahriz, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Registry:
        _refuse_twice("kahriz", [k.id for k in self.kahriz])
        for k in self.kahriz:
            _refuse_twice(f"site of kahriz {k.id!r}", [s.id for s in k.site])
        _refuse_twice("sensor", [f"{s.device}/{s.channel}" for s in self._sensors()])
        _refuse_twice("datastream", [d.id for d in self._derive_datastreams()])
        self._refuse_device_of_two()
        return self

    def _refuse_device_of_two(self) -> None:
        owners: dict[str, str] = {}
        for k in self.kahriz:
            for device in (s.device for site in k.site for s in site.sensor):
                owner = owners.setdefault(device, k.id)
                if owner != k.id:
                    raise ValueError(
                        f"device {device!r} is on kahriz {owner!r} and on {k.id!r}: whose committee"
                        " is told when it falls silent?"
                    )

    def _sensors(self) -> list[Sensor]:
        return [s for k in self.kahriz for site in k.site for s in site.sensor]

    def _derive_datastreams(self) -> tuple[Datastream, ...]:
        found: list[Datastream] = []
        for k in self.kahriz:
            for site in k.site:
                for sensor in site.sensor:
                    prop = sensor.measures
                    found.append(
                        Datastream(datastream_id(k.id, site.id, prop), k, site, prop, sensor)
                    )
                if site.rating:
                    prop = Property.DISCHARGE
                    found.append(
                        Datastream(datastream_id(k.id, site.id, prop), k, site, prop, None)
                    )
        return tuple(found)

    @cached_property
    def datastreams(self) -> tuple[Datastream, ...]:
        """Every datastream, measured or derived by a rating; positions index hot-path tables."""
        return self._derive_datastreams()

    @cached_property
    def index(self) -> Mapping[DatastreamId, int]:
        """Position of each datastream in `datastreams`."""
        return {d.id: i for i, d in enumerate(self.datastreams)}

    @cached_property
    def channels(self) -> Mapping[str, Mapping[str, int]]:
        """Device -> channel -> position in `datastreams`: how a reading is resolved."""
        table: dict[str, dict[str, int]] = {}
        for i, d in enumerate(self.datastreams):
            if d.sensor is not None:
                table.setdefault(d.sensor.device, {})[d.sensor.channel] = i
        return table

    @cached_property
    def devices(self) -> Mapping[str, Kahriz]:
        """The kahriz each device belongs to."""
        return {d.sensor.device: d.kahriz for d in self.datastreams if d.sensor is not None}

    @cached_property
    def payloads(self) -> Mapping[str, Device]:
        """How the payload of each device is read that has an entry of its own."""
        return {d.id: d for k in self.kahriz for d in k.device}

    def find(self, kahriz: str) -> Kahriz:
        """Return one kahriz; NotFoundError if there is none of that id."""
        for k in self.kahriz:
            if k.id == kahriz:
                return k
        raise NotFoundError("kahriz", kahriz)

    def datastream(self, id: str) -> Datastream:
        """Return one datastream; NotFoundError if there is none of that id."""
        position = self.index.get(DatastreamId(id))
        if position is None:
            raise NotFoundError("datastream", id)
        return self.datastreams[position]


def flat_line_limit(sensor: Sensor) -> timedelta | None:
    """Return how long a sensor may say the same, or None where it may for ever."""
    return None if sensor.flat_line_h is None else timedelta(hours=sensor.flat_line_h)


def _refuse_twice(what: str, names: list[str]) -> None:
    for name, times in Counter(names).items():
        if times > 1:
            raise ValueError(f"{what} {name!r} is named more than once")


def load_registry(path: Path) -> Registry:
    """Read sites.toml.

    Raises
    ------
    ConfigError
        Names the file, the place in it, the value and, for a misspelt key, the nearest right one.
    """
    data = read_toml(path, "copy sites.example.toml to begin")
    try:
        return Registry.model_validate(data)
    except ValidationError as error:
        raise _explained(path, data, error) from error


def _explained(path: Path, data: Mapping[str, Any], error: ValidationError) -> ConfigError:
    first = first_error(error)
    loc = first["loc"]
    if first["type"] == "extra_forbidden":
        key = str(loc[-1])
        problem, hint = f"unknown key {key!r}", closest(key, _keys_at(loc))
        return ConfigError(_where(path, data, loc[:-1]), problem, hint)
    return ConfigError(_where(path, data, loc), problem_of(first))


_LEVELS: dict[str, type[BaseModel]] = {
    "kahriz": Kahriz,
    "site": Site,
    "sensor": Sensor,
    "device": Device,
    "channel": PayloadChannel,
    "rating": RatingEntry,
    "contact": Contact,
    "norms": Norm,
}


def _keys_at(loc: tuple[int | str, ...]) -> list[str]:
    model: type[BaseModel] = Registry
    for part in loc[:-1]:
        model = _LEVELS.get(str(part), model)
    return list(model.model_fields)


def _where(path: Path, data: Mapping[str, Any], loc: tuple[int | str, ...]) -> str:
    """Say where, by ids rather than by counting: ``sites.toml: kahriz 'barana' site 'outlet'``."""
    words: list[str] = []
    here: Any = data
    for part in loc:
        try:
            here = here[part]
        except (KeyError, IndexError, TypeError):
            words.append(str(part))
            break
        if isinstance(part, int):
            label = (
                here.get("id") or here.get("channel") or here.get("name")
                if isinstance(here, dict)
                else None
            )
            words.append(repr(label) if label else f"#{part + 1}")
        else:
            words.append(part)
    return ": ".join(part for part in (str(path), " ".join(words)) if part)
