"""What the contracts of the book share: an empty one, in each database that may hold it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from kahriz.book import Book


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.server)])
def book(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Book]:
    is_postgres = request.param == "postgres"
    url = request.getfixturevalue("postgres_url") if is_postgres else f"sqlite:///{tmp_path}/b"
    opened = Book(url)
    opened.migrate()
    yield opened
    opened.close()
