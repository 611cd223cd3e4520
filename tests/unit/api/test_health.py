from __future__ import annotations

from typing import Any

import pytest

from api.health import judged

WALL = 1_795_348_800.0


def beat(age_s: float = 0.0, **said: Any) -> dict[str, Any]:
    return {"wall_ms": int((WALL - age_s) * 1000), "status": "ok", "reason": ""} | said


@pytest.mark.parametrize("age_s", [0, 2, 3.5])
def test_a_fresh_heartbeat_that_says_ok_is_ok(age_s: float) -> None:
    assert judged(beat(age_s), WALL).ok


def test_a_heartbeat_older_than_some_seconds_means_down_whatever_it_said() -> None:
    check = judged(beat(3.6), WALL)

    assert not check.ok
    assert check.detail == "down: last heard 4 s ago"
    assert check.since_ms == int((WALL - 3.6) * 1000)


def test_a_degraded_ingest_gives_its_own_reason() -> None:
    refused = beat(status="degraded", since_ms=1_795_348_700_000, reason="store: refused")
    check = judged(refused, WALL)

    assert (check.ok, check.detail) == (False, "store: refused")
    assert check.since_ms == 1_795_348_700_000


@pytest.mark.parametrize("heartbeat", [None, {}, "ok", 7])
def test_without_a_heartbeat_ingest_was_never_heard_of(heartbeat: Any) -> None:
    assert judged(heartbeat, WALL).detail == "never heard of"
