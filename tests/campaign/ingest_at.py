"""Ingest that ends itself with SIGKILL at a named step: ``python -m tests.campaign.ingest_at``.

``CAMPAIGN_KILL_AT`` names the step of a batch (`ingest.pipeline`), of a text's hand-over
(`ingest.sender`), of an answer (`ingest.answers`) or of a changed rating (`ingest.restate`),
``CAMPAIGN_KILL_ON`` says at which of its calls, counted from 1. Nothing is flushed, no handler
runs: what is on the disk then is what a crash leaves.
"""

from __future__ import annotations

import os
import signal

from ingest.worker import Worker
from kahriz import logs
from kahriz.settings import load_settings
from kahriz.sites import load_registry

STEPS = ("received", "written", "recorded", "acknowledged")
"""Of a batch."""
HAND_OVER = ("claimed", "handed over", "noted", "marked")
"""Of a text on its way to the gateways."""
ANSWERING = ("answer read", "answer noted", "answer acted", "answer queued", "answer done")
"""Of what somebody sent."""
RESTATING = ("discharge written", "discharge marked")
"""Of a chunk of discharge that is derived again."""
ALL = STEPS + HAND_OVER + ANSWERING + RESTATING


class KillAt:
    """Ends the process at the `on`-th call of one step."""

    def __init__(self, step: str, on: int) -> None:
        if step not in ALL:
            raise ValueError(f"step {step!r} is none of {', '.join(ALL)}")
        self._step = step
        self._left = on

    def __call__(self, name: str) -> None:
        if name not in ALL:
            raise ValueError(f"ingest knows a step {name!r} that is none of {ALL}")
        if name == self._step:
            self._left -= 1
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


def main() -> None:
    settings = load_settings()
    logs.setup(settings.log_level)
    at = KillAt(os.environ["CAMPAIGN_KILL_AT"], int(os.environ["CAMPAIGN_KILL_ON"]))
    Worker(settings, load_registry(settings.sites), at=at).run()


if __name__ == "__main__":
    main()
