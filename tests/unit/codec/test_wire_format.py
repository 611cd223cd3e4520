"""docs/wire-format.md and the codecs say the same."""

from __future__ import annotations

import math
import re
import shutil
import subprocess
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
LORAWAN = (Path(__file__).parents[3] / "docs" / "lorawan.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
HEX = re.findall(r"^```hex\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
REFUSALS = re.findall(r"^\| `((?:[{\[]|stage=|01 ).*?)` \| (.*) \|$", PAGE, re.MULTILINE)
SIZES = re.findall(r"^\| (\d+) \| (\d) \| ([\d.]+) \| ([\d.]+) \| ([\d.]+) \|$", PAGE, re.MULTILINE)
[ENCODER] = re.findall(r"^```c\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
UNITS = re.findall(r"^\| (\w+) \| ((?:`\S+` ?)+)\|$", PAGE, re.MULTILINE)


def decode(payload: bytes) -> Readings:
    return codec(codec_for(payload)).decode(payload)


def codec(name: str) -> Codec:
    made: Codec = plugins.load("codec", name, CODECS)()
    return made


def bytes_of(shown: str) -> bytes:
    """Hexadecimal pairs of each line, up to the words beside them."""
    pairs = [re.match(r"(?:[0-9a-f]{2} ?)+(?= |$)", line) for line in shown.splitlines()]
    return bytes.fromhex("".join(found.group() for found in pairs if found))


def water(n: int, channels: int) -> Readings:
    """Return readings every five minutes: a level that sways by mm, a battery that sags by cV."""
    said = [
        (i, name, value)
        for i in range(n)
        for name, value in (
            ("stage_m", round(127 + 8 * math.sin(i / 6)) / 1000),
            ("battery_v", (1260 - i // 4) / 100),
        )[:channels]
    ]
    return Readings(
        n_rows=n,
        row=[i for i, _, _ in said],
        time_ms=[1795348800000 + 300_000 * i for i, _, _ in said],
        channel=[name for _, name, _ in said],
        value=[value for _, _, value in said],
        boot=7,
        first_seq=41,
        oldest_seq=12 if n > 1 else None,
    )


def test_the_page_was_read() -> None:
    assert len(EXAMPLES) == 3
    assert len(HEX) == 2
    assert len(REFUSALS) == 19
    assert len(SIZES) == 4
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
        decode(bytes_of(payload) if payload.startswith("01 ") else payload.encode())

    assert caught.value.reason == reason


@pytest.mark.parametrize("example", [0, 1])
def test_the_bytes_by_hand_say_what_the_json_says(example: int) -> None:
    compact = decode(bytes_of(HEX[example]))
    said = decode(EXAMPLES[example].encode())

    assert str(compact) == str(said)  # as text, because a NaN is not equal to itself
    assert codec("compact_v1").encode(said) == bytes_of(HEX[example])


@pytest.mark.parametrize(("n", "channels", "compact", "json", "senml"), SIZES)
def test_the_documented_bytes_a_reading_are_true(
    n: str, channels: str, compact: str, json: str, senml: str
) -> None:
    readings = water(int(n), int(channels))
    payloads = [codec(name).encode(readings) for name in ("compact_v1", "json_v1", "senml")]

    assert [f"{len(payload) / int(n):.1f}" for payload in payloads] == [compact, json, senml]


def test_a_slow_lorawan_frame_has_room_for_what_is_documented() -> None:
    documented = re.search(
        r"one reading with two channels takes (\d+) bytes, of eight (\d+): both fit the (\d+)",
        LORAWAN.replace("\n", " "),
    )
    assert documented is not None
    one, eight, room = (int(n) for n in documented.groups())

    assert len(codec("compact_v1").encode(water(1, 2))) == one
    assert len(codec("compact_v1").encode(water(8, 2))) == eight <= room


def test_the_documented_encoder_compiles_and_writes_what_ours_writes(tmp_path: Path) -> None:
    compiler = shutil.which("cc")
    if compiler is None:
        pytest.skip("no C compiler: apt-get install gcc libc6-dev")
    readings = water(40, 2)
    stage, battery = readings.value[::2], readings.value[1::2]
    stage[5] = battery[0] = stage[6] = math.nan
    readings.value = [v for pair in zip(stage, battery, strict=True) for v in pair]
    rows = [
        f"{{{t}, {_scaled(s, 1000)}, {_scaled(b, 100)}}}"
        for t, s, b in zip(readings.time_ms[::2], stage, battery, strict=True)
    ]
    main = f"""
        #include <stdio.h>
        static const struct reading all[] = {{{", ".join(rows)}}};
        int main(void) {{
            unsigned size = pack(7, 41, 12, all, 40);
            return fwrite(out, 1, size, stdout) == size ? 0 : 1;
        }}
    """
    (tmp_path / "pack.c").write_text(ENCODER + main, encoding="utf-8")
    strict = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"]
    program = tmp_path / "pack"
    subprocess.run([compiler, *strict, "-o", program, tmp_path / "pack.c"], check=True)
    written = subprocess.run([program], check=True, capture_output=True).stdout

    assert written == codec("compact_v1").encode(readings)
    assert "float" not in ENCODER
    assert "double" not in ENCODER
    assert len(ENCODER.splitlines()) <= 60


def _scaled(value: float, times: int) -> str:
    return "NONE" if math.isnan(value) else str(round(value * times))


@pytest.mark.parametrize(("name", "units"), UNITS)
def test_the_documented_units_are_those_that_are_converted(name: str, units: str) -> None:
    documented = re.findall(r"`(\S+)`", units)
    with pytest.raises(DecodeError) as caught:
        converted(name, 1.0, "furlong")

    assert caught.value.reason.partition("expected ")[2].split(" or ") == documented


@pytest.mark.parametrize("exponent", ["e100", "E-0324", "e+100"])
def test_many_numbers_far_from_1_are_refused_in_a_long_payload_alone(exponent: str) -> None:
    def payload(n: int, length: int) -> bytes:
        values = ",".join([f'{{"bt":1795348800,"n":"a","v":1{exponent}}}'] * n)
        return f"[{values}]".encode().ljust(length)

    assert len(decode(payload(256, 16384)).value) == 256
    assert len(decode(payload(60, 3072)).value) == 60
    with pytest.raises(DecodeError, match="257 numbers with exponents beyond 99, at most 256 are"):
        decode(payload(257, 3073))


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
