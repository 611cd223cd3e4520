"""ChirpStack's events become readings of our devices, whatever kind of payload they carry."""

from __future__ import annotations

from pathlib import Path

import pytest

from ingest import lorawan_topics
from ingest.lorawan import LoRaWAN
from kahriz.book.devices import DeviceRow
from kahriz.codec.compact import Compact
from kahriz.errors import ConfigError, DecodeError, UnknownSensorError
from kahriz.observations import Readings
from kahriz.sites import Registry, load_registry
from tests.uplinks import DEVICE, DOCUMENTED, DOCUMENTED_SITES, TIME_MS, event, frame, topic

OWN, PLAIN = "70b3d57ed0000001", "70b3d57ed0000002"
SITES = f"""
[[kahriz]]
id = "agh-dere"
name = "Ağ Dərə"
village = "Molla Cəlilli"
district = "Göygöl"
[[kahriz.site]]
id = "outlet"
kind = "outlet"
name = "Gözü"
[[kahriz.site.sensor]]
device = "{DEVICE}"
channel = "stage_m"
[[kahriz.site.sensor]]
device = "{DEVICE}"
channel = "battery_v"
[[kahriz.site]]
id = "shaft"
kind = "shaft"
name = "Quyu"
[[kahriz.site.sensor]]
device = "{OWN}"
channel = "stage_m"
[[kahriz.site]]
id = "line"
kind = "delivery_line"
name = "Xətt"
[[kahriz.site.sensor]]
device = "{PLAIN}"
channel = "discharge_lps"
{DOCUMENTED_SITES}
[[kahriz.device]]
id = "{OWN}"
payload = "compact_v1"
"""
LATEST = TIME_MS + 10**10


def registry(folder: Path, text: str = SITES) -> Registry:
    path = folder / "sites.toml"
    path.write_text(text, encoding="utf-8")
    return load_registry(path)


@pytest.fixture
def lorawan(tmp_path: Path) -> LoRaWAN:
    return LoRaWAN(registry(tmp_path))


def read(lorawan: LoRaWAN, payload: bytes, device: str = DEVICE) -> Readings:
    found = lorawan.readings(topic(device), payload, LATEST)
    assert found is not None
    assert found[0] == device
    return found[1]


def test_the_documented_event_and_sites_give_the_documented_reading(lorawan: LoRaWAN) -> None:
    assert lorawan.readings(topic(), DOCUMENTED.encode(), LATEST) == (
        DEVICE,
        Readings(
            n_rows=1,
            row=[0, 0],
            time_ms=[TIME_MS] * 2,
            channel=["stage_m", "battery_v"],
            value=[0.127, 12.6],
            boot=1,
            first_seq=41,
            oldest_seq=41,
        ),
    )


def test_a_device_without_an_entry_is_read_by_chirpstack_s_own_object(lorawan: LoRaWAN) -> None:
    said = event(deviceInfo={"devEui": PLAIN}, object={"discharge_lps": 2.5})

    assert read(lorawan, said, PLAIN).channel == ["discharge_lps"]
    assert read(lorawan, said, PLAIN).value == [2.5]


def test_a_device_of_ours_keeps_its_own_numbers(lorawan: LoRaWAN) -> None:
    own = Readings(2, [0, 1], [TIME_MS - 300_000, TIME_MS], ["stage_m"] * 2, [1.2, 1.3], 7, 900)
    payload = frame(3, TIME_MS, OWN, Compact().encode(own))

    assert read(lorawan, payload, OWN) == own


def test_a_counter_that_fell_is_a_new_boot_and_an_old_frame_is_not(lorawan: LoRaWAN) -> None:
    frames = [(40, TIME_MS), (0, TIME_MS + 60_000), (40, TIME_MS), (1, TIME_MS + 120_000)]
    numbers = [read(lorawan, frame(*f)) for f in frames]

    assert [(r.boot, r.first_seq) for r in numbers] == [(1, 40), (2, 0), (1, 40), (2, 1)]


def test_boots_go_on_where_the_book_stands(tmp_path: Path) -> None:
    row = DeviceRow(DEVICE, 6, 40, TIME_MS, TIME_MS, None, None, 0, 0, 0, 0)
    never = DeviceRow(OWN, None, None, None, None, "online", None, 0, 0, 0, 0)
    lorawan = LoRaWAN(registry(tmp_path))
    lorawan.restore([row, never])

    assert read(lorawan, frame(0, TIME_MS + 60_000)).boot == 7


@pytest.mark.parametrize("kind", sorted(lorawan_topics.KINDS - {"up"}))
def test_other_events_are_counted_and_nothing_else(lorawan: LoRaWAN, kind: str) -> None:
    assert lorawan.readings(topic(kind=kind), b"not even JSON", LATEST) is None
    assert lorawan.readings(topic("0" * 16, kind), b"", LATEST) is None
    assert lorawan.ignored == {kind: 2}


def test_kinds_nobody_knows_share_one_count(lorawan: LoRaWAN) -> None:
    for i in range(3):
        assert lorawan.readings(topic(kind=f"new{i}"), b"{}", LATEST) is None

    assert lorawan.ignored == {"other": 3}


def test_an_uplink_without_a_payload_is_no_reading_and_no_dead_letter(lorawan: LoRaWAN) -> None:
    assert lorawan.readings(topic(), event(data=""), LATEST) is None
    assert lorawan.readings(topic(), event(data=None), LATEST) is None
    assert lorawan.readings(topic(), event(fPort=0), LATEST) is None
    assert lorawan.ignored == {"empty": 3}


def test_a_device_that_is_not_in_sites_toml_is_unknown(lorawan: LoRaWAN) -> None:
    with pytest.raises(UnknownSensorError, match="device '0000000000000000'"):
        lorawan.readings(topic("0" * 16), event(), LATEST)


@pytest.mark.parametrize(
    ("device", "payload", "reason"),
    [
        (DEVICE, event(deviceInfo={"devEui": OWN}), f"devEui '{OWN}' on a topic of '{DEVICE}'"),
        (DEVICE, event(data="AQ=="), "byte 0 of 1: truncated"),
        (DEVICE, event(data="CWcBEA=="), "'temperature_9': a reading without any value that"),
        (DEVICE, b"{}", "missing required field"),
        (PLAIN, event(deviceInfo={"devEui": PLAIN}), "the event has no object: give its device"),
        (
            PLAIN,
            event(deviceInfo={"devEui": PLAIN}, object={"Flow (l/s)": 1}),
            "'Flow (l/s)' is no channel: name it in sites.toml",
        ),
    ],
)
def test_a_refusal_names_what_is_wrong(
    lorawan: LoRaWAN, device: str, payload: bytes, reason: str
) -> None:
    with pytest.raises(DecodeError) as caught:
        lorawan.readings(topic(device), payload, LATEST)

    assert reason in caught.value.reason


def test_a_topic_that_is_not_chirpstack_s_is_refused(lorawan: LoRaWAN) -> None:
    with pytest.raises(DecodeError, match="is not one of ChirpStack's"):
        lorawan.readings("application/1/device/xyz/event/up", event(), LATEST)


def test_a_value_that_its_factor_makes_endless_is_refused(tmp_path: Path) -> None:
    sites = SITES.replace("cayenne_lpp", "object").replace("over = 100", "times = 1e300")
    lorawan = LoRaWAN(registry(tmp_path, sites))

    with pytest.raises(DecodeError, match="channel 'stage_m': value inf is not a finite number"):
        lorawan.readings(topic(), event(object={"analog_in_1": 1e300}), LATEST)


class TwoAtOnce:
    """A decoder that breaks its promise: two readings, and no numbers."""

    reads = "data"

    def decode(self, f_port: int, data: bytes, time_ms: int) -> Readings:
        return Readings(2, [0, 1], [time_ms] * 2, ["stage_m"] * 2, [1.0, 2.0])


def test_a_decoder_from_outside_is_used_and_held_to_its_contract(tmp_path: Path) -> None:
    name = "tests.unit.ingest.test_lorawan:TwoAtOnce"
    lorawan = LoRaWAN(registry(tmp_path, SITES.replace("compact_v1", name)))

    with pytest.raises(DecodeError, match="2 readings without numbers in one frame"):
        lorawan.readings(topic(OWN), frame(1, TIME_MS, OWN), LATEST)


def test_a_decoder_that_does_not_exist_stops_the_start(tmp_path: Path) -> None:
    sites = SITES.replace("cayenne_lpp", "cayenne")

    with pytest.raises(ConfigError, match="payload decoder: unknown name 'cayenne'"):
        LoRaWAN(registry(tmp_path, sites))


@pytest.mark.parametrize(
    ("text", "parsed"),
    [
        (topic(), (DEVICE, "up")),
        (topic(DEVICE.upper(), "join"), (DEVICE, "join")),
        ("application/1/device/70b3d57ed005a1b2/event/up", (DEVICE, "up")),
        ("application//device/70b3d57ed005a1b2/event/up", None),
        ("application/1/device/70b3d57ed005a1b/event/up", None),
        ("application/1/device/70b3d57ed005a1b2/event/up/x", None),
        ("application/1/device/70b3d57ed005a1b2/command/down", None),
        ("eu868/gateway/0016c001f153a14c/event/up", None),
        ("kahriz/v1/70b3d57ed005a1b2/up", None),
        ("application/" + "1" * 200 + "/device/70b3d57ed005a1b2/event/up", None),
    ],
)
def test_topics_are_taken_apart(text: str, parsed: tuple[str, str] | None) -> None:
    assert lorawan_topics.parse(text) == parsed
