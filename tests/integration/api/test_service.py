from __future__ import annotations

from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from kahriz.errors import StoreUnavailable
from tests.integration.api.client import Api

V1 = "/api/v1"


def checks(answer: dict[str, Any]) -> dict[str, bool]:
    return {check["name"]: check["ok"] for check in answer["checks"]}


def test_health_is_ok_when_store_book_and_ingest_are(api: Api) -> None:
    api.beat()

    answer = api.get("/health")

    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["since"] == "2026-11-22T12:00:00Z"
    assert checks(answer.json()) == {"store": True, "book": True, "ingest": True}
    assert answer.headers["cache-control"] == "no-store"


def test_health_without_ingest_is_a_503_that_says_so(api: Api) -> None:
    api.beat()
    api.wall += 16

    answer = api.get("/health")

    assert answer.status_code == 503
    assert answer.json()["status"] == "degraded"
    assert checks(answer.json()) == {"store": True, "book": True, "ingest": False}
    assert answer.json()["checks"][2]["detail"] == "down: last heard 16 s ago"
    assert answer.json()["since"] == "2026-11-22T12:00:00Z", "when it was last heard"


def test_health_names_the_store_that_is_away(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    def away() -> Any:
        raise StoreUnavailable("connection refused")

    api.beat()
    monkeypatch.setattr(api.store, "latest", away)

    answer = api.get("/health").json()

    assert checks(answer) == {"store": False, "book": True, "ingest": True}
    assert "connection refused" in answer["checks"][0]["detail"]


def test_health_of_a_store_with_a_fault_of_its_own_tells_nothing_secret(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken() -> Any:
        raise ValueError("secret")

    monkeypatch.setattr(api.store, "latest", broken)

    assert api.get("/health").json()["checks"][0]["detail"] == "ValueError"


def test_health_without_a_book_says_that_ingest_is_not_known(api: Api) -> None:
    api.book.close()
    api.break_book()

    answer = api.get("/health")

    assert answer.status_code == 503
    assert checks(answer.json()) == {"store": True, "book": False, "ingest": False}


def test_since_is_when_things_last_changed_not_when_they_were_last_asked(api: Api) -> None:
    seen = []
    for ago_s in (16, 16, 0, 0):
        api.wall += 2
        api.beat(wall_ms=int((api.wall - ago_s) * 1000))
        seen.append(api.get("/health").json()["since"][17:])

    assert seen == ["46Z", "46Z", "06Z", "06Z"], "since it was last heard; since it was found well"


def test_since_is_what_a_degraded_ingest_says(api: Api) -> None:
    since_ms = int((api.wall - 3) * 1000)
    api.beat(status="degraded", reason="mqtt: gone", since_ms=since_ms)

    answer = api.get("/health").json()

    assert (answer["status"], answer["since"]) == ("degraded", "2026-11-22T11:59:57Z")


def test_health_is_looked_at_once_a_second_however_many_ask(
    api: Api, monkeypatch: pytest.MonkeyPatch
) -> None:
    looks = []

    def look() -> dict[str, Any]:
        looks.append(1)
        return {}

    monkeypatch.setattr(api.store, "latest", look)
    for _ in range(5):
        api.get("/health")
    api.wall += 1
    api.get("/health")

    assert len(looks) == 2


def test_metrics_count_requests_by_route_not_by_address(api: Api) -> None:
    for path in (f"{V1}/alerts/1", f"{V1}/alerts/2", f"{V1}/latest", "/etc/passwd"):
        api.get(path)
    api.ask("BREW", "/coffee")
    api.beat()
    answer = api.get("/metrics")
    families = {f.name: f for f in text_string_to_metric_families(answer.text)}
    counted = {
        (s.labels["method"], s.labels["route"], s.labels["status"]): s.value
        for s in families["kahriz_api_requests"].samples
        if s.name.endswith("_total")
    }
    well = {s.labels["check"]: s.value for s in families["kahriz_api_check_ok"].samples}

    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    assert counted["GET", f"{V1}/alerts/{{id}}", "404"] == 2
    assert counted["GET", f"{V1}/latest", "200"] == 1
    assert counted["GET", "/{path:path}", "404"] == 1
    assert {method for method, _, _ in counted} == {"GET", "other"}
    assert well == {"store": 1, "book": 1, "ingest": 1}


def test_two_apis_in_one_process_count_apart(api: Api, closed_api: Api) -> None:
    api.get(f"{V1}/latest")

    assert f'route="{V1}/latest"' in api.get("/metrics").text
    assert f'route="{V1}/latest"' not in closed_api.app.state.service.metrics.text().decode()
