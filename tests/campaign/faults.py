"""What a fault is, and those that hit a process: ingest itself and the broker."""

from __future__ import annotations

import os
import signal
from typing import Protocol

from tests.campaign.ingest_at import STEPS
from tests.campaign.world import World


class Fault(Protocol):
    """Something that goes wrong for a while.

    `shows` is the part that ``/health`` has to name as long as the fault lasts, None where ingest
    cannot know, or need not. After `end` everything measured meanwhile is delivered in 30 s.
    """

    @property
    def name(self) -> str:
        """What it is called in the summary."""

    @property
    def shows(self) -> str | None:
        """What ``/health`` has to name."""

    def begin(self, world: World) -> None:
        """Let it go wrong."""

    def end(self, world: World) -> None:
        """Let it be well again."""


class KillIngest:
    """kill -9 at whatever moment it is, and the next one starts at once."""

    name = "kill -9 ingest"
    shows = None

    def begin(self, world: World) -> None:
        world.kill_ingest()

    def end(self, world: World) -> None:
        world.start_ingest()


class KillIngestAt:
    """kill -9 at one named step of a batch: what is half done is done again."""

    shows = None

    def __init__(self, step: str, on: int = 1) -> None:
        assert step in STEPS
        self._step, self._on = step, on
        self.name = f"kill -9 at {step}"

    def begin(self, world: World) -> None:
        world.kill_ingest()
        at = {"CAMPAIGN_KILL_AT": self._step, "CAMPAIGN_KILL_ON": str(self._on)}
        dying = world.house.start("tests.campaign.ingest_at", environment=at)
        world.ingest = dying
        code = dying.wait(30)
        said = world.house.log("tests.campaign.ingest_at")[-2000:]
        assert code == -signal.SIGKILL, f"it ended with {code} before {self._step}: {said}"

    def end(self, world: World) -> None:
        world.start_ingest()


class FreezeIngest:
    """SIGSTOP in the middle of whatever it does, for some seconds."""

    name = "freeze ingest"
    shows = None

    def begin(self, world: World) -> None:
        os.kill(world.running.pid, signal.SIGSTOP)
        world.pass_(world.chance.uniform(1, 3))

    def end(self, world: World) -> None:
        os.kill(world.running.pid, signal.SIGCONT)


class StopIngest:
    """SIGTERM under load: it drains, ends with 0 in ten seconds, and is started again."""

    name = "SIGTERM ingest"
    shows = None

    def begin(self, world: World) -> None:
        world.house.wait_for_ingest()
        world.stop_ingest()

    def end(self, world: World) -> None:
        world.start_ingest()


class KillBroker:
    """kill -9; what it had not saved is gone."""

    name = "kill -9 broker"
    shows = "mqtt"

    def begin(self, world: World) -> None:
        world.broker.kill()
        world.kills += 1

    def end(self, world: World) -> None:
        world.broker.start()


class WipeBroker:
    """The broker comes back without any session or message."""

    name = "wipe broker"
    shows = "mqtt"

    def begin(self, world: World) -> None:
        world.broker.kill()
        world.kills += 1
        (world.broker.folder / "mosquitto.db").unlink(missing_ok=True)

    def end(self, world: World) -> None:
        world.broker.start()
