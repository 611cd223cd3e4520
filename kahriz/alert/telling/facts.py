"""The figures a text about an alert may name. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from kahriz.alert.reason import Reason
from kahriz.book.alerts import Alert
from kahriz.clock import from_ms
from kahriz.notify.texts import Facts
from kahriz.sites import Kahriz


def facts_of(kahriz: Kahriz, alerts: Sequence[Alert], reason: Reason, now: datetime) -> Facts:
    """Return what a text about one alert, or the same one of several devices, may say."""
    alert = alerts[0]
    evidence = alert.evidence
    facts = Facts(
        alert.code,
        kahriz.name,
        kahriz.village,
        kahriz.zone,
        since=from_ms(alert.since_ms),
        now=now,
        observed_lps=figure(evidence, "observed_lps", "week_lps"),
        expected_lps=figure(evidence, "expected_lps"),
        deviation=figure(evidence, "deviation"),
        lpcd=figure(evidence, "water_left_lpcd"),
        silent_h=figure(evidence, "silent_h"),
        fall=figure(evidence, "change_3_weeks"),
        loss=figure(evidence, "loss"),
        loss_lps=figure(evidence, "loss_lps"),
        volts=figure(evidence, "battery_v"),
        usual_volts=figure(evidence, "usual_v"),
        device=", ".join(a.key for a in alerts),
        fault=str(evidence.get("fault", "alone")),
        contact_for_repair=kahriz.contact_for_repair,
        access_note=kahriz.access_note,
    )
    if reason is not Reason.RESOLVED:
        return facts
    flow = alert.end_lps
    return replace(facts, observed_lps=flow, lpcd=kahriz.lpcd(flow), deviation=None)


def figure(evidence: Mapping[str, Any], *names: str) -> float | None:
    """Return the first of some figures that the evidence has."""
    value = next((evidence[name] for name in names if name in evidence), None)
    return float(value) if isinstance(value, int | float) else None
