"""What is deployed: one frozen model; defaults < kahriz.toml < environment; wiring builds it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import (
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    InitSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)

from kahriz.clock import Clock, scaled_clock, system_clock
from kahriz.configured import (
    CURRENCY_PATTERN,
    GROUP_PATTERN,
    closest,
    first_error,
    problem_of,
    read_toml,
)
from kahriz.errors import ConfigError

PREFIX = "KAHRIZ_"
FILE = Path("kahriz.toml")
_CONFIG = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)
_SECRET = ("password", "token", "secret", "callback_secret", "ping_url", "fail_url")
_OWN_PREFIXES = ("KAHRIZ_DEMO_",)

Level = Annotated[
    Literal["DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL"],
    BeforeValidator(lambda said: said.upper() if isinstance(said, str) else said),
]


class MqttSettings(BaseModel):
    """Where the broker is and who we are there."""

    model_config = _CONFIG
    host: str = Field("127.0.0.1", min_length=1)
    port: int = Field(1883, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = Field("kahriz-ingest", min_length=1)
    tls_ca: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """MQTT version; auto: 5, and 3.1.1 where the broker does not know 5."""
    transport: Literal["tcp", "websockets"] = "tcp"
    """How the broker is reached; WebSocket passes where only the web does, and costs more."""
    websocket_path: str = Field("/mqtt", pattern="^/")
    """Path of the broker's WebSocket."""
    shared_group: str = Field("", pattern=GROUP_PATTERN)
    """Name of an MQTT shared subscription, where several ingest workers share the load."""
    max_inflight: int = Field(20_000, ge=1, le=65535)
    """Messages the broker may send us before we acknowledge the first."""
    max_waiting_mb: int = Field(32, ge=1, le=4096)
    """Payloads that may wait to be stored; what is more stays in the network and at the broker."""


class ApiSettings(BaseModel):
    """Where the API listens and who may read without a key."""

    model_config = _CONFIG
    host: str = "127.0.0.1"
    port: int = Field(8000, ge=1, le=65535)
    open_reads: bool = False
    """Readers on the loopback interface need no key (the demo)."""


class StoreSettings(BaseModel):
    """Where observations become durable."""

    model_config = _CONFIG
    url: str = ""
    """``sqlite:///FILE``, ``memory://`` or ``influxdb://HOST:PORT/BUCKET?org=...``;
    empty: ``observations.sqlite`` in the data directory."""
    token: SecretStr = SecretStr("")
    """InfluxDB token (2.x, 3.x), or ``user:password`` (1.8)."""


class BookSettings(BaseModel):
    """Where everything mutable lives: alerts, rollups, ledger, keys."""

    model_config = _CONFIG
    url: str = ""
    """An SQLAlchemy URL, SQLite or PostgreSQL; empty: ``book.sqlite`` in the data directory."""


class IngestSettings(BaseModel):
    """How readings are gathered into batches."""

    model_config = _CONFIG
    max_batch: int = Field(10_000, ge=1, le=100_000)
    """Messages written together at most."""
    future_tolerance_s: float = Field(120.0, ge=0, le=86_400)
    """A device's time this far ahead of ours is still believed."""
    oldest_days: float = Field(7300.0, gt=0, le=36_500)
    """A device's time longer ago than this is not believed."""
    device_rate: float = Field(50.0, gt=0, le=100_000)
    """Messages a second that one device may go on sending."""
    device_burst: int = Field(20_000, ge=1, le=10_000_000)
    """Messages that one device may send at once after a silence, as a backlog."""
    retry_max_s: float = Field(30.0, gt=0, le=3600)
    """Longest pause between two tries at a store that is down."""
    intake_log_hours: float = Field(48.0, ge=0, le=8760)
    """How long every message is kept as it came; 0: not at all."""
    intake_log_mb: int = Field(1024, ge=1, le=1_000_000)
    """MiB of it at most; beyond, the oldest goes first."""
    ballast_mb: int = Field(16, ge=0, le=100_000)
    """Megabytes kept in reserve in the data directory for a full disk; 0: none."""
    disk_warn_mb: int = Field(256, ge=0)
    """Free megabytes below which /health warns."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where ingest answers /metrics and /health; port 0 takes any free one and logs it."""


class GammuSettings(BaseModel):
    """Where gammu-smsd, which drives a local modem, has its database."""

    model_config = _CONFIG
    url: str = ""
    """An SQLAlchemy URL: ``sqlite:////var/lib/gammu/smsd.db`` or ``postgresql+psycopg://...``."""
    phone: str = Field("", max_length=255)
    """``PhoneID`` of the SMSD that is to send; empty: any."""
    reports: bool = True
    """Ask the network for delivery reports."""
    patience_s: float = Field(120.0, ge=1, le=86_400)
    """Seconds for which SMSD may be silent before it counts as dead."""


class HttpGatewaySettings(BaseModel):
    """The SMS gateway that is asked over HTTP."""

    model_config = _CONFIG
    preset: str = ""
    """``twilio``, ``kannel``, ``android``, ``aggregator``, or a TOML file of one's own."""
    url: str = ""
    """The gateway's address, where the preset has none."""
    account: str = ""
    """Who we are there."""
    secret: SecretStr = SecretStr("")
    """Password or token of the account."""
    sender: str = ""
    """Number or name that texts come from."""
    callback: str = Field("", pattern="^(https?://.*[^/])?$")
    """Our own address as the gateway sees it, ``https://HOST``; empty: it cannot call us."""
    callback_secret: SecretStr = SecretStr("")
    """What the gateway says when it calls us."""
    allow_private: bool = False
    """The gateway may be on this host or in its network."""
    timeout_s: float = Field(30.0, ge=1, le=300)
    """Seconds until an answer has to be there."""


class EmailSettings(BaseModel):
    """The mail server that takes messages to engineers."""

    model_config = _CONFIG
    host: str = ""
    port: int = Field(587, ge=1, le=65535)
    security: Literal["starttls", "tls", "none"] = "starttls"
    """none: only where the server is on this host."""
    username: str = ""
    password: SecretStr = SecretStr("")
    sender: str = ""
    """Address that messages come from."""
    timeout_s: float = Field(30.0, ge=1, le=300)


class NotifySettings(BaseModel):
    """How messages leave."""

    model_config = _CONFIG
    notifiers: tuple[str, ...] = ("console", "file")
    """Every message is handed to each of these that takes its channel."""
    texts_a_person: int = Field(60, ge=1)
    """SMS to one number in a month; beyond, only what is urgent is sent."""
    parts_a_kahriz: int = Field(200, ge=1)
    """SMS, by parts, of one kahriz in a month; beyond, only what is urgent is sent."""
    price_a_part: float = Field(0.0, ge=0, le=1000)
    """What the gateway asks for one SMS; what a text of two parts costs twice."""
    currency: str = Field("AZN", pattern=CURRENCY_PATTERN)
    """Of that price, three letters."""
    gammu: GammuSettings = GammuSettings()
    http: HttpGatewaySettings = HttpGatewaySettings()
    email: EmailSettings = EmailSettings()


class HeartbeatSettings(BaseModel):
    """Who outside is told every minute that everything lives: whoever hears nothing calls."""

    model_config = _CONFIG
    ping_url: SecretStr = SecretStr("")
    """Asked (GET) while everything works; empty: nobody is told. Its path is often the secret."""
    fail_url: SecretStr = SecretStr("")
    """Told (POST, the reason as text) when something does not; empty: silence has to do."""
    every_s: float = Field(60.0, ge=10)
    allow_private: bool = False
    """Whether the addresses may be of this machine or its network."""


class ClockSettings(BaseModel):
    """A pretended time that runs faster than the wall clock; for the demo and for tests."""

    model_config = _CONFIG
    speed: float = Field(1.0, gt=0)
    origin: AwareDatetime | None = None
    started: AwareDatetime | None = None

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        given = [name for name in ("origin", "started") if getattr(self, name) is not None]
        if len(given) == 1 or (not given and self.speed != 1):
            said = given[0] if given else f"speed {self.speed:g}"
            raise ValueError(f"{said} alone: origin and started belong together")
        return self

    def clock(self) -> Clock:
        """Return the clock these settings describe."""
        if self.origin is None or self.started is None:
            return system_clock
        return scaled_clock(self.origin, self.started, self.speed)


class _WithoutFiles(EnvSettingsSource):
    """The environment without ``KAHRIZ_<SETTING>_FILE``, which `_secrets_from_files` reads."""

    def _load_env_vars(self) -> Mapping[str, str | None]:
        given = super()._load_env_vars()
        return {name: value for name, value in given.items() if not name.endswith("_file")}

    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        """Return the list that a variable says as JSON."""
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError as error:
            name = next(n for n in _valid_names() if n.endswith(field_name))
            raise ConfigError(
                _variable(name), f"{value!r} is not JSON", 'like ["console"]'
            ) from error


class Settings(BaseSettings):
    """Everything an operator can set, apart from what is measured (sites.toml)."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
    )
    data_dir: Path = Path("var")
    sites: Path = Path("sites.toml")
    log_level: Level = "INFO"
    mqtt: MqttSettings = MqttSettings()
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    book: BookSettings = BookSettings()
    ingest: IngestSettings = IngestSettings()
    notify: NotifySettings = NotifySettings()
    heartbeat: HeartbeatSettings = HeartbeatSettings()
    clock: ClockSettings = ClockSettings()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Environment before kahriz.toml before defaults."""
        said = InitSettingsSource(settings_cls, _said_by_file())
        return init_settings, _WithoutFiles(settings_cls), said

    @property
    def store_url(self) -> str:
        """The store's address, the default filled in."""
        return self.store.url or f"sqlite:///{self.data_dir / 'observations.sqlite'}"

    @property
    def intake_log(self) -> Path:
        """The folder of the raw intake."""
        return self.data_dir / "intake"

    @property
    def book_url(self) -> str:
        """The book's address, the default filled in."""
        return self.book.url or f"sqlite:///{self.data_dir / 'book.sqlite'}"


def load_settings(**overrides: Any) -> Settings:
    """Return the settings of this process.

    Raises
    ------
    ConfigError
        A key is unknown (the closest valid one is named) or a value out of its limits.
    """
    _refuse_unknown_environment()
    try:
        return Settings(**_secrets_from_files(), **overrides)
    except ValidationError as error:
        raise _explained(error) from error


def _explained(error: ValidationError) -> ConfigError:
    first = first_error(error)
    name = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":  # the environment's own are refused before
        # Its value may be a secret under a misspelt name.
        valid = _valid_names() if "." in name else list(Settings.model_fields)
        return ConfigError(f"{FILE}: {name}", "no such setting", closest(name, valid))
    is_secret = first["loc"][-1] in _SECRET
    return ConfigError(_source(name), problem_of(first, is_secret=is_secret))


def _source(name: str) -> str:
    """Say where the value of a setting comes from: the environment goes before the file."""
    variable = _variable(name)
    given = sorted(key.upper() for key in os.environ)
    own = (variable, variable + "_FILE")
    # Of a group that is wrong as a whole, the first variable.
    found = next((v for v in given if v in own or v.startswith(variable + "__")), None)
    return f"environment variable {found}" if found else f"{FILE}: {name}"


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "__").upper()


def _said_by_file() -> dict[str, Any]:
    if not FILE.exists():
        return {}
    said = read_toml(FILE)
    for name, info in Settings.model_fields.items():
        if _is_group(info) and not isinstance(said.get(name, {}), dict):
            # The environment's settings of the group would hide it otherwise.
            raise ConfigError(f"{FILE}: {name}", f"{said[name]!r} is no table", f"[{name}]")
    return said


def _is_group(info: FieldInfo) -> bool:
    return isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel)


def _valid_names(model: type[BaseModel] | None = None, group: str = "") -> list[str]:
    names: list[str] = []
    for name, info in (model or Settings).model_fields.items():
        kind = info.annotation
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            names += _valid_names(kind, f"{group}{name}.")
        else:
            names.append(group + name)
    return names


def _refuse_unknown_environment() -> None:
    # pydantic-settings ignores an unknown top-level variable: a typo would pass in silence.
    valid = [_variable(name) for name in _valid_names()]
    allowed = {*valid, *(name + "_FILE" for name in valid)}
    for name in os.environ:
        asked = name.upper()
        if (
            asked.startswith(PREFIX)
            and asked not in allowed
            and not asked.startswith(_OWN_PREFIXES)
        ):
            hint = closest(asked, valid)
            raise ConfigError(f"environment variable {name}", "no such setting", hint)


def _secrets_from_files() -> dict[str, Any]:
    """Read ``KAHRIZ_<SETTING>_FILE``: the way containers hand over secrets."""
    found: dict[str, Any] = {}
    for name in _valid_names():
        variable = _variable(name) + "_FILE"
        if path := os.environ.get(variable):
            *groups, key = name.split(".")
            place = found
            for group in groups:
                place = place.setdefault(group, {})
            place[key] = _secret_in(variable, Path(path))
    return found


def _secret_in(variable: str, path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except UnicodeDecodeError as error:
        raise ConfigError(f"environment variable {variable}", f"{path} is not UTF-8") from error
    except OSError as error:
        problem = f"{path}: {error.strerror or error}"
        raise ConfigError(f"environment variable {variable}", problem) from error
