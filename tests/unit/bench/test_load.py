"""The fleet that benchmarks publish is what it says: so many readings, each once."""

from __future__ import annotations

import json
from collections import Counter

import pytest

from bench import load
from bench.intake import PACKS, SINGLES, Load
from kahriz.codec.json_v1 import JsonV1

_NOW_MS = 1_795_000_000_000


@pytest.mark.parametrize(("readings", "pack"), [(1000, 1), (1000, 40), (70, 4)])
def test_every_device_sends_its_readings_once_and_in_order(readings: int, pack: int) -> None:
    times: dict[str, list[int]] = {}
    for topic, body in load.payloads(10, readings, pack, _NOW_MS):
        rows = json.loads(body)["r"]
        assert len(rows) <= pack
        times.setdefault(topic, []).extend(t for t, _ in rows)

    assert Counter(len(each) for each in times.values()) == {readings // 10: 10}
    assert all(each == sorted(set(each)) for each in times.values())
    assert {each[0] for each in times.values()} == {load.first_ms(readings // 10, _NOW_MS)}
    assert max(each[-1] for each in times.values()) < _NOW_MS


def test_sequence_numbers_count_on_from_one_message_to_the_next() -> None:
    mine = [body for topic, body in load.payloads(10, 1000, 40, _NOW_MS) if "d0003" in topic]
    numbers = [(json.loads(body)["seq"], len(json.loads(body)["r"])) for body in mine]

    assert numbers == [(1, 40), (41, 40), (81, 20)]


def test_our_own_decoder_reads_it() -> None:
    _, body = next(load.payloads(10, 1000, 40, _NOW_MS))
    readings = JsonV1().decode(body)

    assert len(readings.value) == 40
    assert set(readings.channel) == {"discharge_lps"}


@pytest.mark.parametrize("size", [0, 105, 106, 16_361, 16_362])
def test_a_packet_says_its_own_length(size: int) -> None:
    packet = load.packet("kahriz/v1/d/up", b"x" * size, 0x1234)
    length, at = 0, 1
    for digit in range(4):
        length |= (packet[at] & 0x7F) << 7 * digit
        at += 1
        if packet[at - 1] < 0x80:
            break

    assert packet[0] == 0x32
    assert len(packet) == at + length
    assert packet[at : at + 2] == b"\x00\x0e"
    assert packet[at + 16 : at + 18] == b"\x12\x34"


@pytest.mark.parametrize("measured", [SINGLES, PACKS, PACKS.part(4), Load("odd", 70 * 200, 40)])
def test_a_load_knows_how_many_messages_it_is(measured: Load) -> None:
    small = Load(measured.name, min(measured.readings, 20_000), measured.pack)
    made = list(load.payloads(200, small.readings, small.pack, _NOW_MS))

    assert small.messages == len(made)
    assert measured.readings % 200 == 0
