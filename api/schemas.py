"""The shapes of requests and answers, for the OpenAPI document and for the tests.

Answers are made as plain dicts and columns (``api/shapes.py``) and encoded once; these models
document them, and the tests hold every real answer against them.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

_FORBID = ConfigDict(extra="forbid")
_TIME = "2026-11-21T20:00:00Z"

Time = Annotated[str, Field(json_schema_extra={"format": "date-time"}, examples=[_TIME])]
Unit = Annotated[str, Field(examples=["L/s"])]
Flag = Annotated[
    Literal[1, 2, 3, 4, 9],
    Field(description="QARTOD: 1 good, 2 not evaluated, 3 suspect, 4 fail, 9 missing."),
]
VolumeUncertainty = Annotated[
    float | None,
    Field(description="Standard uncertainty (k = 1), by the rating or the meter; null: not known."),
]
Next = Annotated[
    str | None, Field(description="`cursor` of the next page; null: this is the last one.")
]
AlertState = Literal["pending", "firing", "resolved"]


def _shape(**example: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


_NOW = {
    "datastream": "agh-dere.line.discharge",
    "time": _TIME,
    "discharge_lps": 2.41,
    "quality": 1,
}
_WATER = {
    "start": "2026-11-20T20:00:00Z",
    "end": "2026-11-21T20:00:00Z",
    "label": "2026-11-21",
    "volume_m3": 207.1,
    "volume_uncertainty_m3": 18.4,
    "lpcd": 82.8,
    "mean_lps": 2.4,
    "min_lps": 2.1,
    "max_lps": 2.6,
    "completeness": 0.99,
    "is_complete": True,
    "n": 286,
    "n_suspect": 1,
    "n_fail": 0,
    "revision": 2,
    "computed_at": _TIME,
    "norm_met": "design",
    "volume_at_most_m3": 209.3,
    "lpcd_at_most": 83.7,
    "is_estimated": False,
    "estimated_m3": 0.0,
}
_ALERT = {
    "id": 12,
    "code": "K7",
    "kahriz": "agh-dere",
    "kind": "blockage",
    "key": "",
    "audience": "committee",
    "state": "firing",
    "since": "2026-11-21T03:10:00Z",
    "pending_at": "2026-11-21T03:15:00Z",
    "fired_at": "2026-11-21T03:25:00Z",
    "last_seen": "2026-11-21T03:55:00Z",
    "resolved_at": None,
    "acknowledged_at": None,
    "acknowledged_by": None,
    "on_site_at": None,
    "on_site_by": None,
    "false_alarm_at": None,
    "false_alarm_by": None,
    "detector": "station",
    "evidence": {"observed_lps": 1.4, "expected_lps": 2.3, "deviation": -0.39},
    "explanation": "Outlet 1.4 L/s where 2.3 L/s was expected; the shaft upstream rose 0.21 m.",
}
_MESSAGE = {
    "id": 31,
    "alert": 12,
    "code": "K7",
    "kahriz": "agh-dere",
    "kind": "blockage",
    "contact": "Committee chair",
    "channel": "sms",
    "address": "+9945*****01",
    "reason": "first",
    "language": "en",
    "text": "Agh Dere: water fell by 39 %. #K7",
    "encoding": "gsm7",
    "parts": 1,
    "state": "accepted",
    "created_at": "2026-11-21T03:25:00Z",
    "sent_at": "2026-11-21T03:25:04Z",
    "delivered_at": "2026-11-21T03:25:09Z",
    "error": None,
}
_KAHRIZ = {
    "id": "agh-dere",
    "name": "Ağ Dərə",
    "village": "Molla Cəlilli",
    "district": "Göygöl",
    "timezone": "Asia/Baku",
    "use": "drinking",
    "people": 2500,
    "people_assumed": False,
    "norms": [{"lpcd": 60.0, "name": "design", "source": "Azerbaijani design norm"}],
    "placeholder": ["contact"],
    "access_note": "",
    "contact_for_repair": "kankan +994 50 000 00 03",
    "sites": [{"id": "outlet", "kind": "outlet", "name": "Kəhrizin gözü"}],
    "datastreams": ["agh-dere.outlet.stage", "agh-dere.outlet.discharge"],
    "outlet_now": _NOW | {"datastream": "agh-dere.outlet.discharge"},
    "delivery_now": _NOW,
    "yesterday": _WATER,
    "today": None,
    "state": "alert",
    "alerts": [_ALERT],
}


class InvalidValue(BaseModel):
    """One part of a request that cannot be used."""

    model_config = _FORBID
    where: Annotated[str, Field(alias="in", examples=["query"])]
    name: str
    value: Annotated[str, Field(description="What was given, shortened.")]
    problem: str


class ProblemAnswer(BaseModel):
    """Any answer that is not what was asked for (RFC 9457)."""

    model_config = _shape(
        type="urn:kahriz:problem:not-found",
        title="Not Found",
        status=404,
        detail="kahriz 'agdere' does not exist",
        instance="/api/v1/kahrizes/agdere",
    )
    type: str
    title: str
    status: int
    detail: str
    instance: str
    errors: list[InvalidValue] = []
    available: Annotated[list[str], Field(description="Of a 406: the media types there are.")] = []


class NormAnswer(BaseModel):
    """Litres a person should have in a day, and who says so."""

    model_config = _FORBID
    lpcd: float
    name: str
    source: str


class SiteAnswer(BaseModel):
    """A measured place."""

    model_config = _FORBID
    id: str
    kind: str
    name: str


class DischargeNow(BaseModel):
    """The newest discharge of one datastream."""

    model_config = _shape(**_NOW)
    datastream: str
    time: Time
    discharge_lps: float
    quality: Flag


class WaterRow(BaseModel):
    """Water delivered in one hour, local day or local month.

    ``volume_m3`` is what was measured: a gap is not bridged, ``completeness`` says how much of the
    time is covered. ``lpcd``: at least so many litres reached each person each day; null for an
    hour, or where nobody counted the people. ``volume_at_most_m3``: with each gap filled at the
    greatest rate of the days around; null: not known. ``is_complete``: over, and covered up to the
    limit. ``is_estimated``: ``estimated_m3`` of ``volume_m3`` were not measured (``fill``).
    """

    model_config = _shape(**_WATER)
    start: Time
    end: Time
    label: str
    volume_m3: float | None
    volume_uncertainty_m3: VolumeUncertainty
    lpcd: float | None
    mean_lps: float | None
    min_lps: float | None
    max_lps: float | None
    completeness: float = Field(ge=0, le=1)
    is_complete: bool
    n: int
    n_suspect: int
    n_fail: int
    revision: int
    computed_at: Time
    norm_met: str | None
    volume_at_most_m3: float | None
    lpcd_at_most: float | None
    is_estimated: bool
    estimated_m3: float


class AlertAnswer(BaseModel):
    """One alert with the figures it rests on."""

    model_config = _shape(**_ALERT)
    id: int
    code: str
    kahriz: str
    kind: str
    key: str
    audience: Literal["committee", "technician"]
    state: AlertState
    since: Time
    pending_at: Time
    fired_at: Time | None
    last_seen: Time
    resolved_at: Time | None
    acknowledged_at: Time | None
    acknowledged_by: str | None
    on_site_at: Time | None
    on_site_by: str | None
    false_alarm_at: Time | None
    false_alarm_by: str | None
    detector: str
    evidence: dict[str, Any]
    explanation: str


class MessageAnswer(BaseModel):
    """One text to one address; its middle is masked."""

    model_config = _shape(**_MESSAGE)
    id: int
    alert: int | None
    code: str | None
    kahriz: str | None
    kind: str | None
    contact: str
    channel: str
    address: str
    reason: str
    language: str
    text: str
    encoding: str
    parts: int
    state: str
    created_at: Time
    sent_at: Time | None
    delivered_at: Time | None
    error: str | None


class TimelineEvent(BaseModel):
    """One thing that happened to an alert, or to a text about it (then `contact` and `reason`).

    Of texts: `queued`, `told` (a gateway took it), `delivered`, `failed`, `expired`, `unknown`.
    """

    model_config = _FORBID
    at: Time
    what: str
    detail: str
    message: int | None
    contact: str | None
    reason: str | None


class ResponseTimes(BaseModel):
    """Minutes from when an alert fired until people answered and it was over; null: not yet."""

    model_config = _FORBID
    told_min: Annotated[float | None, Field(ge=0, description="The first text was taken.")]
    delivered_min: Annotated[float | None, Field(ge=0, description="The first one arrived.")]
    acknowledged_min: float | None = Field(ge=0)
    on_site_min: float | None = Field(ge=0)
    resolved_min: float | None = Field(ge=0)


class AlertDetail(AlertAnswer):
    """One alert, what happened to it, who was told by which text, and how fast people answered."""

    model_config = _shape(
        **_ALERT,
        timeline=[
            {
                "at": "2026-11-21T03:25:04Z",
                "what": "told",
                "detail": "+9945******01",
                "message": 31,
                "contact": "Committee chair",
                "reason": "first",
            }
        ],
        response={
            "told_min": 0.1,
            "delivered_min": 0.2,
            "acknowledged_min": None,
            "on_site_min": None,
            "resolved_min": None,
        },
        messages=[_MESSAGE],
    )
    timeline: list[TimelineEvent]
    response: ResponseTimes
    messages: list[MessageAnswer]


class Alerts(BaseModel):
    """Alerts, newest first."""

    model_config = _shape(alerts=[_ALERT], next=None)
    alerts: list[AlertAnswer]
    next: Next


class Messages(BaseModel):
    """Messages, newest first."""

    model_config = _shape(messages=[_MESSAGE], next=None)
    messages: list[MessageAnswer]
    next: Next


class KahrizAnswer(BaseModel):
    """One kahriz: who lives by it, what it gives now, and what is wrong."""

    model_config = _shape(**_KAHRIZ)
    id: str
    name: str
    village: str
    district: str
    timezone: str
    use: Literal["drinking", "irrigation"]
    people: int | None
    people_assumed: bool
    norms: list[NormAnswer]
    placeholder: list[str]
    access_note: str
    contact_for_repair: str
    sites: list[SiteAnswer]
    datastreams: list[str]
    outlet_now: DischargeNow | None
    delivery_now: DischargeNow | None
    yesterday: WaterRow | None
    today: WaterRow | None
    state: Literal["ok", "alert", "no_signal", "unknown"]
    alerts: list[AlertAnswer]


class LearnedAnswer(BaseModel):
    """How many days without trouble are known of one topic, and how many it takes.

    ``usual``: steps of flow and level are seen; ``curve``: slow blockages, sensors that drift;
    ``losses`` and ``nights``: taps and leaks; ``season``: droughts; ``level``: a level that is
    alone; ``battery``.
    """

    model_config = _FORBID
    topic: Literal["usual", "curve", "losses", "nights", "season", "level", "battery"]
    site: str
    is_known: bool
    days: float = Field(ge=0)
    needed_days: float = Field(gt=0)


class BlindAnswer(BaseModel):
    """A kind of trouble that the sensors there are cannot show."""

    model_config = _FORBID
    kind: str
    why: Literal["no_flow", "no_level", "no_line", "nights_like_days", "no_voltage"]


class DetectionAnswer(BaseModel):
    """What detection knows of a kahriz by now; ``judged_until`` null: it was never judged."""

    model_config = _shape(
        kahriz="agh-dere",
        judged_until=_TIME,
        learning=[
            {
                "topic": "usual",
                "site": "outlet",
                "is_known": True,
                "days": 0.67,
                "needed_days": 0.67,
            },
            {"topic": "curve", "site": "shaft", "is_known": False, "days": 4, "needed_days": 10},
        ],
        cannot_see=[{"kind": "tap_leak", "why": "no_line"}],
    )
    kahriz: str
    judged_until: Time | None
    learning: list[LearnedAnswer]
    cannot_see: list[BlindAnswer]


class Kahrizes(BaseModel):
    """Every kahriz, and the service's now; ``speed`` is above 1 in a demonstration."""

    model_config = _shape(now=_TIME, speed=1.0, kahrizes=[_KAHRIZ])
    now: Time
    speed: float
    kahrizes: list[KahrizAnswer]


class NormDays(BaseModel):
    """How many of the complete days stayed below a norm, and how many may have; null: unknown."""

    model_config = _FORBID
    name: str
    lpcd: float
    days_below: int | None
    days_below_at_most: int | None


class Summary(BaseModel):
    """A season or a year of water; what each figure means stands in docs/statistics.md."""

    model_config = _shape(
        kahriz="agh-dere",
        datastream="agh-dere.line.discharge",
        start="2025-11-21T20:00:00Z",
        end="2026-11-21T20:00:00Z",
        people=2500,
        people_assumed=False,
        days=365,
        complete_days=351,
        incomplete_days=9,
        unknown_days=5,
        completeness=0.978,
        volume_m3=73_512.4,
        volume_uncertainty_m3=4_480.0,
        volume_at_most_m3=75_480.0,
        complete_volume_m3=72_940.1,
        mean_lpcd=83.1,
        lpcd_at_least=80.6,
        lpcd_at_most=82.7,
        q10_lps=2.9,
        q50_lps=2.4,
        q90_lps=1.9,
        q10_low_lps=2.73,
        q50_low_lps=2.24,
        q90_low_lps=1.74,
        q10_high_lps=3.12,
        q50_high_lps=2.56,
        q90_high_lps=2.01,
        norms=[{"name": "design", "lpcd": 60.0, "days_below": 4, "days_below_at_most": 18}],
        n=101_380,
        n_suspect=412,
        n_fail=3,
        revision=7,
        computed_at=_TIME,
    )
    kahriz: str
    datastream: str | None
    start: Time
    end: Time
    people: int | None
    people_assumed: bool
    days: int
    complete_days: int
    incomplete_days: int
    unknown_days: int
    completeness: float = Field(ge=0, le=1)
    volume_m3: float | None
    volume_uncertainty_m3: VolumeUncertainty
    volume_at_most_m3: float | None
    complete_volume_m3: float | None
    mean_lpcd: float | None
    lpcd_at_least: float | None
    lpcd_at_most: float | None
    q10_lps: float | None
    q50_lps: float | None
    q90_lps: float | None
    q10_low_lps: float | None
    q50_low_lps: float | None
    q90_low_lps: float | None
    q10_high_lps: float | None
    q50_high_lps: float | None
    q90_high_lps: float | None
    norms: list[NormDays]
    n: int
    n_suspect: int
    n_fail: int
    revision: int
    computed_at: Time | None


class Water(BaseModel):
    """Water delivered by one kahriz, row by row in time order."""

    model_config = _shape(
        kahriz="agh-dere",
        datastream="agh-dere.line.discharge",
        by="day",
        timezone="Asia/Baku",
        people=2500,
        people_assumed=False,
        completeness_limit=0.9,
        as_of="2026-11-22T07:59:00Z",
        fill="none",
        rows=[_WATER],
    )
    kahriz: str
    datastream: str | None
    by: Literal["hour", "day", "month", "season", "year"]
    timezone: str
    people: int | None
    people_assumed: bool
    completeness_limit: float
    as_of: Time
    fill: Literal["none", "typical"]
    rows: list[WaterRow]


class DatastreamAnswer(BaseModel):
    """One property of one site; ``device`` and ``channel`` are null where a rating derives it."""

    model_config = _FORBID
    id: str
    kahriz: str
    site: str
    property: str
    unit: Unit
    device: str | None
    channel: str | None
    derived: bool


class Datastreams(BaseModel):
    """Every datastream of the registry."""

    model_config = _shape(
        datastreams=[
            {
                "id": "agh-dere.outlet.stage",
                "kahriz": "agh-dere",
                "site": "outlet",
                "property": "stage",
                "unit": "m",
                "device": "agh-dere-outlet",
                "channel": "stage_m",
                "derived": False,
            }
        ]
    )
    datastreams: list[DatastreamAnswer]


class Observations(BaseModel):
    """Observations by column; the values stand under a name with their unit (``discharge_lps``).

    Of a discharge that a rating derives ``uncertainty_lps`` is a column too: the standard
    uncertainty (k = 1) of each, null where the rating that holds knows no such discharge.
    """

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "examples": [
                {
                    "datastream": "agh-dere.line.discharge",
                    "unit": "L/s",
                    "start": "2026-11-21T00:00:00Z",
                    "end": "2026-11-22T00:00:00Z",
                    "n": 2,
                    "downsampled": False,
                    "next": None,
                    "time": ["2026-11-21T00:00:00Z", "2026-11-21T00:05:00Z"],
                    "discharge_lps": [2.41, 2.4],
                    "quality": [1, 1],
                }
            ]
        },
    )
    __pydantic_extra__: dict[str, list[float | None]]
    datastream: str
    unit: Unit
    start: Time
    end: Time
    n: Annotated[int, Field(description="Observations in the interval before downsampling.")]
    downsampled: bool
    next: Next
    time: list[Time]
    quality: list[Flag]


class LatestObservation(BaseModel):
    """The newest observation of one datastream."""

    model_config = _FORBID
    datastream: str
    time: Time
    value: float | None
    unit: Unit
    quality: Flag


class Latest(BaseModel):
    """The newest observation of every datastream that has one."""

    model_config = _shape(
        now=_TIME,
        observations=[
            {
                "datastream": "agh-dere.outlet.stage",
                "time": _TIME,
                "value": 0.079,
                "unit": "m",
                "quality": 1,
            }
        ],
    )
    now: Time
    observations: list[LatestObservation]


class DeviceAnswer(BaseModel):
    """How one device is, and how its books stand; counts are readings."""

    model_config = _FORBID
    device: str
    kahriz: str | None
    status: Annotated[str | None, Field(description="Its own word: online, offline.")]
    boot: int | None
    last_seq: int | None
    last_time: Time | None
    received_at: Time | None
    silent_for_s: Annotated[float | None, Field(description="Since anything came from it.")]
    firmware: str | None
    battery_v: float | None
    received: Annotated[int, Field(description="stored + duplicate + quarantined + shed")]
    stored: int
    duplicate: int
    quarantined: int
    shed: int
    lost: Annotated[int, Field(description="Holes in its count that it can no longer fill.")]
    pending: Annotated[int, Field(description="Holes in its count that it may still fill.")]


class Devices(BaseModel):
    """Every device of the registry, and any other that was heard."""

    model_config = _shape(
        devices=[
            {
                "device": "agh-dere-outlet",
                "kahriz": "agh-dere",
                "status": "online",
                "boot": 7,
                "last_seq": 41,
                "last_time": _TIME,
                "received_at": "2026-11-21T20:00:03Z",
                "silent_for_s": 12.0,
                "firmware": "1.4.0",
                "battery_v": 12.6,
                "received": 8640,
                "stored": 8637,
                "duplicate": 3,
                "quarantined": 0,
                "shed": 0,
                "lost": 28,
                "pending": 0,
            }
        ]
    )
    devices: list[DeviceAnswer]


class CheckAnswer(BaseModel):
    """What was found of one part."""

    model_config = _FORBID
    name: Literal["store", "book", "ingest"]
    ok: bool
    detail: str


class HealthAnswer(BaseModel):
    """Whether the whole service is well, and since when it has been so."""

    model_config = _shape(
        status="ok",
        since=_TIME,
        checks=[
            {"name": "store", "ok": True, "detail": ""},
            {"name": "book", "ok": True, "detail": ""},
            {"name": "ingest", "ok": True, "detail": ""},
        ],
    )
    status: Literal["ok", "degraded"]
    since: Time
    checks: list[CheckAnswer]


def _named(text: str) -> str:
    # Counted before it is stripped: the document says how long it may be, and knows no stripping.
    if not (kept := text.strip()):
        raise ValueError("nothing but white space")
    return kept


# No control characters: PostgreSQL takes no NUL, and a log no second line.
_ONE_LINE = r"^[^\x00-\x1f\x7f]*$"
Name = Annotated[
    str, Field(min_length=1, max_length=100, pattern=_ONE_LINE), AfterValidator(_named)
]
Note = Annotated[str, Field(max_length=200, pattern=_ONE_LINE), AfterValidator(str.strip)]


class Acknowledgement(BaseModel):
    """Somebody takes an alert on, is on site, or found nothing wrong."""

    model_config = _shape(by="Əli, committee")
    by: Name
