"""Do and answer what people send: a text in the book to acts, a reply and a note what became of it.

A text is read, the water is asked for where the answer needs it, and then acts, reply and note are
written down in one transaction: after a crash all of it is there, or nothing and it begins anew.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest.answer_acts import carry_out, queue_reply
from ingest.answer_scene import heard_of, people_of, scene_of
from kahriz.alert.answer import Command
from kahriz.alert.answering import decide, wants_water
from kahriz.alert.answering.noise import why_ignored
from kahriz.alert.answering.scene import Decision, Scene, Water
from kahriz.alert.flowing import flowing, flowing_at
from kahriz.book import Book, inbound
from kahriz.book.inbound import Inbound
from kahriz.errors import StoreUnavailable
from kahriz.logs import in_one_line
from kahriz.sites import Registry
from kahriz.store import Store

_LOG = logging.getLogger(__name__)

A_TIME = 100
"""Texts read from the book at once."""

PATIENCE = timedelta(minutes=10)
"""So long an answer that needs the water's figures waits for a store that is away."""

IGNORED_FOR = timedelta(days=30)
MOST_IGNORED = 10_000
"""Strangers' texts are kept so long and so many, for who wants to know who writes."""


class Answers:
    """Look at what people sent.

    Parameters
    ----------
    registry
        The kahrizes.
    book
        Texts, alerts, contacts; what is done and answered is written there.
    store
        The water's figures.
    at
        Called where a crash could come: ``answer read``, ``answer noted``, ``answer acted``,
        ``answer queued`` and, when all of it is written, ``answer done``. For tests.
    """

    def __init__(
        self,
        registry: Registry,
        book: Book,
        store: Store,
        at: Callable[[str], object] = lambda name: None,
    ) -> None:
        self._kahrizes = {kahriz.id: kahriz for kahriz in registry.kahriz}
        self._book = book
        self._store = store
        self._at = at
        self._is_away = False

    def step(self, now: datetime) -> int:
        """Look at every text that waits; return how many were done or put aside."""
        looked_at, last = 0, 0
        self._is_away = False
        while True:
            with self._book.read() as connection:
                texts = inbound.waiting(connection, A_TIME, after=last)
            for text in texts:
                looked_at += self._look_at(text, now)
            if len(texts) < A_TIME:
                return looked_at
            last = texts[-1].id

    def _look_at(self, text: Inbound, now: datetime) -> bool:
        try:
            with self._book.read() as connection:
                scene, why = self._read(connection, text, now)
            if scene is None:
                return self._put_aside(text, why, now)
            if (water := self._water(scene)) is None:
                return False
            decision = decide(scene, water)
        except StoreUnavailable:
            raise
        except Exception as error:  # one text that nobody foresaw must not hold up the others
            _LOG.exception("text not understood by the service itself", extra={"text": text.id})
            return self._put_aside(text, f"could not be looked at: {in_one_line(error)}", now)
        self._at("answer read")
        return self._write(text, scene, decision, now)

    def _read(
        self, connection: Connection, text: Inbound, now: datetime
    ) -> tuple[Scene | None, str]:
        address, people = people_of(connection, text, self._kahrizes)
        heard = heard_of(connection, text, address, is_known=bool(people), now=now)
        if why := why_ignored(heard):
            return None, why
        return scene_of(connection, text, address, people, self._kahrizes, now), ""

    def _water(self, scene: Scene) -> Water | None:
        """Return the water's figures that an answer needs; None: the store is away, wait for it."""
        id = wants_water(scene)
        if id is None:
            return Water()
        kahriz = self._kahrizes[id]
        # One that hangs is asked once a step: behind this text an acknowledgement may wait.
        if not self._is_away:
            try:
                if scene.said.command is Command.GAUGING:
                    return flowing_at(self._store, kahriz, scene.at)
                return flowing(self._store, kahriz, scene.now)
            except StoreUnavailable as error:
                self._is_away = True
                _LOG.debug("no figures to answer with", extra={"reason": in_one_line(error)})
        return None if scene.now - scene.at < PATIENCE else Water()

    def _put_aside(self, text: Inbound, why: str, now: datetime) -> bool:
        with self._book.begin() as connection:
            inbound.forget(connection, now - IGNORED_FOR, MOST_IGNORED)
            return inbound.done(connection, text.id, command=None, outcome=why, is_ignored=True)

    def _write(self, text: Inbound, scene: Scene, decision: Decision, now: datetime) -> bool:
        with self._book.begin() as connection:
            is_ours = inbound.done(
                connection,
                text.id,
                command=scene.said.command.value,
                outcome=decision.outcome,
                kahriz=decision.kahriz,
                alert_id=decision.alert,
            )
            if not is_ours:
                return False
            self._at("answer noted")
            carry_out(connection, scene, decision, text.id)
            self._at("answer acted")
            queue_reply(connection, scene, decision, text.id)
            self._at("answer queued")
        self._at("answer done")
        _LOG.info(
            "text answered",
            extra={"text": text.id, "command": scene.said.command.value, "made": decision.outcome},
        )
        return True
