"""The book's tables: everything mutable. Instants are whole milliseconds since 1970 (``*_ms``).

The migrations in ``migrations/`` make exactly these; a test compares the two.
"""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    Date,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
)

metadata = MetaData()

# SQLite gives an autoincrementing id to INTEGER only, PostgreSQL wants BIGINT.
_Id = BigInteger().with_variant(Integer, "sqlite")

rollup = Table(
    "rollup",
    metadata,
    Column("datastream", String(140), primary_key=True),
    Column("period", String(4), primary_key=True),  # hour | day (local day of the kahriz)
    Column("start_ms", BigInteger, primary_key=True),
    Column("end_ms", BigInteger, nullable=False),
    Column("n", Integer, nullable=False),  # usable values: all but FAIL and MISSING
    Column("n_good", Integer, nullable=False),
    Column("n_suspect", Integer, nullable=False),
    Column("n_fail", Integer, nullable=False),
    Column("min", Float),
    Column("max", Float),
    Column("mean", Float),  # time-weighted over the covered time
    Column("volume_m3", Float),  # discharge only: what was measured, never bridged over a gap
    Column("covered_s", Float, nullable=False),
    Column("revision", Integer, nullable=False),  # 1, then +1 each time a figure changed
    Column("computed_at_ms", BigInteger, nullable=False),
)

dirty_hour = Table(
    "dirty_hour",
    metadata,
    Column("datastream", String(140), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column(
        "mark", BigInteger, nullable=False
    ),  # cleared only if it is still the mark that was read
)

# Hours in which values were flagged before what was measured around them had come.
late_hour = Table(
    "late_hour",
    metadata,
    Column("datastream", String(140), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
    Column("mark", BigInteger, nullable=False),  # as of a dirty hour
    Column("said_at_ms", BigInteger, nullable=False),  # the last time
    Index("late_hour_by_age", "said_at_ms", "datastream", "hour_ms"),
)

# Since when there are values that came later than newer ones, and detection has not seen.
late_since = Table(
    "late_since",
    metadata,
    Column("datastream", String(140), primary_key=True),
    Column("oldest_ms", BigInteger, nullable=False),
    Column("mark", BigInteger, nullable=False),
    Column("first_said_ms", BigInteger, nullable=False),
    Column("last_said_ms", BigInteger, nullable=False),
)

# Hours in which the time of a value is not as its device said it: such a value stays suspect.
corrected_hour = Table(
    "corrected_hour",
    metadata,
    Column("datastream", String(140), primary_key=True),
    Column("hour_ms", BigInteger, primary_key=True),
)

received_range = Table(
    "received_range",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("boot", BigInteger, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("last_seq", BigInteger, nullable=False),
)

boot = Table(
    "boot",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("boot", BigInteger, primary_key=True),
    Column("floor_seq", BigInteger, nullable=False),  # the oldest reading it still held
    Column("first_heard_ms", BigInteger, nullable=False),
    Column("first_seq", BigInteger, nullable=False),  # the floor when it was first heard
)

device = Table(
    "device",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("boot", BigInteger),
    Column("last_seq", BigInteger),
    Column("last_time_ms", BigInteger),  # phenomenon time of its newest reading
    Column("received_at_ms", BigInteger),  # when we last heard it
    Column("status", String(16)),  # online | offline: the device's own retained word / last will
    Column("firmware", String(64)),
    Column(
        "received", BigInteger, nullable=False, server_default="0"
    ),  # readings, repeats included
    Column("duplicate", BigInteger, nullable=False, server_default="0"),
    Column("quarantined", BigInteger, nullable=False, server_default="0"),
    Column("lost", BigInteger, nullable=False, server_default="0"),  # holes it no longer can fill
    Column("shed", BigInteger, nullable=False, server_default="0"),
)

# UTC day of receipt; counts are readings: received = stored + duplicate + quarantined + shed.
device_day = Table(
    "device_day",
    metadata,
    Column("device", String(40), primary_key=True),  # "": whatever no known device sent
    Column("day", Date, primary_key=True),
    Column("received", BigInteger, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("duplicate", BigInteger, nullable=False),
    Column("lost", BigInteger, nullable=False),
)

device_day_reason = Table(
    "device_day_reason",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("day", Date, primary_key=True),
    Column("fate", String(12), primary_key=True),  # quarantined | shed
    Column("reason", String(24), primary_key=True),
    Column("n", BigInteger, nullable=False),
)

device_clock = Table(
    "device_clock",
    metadata,
    Column("device", String(40), primary_key=True),
    Column("boot", BigInteger, primary_key=True),
    Column("first_seq", BigInteger, primary_key=True),
    Column("offset_ms", BigInteger, nullable=False),  # what is added to the device's time
    Column("booted_at_ms", BigInteger, nullable=False),  # by our clock
    Column("decided_at_ms", BigInteger, nullable=False),
)

lease = Table(
    "lease",
    metadata,
    Column("name", String(140), primary_key=True),
    Column("token", String(32), nullable=False),  # another one each time it is taken
    Column("holder", JSON, nullable=False),  # host, where its process numbers hold, pid, start
    Column("beat", BigInteger, nullable=False),  # counts up while the holder is at work
    Column("taken_at_ms", BigInteger, nullable=False),
)

dead_letter = Table(
    "dead_letter",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("received_at_ms", BigInteger, nullable=False),
    Column("topic", Text, nullable=False),
    Column("device", String(40)),
    Column("reason", Text, nullable=False),
    Column("payload", LargeBinary, nullable=False),  # whole up to 16 KiB, else the first 4
    Column("size", Integer, nullable=False),  # bytes it had
    Column("digest", String(64), nullable=False),  # SHA-256 of the whole payload and topic
    Column("times", Integer, nullable=False, server_default="1"),
    Column("kind", String(24)),  # the kind of reason, as in device_day_reason
    UniqueConstraint("digest"),
    # Age and size together: what is to go is found without reading a single payload.
    Index("dead_letter_by_age", "received_at_ms", "size"),
)

alert = Table(
    "alert",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("code", String(8), nullable=False),  # what every text carries: K7
    Column("kahriz", String(40), nullable=False),
    Column("kind", String(24), nullable=False),
    Column("key", String(60), nullable=False, server_default=""),
    Column("audience", String(16), nullable=False),
    Column("state", String(10), nullable=False),  # pending | firing | resolved
    Column("since_ms", BigInteger, nullable=False),  # event time the trouble began
    Column("pending_at_ms", BigInteger, nullable=False),
    Column("fired_at_ms", BigInteger),
    Column("last_seen_ms", BigInteger, nullable=False),  # last instant a detector said so
    Column("resolved_at_ms", BigInteger),
    Column("acknowledged_at_ms", BigInteger),
    Column("acknowledged_by", Text),
    Column("detector", String(40), nullable=False),
    Column("evidence", JSON, nullable=False),
    Column("explanation", Text, nullable=False),
    Column("updated_at_ms", BigInteger, nullable=False),
    Column("on_site_at_ms", BigInteger),
    Column("on_site_by", Text),
    Column("false_alarm_at_ms", BigInteger),
    Column("false_alarm_by", Text),
    Column("ended_as", String(12)),  # over | superseded | accepted
    Column("end_lps", Float),  # the outlet's flow when it ended
    Index("alert_by_place", "kahriz", "kind", "key", "state"),
    Index("alert_by_state", "state", "since_ms"),
)

alert_event = Table(
    "alert_event",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("alert_id", _Id, ForeignKey("alert.id"), nullable=False, index=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("what", String(24), nullable=False),
    Column("detail", Text, nullable=False, server_default=""),
)

message = Table(
    "message",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("alert_id", _Id, ForeignKey("alert.id"), index=True),  # none: an answer, a notice
    Column("contact", Text, nullable=False),
    Column("address", String(254), nullable=False),  # a number in E.164, or an e-mail address
    # first | worse | repeat | escalated | resolved | digest | answer | notice
    Column("reason", String(16), nullable=False),
    Column("step", Integer, nullable=False, server_default="0"),
    Column("language", String(8), nullable=False),
    Column("text", Text, nullable=False),
    Column("encoding", String(8), nullable=False),  # gsm7 | ucs2
    Column("parts", Integer, nullable=False),
    # queued | handing_over | accepted | delivered | failed | expired | unknown
    Column("state", String(16), nullable=False, index=True),
    Column("attempts", Integer, nullable=False, server_default="0"),
    Column("created_at_ms", BigInteger, nullable=False),
    Column("due_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger, nullable=False),
    Column("sent_at_ms", BigInteger),
    Column("reference", Text),
    Column("error", Text),
    Column("key", String(330), nullable=False),  # what makes it this text and no other
    Column("kahriz", String(40)),  # whose it is, for counts; none: of a district or the service
    Column("channel", String(8), nullable=False, server_default="sms"),  # sms | email
    Column("gateway", String(40)),  # which notifier has it
    Column("delivered_at_ms", BigInteger),
    UniqueConstraint("key", name="message_key"),
    Index("message_by_kahriz", "kahriz", "created_at_ms"),
)

# Who was told what of which alert, and by which text: a digest tells of many at once.
notified = Table(
    "notified",
    metadata,
    Column("alert_id", _Id, ForeignKey("alert.id"), primary_key=True),
    Column("address", String(254), primary_key=True),
    Column("reason", String(16), primary_key=True),
    Column("step", Integer, primary_key=True, autoincrement=False),
    Column("message_id", _Id, ForeignKey("message.id"), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("gravity", Float, nullable=False, server_default="0"),  # of the alert, when it was told
    Index("notified_by_message", "message_id"),
)

contact = Table(
    "contact",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kahriz", String(40), nullable=False),
    Column("name", Text, nullable=False),
    Column("role", String(12), nullable=False),  # chair | deputy | digger | engineer
    Column("phone", String(20)),  # E.164; a contact has a number, an e-mail address or both
    Column("email", String(254)),
    Column("language", String(8), nullable=False),
    Column("alphabet", String(8), nullable=False),  # folded | full
    Column("quiet_hours", String(11), nullable=False),  # 22:00-08:00, local; "": none
    Column("consent_on", Date),
    Column("source", String(4), nullable=False),  # file | api
    Column("position", Integer, nullable=False),  # who is called first
    Column("created_at_ms", BigInteger, nullable=False),
    Column("changed_at_ms", BigInteger, nullable=False),
    Column("removed_at_ms", BigInteger),
    Index("contact_by_kahriz", "kahriz", "position"),
    Index("contact_by_phone", "phone"),
)

# By address, not by contact: whoever says stop hears nothing more, of any kahriz.
opt_out = Table(
    "opt_out",
    metadata,
    Column("address", String(254), primary_key=True),
    Column("since_ms", BigInteger, nullable=False),
    Column("by", Text, nullable=False),
)

silence = Table(
    "silence",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kahriz", String(40)),  # none: every one
    Column("kind", String(24)),  # none: every one
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger, nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    Index("silence_by_end", "end_ms"),
)

inbound = Table(
    "inbound",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("gateway", String(40), nullable=False),
    Column("reference", String(140), nullable=False),  # the gateway's own: a repeat is no new text
    Column("received_at_ms", BigInteger, nullable=False),
    Column("address", String(254), nullable=False),
    Column("text", Text, nullable=False),
    Column("state", String(12), nullable=False),  # new | done | ignored
    Column("command", String(16)),  # what it was taken for
    Column("outcome", Text, nullable=False, server_default=""),
    Column("kahriz", String(40)),
    Column("alert_id", _Id, ForeignKey("alert.id")),
    UniqueConstraint("gateway", "reference"),
    Index("inbound_by_state", "state", "id"),
    Index("inbound_by_address", "address", "received_at_ms"),
)

# A flow measured by hand, beside what the rating said at that instant.
gauging = Table(
    "gauging",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("site", String(80), nullable=False),  # <kahriz>.<site>
    Column("at_ms", BigInteger, nullable=False),
    Column("volume_l", Float),  # of a bucket, as are the next two
    Column("duration_s", Float),  # the mean of the trials
    Column("trials", Integer),
    Column("discharge_lps", Float, nullable=False),
    Column("rated_lps", Float),
    Column("stage_m", Float),
    Column("by", Text, nullable=False),
    Column("inbound_id", _Id, ForeignKey("inbound.id")),
    Column("method", String(16), nullable=False, server_default="bucket"),  # | current_meter
    Column("uncertainty_lps", Float),  # as whoever measured says
    Index("gauging_by_site", "site", "at_ms"),
)

api_key = Table(
    "api_key",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("secret_sha256", String(64), nullable=False),
    Column("name", Text, nullable=False),
    Column("scope", String(16), nullable=False),  # read | write
    Column("created_at_ms", BigInteger, nullable=False),
    Column("expires_at_ms", BigInteger),
    Column("revoked_at_ms", BigInteger),
)

checkpoint = Table(
    "checkpoint",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("value", JSON, nullable=False),
)

snapshot = Table(
    "snapshot",
    metadata,
    Column("kahriz", String(40), primary_key=True),
    Column("quarter", BigInteger, primary_key=True),
    Column("state", LargeBinary, nullable=False),
)

maintenance = Table(
    "maintenance",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("kahriz", String(40), nullable=False),
    Column("start_ms", BigInteger, nullable=False),
    Column("end_ms", BigInteger),  # still on without
    Column("is_new_normal", Boolean, nullable=False),
    Column("note", Text, nullable=False),
    Column("by", Text, nullable=False),
    Index("maintenance_by_kahriz", "kahriz", "start_ms"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", _Id, primary_key=True, autoincrement=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("who", Text, nullable=False),
    Column("what", String(40), nullable=False),
    Column("detail", JSON, nullable=False),
)
