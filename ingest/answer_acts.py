"""What a text comes to, written into the book; everything in the caller's one transaction."""

from __future__ import annotations

from datetime import datetime, timedelta

from sqlalchemy import Connection

from ingest.queued import queue
from kahriz.alert.answer import Command
from kahriz.alert.answering.scene import (
    Act,
    Decision,
    Gauge,
    Mark,
    Mute,
    Scene,
    Start,
    Stop,
    Tell,
)
from kahriz.book import alerts, contacts, gaugings, messages, silences
from kahriz.book.silences import Role

REPLY_EXPIRES = timedelta(hours=2)
"""After the text that is answered: nobody waits for longer."""

NOTICE_EXPIRES = timedelta(hours=24)

_MARKS = {
    Command.ACKNOWLEDGE: alerts.acknowledge,
    Command.ON_SITE: alerts.on_site,
    Command.FALSE_ALARM: alerts.false_alarm,
}


def carry_out(connection: Connection, scene: Scene, decision: Decision, inbound: int) -> None:
    """Do what a text asks for."""
    for act in decision.acts:
        _carry_out(connection, scene, act, inbound)


def queue_reply(connection: Connection, scene: Scene, decision: Decision, inbound: int) -> None:
    """Put the answer into the outbox, also in quiet hours: who asks is awake."""
    if decision.reply is None or decision.reader is None:
        return
    expires = scene.at + REPLY_EXPIRES
    if expires <= scene.now:
        return
    queue(
        connection,
        decision.reader,
        "sms",
        decision.reply,
        key=f"answer {inbound}",
        reason="answer",
        now=scene.now,
        expires=expires,
        address=scene.address,
        kahriz=decision.kahriz,
    )


def _carry_out(connection: Connection, scene: Scene, act: Act, inbound: int) -> None:
    match act:
        case Mark(what, alert, by):
            _MARKS[what](connection, alert, by, scene.at)
        case Mute():
            _mute(connection, scene, act)
        case Stop(by):
            contacts.opt_out(connection, scene.address, by, scene.now)
            messages.withdraw_all(connection, scene.address, f"{by} wants no texts")
        case Start(by):
            contacts.opt_in(connection, scene.address, by, scene.now)
        case Gauge():
            _gauge(connection, scene, act, inbound)
        case Tell():
            _tell(connection, scene, act, inbound)


def _mute(connection: Connection, scene: Scene, act: Mute) -> None:
    silences.add(
        connection,
        act.kahriz,
        act.kind,
        scene.now,
        act.until,
        note="by SMS",
        by=act.by,
        role=Role.COMMITTEE,
        now=scene.now,
    )


def _gauge(connection: Connection, scene: Scene, act: Gauge, inbound: int) -> None:
    gaugings.add(
        connection,
        act.site,
        scene.at,
        gaugings.Bucket(act.gauging.litres, act.gauging.mean_s, len(act.gauging.seconds)),
        rated_lps=act.water.rated_lps,
        stage_m=act.water.stage_m,
        by=act.by,
        inbound_id=inbound,
    )


def _tell(connection: Connection, scene: Scene, act: Tell, inbound: int) -> None:
    address = act.person.reached_by(act.channel)
    assert address is not None
    due = _awake(scene, act) if act.channel == "sms" else scene.now
    queue(
        connection,
        act.person,
        act.channel,
        act.text,
        key=f"notice last_contact/{act.kahriz}/{inbound}/{address}",
        reason="notice",
        now=scene.now,
        expires=due + NOTICE_EXPIRES,
        due=due,
        kahriz=act.kahriz,
    )


def _awake(scene: Scene, act: Tell) -> datetime:
    """Return when a notice may leave: it can wait for the end of its reader's quiet hours."""
    hours = act.person.quiet
    local = scene.now.astimezone(scene.kahrizes[act.kahriz].zone)
    if hours is None or not hours.covers(local.time()):
        return scene.now
    end = local.replace(hour=hours.end.hour, minute=hours.end.minute, second=0, microsecond=0)
    return end if end > local else end + timedelta(days=1)
