"""A book with three kahrizes and their people, their water in a store, and phones to write from."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from ingest.answers import Answers
from kahriz.book import Book, alerts, contacts, gaugings, inbound, messages, silences
from kahriz.book.alerts import Alert
from kahriz.book.gaugings import Gauging
from kahriz.book.inbound import Inbound
from kahriz.book.messages import OutboxMessage
from kahriz.book.silences import Silence
from kahriz.clock import to_datetime64, to_ms
from kahriz.detect import AUDIENCE, Kind
from kahriz.observations import ObservationBatch, Quality, datastream_id
from kahriz.sites import Kahriz, Registry
from kahriz.store import Store
from kahriz.store.memory import MemoryStore
from kahriz.units import Property
from tests.water import NOW

CHAIR, DEPUTY, ENGINEER, OTHER = (f"+99450000000{n}" for n in (1, 2, 9, 7))
STRANGER = "+994500000066"
MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
NOTE = "Mina təhlükəsi: yalnız təmizlənmiş yolla gedin (ANAMA)"


def place(id: str, name: str, contact: list[dict[str, str]], **said: Any) -> Kahriz:
    """Return a kahriz with a weir at its outlet."""
    sensors = [{"device": f"{id}-outlet", "channel": "stage_m"}]
    rating = [{"method": "v_notch_90", "valid_from": "2020-01-01"}]
    site = {"id": "outlet", "kind": "outlet", "name": "g", "sensor": sensors, "rating": rating}
    values = {
        "id": id,
        "name": name,
        "village": "Kənd",
        "district": "Göygöl",
        "people": 2500,
        "contact_for_repair": "kankan +994 50 000 00 03",
        "site": [site],
        "contact": contact,
    }
    return Kahriz.model_validate(values | said)


def person(name: str, role: str, phone: str, language: str = "en", **said: str) -> dict[str, str]:
    """Return a contact as the registry's file has one."""
    return {"name": name, "role": role, "phone": phone, "language": language} | said


ENGINEERS = person("Engineer", "engineer", ENGINEER, email="engineer@example.org")
REGISTRY = Registry(
    kahriz=(
        place(
            "k", "Ağ Dərə", [person("Chair", "chair", CHAIR), person("Deputy", "deputy", DEPUTY)]
        ),
        place("barana", "Barana", [ENGINEERS, person("Other", "chair", OTHER, "az")]),
        place("velibey", "Vəlibəy", [ENGINEERS], access_note=NOTE, people=None),
    )
)


@cache
def _empty_book() -> bytes:
    """Return a new book's file: made once, its migrations take longer than a test."""
    with TemporaryDirectory() as folder:
        file = Path(folder) / "book.sqlite"
        book = Book(f"sqlite:///{file}")
        book.migrate()
        book.close()
        return file.read_bytes()


def _book(folder: Path) -> Book:
    folder.mkdir(exist_ok=True)
    file = folder / "book.sqlite"
    if not file.exists():
        file.write_bytes(_empty_book())
    return Book(f"sqlite:///{file}")


class House:
    """The service's book, store and answers; `now` goes on by `passes`."""

    def __init__(
        self,
        folder: Path,
        registry: Registry = REGISTRY,
        store: Store | None = None,
        at: Callable[[str], object] = lambda name: None,
        book: Book | None = None,
    ) -> None:
        self.now = NOW
        self.registry = registry
        self.store = store or MemoryStore()
        self.book = book or _book(folder)
        self.answers = Answers(registry, self.book, self.store, at)
        self._references = count(1)
        with self.book.begin() as connection:
            contacts.import_file(connection, registry, NOW)

    def passes(self, time: timedelta) -> None:
        """Let time pass."""
        self.now += time

    def flows(self, kahriz: str, lps: Mapping[timedelta, float], stage_m: float = 0.1) -> None:
        """Let an outlet have said figures, each so long before now."""
        stream = datastream_id(kahriz, "outlet", Property.DISCHARGE)
        stage = datastream_id(kahriz, "outlet", Property.STAGE)
        times = np.array([to_datetime64(self.now - ago) for ago in lps] * 2)
        n = len(lps)
        which = np.repeat(np.array([0, 1], np.int32), n)
        value = np.array([*lps.values(), *[stage_m] * n])
        good = np.full(2 * n, Quality.GOOD, np.uint8)
        self.store.write(ObservationBatch((stream, stage), which, times, value, good))

    def fires(self, kahriz: str = "k", kind: Kind = Kind.DECLINE, **said: Any) -> Alert:
        """Let an alert fire."""
        now = to_ms(self.now)
        values: dict[str, Any] = {
            "kahriz": kahriz,
            "kind": kind.value,
            "key": "",
            "audience": AUDIENCE[kind].value,
            "state": "firing",
            "since_ms": now,
            "pending_at_ms": now,
            "fired_at_ms": now,
            "last_seen_ms": now,
            "resolved_at_ms": None,
            "acknowledged_at_ms": None,
            "acknowledged_by": None,
            "detector": "gallery",
            "evidence": {},
            "explanation": "x",
            "updated_at_ms": now,
        }
        with self.book.begin() as connection:
            return alerts.add(connection, values | said)

    def tells(self, address: str, *of: Alert, reason: str = "first", state: str = "queued") -> int:
        """Let one text tell an address of alerts."""
        step = next(self._references)
        values = {
            "key": f"{address} {step}",
            "contact": "x",
            "address": address,
            "reason": reason,
            "language": "en",
            "text": " ".join(f"#{alert.code} {alert.kahriz}: trouble" for alert in of),
            "encoding": "gsm7",
            "parts": 1,
            "created_at_ms": to_ms(self.now),
            "due_at_ms": to_ms(self.now),
            "expires_at_ms": to_ms(self.now + 12 * HOUR),
        }
        row = {"address": address, "reason": reason, "step": step, "at_ms": to_ms(self.now)}
        with self.book.begin() as connection:
            id = messages.queue(connection, values)
            assert id is not None
            messages.note(connection, id, [{**row, "alert_id": a.id, "gravity": 0.5} for a in of])
        return id

    def hears(self, address: str, text: str, at: datetime | None = None) -> None:
        """Let a text arrive, without looking at it."""
        with self.book.begin() as connection:
            reference = str(next(self._references))
            inbound.arrive(connection, "file", reference, address, text, at or self.now)

    def sends(self, address: str, text: str) -> str | None:
        """Let somebody send a text; return what is answered, None: nothing."""
        before = {message.id for message in self.texts()}
        self.hears(address, text)
        self.answers.step(self.now)
        new = [m for m in self.texts() if m.id not in before and m.reason == "answer"]
        assert len(new) <= 1
        return new[0].text if new else None

    def texts(self) -> list[OutboxMessage]:
        """Return the outbox, oldest first."""
        with self.book.read() as connection:
            return sorted(messages.list_messages(connection, limit=1000), key=lambda m: m.id)

    def inbox(self) -> list[Inbound]:
        """Return what came in, oldest first."""
        with self.book.read() as connection:
            return inbound.list_inbound(connection, limit=1000)[::-1]

    def alert(self, alert: Alert) -> Alert:
        """Return an alert as it is now."""
        with self.book.read() as connection:
            return alerts.find(connection, alert.id)

    def timeline(self, alert: Alert) -> list[tuple[str, str]]:
        """Return what happened to an alert, and by whom."""
        with self.book.read() as connection:
            return [(e.what, e.detail) for e in alerts.timeline(connection, alert.id)]

    def gaugings(self) -> list[Gauging]:
        """Return what was measured by hand."""
        with self.book.read() as connection:
            return gaugings.list_gaugings(connection)

    def silences(self) -> list[Silence]:
        """Return the silences."""
        with self.book.read() as connection:
            return silences.list_silences(connection)

    def stopped(self) -> set[str]:
        """Return who wants no texts."""
        with self.book.read() as connection:
            return contacts.opted_out(connection)
