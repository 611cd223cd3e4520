"""What the demo keeps between two starts: secrets nobody else may read, a key, and the time."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from kahriz.book import Book, keys
from kahriz.cli.demo import (
    _demo_key,
    _demo_users,
    _free_port,
)
from kahriz.clock import system_clock
from kahriz.deploy import INGEST_USER
from kahriz.errors import ConfigError
from kahriz.settings import Settings
from kahriz.sites import Registry, load_registry


@pytest.fixture
def registry() -> Registry:
    return load_registry(Path("sites.example.toml"))


def test_every_device_and_ingest_keep_a_token_of_their_own(
    tmp_path: Path, registry: Registry
) -> None:
    folder = tmp_path / "var" / "demo"
    users = _demo_users(folder, registry)
    again = _demo_users(folder, registry)

    assert users == again
    assert set(users) == {INGEST_USER, *registry.devices}
    assert len(set(users.values())) == len(users)
    assert (folder / "credentials").stat().st_mode & 0o777 == 0o600


def test_a_folder_that_cannot_be_made_is_one_line_that_names_it(
    tmp_path: Path, registry: Registry
) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(ConfigError, match=r"data_dir: .*file/demo: Not a directory"):
        _demo_users(tmp_path / "file" / "demo", registry)


def test_the_key_that_is_shown_is_one_the_book_knows(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    key = _demo_key(settings, system_clock)
    assert _demo_key(settings, system_clock) == key
    assert (tmp_path / "api-key").stat().st_mode & 0o777 == 0o600
    for file in tmp_path.glob("book.sqlite*"):
        file.unlink()
    other = _demo_key(settings, system_clock)
    (tmp_path / "api-key").write_text("")
    third = _demo_key(settings, system_clock)

    book = Book(settings.book_url)
    with book.read() as connection:
        scopes = {keys.verify(connection, shown, system_clock()).scope for shown in (other, third)}
    book.close()
    assert scopes == {keys.Scope.WRITE}
    assert len({key, other, third}) == 3


def test_a_port_in_use_is_avoided_unless_it_was_asked_for() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = int(taken.getsockname()[1])
        notes: list[str] = []
        other = _free_port("api.port", "127.0.0.1", port, False, notes)

        assert port < other < port + 50
        assert notes == [f"port {port} is in use: api.port is {other} (KAHRIZ_API__PORT chooses)"]
        with pytest.raises(ConfigError, match=f"api.port: port {port} on 127.0.0.1: .*in use"):
            _free_port("api.port", "127.0.0.1", port, True, notes)
