"""ChirpStack's events as it publishes them, for tests."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from pathlib import Path
from typing import Any

PAGE = (Path(__file__).parents[1] / "docs" / "lorawan.md").read_text(encoding="utf-8")
[DOCUMENTED] = re.findall(r"^```json\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)
[DOCUMENTED_SITES] = re.findall(r"^```toml\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)

DEVICE = "70b3d57ed005a1b2"
APPLICATION = "17c82e96-be03-4f38-aef3-f83d48582d97"
TIME = "2026-11-22T12:00:00.775023242+00:00"
TIME_MS = 1_795_348_800_775
LPP = bytes([0x01, 0x02, 0x04, 0xF6, 0x02, 0x74, 0x04, 0xEC])
"""Channel 1, analog input, 12.70; channel 2, voltage, 12.60."""


def topic(device: str = DEVICE, kind: str = "up") -> str:
    return f"application/{APPLICATION}/device/{device}/event/{kind}"


def event(**fields: Any) -> bytes:
    """Return the documented event with other fields; None takes one out."""
    said: dict[str, Any] = json.loads(DOCUMENTED) | fields
    return json.dumps({key: value for key, value in said.items() if value is not None}).encode()


def frame(f_cnt: int, time_ms: int, device: str = DEVICE, data: bytes = LPP) -> bytes:
    """Return the event of one frame; its deduplication id is made of counter and time."""
    seconds, ms = divmod(time_ms, 1000)
    hour, minute = divmod(seconds // 60 % 1440, 60)
    day = seconds // 86400 - 20778  # from 2026-11-21 on
    return event(
        deduplicationId=f"{device}-{f_cnt}-{time_ms}",
        time=f"2026-11-{21 + day:02}T{hour:02}:{minute:02}:{seconds % 60:02}.{ms:03}000001Z",
        deviceInfo={"devEui": device},
        fCnt=f_cnt,
        data=b64encode(data).decode(),
    )
