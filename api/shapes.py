"""Rows of the book and the store as the objects that answers are made of."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from kahriz.book.alerts import Alert
from kahriz.book.devices import DeviceRow
from kahriz.book.messages import OutboxMessage
from kahriz.clock import from_ms, iso, to_ms
from kahriz.detect.learned import Learned
from kahriz.observations import Observation
from kahriz.sites import Datastream, Kahriz
from kahriz.stats.delivered import WaterRow
from kahriz.stats.summary import Summary

Shape = dict[str, Any]

_SHOWN_HEAD = 5
_SHOWN_TAIL = 2


def instant(ms: int | None) -> str | None:
    """Return milliseconds since 1970 as ISO 8601; null stays null."""
    return None if ms is None else iso(from_ms(ms))


def alert(row: Alert) -> Shape:
    """Return one alert."""
    return {
        "id": row.id,
        "code": row.code,
        "kahriz": row.kahriz,
        "kind": row.kind,
        "key": row.key,
        "audience": row.audience,
        "state": row.state,
        "since": instant(row.since_ms),
        "pending_at": instant(row.pending_at_ms),
        "fired_at": instant(row.fired_at_ms),
        "last_seen": instant(row.last_seen_ms),
        "resolved_at": instant(row.resolved_at_ms),
        "acknowledged_at": instant(row.acknowledged_at_ms),
        "acknowledged_by": row.acknowledged_by,
        "on_site_at": instant(row.on_site_at_ms),
        "on_site_by": row.on_site_by,
        "false_alarm_at": instant(row.false_alarm_at_ms),
        "false_alarm_by": row.false_alarm_by,
        "detector": row.detector,
        "evidence": dict(row.evidence),
        "explanation": row.explanation,
    }


def summary(
    kahriz: Kahriz,
    start: datetime,
    end: datetime,
    found: Summary,
    volume_uncertainty_m3: float | None,
) -> Shape:
    """Return a span's water in a few figures."""
    return {
        "kahriz": kahriz.id,
        "datastream": kahriz.delivery,
        "start": start,
        "end": end,
        "people": kahriz.served,
        "people_assumed": kahriz.is_served_assumed,
        "days": found.days,
        "complete_days": found.complete_days,
        "incomplete_days": found.incomplete_days,
        "unknown_days": found.days - found.complete_days - found.incomplete_days,
        "completeness": found.completeness,
        "volume_m3": found.volume_m3,
        "volume_uncertainty_m3": volume_uncertainty_m3,
        "volume_at_most_m3": found.volume_at_most_m3,
        "complete_volume_m3": found.complete_volume_m3,
        "mean_lpcd": found.mean_lpcd,
        "lpcd_at_least": found.lpcd_at_least,
        "lpcd_at_most": found.lpcd_at_most,
        **dict(zip(("q10_lps", "q50_lps", "q90_lps"), found.exceeded_lps, strict=True)),
        **dict(
            zip(("q10_low_lps", "q50_low_lps", "q90_low_lps"), found.exceeded_low_lps, strict=True)
        ),
        **dict(
            zip(
                ("q10_high_lps", "q50_high_lps", "q90_high_lps"),
                found.exceeded_high_lps,
                strict=True,
            )
        ),
        "norms": [
            {
                "name": each.norm.name,
                "lpcd": each.norm.lpcd,
                "days_below": each.days_below,
                "days_below_at_most": each.at_most,
            }
            for each in found.norms
        ],
        "n": found.n,
        "n_suspect": found.n_suspect,
        "n_fail": found.n_fail,
        "revision": found.revision,
        "computed_at": found.computed_at,
    }


def message(row: OutboxMessage, about: Alert | None) -> Shape:
    """Return one text and the alert it is `about`; None: it answers somebody, or tells of many."""
    return {
        "id": row.id,
        "alert": row.alert_id,
        "code": None if about is None else about.code,
        "kahriz": row.kahriz if about is None else about.kahriz,
        "kind": None if about is None else about.kind,
        "contact": row.contact,
        "channel": row.channel,
        "address": masked(row.address),
        "reason": row.reason,
        "language": row.language,
        "text": row.text,
        "encoding": row.encoding,
        "parts": row.parts,
        "state": row.state,
        "created_at": instant(row.created_at_ms),
        "sent_at": instant(row.sent_at_ms),
        "delivered_at": instant(row.delivered_at_ms),
        "error": row.error,
    }


def masked(address: str) -> str:
    """Return an address whose owner recognises it and nobody else can use: ``+9945*****01``."""
    hidden = len(address) - _SHOWN_HEAD - _SHOWN_TAIL
    if hidden <= 0:
        return "*" * len(address)
    return address[:_SHOWN_HEAD] + "*" * hidden + address[-_SHOWN_TAIL:]


def learned(each: Learned) -> Shape:
    """Return how far one topic is learned."""
    return {
        "topic": each.topic,
        "site": each.site,
        "is_known": each.is_known,
        "days": round(each.days, 2),
        "needed_days": round(each.needed_days, 2),
    }


def device(
    row: DeviceRow, kahriz: str | None, battery_v: float | None, pending: int, now: datetime
) -> Shape:
    """Return one device; `unheard` where nothing ever came from it."""
    heard_ms = row.received_at_ms
    return {
        "device": row.device,
        "kahriz": kahriz,
        "status": row.status,
        "boot": row.boot,
        "last_seq": row.last_seq,
        "last_time": instant(row.last_time_ms),
        "received_at": instant(heard_ms),
        "silent_for_s": None if heard_ms is None else max(0.0, (to_ms(now) - heard_ms) / 1000),
        "firmware": row.firmware,
        "battery_v": battery_v,
        "received": row.received,
        "stored": row.stored,
        "duplicate": row.duplicate,
        "quarantined": row.quarantined,
        "shed": row.shed,
        "lost": row.lost,
        "pending": pending,
    }


def unheard(device: str) -> DeviceRow:
    """Return the row of a device of which the book knows nothing."""
    return DeviceRow(device, None, None, None, None, None, None, 0, 0, 0, 0)


def datastream(of: Datastream) -> Shape:
    """Return one datastream of the registry."""
    return {
        "id": of.id,
        "kahriz": of.kahriz.id,
        "site": of.site.id,
        "property": of.measures.value,
        "unit": of.unit,
        "device": None if of.sensor is None else of.sensor.device,
        "channel": None if of.sensor is None else of.sensor.channel,
        "derived": of.sensor is None,
    }


def latest(seen: Observation, of: Datastream) -> Shape:
    """Return the newest observation of a datastream."""
    return {
        "datastream": seen.datastream,
        "time": iso(seen.time),
        "value": seen.value,
        "unit": of.unit,
        "quality": int(seen.quality),
    }


def discharge_now(seen: Observation | None) -> Shape | None:
    """Return the newest discharge; null where there is none."""
    if seen is None:
        return None
    return {
        "datastream": seen.datastream,
        "time": iso(seen.time),
        "discharge_lps": seen.value,
        "quality": int(seen.quality),
    }


def water(row: WaterRow, volume_uncertainty_m3: float | None) -> Shape:
    """Return the water delivered in one interval, and how sure its volume is, if measured."""
    return {
        "start": iso(row.start),
        "end": iso(row.end),
        "label": row.label,
        "volume_m3": row.volume_m3,
        "volume_uncertainty_m3": None if row.is_estimated else volume_uncertainty_m3,
        "lpcd": row.lpcd,
        "mean_lps": row.mean_lps,
        "min_lps": row.min_lps,
        "max_lps": row.max_lps,
        "completeness": row.completeness,
        "is_complete": row.is_complete,
        "n": row.n,
        "n_suspect": row.n_suspect,
        "n_fail": row.n_fail,
        "revision": row.revision,
        "computed_at": iso(row.computed_at),
        "norm_met": row.norm_met,
        "volume_at_most_m3": row.volume_at_most_m3,
        "lpcd_at_most": row.lpcd_at_most,
        "is_estimated": row.is_estimated,
        "estimated_m3": row.estimated_m3,
    }


def registered(kahriz: Kahriz, datastreams: Mapping[str, list[str]]) -> Shape:
    """Return what sites.toml says of a kahriz; `datastreams` has the ids of each."""
    return {
        "id": kahriz.id,
        "name": kahriz.name,
        "village": kahriz.village,
        "district": kahriz.district,
        "timezone": kahriz.timezone,
        "use": kahriz.use,
        "people": kahriz.served,
        "people_assumed": kahriz.is_served_assumed,
        "norms": [norm.model_dump() for norm in kahriz.norms],
        "placeholder": list(kahriz.placeholder),
        "access_note": kahriz.access_note,
        "contact_for_repair": kahriz.contact_for_repair,
        "sites": [{"id": s.id, "kind": s.kind, "name": s.name} for s in kahriz.site],
        "datastreams": datastreams[kahriz.id],
    }
