"""The book's schema, step by step; each release brings an older book up to date by itself."""

from __future__ import annotations

import logging
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import Connection

from kahriz.errors import ConfigError

_log = logging.getLogger(__name__)


def is_current(connection: Connection) -> bool:
    """Return whether the schema is the newest this release knows."""
    return _present(connection) == _newest()


def upgrade(connection: Connection) -> None:
    """Bring the schema up to date inside the transaction of `connection`.

    Raises
    ------
    ConfigError
        A newer release wrote this book.
    """
    before = _present(connection)
    if before == _newest():
        return
    # Alembic narrates every step; the one line below says what an operator needs.
    logging.getLogger("alembic").setLevel(logging.WARNING)
    config = _config()
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise ConfigError(
            "book",
            f"its schema {before!r} is not known to this release: a newer one wrote it",
            "run that release, or give the book another place",
        ) from error
    _log.info("book brought up to date", extra={"before": before, "after": _newest()})


def _present(connection: Connection) -> str | None:
    return MigrationContext.configure(connection).get_current_revision()


@cache
def _newest() -> str | None:
    return ScriptDirectory.from_config(_config()).get_current_head()


def _config() -> Config:
    config = Config()
    # Values pass through configparser's interpolation: a "%" in the path stands for itself.
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config
