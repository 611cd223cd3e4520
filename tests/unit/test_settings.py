"""Defaults, then kahriz.toml, then the environment; a mistake is one line and never a secret."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from pydantic import ValidationError

from ingest.worker import intake_log_of
from kahriz.clock import system_clock
from kahriz.errors import ConfigError
from kahriz.settings import Settings, load_settings


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in an empty folder with nothing set."""
    for name in os.environ:
        if name.upper().startswith("KAHRIZ_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_with_nothing_said_everything_is_on_this_machine_and_closed() -> None:
    settings = load_settings()

    assert (settings.mqtt.host, settings.mqtt.port) == ("127.0.0.1", 1883)
    assert (settings.api.host, settings.api.port) == ("127.0.0.1", 8000)
    assert not settings.api.open_reads
    assert settings.store_url == "sqlite:///var/observations.sqlite"
    assert settings.book_url == "sqlite:///var/book.sqlite"
    assert settings.clock.clock() is system_clock


def test_the_environment_goes_before_the_file_key_by_key(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "kahriz.toml").write_text('data_dir = "d"\n[mqtt]\nhost = "broker"\nport = 1884\n')
    monkeypatch.setenv("KAHRIZ_MQTT__PORT", "1999")
    settings = load_settings()

    assert (settings.mqtt.host, settings.mqtt.port) == ("broker", 1999)
    assert settings.book_url == "sqlite:///d/book.sqlite"


def test_a_secret_comes_from_a_file_and_shows_nowhere(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "secret").write_text("s3cret\n")
    monkeypatch.setenv("KAHRIZ_MQTT__PASSWORD_FILE", str(folder / "secret"))
    monkeypatch.setenv("KAHRIZ_MQTT__USERNAME", "ingest")
    settings = load_settings()

    assert settings.mqtt.password.get_secret_value() == "s3cret"
    assert settings.mqtt.username == "ingest", "beside the file the environment still counts"
    assert "s3cret" not in repr(settings)


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("KAHRIZ_MQTT__PROT", "1883", "did you mean 'KAHRIZ_MQTT__PORT'?"),
        ("KAHRIZ_MQTT__PORT", "70000", "above 65535"),
        ("KAHRIZ_MQTT__PORT", "many", "not a whole number"),
        ("KAHRIZ_MQTT__HOST", "", "is empty"),
        ("KAHRIZ_MQTT__SHARED_GROUP", "a/b", "expected a name without / + #"),
        ("KAHRIZ_LOG_LEVEL", "loud", "'DEBUG', 'INFO'"),
        ("KAHRIZ_NOTIFY__NOTIFIERS", "console", 'like ["console"]'),
        ("KAHRIZ_INGEST__OLDEST_DAYS", "inf", "not a finite number"),
        ("KAHRIZ_INGEST__RETRY_MAX_S", "0", "not above 0"),
        ("KAHRIZ_CLOCK__ORIGIN", "2026-01-01T00:00:00", "no time zone"),
        ("KAHRIZ_CLOCK__SPEED", "300", "origin and started belong together"),
        ("KAHRIZ_MQTT__PASSWORD_FILE", "/no/such/file", "No such file"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str, problem: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError) as refused:
        load_settings()

    line = str(refused.value)
    assert problem in line
    assert name.removesuffix("__ORIGIN").removesuffix("__SPEED") in line
    assert "\n" not in line


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"[mqtt\n", "line 1"),
        (b'log_level = "\xff"', "not UTF-8"),
        (b'[store]\ntokn = "s3cret"\n', "did you mean 'store.token'?"),
        (b"[mqtt]\npassword = 537\n", "mqtt.password: not a text"),
        (b'[mqtt]\npassword = "s3cret\n', "line 2"),
        (b'[store]\ntoken = "s3cret" x\n', "line 2"),
        (b"mqtt = 1\n", "is no table"),
    ],
)
def test_a_wrong_file_is_one_line_without_its_secrets(
    folder: Path, content: bytes, problem: str
) -> None:
    (folder / "kahriz.toml").write_bytes(content)
    with pytest.raises(ConfigError) as refused:
        load_settings()

    line = str(refused.value)
    assert "kahriz.toml" in line
    assert problem in line
    assert "s3cret" not in line
    assert "537" not in line
    assert "\n" not in line


def test_settings_stay_as_they_were_read() -> None:
    settings = Settings()

    with pytest.raises(ValidationError, match="frozen"):
        settings.log_level = "DEBUG"  # type: ignore[misc]


def test_a_pretended_clock_runs_as_fast_as_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    started = datetime.now(UTC)
    monkeypatch.setenv("KAHRIZ_CLOCK__ORIGIN", "2026-01-01T04:00:00+04:00")
    monkeypatch.setenv("KAHRIZ_CLOCK__STARTED", (started - timedelta(hours=1)).isoformat())
    monkeypatch.setenv("KAHRIZ_CLOCK__SPEED", "24")
    now = load_settings().clock.clock()()

    assert abs(now - datetime(2026, 1, 2, tzinfo=UTC)) < timedelta(minutes=10)


@pytest.mark.parametrize(("hours", "is_kept"), [("0", False), ("48", True)])
def test_the_raw_intake_is_kept_for_so_many_hours_or_not_at_all(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, hours: str, is_kept: bool
) -> None:
    monkeypatch.setenv("KAHRIZ_DATA_DIR", str(tmp_path))
    monkeypatch.setenv("KAHRIZ_INGEST__INTAKE_LOG_HOURS", hours)
    log = intake_log_of(load_settings())

    assert (log is not None and log.folder == tmp_path / "intake") == is_kept


def test_a_secret_of_a_group_in_a_group_comes_from_its_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("s3cret\n", encoding="utf-8")
    monkeypatch.setenv("KAHRIZ_NOTIFY__HTTP__SECRET_FILE", str(tmp_path / "secret"))
    monkeypatch.setenv("KAHRIZ_NOTIFY__HTTP__ACCOUNT", "AC1")
    http = load_settings().notify.http

    assert (http.secret.get_secret_value(), http.account) == ("s3cret", "AC1")


def test_a_misspelt_setting_of_a_group_in_a_group_is_refused_with_the_right_name(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("KAHRIZ_NOTIFY__HTTP__ACOUNT", "AC1")
    with pytest.raises(ConfigError, match="KAHRIZ_NOTIFY__HTTP__ACCOUNT"):
        load_settings()
