"""What is deployed: one frozen model; defaults < kahriz.toml < environment; wiring builds it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from kahriz.clock import Clock, scaled_clock, system_clock
from kahriz.errors import ConfigError

PREFIX = "KAHRIZ_"
_CONFIG = ConfigDict(frozen=True, extra="forbid")


class MqttSettings(BaseModel):
    """Where the broker is and who we are there."""

    model_config = _CONFIG
    host: str = "127.0.0.1"
    port: int = Field(1883, ge=1, le=65535)
    username: str = ""
    password: SecretStr = SecretStr("")
    client_id: str = "kahriz-ingest"
    tls_ca: Path | None = None
    protocol: Literal["auto", "5", "3.1.1"] = "auto"
    """MQTT version; auto: 5, and 3.1.1 where the broker does not know 5."""
    shared_group: str = ""
    """Name of an MQTT shared subscription, where several ingest workers share the load."""
    max_inflight: int = Field(8000, ge=1, le=65535)
    """Messages the broker may send us before we acknowledge the first."""


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
    max_batch: int = Field(5000, ge=1, le=100_000)
    """Messages written together at most."""
    future_tolerance_s: float = Field(120.0, ge=0)
    """A device's time this far ahead of ours is still believed."""
    oldest_days: float = Field(7300.0, gt=0)
    """A device's time longer ago than this is not believed."""
    retry_max_s: float = Field(30.0, gt=0)
    """Longest pause between two tries at a store that is down."""
    metrics_host: str = "127.0.0.1"
    metrics_port: int = Field(0, ge=0, le=65535)
    """Where ingest answers /metrics and /health; port 0 takes any free one and logs it."""


class NotifySettings(BaseModel):
    """How messages leave."""

    model_config = _CONFIG
    notifiers: tuple[str, ...] = ("console", "file")
    """Every message is handed to each of these."""


class ClockSettings(BaseModel):
    """A pretended time that runs faster than the wall clock; for the demo and for tests."""

    model_config = _CONFIG
    speed: float = Field(1.0, gt=0)
    origin: datetime | None = None
    started: datetime | None = None

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


class Settings(BaseSettings):
    """Everything an operator can set, apart from what is measured (sites.toml)."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        env_prefix=PREFIX,
        env_nested_delimiter="__",
        toml_file="kahriz.toml",
    )
    data_dir: Path = Path("var")
    sites: Path = Path("sites.toml")
    log_level: str = "INFO"
    mqtt: MqttSettings = MqttSettings()
    api: ApiSettings = ApiSettings()
    store: StoreSettings = StoreSettings()
    book: BookSettings = BookSettings()
    ingest: IngestSettings = IngestSettings()
    notify: NotifySettings = NotifySettings()
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
        return init_settings, _WithoutFiles(settings_cls), TomlConfigSettingsSource(settings_cls)

    @property
    def store_url(self) -> str:
        """The store's address, the default filled in."""
        return self.store.url or f"sqlite:///{self.data_dir / 'observations.sqlite'}"

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
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        hint = _closest(where, _valid_names()) if first["type"] == "extra_forbidden" else ""
        raise ConfigError(
            f"settings: {where}", f"{first['msg']} (got {first.get('input')!r})", hint
        ) from error


def _valid_names() -> list[str]:
    names: list[str] = []
    for name, info in Settings.model_fields.items():
        if isinstance(info.annotation, type) and issubclass(info.annotation, BaseModel):
            names += [f"{name}.{inner}" for inner in info.annotation.model_fields]
        else:
            names.append(name)
    return names


def _closest(name: str, valid: list[str]) -> str:
    near = difflib.get_close_matches(name, valid, n=1)
    return f"did you mean {near[0]!r}?" if near else "valid: " + ", ".join(valid)


def _refuse_unknown_environment() -> None:
    # pydantic-settings ignores an unknown top-level variable: a typo would pass in silence.
    valid = _valid_names()
    allowed = {PREFIX + name.replace(".", "__").upper() for name in valid}
    allowed |= {name + "_FILE" for name in allowed}
    for name in os.environ:
        if (
            name.startswith(PREFIX)
            and name.upper() not in allowed
            and not name.startswith("KAHRIZ_DEMO_")
        ):
            key = name.removeprefix(PREFIX).replace("__", ".").lower()
            raise ConfigError(
                f"environment variable {name}", "no such setting", _closest(key, valid)
            )


def _secrets_from_files() -> dict[str, Any]:
    """Read ``KAHRIZ_<SETTING>_FILE``: the way containers hand over secrets."""
    found: dict[str, Any] = {}
    for name in _valid_names():
        variable = PREFIX + name.replace(".", "__").upper() + "_FILE"
        if path := os.environ.get(variable):
            try:
                value = Path(path).read_text(encoding="utf-8").strip()
            except OSError as error:
                raise ConfigError(f"environment variable {variable}", str(error)) from error
            group, _, key = name.rpartition(".")
            if group:
                found.setdefault(group, {})[key] = value
            else:
                found[key] = value
    return found
