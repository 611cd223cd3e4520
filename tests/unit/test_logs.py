"""One line an event with its fields; a failure is said when it begins and when it ends."""

from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from kahriz.logs import FieldsFormatter, Once, in_one_line, setup, without_secrets


def line(message: str, **fields: object) -> str:
    record = logging.makeLogRecord({"name": "ingest", "levelname": "INFO", "msg": message} | fields)
    return FieldsFormatter("%(levelname)s %(name)s: %(message)s").format(record)


def test_fields_follow_the_message_and_stay_on_one_line() -> None:
    said = line("dead letter", device="agh-dere", reason="boot -1\nFAKE line", empty="", n=3)

    assert said == (
        r"INFO ingest: dead letter device=agh-dere reason='boot -1\nFAKE line' empty='' n=3"
    )


def test_a_trace_comes_after_the_fields() -> None:
    try:
        raise ValueError("why")
    except ValueError as error:
        said = line("step failed", loop="watch", exc_info=(ValueError, error, error.__traceback__))

    assert said.startswith("INFO ingest: step failed loop=watch\nTraceback")
    assert said.endswith("ValueError: why")


@pytest.fixture
def root() -> Iterator[logging.Logger]:
    logger = logging.getLogger()
    handlers, level = logger.handlers[:], logger.level
    yield logger
    logger.handlers[:] = handlers
    logger.setLevel(level)


def test_set_up_anew_there_is_still_one_line_an_event(
    root: logging.Logger, capsys: pytest.CaptureFixture[str]
) -> None:
    setup("debug")
    setup("info")
    logging.getLogger("ingest").info("started", extra={"store": "memory"})
    logging.getLogger("ingest").debug("unseen")

    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1
    assert lines[0].endswith("INFO ingest: started store=memory")


def test_a_failure_is_said_once_for_each_reason_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    once = Once(logging.getLogger("ingest"))
    with caplog.at_level(logging.INFO):
        once.worked("store")
        for reason in ("refused", "refused", "timeout"):
            once.failed("store", reason)
        once.failed("book", "refused")
        once.worked("store")
        once.worked("store")

    said = [(r.message, getattr(r, "what", ""), getattr(r, "reason", "")) for r in caplog.records]
    assert said == [
        ("failing", "store", "refused"),
        ("failing", "store", "timeout"),
        ("failing", "book", "refused"),
        ("works again", "store", ""),
    ]


def test_what_several_wait_for_is_one_line(caplog: pytest.LogCaptureFixture) -> None:
    once = Once(logging.getLogger("ingest"))
    with caplog.at_level(logging.INFO):
        for _ in range(3):
            for kahriz in ("agh-dere", "barana", "velibey"):
                once.failed(kahriz, "store away")
        once.worked("agh-dere")
        once.failed("barana", "store away")
        once.failed("velibey", "store away")

    said = [(r.message, getattr(r, "what", "")) for r in caplog.records]
    assert said == [("failing", "agh-dere"), ("works again", "agh-dere"), ("failing", "barana")]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("one\ntwo"), "one"),
        (ValueError("\n\n two"), " two"),
        (ValueError(""), "ValueError"),
        (TimeoutError(), "TimeoutError"),
    ],
)
def test_an_error_is_one_line_also_when_it_says_nothing(error: Exception, said: str) -> None:
    assert in_one_line(error) == said


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("influxdb://user:pass@host:8086/b?token=t", "influxdb://***@host:8086/b?***"),
        ("postgresql://u:p@ss@host/db", "postgresql://***@host/db"),
        ("sqlite:////var/lib/kahriz/o.sqlite", "sqlite:////var/lib/kahriz/o.sqlite"),
        ("u:p@host", "***@host"),
        ("", ""),
    ],
)
def test_an_address_is_shown_without_what_may_be_secret(url: str, shown: str) -> None:
    assert without_secrets(url) == shown
