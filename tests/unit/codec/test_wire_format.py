"""docs/wire-format.md and the codecs say the same."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kahriz import plugins
from kahriz.codec import CODECS, Codec
from kahriz.codec.senml_units import converted
from kahriz.codec.sniff import codec_for
from kahriz.errors import DecodeError
from kahriz.observations import Readings
from kahriz.units import PROPERTIES, Property

PAGE = (Path(__file__).parents[3] / "docs" / "wire-format.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
REFUSALS = re.findall(r"^\| `((?:[{\[]|stage=).*?)` \| (.*) \|$", PAGE, re.MULTILINE)
UNITS = re.findall(r"^\| (\w+) \| ((?:`\S+` ?)+)\|$", PAGE, re.MULTILINE)


def decode(payload: bytes) -> Readings:
    codec: Codec = plugins.load("codec", codec_for(payload), CODECS)()
    return codec.decode(payload)


def test_the_page_was_read() -> None:
    assert len(EXAMPLES) == 3
    assert len(REFUSALS) == 17
    assert {name for name, _ in UNITS} == {prop.value for prop in Property}


@pytest.mark.parametrize("payload", EXAMPLES)
def test_every_example_decodes_to_known_channels(payload: str) -> None:
    readings = decode(payload.encode())

    assert readings.time_ms[0] == 1795348800000
    assert set(readings.channel) <= {info.channel for info in PROPERTIES.values()}
    assert readings.value[0] == 0.127


@pytest.mark.parametrize(("payload", "reason"), REFUSALS)
def test_every_refusal_is_the_documented_one(payload: str, reason: str) -> None:
    with pytest.raises(DecodeError) as caught:
        decode(payload.encode())

    assert caught.value.reason == reason


@pytest.mark.parametrize(("name", "units"), UNITS)
def test_the_documented_units_are_those_that_are_converted(name: str, units: str) -> None:
    documented = re.findall(r"`(\S+)`", units)
    with pytest.raises(DecodeError) as caught:
        converted(name, 1.0, "furlong")

    assert caught.value.reason.partition("expected ")[2].split(" or ") == documented


def test_the_documented_sizes_are_true() -> None:
    one = b'{"boot":7,"seq":41,"r":[[1795348800000,{"stage_m":0.127,"battery_v":12.6}]]}'
    rows = [f'[{1795348800000 + i},{{"stage_m":0.127,"battery_v":12.6}}]' for i in range(40)]
    forty = f'{{"boot":7,"seq":41,"oldest":12,"r":[{",".join(rows)}]}}'
    short = [row.replace(',"battery_v":12.6', "") for row in rows]
    lean = f'{{"boot":7,"seq":41,"oldest":12,"battery_v":12.6,"r":[{",".join(short)}]}}'

    assert decode(one).n_rows == 1
    assert decode(forty.encode()).n_rows == decode(lean.encode()).n_rows == 40
    found = (len(one), round(len(forty) / 40), round(len(lean) / 40))
    documented = re.search(
        r"takes (\d+) bytes; in a payload of 40 it takes (\d+), and (\d+) with", PAGE
    )
    assert documented is not None
    assert found == tuple(int(n) for n in documented.groups())
