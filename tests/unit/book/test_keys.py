from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Connection, select

from kahriz.book import Book, audit, keys
from kahriz.book.tables import api_key
from kahriz.errors import NotFoundError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
DAY = timedelta(days=1)


@pytest.fixture
def connection(tmp_path: Path) -> Iterator[Connection]:
    book = Book(f"sqlite:///{tmp_path / 'book.sqlite'}")
    book.migrate()
    with book.begin() as opened:
        yield opened
    book.close()


def test_a_new_key_opens_and_says_whose_it_is(connection: Connection) -> None:
    id, token = keys.create(connection, " district office ", keys.Scope.WRITE, NOW)

    key = keys.verify(connection, token, NOW)

    assert token.startswith(f"kz_{id}_")
    assert (key.id, key.name, key.scope, key.expires_at) == (id, "district office", "write", None)


def test_the_secret_is_not_in_the_book(connection: Connection) -> None:
    _, token = keys.create(connection, "office", keys.Scope.READ, NOW)
    secret = token.split("_", 2)[2]

    row = connection.execute(select(api_key)).one()

    assert secret not in repr(tuple(row))
    assert len(secret) >= 43


def test_two_keys_differ_in_id_and_secret(connection: Connection) -> None:
    first = keys.create(connection, "a", keys.Scope.READ, NOW)
    second = keys.create(connection, "a", keys.Scope.READ, NOW)

    assert first[0] != second[0]
    assert first[1].split("_", 2)[2] != second[1].split("_", 2)[2]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda token: token[:-1] + ("a" if token[-1] != "a" else "b"),
        lambda token: token + "x",
        lambda token: token.replace("kz_", "ky_", 1),
        lambda token: token.rpartition("_")[0] + "_",
        lambda token: "kz_00000000_" + token.split("_", 2)[2],
        lambda _: "",
        lambda _: "kz",
        lambda _: "kz__",
        lambda _: "kz_ə_\udcff",
        lambda _: "k" * 100_000,
    ],
)
def test_anything_but_the_very_key_is_not_known(connection: Connection, spoil) -> None:  # type: ignore[no-untyped-def]
    _, token = keys.create(connection, "office", keys.Scope.READ, NOW)

    with pytest.raises(keys.KeyRefused, match="not known"):
        keys.verify(connection, spoil(token), NOW)


def test_a_key_ends_at_the_instant_it_expires(connection: Connection) -> None:
    _, token = keys.create(connection, "office", keys.Scope.READ, NOW, lifetime=DAY)

    assert keys.verify(connection, token, NOW + DAY - timedelta(milliseconds=1)).name == "office"
    with pytest.raises(keys.KeyRefused, match="expired"):
        keys.verify(connection, token, NOW + DAY)


def test_a_revoked_key_opens_nothing_and_keeps_its_first_date(connection: Connection) -> None:
    id, token = keys.create(connection, "office", keys.Scope.READ, NOW)
    keys.revoke(connection, id, NOW)

    again = keys.revoke(connection, id, NOW + DAY)

    assert again.revoked_at == NOW
    with pytest.raises(keys.KeyRefused, match="revoked"):
        keys.verify(connection, token, NOW)


def test_revoking_an_unknown_id_names_it(connection: Connection) -> None:
    with pytest.raises(NotFoundError, match="'nosuch'"):
        keys.revoke(connection, "nosuch", NOW)


@pytest.mark.parametrize(
    ("name", "lifetime", "named"), [("  ", None, "'  '"), ("x", timedelta(0), "0:00:00")]
)
def test_a_key_without_a_name_or_a_life_is_refused(
    connection: Connection, name: str, lifetime: timedelta | None, named: str
) -> None:
    with pytest.raises(ValueError, match=named):
        keys.create(connection, name, keys.Scope.READ, NOW, lifetime)


def test_keys_are_listed_oldest_first(connection: Connection) -> None:
    keys.create(connection, "late", keys.Scope.READ, NOW + DAY)
    keys.create(connection, "early", keys.Scope.WRITE, NOW)

    listed = keys.list_keys(connection)

    assert [(k.name, k.state(NOW)) for k in listed] == [("early", "active"), ("late", "active")]


def test_write_covers_read_and_read_does_not_cover_write() -> None:
    assert keys.Scope.WRITE.covers(keys.Scope.READ)
    assert keys.Scope.READ.covers(keys.Scope.READ)
    assert not keys.Scope.READ.covers(keys.Scope.WRITE)


def test_the_audit_log_gives_back_the_newest_first_and_no_more_than_asked(
    connection: Connection,
) -> None:
    for n in range(3):
        audit.append(connection, NOW + n * DAY, "office", "alert.acknowledge", {"alert": n})

    entries = audit.list_entries(connection, limit=2)

    assert [e.detail for e in entries] == [{"alert": 2}, {"alert": 1}]
    assert (entries[0].who, entries[0].what, entries[0].at) == (
        "office",
        "alert.acknowledge",
        NOW + 2 * DAY,
    )
