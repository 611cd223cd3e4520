"""Everything mutable, in SQL: alerts and outbox, rollups, ledger, dead letters, keys, audit log.

SQLAlchemy Core; SQLite by default, PostgreSQL where several hosts share it. One module a concern,
each a handful of functions that take a `Connection` and change nothing beyond their transaction;
callers open it: ``with book.begin() as connection: ...``.
"""

from kahriz.book.book import REFUSED, Book

__all__ = ["REFUSED", "Book"]
