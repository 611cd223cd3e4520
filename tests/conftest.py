"""Fixtures several folders of tests share, and what a missing server means.

A test marked ``server`` skips with Debian's install line where the server is not installed; with
``CI=true`` in the environment that skip is a failure, so nothing goes untested in silence.
`make test` runs two tests at a time (docs/decisions/0014-two-tests-at-a-time.md); `Turns` sees to
it that a test marked ``alone`` is the only one.
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from tests import servers
from tests.servers import ProgramMissingError, Server
from tests.turns import Turns


def pytest_configure(config: pytest.Config) -> None:
    if hasattr(config, "workerinput"):
        # Each worker has a folder of its own in that of the run.
        config.pluginmanager.register(Turns(Path(config.option.basetemp).parent))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_setup() -> Generator[None, None, None]:
    try:
        yield
    except ProgramMissingError as missing:
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call() -> Generator[None, None, None]:
    try:
        yield
    except ProgramMissingError as missing:
        pytest.skip(str(missing))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    in_ci = os.environ.get("CI", "").lower() == "true"
    if report.skipped and in_ci and item.get_closest_marker("server") is not None:
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"CI=true: a test that needs a server may not skip ({reason})"
    return report


@pytest.fixture
def mosquitto() -> Iterator[Server]:
    """Run an anonymous broker of the test's own, nothing persistent."""
    with servers.mosquitto() as server:
        yield server


@pytest.fixture(scope="session")
def influxd() -> Iterator[Server]:
    """Run one InfluxDB 1.6 for the whole run; a test takes a database of its own."""
    with servers.influxd() as server:
        yield server


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """Run one PostgreSQL for the whole run."""
    with servers.postgres() as server:
        yield server


@pytest.fixture
def postgres_url(postgres: Server) -> str:
    """Return the SQLAlchemy URL of an empty PostgreSQL database."""
    return servers.postgres_database(postgres, f"t{uuid.uuid4().hex}")
