"""The shapes of what is said to, by and about people: contacts, silences, works, gaugings, texts.

As in ``api/schemas.py``: answers are made as plain dicts, these document them.
"""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from api.instants import Instant
from api.schemas import Name, Next, Note, Time
from kahriz.alert.answer import LITRES, MOST_TRIALS, SECONDS
from kahriz.detect import Kind

Method = Literal["bucket", "current_meter"]

_FORBID = ConfigDict(extra="forbid")
_MAX_ID = 2**63 - 1

Day = Annotated[str, Field(json_schema_extra={"format": "date"}, examples=["2026-05-01"])]
Longest = Annotated[float, Field(gt=0, le=720, description="Hours; at most 30 days.")]
Seconds = Annotated[float, Field(ge=SECONDS[0], le=SECONDS[1])]
Text = Annotated[str, Field(max_length=254)]


def _shape(**example: Any) -> ConfigDict:
    return ConfigDict(extra="forbid", json_schema_extra={"examples": [example]})


_CONTACT = {
    "id": 3,
    "kahriz": "agh-dere",
    "name": "Committee chair",
    "role": "chair",
    "phone": "+9945******01",
    "email": None,
    "language": "az",
    "alphabet": "folded",
    "quiet_hours": "22:00-08:00",
    "consent_on": "2026-05-01",
    "source": "file",
    "position": 0,
    "is_opted_out": False,
}
_SILENCE = {
    "id": 2,
    "kahriz": "agh-dere",
    "kind": "offline",
    "start": "2026-11-21T20:00:00Z",
    "end": "2026-11-23T20:00:00Z",
    "note": "new SIM",
    "by": "Aydin",
}
_INBOUND = {
    "id": 4,
    "received_at": "2026-11-21T20:00:00Z",
    "gateway": "gammu",
    "address": "+9945******01",
    "text": "1",
    "state": "done",
    "command": "acknowledge",
    "outcome": "K7 acknowledged",
    "kahriz": "agh-dere",
    "alert": 12,
}
_WORKS = {
    "id": 1,
    "kahriz": "agh-dere",
    "start": "2026-11-21T20:00:00Z",
    "end": None,
    "is_new_normal": False,
    "note": "cleaning between shafts 3 and 4",
    "by": "Aydin",
}
_GAUGING = {
    "id": 1,
    "site": "agh-dere.outlet",
    "at": "2026-11-21T20:00:00Z",
    "method": "bucket",
    "volume_l": 10.0,
    "duration_s": 4.0,
    "trials": 3,
    "discharge_lps": 2.5,
    "uncertainty_lps": 0.22,
    "rated_lps": 2.41,
    "stage_m": 0.079,
    "deviation": -0.036,
    "by": "Əli",
}
_COUNTS = {
    "texts": 14,
    "sent": 13,
    "parts": 13,
    "delivered": 12,
    "failed": 1,
    "expired": 0,
    "cost": 0.65,
}


class ContactAnswer(BaseModel):
    """Somebody who is told; addresses are whole for a key with write scope, else masked."""

    model_config = _shape(**_CONTACT)
    id: int
    kahriz: str
    name: str
    role: str
    phone: str | None
    email: str | None
    language: str
    alphabet: str
    quiet_hours: Annotated[str, Field(description="Local; empty: none.")]
    consent_on: Day | None
    source: Literal["file", "api"]
    position: Annotated[int, Field(description="Who is called first has the lowest.")]
    is_opted_out: Annotated[bool, Field(description="They said stop: nothing is sent.")]


class Contacts(BaseModel):
    """Contacts, by kahriz, who is called first first."""

    model_config = _shape(contacts=[_CONTACT])
    contacts: list[ContactAnswer]


class ContactChange(BaseModel):
    """What is to be another way; what is not given stays. ``phone`` as people dial it."""

    model_config = _shape(language="ru", quiet_hours="21:00-07:00")
    name: Text | None = None
    role: Text | None = None
    phone: Text | None = None
    email: Text | None = None
    language: Text | None = None
    alphabet: Text | None = None
    quiet_hours: Text | None = None
    consent_on: date | None = None
    position: int | None = Field(None, ge=0, le=10_000)
    is_opted_out: bool | None = None


class NewContact(ContactChange):
    """Somebody who is to be told of a kahriz."""

    model_config = _shape(kahriz="agh-dere", name="Vəli", role="deputy", phone="050 000 00 07")
    kahriz: str = Field(max_length=40)
    name: Text
    role: Text


class SilenceAnswer(BaseModel):
    """Nothing is told in [start, end); null: of every kahriz, of every kind."""

    model_config = _shape(**_SILENCE)
    id: int
    kahriz: str | None
    kind: str | None
    start: Time
    end: Time
    note: str
    by: str


class Silences(BaseModel):
    """Silences, the first to begin first."""

    model_config = _shape(silences=[_SILENCE])
    silences: list[SilenceAnswer]


class NewSilence(BaseModel):
    """Nobody is to be told for some hours, of one kahriz and kind or of every one."""

    model_config = _shape(kahriz="agh-dere", kind="offline", hours=48, note="new SIM", by="Aydin")
    kahriz: str | None = Field(None, max_length=40)
    kind: Kind | None = None
    start: Instant | None = Field(None, description="Without: now.")
    hours: Longest
    note: Note = ""
    by: Name


class WorksAnswer(BaseModel):
    """Somebody works at a kahriz in [start, end); ``end`` null: still on."""

    model_config = _shape(**_WORKS)
    id: int
    kahriz: str
    start: Time
    end: Time | None
    is_new_normal: bool
    note: str
    by: str


class AllWorks(BaseModel):
    """All works at a kahriz, the oldest first."""

    model_config = _shape(works=[_WORKS])
    works: list[WorksAnswer]


class WorksBegin(BaseModel):
    """Works begin."""

    model_config = _shape(note="cleaning between shafts 3 and 4", by="Aydin")
    at: Instant | None = Field(None, description="Without: now.")
    note: Note = ""
    by: Name


class WorksEnd(BaseModel):
    """Works are over."""

    model_config = _shape(is_new_normal=True, by="Aydin")
    at: Instant | None = Field(None, description="Without: now.")
    is_new_normal: bool = Field(False, description="The gallery is another one: learn it anew.")
    by: Name


class GaugingAnswer(BaseModel):
    """A flow measured by hand, and what the site's instruments said within half an hour.

    ``deviation``: how far the instruments are above what was measured, as a fraction of it.
    """

    model_config = _shape(**_GAUGING)
    id: int
    site: str
    at: Time
    method: Method
    volume_l: float | None
    duration_s: Annotated[float | None, Field(description="Mean of the trials.")]
    trials: int | None
    discharge_lps: float
    uncertainty_lps: Annotated[float, Field(description="Standard uncertainty (k = 1).")]
    rated_lps: float | None
    stage_m: float | None
    deviation: float | None
    by: str


class Gaugings(BaseModel):
    """Gaugings, the newest first."""

    model_config = _shape(gaugings=[_GAUGING], next=None)
    gaugings: list[GaugingAnswer]
    next: Next


class NewGauging(BaseModel):
    """A bucket of so many litres, and how long it took to fill, once or several times.

    Or, with ``method`` ``current_meter``, the flow that it gave.
    """

    model_config = _shape(site="agh-dere.outlet", volume_l=10, seconds=[4.1, 3.9, 4.0], by="Əli")
    site: str = Field(max_length=81)
    at: Instant | None = Field(None, description="Without: now.")
    method: Method = "bucket"
    volume_l: float | None = Field(None, ge=LITRES[0], le=LITRES[1])
    seconds: list[Seconds] | None = Field(None, min_length=1, max_length=MOST_TRIALS)
    discharge_lps: float | None = Field(
        None, gt=0, le=1000, description="Of a current meter; needed there."
    )
    uncertainty_lps: float | None = Field(
        None,
        gt=0,
        le=1000,
        description="Its standard uncertainty; without: 5 % of the flow is assumed.",
    )
    stage_m: float | None = Field(
        None,
        ge=-5,
        le=60,
        description="As read at the gauge; without: the nearest reading within half an hour.",
    )
    by: Name


class InboundText(BaseModel):
    """A text that somebody sent, and what was made of it.

    ``command``: what it was taken for; null: nobody looked at it. ``text`` is null where nobody is
    answered, for those who only read: a stranger may have written anything.
    """

    model_config = _shape(**_INBOUND)
    id: int
    received_at: Time
    gateway: str
    address: str
    text: str | None
    state: Literal["new", "done", "ignored"]
    command: str | None
    outcome: str
    kahriz: str | None
    alert: int | None


class Inbox(BaseModel):
    """What people sent, the newest first."""

    model_config = _shape(texts=[_INBOUND], next=None)
    texts: list[InboundText]
    next: Next


class AuditEntry(BaseModel):
    """One thing somebody did."""

    model_config = _FORBID
    id: int
    at: Time
    who: str
    what: str
    detail: dict[str, Any]


class AuditLog(BaseModel):
    """What was done, the newest first."""

    model_config = _shape(
        entries=[
            {
                "id": 9,
                "at": "2026-11-21T20:00:00Z",
                "who": "office",
                "what": "silence.end",
                "detail": {"silence": 2, "kahriz": "agh-dere", "kind": None},
            }
        ],
        next=None,
    )
    entries: list[AuditEntry]
    next: Next


class Counts(BaseModel):
    """Texts of a month: written, taken by a gateway, their SMS, arrived, given up, too late."""

    model_config = _FORBID
    texts: int
    sent: int
    parts: Annotated[int, Field(description="SMS of what was sent: what is paid for.")]
    delivered: int
    failed: int
    expired: int
    cost: float


class ContactCounts(Counts):
    """Texts to one address about one kahriz; null: about several, or about the service."""

    kahriz: str | None
    contact: str
    channel: str
    address: str


class KahrizCounts(Counts):
    """Texts about one kahriz."""

    kahriz: str | None


class MonthOfMessages(BaseModel):
    """A local month of texts, as they were written, by kahriz and by contact."""

    model_config = _shape(
        month="2026-11",
        price_a_part=0.05,
        currency="AZN",
        total=_COUNTS,
        kahrizes=[{"kahriz": "agh-dere", **_COUNTS}],
        contacts=[
            {
                "kahriz": "agh-dere",
                "contact": "Committee chair",
                "channel": "sms",
                "address": "+9945******01",
                **_COUNTS,
            }
        ],
    )
    month: str
    price_a_part: float
    currency: str
    total: Counts
    kahrizes: list[KahrizCounts]
    contacts: list[ContactCounts]


class PreviewAnswer(BaseModel):
    """One text with the figures of an example, and who would get it."""

    model_config = _FORBID
    kind: str
    reason: str
    language: str
    alphabet: str
    text: str
    characters: int
    encoding: str
    parts: int
    contacts: Annotated[list[int], Field(description="Their ids.")]


class Previews(BaseModel):
    """Every text the contacts of a kahriz may get."""

    model_config = _shape(
        kahriz="agh-dere",
        texts=[
            {
                "kind": "blockage",
                "reason": "first",
                "language": "en",
                "alphabet": "folded",
                "text": "#K7 Agh Dere: gallery blocked.",
                "characters": 30,
                "encoding": "gsm7",
                "parts": 1,
                "contacts": [3],
            }
        ],
    )
    kahriz: str
    texts: list[PreviewAnswer]
