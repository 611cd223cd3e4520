"""A village whose gallery collapses, its service, and the phones of those who are told of it.

Real are the broker, ingest, the API, gammu-smsd and what they say to each other; played are the
water and the devices (`firmware_sim`) and the modem (`tests.fake_modem`). Broker, SMSD and modem
live by the wall clock; water, devices, ingest and API by a pretended one that runs `speed` times as
fast. So a second in which SMSD looks for texts is two minutes of an alert's life at a speed of 120,
and every step is asserted to the minutes that allows.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from kahriz.clock import Clock, iso, scaled_clock
from tests import servers
from tests.e2e.processes import ROOT, House, get, wait_until
from tests.fake_modem import FakeModem
from tests.smsd import in_sqlite, sqlite_tables

ORIGIN = datetime(2026, 3, 2, 5, 40, tzinfo=UTC)
"""Where the pretended time begins: a morning, out of everybody's quiet hours."""

CHAIR, DEPUTY, DIGGER = "+994500000001", "+994500000002", "+994500000003"
"""Whom Agh Dere has."""
OTHER_CHAIR, OTHER_DEPUTY, OTHER_DIGGER = "+994500000011", "+994500000012", "+994500000013"
"""Whom Barana has."""
ENGINEER = "+994500000009"
"""Of both."""

_CONTACT = """\
[[kahriz.contact]]
name = "{name}"
role = "{role}"
phone = "{phone}"
language = "az"
"""
_COLLAPSE = """
[[trouble]]
kind = "blockage"
kahriz = "{kahriz}"
at_h = {at_h}
duration_h = {duration_h}
severity = 0.6
onset_min = 10
rise_m = 0.35
rise_h = 1.5
"""


@dataclass(frozen=True, slots=True)
class Shown:
    """A text as a phone shows it, and when by the pretended clock."""

    at: datetime
    number: str
    text: str


@dataclass(frozen=True, slots=True)
class Story:
    """An alert as the API tells it."""

    said: dict[str, Any]

    def at(self, what: str, reason: str = "", contact: str = "") -> list[datetime]:
        """Return when something happened, in order."""
        return [
            datetime.fromisoformat(event["at"])
            for event in self.said["timeline"]
            if event["what"] == what
            and reason in ("", event["reason"])
            and contact in ("", event["contact"])
        ]

    def texts(self) -> list[tuple[str, str]]:
        """Return who was sent a text about it and why, in order."""
        return [(m["contact"], m["reason"]) for m in reversed(self.said["messages"])]


@dataclass
class Village:
    """The service and everything around it; what happened is read from the modem and the API."""

    house: House
    modem: FakeModem
    scenario: Path
    clock: Clock = field(default=lambda: ORIGIN)
    answers: list[Shown] = field(default_factory=list)
    _speed: float = 1.0

    @contextmanager
    def at_speed(self, speed: float, *, with_ingest: bool = True) -> Iterator[None]:
        """Run water, devices, ingest and API from the instant it is, `speed` times as fast."""
        began, started = self.clock(), datetime.now(UTC)
        self._speed = speed
        self.clock = scaled_clock(began, started, speed)
        self.house.extra = dict(self.house.extra) | {
            "KAHRIZ_CLOCK__ORIGIN": iso(began),
            "KAHRIZ_CLOCK__STARTED": started.isoformat(),
            "KAHRIZ_CLOCK__SPEED": str(speed),
        }
        state = str(self.house.folder / "simulator")
        play = ("firmware_sim", "run", str(self.scenario), "--state", state)
        with ExitStack() as running:
            if with_ingest:
                running.enter_context(self.house.run("ingest"))
            running.enter_context(self.house.run("api"))
            running.enter_context(self.house.run(*play))
            yield
            ends = self.clock()
        self.clock = lambda: ends

    def ingest_dies_at(self, step: str, on: int = 1) -> None:
        """Run ingest until it kills itself at a step of its work (`tests.campaign.ingest_at`)."""
        at = {"CAMPAIGN_KILL_AT": step, "CAMPAIGN_KILL_ON": str(on)}
        dying = self.house.start("tests.campaign.ingest_at", environment=at)
        try:
            code = dying.wait(60)
        finally:
            dying.kill()
            dying.wait()
        assert code == -signal.SIGKILL, self.house.log("tests.campaign.ingest_at")[-2000:]

    def shown(self, to: str = "") -> list[Shown]:
        """Return what phones have shown, of all or of one; every text here is one part."""
        parts = list(zip(self.modem.sent_at, self.modem.sent, strict=False))
        assert all(part.joins is None for _, part in parts)
        return [Shown(at, part.number, part.text) for at, part in parts if to in ("", part.number)]

    def wait_for_text(self, to: str, n: int, seconds: float = 30) -> Shown:
        """Return the `n`-th text to a phone as soon as it shows it."""
        self.modem.wait_for(lambda _: len(self.shown(to)) >= n, seconds)
        return self.shown(to)[n - 1]

    def answer(self, number: str, text: str) -> None:
        """Let somebody send a text."""
        self.modem.receive(number, text)
        self.answers.append(Shown(self.clock(), number, text))

    def story(self, kahriz: str) -> Story:
        """Return what the API says of the blockage of a kahriz."""
        url = f"{self.house.api}/api/v1/alerts"
        found = get(f"{url}?kahriz={kahriz}")["alerts"]
        (id,) = [alert["id"] for alert in found if alert["kind"] == "blockage"]
        return Story(get(f"{url}/{id}"))

    def let_pass(self, until: datetime) -> None:
        """Let pretended time pass."""
        seconds = max((until - self.clock()).total_seconds(), 0) / self._speed
        wait_until(lambda: self.clock() >= until, f"it is {iso(until)}", seconds + 5)


@contextmanager
def village(folder: Path, collapse: datetime, cleared: datetime) -> Iterator[Village]:
    """Set everything up but what lives by the pretended clock.

    Parameters
    ----------
    collapse
        When the galleries of Agh Dere and Barana fall in.
    cleared
        When the diggers have cleared Agh Dere; Barana stays blocked.
    """
    smsd = folder / "smsd"
    settings = {
        "KAHRIZ_SITES": str(_sites(folder)),
        "KAHRIZ_NOTIFY__NOTIFIERS": '["gammu"]',
        "KAHRIZ_NOTIFY__GAMMU__URL": sqlite_tables(smsd),
    }
    with ExitStack() as stack:
        broker = stack.enter_context(servers.mosquitto())
        modem = stack.enter_context(FakeModem())
        stack.enter_context(servers.gammu_smsd(modem.path, in_sqlite(smsd)))
        house = House(folder, broker.port, settings)
        found = Village(house, modem, _scenario(folder, collapse, cleared))
        modem.clock = lambda: found.clock()
        yield found


def _sites(folder: Path) -> Path:
    """Write the shipped registry with a deputy and a digger at two kahrizes."""
    text = (ROOT / "sites.example.toml").read_text(encoding="utf-8")
    for chair, deputy, digger in (
        (CHAIR, DEPUTY, DIGGER),
        (OTHER_CHAIR, OTHER_DEPUTY, OTHER_DIGGER),
    ):
        block = _CONTACT.format(name="Committee chair", role="chair", phone=chair)
        assert text.count(block) == 1
        more = _CONTACT.format(name="Deputy", role="deputy", phone=deputy)
        more += _CONTACT.format(name="Digger", role="digger", phone=digger)
        text = text.replace(block, block + more)
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return path


def _scenario(folder: Path, collapse: datetime, cleared: datetime) -> Path:
    """Write the shipped three kahrizes, with two days of history and other troubles."""
    shipped = ROOT / "firmware_sim" / "scenarios" / "three_kahrizes.toml"
    text, cut, _ = shipped.read_text(encoding="utf-8").partition("# --- What goes wrong")
    assert cut
    text = text.replace("history_days = 30", "history_days = 2")
    hour = timedelta(hours=1)
    at_h = (collapse - ORIGIN) / hour
    for kahriz, lasts in (("agh-dere", cleared - collapse), ("barana", timedelta(days=2))):
        text += _COLLAPSE.format(kahriz=kahriz, at_h=at_h, duration_h=lasts / hour)
    path = folder / "two_collapses.toml"
    path.write_text(text, encoding="utf-8")
    return path
