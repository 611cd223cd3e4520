from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import Engine, create_engine, text

from kahriz.errors import ConfigError, DeliveryError
from kahriz.notify import Message
from kahriz.notify.gammu import PARTS_PATIENCE, GammuNotifier
from kahriz.notify.gammu_sql import Smsd
from kahriz.settings import GammuSettings, NotifySettings, Settings
from tests.smsd import postgres_tables, sqlite_tables

pytestmark = pytest.mark.server

NOW = datetime(2026, 11, 22, 6, tzinfo=UTC)
MESSAGE = Message(300, "+994500000001", "Chair", "az", "#K1 Barana", "gsm7", 1, NOW)
IN_PARTS = replace(MESSAGE, text="ə" * 150, encoding="ucs2", parts=3)


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return sqlite_tables(tmp_path)
    return postgres_tables(request.getfixturevalue("postgres_url"))


@pytest.fixture
def notifier(url: str) -> Iterator[GammuNotifier]:
    smsd = Smsd(url)
    yield GammuNotifier(smsd, "sim1")
    smsd.close()


@pytest.fixture
def run(url: str) -> Iterator[Callable[[str], list[tuple[object, ...]]]]:
    """Do as SMSD itself would, in its own words."""
    engine: Engine = create_engine(url)

    def run(statement: str) -> list[tuple[object, ...]]:
        quoted = statement.replace("`", '"')
        with engine.begin() as connection:
            done = connection.execute(text(quoted))
            return [tuple(row) for row in done] if done.returns_rows else []

    yield run
    engine.dispose()


Run = Callable[[str], list[tuple[object, ...]]]


def test_a_long_text_is_a_row_a_part_with_headers_that_belong_together(
    notifier: GammuNotifier, run: Run
) -> None:
    notifier.send(IN_PARTS)
    first = run("SELECT `UDH`, length(`TextDecoded`), `Coding`, `SenderID` FROM outbox")
    others = run(
        "SELECT `UDH`, length(`TextDecoded`), `SequencePosition` FROM outbox_multipart ORDER BY 3"
    )

    assert first == [("0500032C0301", 67, "Unicode_No_Compression", "sim1")]
    assert others == [("0500032C0302", 67, 2), ("0500032C0303", 16, 3)]


def test_a_text_handed_over_again_after_a_crash_is_there_once(
    notifier: GammuNotifier, run: Run
) -> None:
    assert notifier.send(MESSAGE) == notifier.send(MESSAGE)
    assert run("SELECT count(*) FROM outbox") == [(1,)]

    move_to_sent(run, "SendingOK")
    notifier.send(MESSAGE)
    assert run("SELECT count(*) FROM outbox") == [(0,)]


def test_a_book_that_began_anew_is_not_told_its_text_went_out_long_ago(
    notifier: GammuNotifier, run: Run
) -> None:
    notifier.send(MESSAGE)
    notifier.send(replace(MESSAGE, created_at=NOW + timedelta(days=30)))

    assert run("SELECT count(*) FROM outbox") == [(2,)]


def test_a_text_is_due_at_once_wherever_the_clock_stands(notifier: GammuNotifier, run: Run) -> None:
    notifier.send(MESSAGE)
    due = run(
        "SELECT count(*) FROM outbox WHERE `SendingDateTime` < '1980-01-01'"
        " AND `SendingTimeOut` < '1980-01-01'"
    )

    assert due == [(1,)]


@pytest.mark.parametrize(
    ("statuses", "state"),
    [
        (["DeliveryOK", "DeliveryOK", "DeliveryOK"], "delivered"),
        (["DeliveryOK", "DeliveryOK", "SendingOK"], None),
        (["SendingOKNoReport"] * 3, None),
        (["DeliveryOK", "DeliveryFailed", "SendingOK"], "failed"),
        (["SendingOK", "SendingError"], "failed"),
    ],
)
def test_a_text_in_parts_is_delivered_when_all_are_and_failed_when_one_is(
    notifier: GammuNotifier, run: Run, statuses: list[str], state: str | None
) -> None:
    reference = notifier.send(IN_PARTS).reference
    move_to_sent(run, *statuses)
    found = [(fate.reference, fate.state) for fate in notifier.news(NOW).fates]

    assert found == ([] if state is None else [(reference, state)])


def test_a_fate_is_told_until_it_is_taken(notifier: GammuNotifier, run: Run) -> None:
    reference = notifier.send(MESSAGE).reference
    move_to_sent(run, "DeliveryOK")
    assert len(notifier.news(NOW).fates) == len(notifier.news(NOW).fates) == 1

    notifier.taken([reference])
    assert notifier.news(NOW).fates == ()
    assert notifier.send(MESSAGE).reference == reference
    assert run("SELECT count(*) FROM outbox") == [(0,)]


def test_a_text_that_is_too_late_is_taken_back_unless_it_is_being_sent(
    notifier: GammuNotifier, run: Run
) -> None:
    late = replace(IN_PARTS, expires_at=NOW)
    reference = notifier.send(late).reference
    run("UPDATE outbox SET `SendingTimeOut` = '2999-01-01 00:00:00'")
    assert notifier.news(NOW).fates == ()

    run("UPDATE outbox SET `SendingTimeOut` = '1999-01-01 00:00:00'")
    assert [(f.reference, f.state) for f in notifier.news(NOW).fates] == [(reference, "expired")]
    assert len(notifier.news(NOW).fates) == 1
    assert run("SELECT count(*) FROM outbox") == run("SELECT count(*) FROM outbox_multipart")
    assert run("SELECT count(*) FROM outbox") == [(0,)]


def test_parts_of_an_answer_are_joined_and_missing_ones_not_waited_for_for_ever(
    notifier: GammuNotifier, run: Run
) -> None:
    come_in(run, "0500034D0302", "water ")
    come_in(run, "", "1", number="+994500000002")
    come_in(run, "0500034D0301", "No ")
    first = notifier.news(NOW)
    assert [(a.address, a.text) for a in first.arrived] == [("+994500000002", "1")]

    waited = notifier.news(NOW + PARTS_PATIENCE)
    assert [a.text for a in waited.arrived] == ["No water ", "1"]

    come_in(run, "0500034D0303", "here")
    whole = notifier.news(NOW + PARTS_PATIENCE)
    assert [a.text for a in whole.arrived] == ["No water here", "1"]

    notifier.taken([a.reference for a in whole.arrived])
    assert notifier.news(NOW + PARTS_PATIENCE).arrived == ()


def test_what_others_put_into_the_outbox_is_none_of_our_business(
    notifier: GammuNotifier, run: Run
) -> None:
    run("INSERT INTO outbox (`CreatorID`, `TextDecoded`) VALUES ('someone 1-2 3', 'x')")

    assert notifier.news(NOW).fates == ()
    assert run("SELECT count(*) FROM outbox") == [(1,)]


@pytest.mark.parametrize(
    ("lifetime", "validity"),
    [
        (None, -1),
        (timedelta(minutes=1), 0),
        (timedelta(minutes=5), 0),
        (timedelta(hours=12), 143),
        (timedelta(hours=12, minutes=30), 144),
        (timedelta(hours=24), 167),
        (timedelta(days=2), 168),
        (timedelta(days=30), 196),
        (timedelta(days=300), 196),
    ],
)
def test_the_network_may_try_for_as_long_as_the_text_is_worth_it(
    notifier: GammuNotifier, run: Run, lifetime: timedelta | None, validity: int
) -> None:
    expires = None if lifetime is None else NOW + lifetime
    notifier.send(replace(MESSAGE, expires_at=expires))

    assert run("SELECT `RelativeValidity` FROM outbox") == [(validity,)]


def test_an_smsd_that_never_ran_or_has_other_tables_is_a_trouble(
    notifier: GammuNotifier, run: Run
) -> None:
    assert notifier.trouble() == "gammu-smsd, or its modem, has not been heard of since it began"

    run("UPDATE gammu SET `Version` = 14")
    assert notifier.trouble() == "SMSD's tables are of version 14, not 17"


def test_a_database_that_is_not_there_is_worth_another_try_and_is_not_made(tmp_path: Path) -> None:
    notifier = GammuNotifier(Smsd(f"sqlite:///{tmp_path / 'smsd.db'}"))
    with pytest.raises(DeliveryError, match="SMSD's database: unable to open") as failed:
        notifier.send(MESSAGE)

    assert not failed.value.permanent
    assert "unable to open" in str(notifier.trouble())
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("url", ["", "smsd.db", "mysql://localhost/smsd"])
def test_a_database_that_cannot_be_meant_is_refused_at_the_start(url: str) -> None:
    settings = Settings(notify=NotifySettings(gammu=GammuSettings(url=url)))
    with pytest.raises(ConfigError, match=r"notify\.gammu\.url"):
        GammuNotifier.from_settings(settings)


def move_to_sent(run: Run, *statuses: str) -> None:
    """Send what is in the outbox, with these results part by part."""
    ((row, creator),) = run("SELECT `ID`, `CreatorID` FROM outbox")
    for position, status in enumerate(statuses, 1):
        run(
            "INSERT INTO sentitems (`ID`, `SequencePosition`, `Status`, `CreatorID`, `Text`, `UDH`,"
            f" `SenderID`) VALUES ({row}, {position}, '{status}', '{creator}', '', '', '')"
        )
    run("DELETE FROM outbox")
    run("DELETE FROM outbox_multipart")


def come_in(run: Run, header: str, said: str, number: str = "+994500000001") -> None:
    run(
        "INSERT INTO inbox (`SenderNumber`, `UDH`, `TextDecoded`, `Text`, `RecipientID`)"
        f" VALUES ('{number}', '{header}', '{said}', '', '')"
    )
