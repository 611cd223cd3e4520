from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from kahriz.book import Book
from tests.integration.api.client import BOOK, Api


@pytest.fixture(scope="session")
def empty_book(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a book with nothing in it yet, to be copied: making one takes a tenth of a second."""
    path = tmp_path_factory.mktemp("book") / BOOK
    book = Book(f"sqlite:///{path}")
    book.migrate()
    book.close()
    return path


@pytest.fixture
def folder(tmp_path: Path, empty_book: Path) -> Path:
    """Return a data directory with an empty book."""
    shutil.copy(empty_book, tmp_path / BOOK)
    return tmp_path


@pytest.fixture
def api(folder: Path) -> Iterator[Api]:
    """Run an API whose reads are open on this machine; nothing measured yet."""
    with Api(folder) as running:
        yield running


@pytest.fixture
def closed_api(folder: Path) -> Iterator[Api]:
    """Run an API that asks everybody for a key."""
    with Api(folder, open_reads=False) as running:
        yield running
