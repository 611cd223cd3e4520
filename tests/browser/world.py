"""Three kahrizes as the API would tell them: the same figures in every run."""

from __future__ import annotations

import math
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from tests.browser.figures import statistics, summary

Json = dict[str, Any]
NOW = datetime(2026, 11, 22, 10, 20, tzinfo=UTC)
STEP = timedelta(minutes=5)
COLLAPSE = NOW - timedelta(hours=2, minutes=10)
SILENCE = (NOW - timedelta(days=3, hours=9), NOW - timedelta(days=3))
_ZONE = ZoneInfo("Asia/Baku")

_NORMS = [
    {"lpcd": 15, "name": "emergency", "source": "Sphere Handbook 2018"},
    {"lpcd": 20, "name": "basic", "source": "WHO 2020, Domestic water quantity"},
    {"lpcd": 50, "name": "intermediate", "source": "WHO 2020, Domestic water quantity"},
    {"lpcd": 60, "name": "design", "source": "Azerbaijani design norm (press; to be confirmed)"},
    {"lpcd": 100, "name": "optimal", "source": "WHO 2020, Domestic water quantity"},
]

FOLDED = (
    "#K7 Ag Dere: lagimda tixanma ola biler. Su 2,4-den 1,3 L/s-e dusub (-46 %)."
    " Quyu 3-de seviyye qalxir. Lagima girmeyin. Zeng edin: kankan +994 50 000 00 03"
)
ENGLISH = (
    "#K7 Agh Dere: blockage likely. Flow fell from 2.4 to 1.3 L/s (-46 %) at 12:10, level at"
    " shaft 3 rises. Keep out of the gallery. Call: kankan +994 50 000 00 03"
)


def iso(time: datetime) -> str:
    """Write an instant as the API does."""
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def topic(name: str, days: float, needed_days: float, site: str = "outlet") -> Json:
    """Return how far one topic is learned."""
    figures = {"days": round(days, 2), "needed_days": round(needed_days, 2)}
    return {"topic": name, "site": site, "is_known": days >= needed_days} | figures


class World:
    """Everything the stand-in tells; tests change its attributes."""

    def __init__(self) -> None:
        self.now = NOW
        self.speed = 300.0
        self.health: Json = {"status": "ok", "since": iso(NOW - timedelta(days=1)), "checks": []}
        self.alerts: list[Json] = [_alert(), _past_alert()]
        self.kahrizes: list[Json] = [
            _kahriz("agh-dere", "Ağ Dərə", "Molla Cəlilli", "Göygöl", 2500, 1.31, "alert"),
            _kahriz("barana", "Barana", "Kəmərli", "Qazax", 800, 3.62, "ok"),
            _kahriz("velibey", "Vəlibəy", "Baharlı", "Ağdam", None, 7.84, "no_signal"),
        ]
        self.kahrizes[0]["alerts"] = [self.brief(self.alerts[0])]
        self.kahrizes[1]["people_assumed"] = True
        self.kahrizes[1]["yesterday"] |= {"volume_uncertainty_m3": 14.6}
        velibey = self.kahrizes[2]
        velibey["use"], velibey["norms"] = "irrigation", []
        velibey["access_note"] = "Mina təhlükəsi: yalnız təmizlənmiş yolla gedin (ANAMA)"
        self.contacts = [
            _contact(1, "agh-dere", "Committee chair", "chair", "+9945******01"),
            _contact(2, "agh-dere", "District engineer", "engineer", "+9945******09")
            | {"language": "en", "quiet_hours": "", "email": "water@*********rg"},
            _contact(3, "barana", "Chair of Barana", "chair", "+9945******11")
            | {"is_opted_out": True, "consent_on": None},
        ]
        self.silences: list[Json] = []
        self.works: list[Json] = []
        self.month = _month()
        self.previews = {"agh-dere": [_preview("az", FOLDED, 1), _preview("en", ENGLISH, 2)]}
        self.gauged = [
            _gauged(5, 2, 0.0, None, "bucket", 0.11),
            _gauged(4, 9, 0.0731, 1.94, "bucket", 0.11),
            _gauged(3, 40, 0.0792, 2.55, "current_meter", 0.12),
            _gauged(2, 75, 0.0792, 2.36, "bucket", 0.13),
            _gauged(1, 110, 0.0815, 3.46, "bucket", 0.2),
        ]
        self.statistics = {k["id"]: statistics(k) for k in self.kahrizes}
        self.summaries = {k["id"]: summary(k) for k in self.kahrizes}
        self.learning: dict[str, list[Json]] = {}
        self.cannot_see: dict[str, list[Json]] = {}
        self.devices: list[Json] = [
            _device(k["id"], site["id"], i)
            for k in self.kahrizes
            for i, site in enumerate(k["sites"])
        ]

    @staticmethod
    def brief(alert: Json) -> Json:
        """Return an alert as a list of alerts has it."""
        details = ("timeline", "messages", "response")
        return {k: v for k, v in alert.items() if k not in details}

    def say(self, number: int, what: str, by: str) -> Json:
        """Let somebody acknowledge an alert, be on site or call it false; the first one stays."""
        alert = next(a for a in self.alerts if a["id"] == number)
        for said in dict.fromkeys(("acknowledged", what)):
            if alert[f"{said}_at"] is None:
                alert[f"{said}_at"], alert[f"{said}_by"] = iso(self.now), by
                alert["timeline"] = [*alert["timeline"], _happened(iso(self.now), said, by)]
                if f"{said}_min" in alert["response"]:
                    alert["response"] |= {f"{said}_min": 110.0}
        return self.brief(alert)

    def silence(self, kahriz: str | None, kind: str | None, hours: float, by: str) -> Json:
        """Begin a silence now."""
        begun = {
            "id": len(self.silences) + 1,
            "kahriz": kahriz,
            "kind": kind,
            "start": iso(self.now),
            "end": iso(self.now + timedelta(hours=hours)),
            "note": "",
            "by": f"{by} (office)",
        }
        self.silences.append(begun)
        return begun

    def end_silence(self, number: int) -> Json:
        """End a silence now."""
        over = next(s for s in self.silences if s["id"] == number)
        self.silences.remove(over)
        return over | {"end": iso(self.now)}

    def ratings(self, site: str) -> Json:
        """Return a site's curve, and what was gauged there: five at the first, none elsewhere."""
        gauged = self.gauged if site.startswith("agh-dere") else []
        compared = [g for g in gauged if g["residual"] is not None]
        parts = [g["residual"] for g in compared]
        return {
            "site": site,
            "datastream": f"{site}.discharge",
            "timezone": "Asia/Baku",
            "ratings": [
                _rating()
                | {
                    "n_gaugings": len(compared),
                    "n_within": sum(g["is_within"] for g in compared),
                    "mean_residual": sum(parts) / len(parts) if parts else None,
                }
            ],
            "gaugings": gauged,
        }

    def end_works(self, kahriz: str) -> Json:
        """End the works at a kahriz now."""
        on = next(w for w in self.works if w["kahriz"] == kahriz and w["end"] is None)
        on["end"] = iso(self.now)
        return on

    def water(self, id: str) -> Json:
        """Return 30 local days: one without a row, one incomplete, today so far."""
        kahriz = next(k for k in self.kahrizes if k["id"] == id)
        base, people = _BASE[id], kahriz["people"]
        today = self.now.astimezone(_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
        rows = [
            _day(today - timedelta(days=back), back, base, people) for back in range(29, -1, -1)
        ]
        rows = [row for back, row in zip(range(29, -1, -1), rows, strict=True) if back != 17]
        return {
            "kahriz": id,
            "datastream": f"{id}.line.discharge",
            "timezone": "Asia/Baku",
            "by": "day",
            "people": people,
            "people_assumed": kahriz["people_assumed"],
            "completeness_limit": 0.9,
            "as_of": "2026-11-22T07:59:00Z",
            "fill": "none",
            "rows": rows,
        }

    def detection(self, id: str) -> Json:
        """Return that all is known, but where a test says otherwise."""
        learning = self.learning.get(id, [])
        return {
            "kahriz": id,
            "judged_until": iso(self.now),
            "learning": learning or [topic("usual", 2 / 3, 2 / 3), topic("curve", 10, 10)],
            "cannot_see": self.cannot_see.get(id, []),
        }

    def observations(self, id: str, start: datetime, end: datetime, limit: int) -> Json:
        """Return values every 5 minutes, thinned to `limit`; silent for nine hours once."""
        times = [t for t in _grid(start, min(end, self.now)) if not SILENCE[0] <= t < SILENCE[1]]
        every = max(1, math.ceil(len(times) / limit))
        shown = times[::every]
        return {
            "datastream": id,
            "unit": "L/s",
            "start": iso(start),
            "end": iso(end),
            "n": len(times),
            "downsampled": every > 1,
            "next": None,
            "time": [iso(t) for t in shown],
            "discharge_lps": [_discharge(id, t) for t in shown],
            "quality": [_quality(id, t) for t in shown],
        }


_NOTHING_MEASURED = 17  # days ago
_BASE = {"agh-dere": 2.42, "barana": 3.6, "velibey": 7.9}


def _grid(start: datetime, end: datetime) -> list[datetime]:
    first = math.ceil(start.timestamp() / 300)
    return [
        datetime.fromtimestamp(300 * i, UTC) for i in range(first, math.ceil(end.timestamp() / 300))
    ]


def _discharge(id: str, time: datetime) -> float:
    kahriz, site, _ = id.split(".")
    days = (time - NOW) / timedelta(days=1)
    value = _BASE[kahriz] * (1 - 0.004 * days)
    value *= 1 + 0.006 * math.sin(time.timestamp() / 900) + 0.004 * math.sin(time.timestamp() / 137)
    if kahriz == "agh-dere" and time >= COLLAPSE:
        value *= 0.54 + 0.03 * math.sin(time.timestamp() / 400)
    if site != "outlet":
        hour = time.astimezone(_ZONE).hour + time.minute / 60
        demand = math.exp(-(((hour - 8) / 3) ** 2)) + math.exp(-(((hour - 19) / 3) ** 2))
        value *= 0.72 + 0.22 * min(demand, 1)
    return round(value, 3)


def _quality(id: str, time: datetime) -> int:
    if not id.startswith("agh-dere.outlet"):
        return 1
    return 3 if COLLAPSE <= time < COLLAPSE + timedelta(minutes=40) else 1


def _day(start: datetime, back: int, base: float, people: int | None) -> Json:
    completeness = {0: 0.597, 4: 0.62, 3: 0.71, 11: 0.4}.get(back, 1.0)
    volume = base * 86.4 * 0.81 * (1 + 0.004 * back + 0.02 * math.sin(back)) * completeness
    return {
        "start": iso(start),
        "end": iso(start + timedelta(days=1)),
        "label": start.strftime("%Y-%m-%d"),
        "volume_m3": round(volume, 2),
        "volume_uncertainty_m3": None,
        "lpcd": None if people is None else round(volume * 1000 / people, 2),
        "mean_lps": round(base * 0.81, 3),
        "min_lps": round(base * 0.7, 3),
        "max_lps": round(base, 3),
        "completeness": completeness,
        "is_complete": completeness >= 0.9,
        "n": round(288 * completeness),
        "n_suspect": 0,
        "n_fail": 0,
        "revision": 2 if back == 4 else 1,
        "computed_at": iso(NOW),
        "norm_met": "design",
        "volume_at_most_m3": round(volume / completeness * 1.1, 2),
        "lpcd_at_most": None if people is None else round(volume / completeness * 1100 / people, 2),
        "is_estimated": False,
        "estimated_m3": 0.0,
    }


def _rating() -> Json:
    stages = [0.38 * i / 60 for i in range(61)]
    flows = [1380 * stage**2.5 for stage in stages]
    off = [
        math.hypot(2.5 * 1380 * max(s, 0.002) ** 1.5 * 0.002, 0.015 * f)
        for s, f in zip(stages, flows, strict=True)
    ]
    return {
        "method": "v_notch_90",
        "version": "2",
        "author": "R. Aliyev",
        "note": "zero levelled anew",
        "valid_from": "2026-05-01",
        "valid_to": None,
        "holds_now": True,
        "options": {"zero_offset_m": 0.0, "stage_uncertainty_m": 0.002},
        "zero_stage_m": 0.0,
        "lowest_stage_m": 0.0,
        "best_from_stage_m": 0.06,
        "highest_stage_m": 0.38,
        "curve": {"stage_m": stages, "discharge_lps": flows, "uncertainty_lps": off},
    }


def _gauged(
    id: int, days_ago: float, stage_m: float, lps: float | None, method: str, unsure: float
) -> Json:
    """Return a gauging; without a flow one of which no stage is known."""
    said: Json = {
        "id": id,
        "at": iso(NOW - timedelta(days=days_ago)),
        "method": method,
        "by": "Chair",
        "discharge_lps": 2.1 if lps is None else lps,
        "uncertainty_lps": unsure,
        "stage_m": None if lps is None else stage_m,
        "rating": 0,
        "curve_lps": None,
        "curve_uncertainty_lps": None,
        "residual_lps": None,
        "residual": None,
        "expanded_uncertainty_lps": None,
        "is_within": None,
    }
    if lps is None:
        return said
    curve = 1380 * stage_m**2.5
    off = curve * math.hypot(2.5 * 0.002 / stage_m, 0.015)
    expanded = 2 * math.hypot(off, unsure)
    return said | {
        "curve_lps": curve,
        "curve_uncertainty_lps": off,
        "residual_lps": lps - curve,
        "residual": lps / curve - 1,
        "expanded_uncertainty_lps": expanded,
        "is_within": abs(lps - curve) <= expanded,
    }


def _kahriz(
    id: str, name: str, village: str, district: str, people: int | None, lps: float, state: str
) -> Json:
    line = "canal" if people is None else "line"
    at = iso(NOW - timedelta(hours=7) if state == "no_signal" else NOW - timedelta(minutes=4))
    midnight = NOW.astimezone(_ZONE).replace(hour=0, minute=0, second=0, microsecond=0)
    return {
        "id": id,
        "name": name,
        "village": village,
        "district": district,
        "timezone": "Asia/Baku",
        "use": "drinking",
        "people": people,
        "people_assumed": False,
        "norms": _NORMS,
        "placeholder": ["contact", "coordinates"],
        "access_note": "",
        "contact_for_repair": "kankan +994 50 000 00 03",
        "sites": [
            {"id": "outlet", "kind": "outlet", "name": "Kəhrizin gözü"},
            {"id": "shaft", "kind": "shaft", "name": "Quyu 3"},
            {"id": line, "kind": "delivery_line", "name": "Kənd xətti"},
        ],
        "datastreams": [
            f"{id}.outlet.stage",
            f"{id}.outlet.discharge",
            f"{id}.shaft.stage",
            f"{id}.{line}.discharge",
        ],
        "outlet_now": _value(f"{id}.outlet.discharge", at, lps),
        "delivery_now": _value(f"{id}.{line}.discharge", at, round(lps * 0.83, 2)),
        "yesterday": _day(midnight - timedelta(days=1), 1, _BASE[id], people),
        "today": _day(midnight, 0, _BASE[id], people),
        "state": state,
        "alerts": [],
    }


def _value(datastream: str, at: str, lps: float) -> Json:
    return {"datastream": datastream, "time": at, "discharge_lps": lps, "quality": 1}


def _alert() -> Json:
    fired = iso(COLLAPSE + timedelta(minutes=20))
    return {
        "id": 7,
        "code": "K7",
        "kahriz": "agh-dere",
        "kind": "blockage",
        "key": "",
        "audience": "committee",
        "state": "firing",
        "since": iso(COLLAPSE),
        "pending_at": iso(COLLAPSE + timedelta(minutes=10)),
        "fired_at": fired,
        "last_seen": iso(NOW),
        "resolved_at": None,
        "acknowledged_at": None,
        "acknowledged_by": None,
        "detector": "station",
        "evidence": {
            "observed_lps": 1.31,
            "expected_lps": 2.42,
            "deviation": -0.459,
            "upstream_stage_change_m": 0.118,
        },
        "explanation": "Discharge at the outlet fell from 2.42 to 1.31 L/s (-46 %) within 10 min"
        " while the level at shaft 3 rose by 0.118 m: the gallery between them is blocked.",
        "on_site_at": None,
        "on_site_by": None,
        "false_alarm_at": None,
        "false_alarm_by": None,
        "timeline": [
            _happened(iso(COLLAPSE + timedelta(minutes=10)), "pending", ""),
            _happened(fired, "fired", "2 detections in a row"),
            _happened(fired, "told", "+99450•••0001")
            | {"message": 1, "contact": "Committee chair", "reason": "first"},
        ],
        "response": {
            "told_min": 0.1,
            "delivered_min": None,
            "acknowledged_min": None,
            "on_site_min": None,
            "resolved_min": None,
        },
        "messages": [
            _message(1, "Committee chair", "+99450•••0001", "az", FOLDED, fired),
            _message(2, "District engineer", "+99450•••0009", "en", ENGLISH, fired),
        ],
    }


def _happened(at: str, what: str, detail: str) -> Json:
    of_nobody = {"message": None, "contact": None, "reason": None}
    return {"at": at, "what": what, "detail": detail} | of_nobody


def _contact(id: int, kahriz: str, name: str, role: str, phone: str) -> Json:
    return {
        "id": id,
        "kahriz": kahriz,
        "name": name,
        "role": role,
        "phone": phone,
        "email": None,
        "language": "az",
        "alphabet": "folded",
        "quiet_hours": "22:00-08:00",
        "consent_on": "2026-05-01",
        "source": "file",
        "position": id - 1,
        "is_opted_out": False,
    }


def _month() -> Json:
    chair = {"texts": 9, "sent": 9, "parts": 10, "delivered": 8, "failed": 0, "expired": 0}
    engineer = {"texts": 5, "sent": 4, "parts": 4, "delivered": 4, "failed": 1, "expired": 0}
    total = {name: chair[name] + engineer[name] for name in chair} | {"cost": 0.7}
    of_kahriz = {"kahriz": "agh-dere"}
    return {
        "month": "2026-11",
        "price_a_part": 0.05,
        "currency": "AZN",
        "total": total,
        "kahrizes": [of_kahriz | total],
        "contacts": [
            of_kahriz
            | {"contact": contact, "channel": "sms", "address": address, "cost": cost}
            | counts
            for contact, address, cost, counts in (
                ("Committee chair", "+9945******01", 0.5, chair),
                ("District engineer", "+9945******09", 0.2, engineer),
            )
        ],
    }


def _preview(language: str, text: str, contact: int) -> Json:
    return {
        "kind": "blockage",
        "reason": "first",
        "language": language,
        "alphabet": "folded",
        "text": text,
        "characters": len(text),
        "encoding": "gsm7",
        "parts": 1 if len(text) <= 160 else 2,
        "contacts": [contact],
    }


def _past_alert() -> Json:
    since, end = iso(SILENCE[0]), iso(SILENCE[1])
    return _alert() | {
        "id": 3,
        "code": "K3",
        "kahriz": "barana",
        "kind": "offline",
        "key": "barana-outlet",
        "audience": "technician",
        "state": "resolved",
        "since": since,
        "resolved_at": end,
        "detector": "no_data",
        "evidence": {"device": "barana-outlet", "silent_h": 9.0},
        "explanation": "barana-outlet was not heard for 9.0 h.",
        "timeline": [_happened(end, "resolved", "")],
        "response": _alert()["response"] | {"told_min": None, "resolved_min": 540.0},
        "messages": [],
    }


def _message(number: int, contact: str, phone: str, language: str, text: str, at: str) -> Json:
    return {
        "id": number,
        "alert": 7,
        "code": "K7",
        "kahriz": "agh-dere",
        "kind": "blockage",
        "contact": contact,
        "channel": "sms",
        "address": phone,
        "delivered_at": None,
        "reason": "first",
        "language": language,
        "text": text,
        "encoding": "gsm7",
        "parts": 1 if len(text) <= 160 else 2,
        "state": "accepted",
        "created_at": at,
        "sent_at": at,
        "error": None,
    }


def _device(kahriz: str, site: str, i: int) -> Json:
    is_silent = kahriz == "velibey" and site == "outlet"
    heard = NOW - (timedelta(hours=7) if is_silent else timedelta(minutes=4))
    return {
        "device": f"{kahriz}-{site}",
        "kahriz": kahriz,
        "status": "offline" if is_silent else "online",
        "boot": 3,
        "last_seq": 8640 + i,
        "last_time": iso(heard),
        "received_at": iso(heard),
        "silent_for_s": (NOW - heard).total_seconds(),
        "firmware": "sim-1",
        "battery_v": 11.3 if is_silent else 12.6 - 0.1 * i,
        "received": 8668,
        "stored": 8668 - 12 * i,
        "duplicate": 12 * i,
        "quarantined": 0,
        "shed": 0,
        "lost": 28 if is_silent else 0,
        "pending": 0,
    }
