"""The OpenAPI document says what the API does: real answers are held against it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from jsonschema import Draft202012Validator, FormatChecker  # type: ignore[import-untyped]

from kahriz.clock import to_ms
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api

V1 = "/api/v1"
BEFORE = "2026-11-22T08:00:00Z"


def operations(document: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (f"{method.upper()} {path}", operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def check(document: dict[str, Any], schema: dict[str, Any], value: Any) -> None:
    whole = {"components": document["components"], "allOf": [schema]}
    Draft202012Validator(whole, format_checker=FormatChecker()).validate(value)


@pytest.fixture
def document(api: Api) -> dict[str, Any]:
    answer: dict[str, Any] = api.json("/openapi.json")
    return answer


def test_every_route_has_a_sentence_a_schema_and_an_example_that_fits_it(
    document: dict[str, Any],
) -> None:
    for name, operation in operations(document):
        assert operation["description"].strip(), name
        for status, answer in operation["responses"].items():
            assert answer["description"], (name, status)
            assert ("content" in answer) == (status != "304"), (name, status)
            for content in answer.get("content", {}).values():
                assert content["schema"], (name, status)
                check(document, content["schema"], content["example"])


def test_every_request_body_has_an_example_that_fits_it(document: dict[str, Any]) -> None:
    bodies = [o["requestBody"]["content"] for _, o in operations(document) if "requestBody" in o]

    assert len(bodies) == 9
    for content in bodies:
        check(
            document, content["application/json"]["schema"], content["application/json"]["example"]
        )


def test_every_problem_is_documented_as_one(document: dict[str, Any]) -> None:
    for name, operation in operations(document):
        problems = {s for s in operation["responses"] if s[0] in "45"} - (
            {"503"} if name == "GET /health" else set()
        )
        for status in problems:
            content = operation["responses"][status]["content"]
            assert list(content) == ["application/problem+json"], (name, status)
            assert content["application/problem+json"]["example"]["status"] == int(status)
        if name != "GET /health":
            assert {"401", "503"} <= problems, name
            # A gateway has no key: it shows its own secret, or signs.
            has_key = operation.get("security") == [{"bearer": []}, {"header": []}]
            assert has_key != ("/gateways/" in name), name
        if "{id}" in name:
            assert {"404", "422"} <= problems, name


def test_every_reference_leads_somewhere_and_every_schema_is_used(
    document: dict[str, Any],
) -> None:
    found: set[str] = set()

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if isinstance(part.get("$ref"), str):
                found.add(part["$ref"].removeprefix("#/components/schemas/"))
            for inner in part.values():
                walk(inner)
        elif isinstance(part, list):
            for inner in part:
                walk(inner)

    walk(document)

    assert found == set(document["components"]["schemas"])


def test_limits_are_in_the_document(document: dict[str, Any]) -> None:
    parameters = {
        (path, p["name"]): p["schema"]
        for path, methods in document["paths"].items()
        for p in methods.get("get", {}).get("parameters", ())
    }
    points = parameters[f"{V1}/datastreams/{{id}}/observations", "max_points"]

    assert (points["minimum"], points["maximum"], points["default"]) == (2, 10_000, 1000)
    for path in (f"{V1}/alerts", f"{V1}/messages"):
        limit = parameters[path, "limit"]
        assert (limit["minimum"], limit["maximum"], limit["default"]) == (1, 1000, 100)


def test_real_answers_of_every_route_fit_the_document(api: Api, document: dict[str, Any]) -> None:
    id = fill(api)
    asked = {
        f"{V1}/kahrizes": f"{V1}/kahrizes",
        f"{V1}/kahrizes/{{id}}": f"{V1}/kahrizes/agh-dere",
        f"{V1}/kahrizes/{{id}}/water": f"{V1}/kahrizes/agh-dere/water",
        f"{V1}/kahrizes/{{id}}/summary": f"{V1}/kahrizes/agh-dere/summary",
        f"{V1}/kahrizes/{{id}}/statistics": f"{V1}/kahrizes/agh-dere/statistics?forecast=true",
        f"{V1}/kahrizes/{{id}}/detection": f"{V1}/kahrizes/agh-dere/detection",
        f"{V1}/datastreams": f"{V1}/datastreams",
        f"{V1}/datastreams/{{id}}/observations": (
            f"{V1}/datastreams/agh-dere.line.discharge/observations"
        ),
        f"{V1}/latest": f"{V1}/latest",
        f"{V1}/alerts": f"{V1}/alerts",
        f"{V1}/alerts/{{id}}": f"{V1}/alerts/{id}",
        f"{V1}/messages": f"{V1}/messages",
        f"{V1}/messages/summary": f"{V1}/messages/summary",
        f"{V1}/contacts": f"{V1}/contacts",
        f"{V1}/contacts/{{id}}": f"{V1}/contacts/1",
        f"{V1}/silences": f"{V1}/silences",
        f"{V1}/kahrizes/{{id}}/maintenance": f"{V1}/kahrizes/agh-dere/maintenance",
        f"{V1}/kahrizes/{{id}}/texts": f"{V1}/kahrizes/agh-dere/texts",
        f"{V1}/gaugings": f"{V1}/gaugings",
        f"{V1}/ratings/{{id}}": f"{V1}/ratings/agh-dere.outlet",
        f"{V1}/inbound": f"{V1}/inbound",
        f"{V1}/audit": f"{V1}/audit",
        f"{V1}/devices": f"{V1}/devices",
        f"{V1}/dead-letters": f"{V1}/dead-letters",
        "/health": "/health",
    }
    key = api.key()
    for (method, path), (address, body) in changes(id).items():
        operation = document["paths"][path][method]
        body = body or operation["requestBody"]["content"]["application/json"]["example"]
        answer = api.ask(method.upper(), address, json=body, headers=key)
        (status,) = {s for s in operation["responses"] if s.startswith("2")}
        assert answer.status_code == int(status), (address, answer.text)
        content = operation["responses"][status]["content"]
        check(document, content["application/json"]["schema"], answer.json())
    for path, address in asked.items():
        content = document["paths"][path]["get"]["responses"]["200"]["content"]
        answer = api.get(address, headers=key)
        assert answer.status_code == 200, (address, answer.text)
        check(document, content["application/json"]["schema"], answer.json())
    problem = api.get(f"{V1}/alerts?limit=0").json()
    check(document, {"$ref": "#/components/schemas/ProblemAnswer"}, problem)

    not_json = {f"{V1}/events", "/metrics"}
    gets = {path for path, methods in document["paths"].items() if "get" in methods}
    assert set(asked) == {path for path in gets - not_json if "/export/" not in path}
    changing = {
        (method, path)
        for path, methods in document["paths"].items()
        for method in methods
        if method != "get" and "/gateways/" not in path
    }
    assert {*changes(id), *((m, p) for m, p in changing if m == "delete")} == changing


def changes(id: int) -> dict[tuple[str, str], tuple[str, Any]]:
    """Return by route what is asked to change something; None: the document's own example."""
    of_kahriz = f"{V1}/kahrizes/agh-dere/maintenance"
    asked = {
        ("post", f"{V1}/alerts/{{id}}/{what}"): (f"{V1}/alerts/{id}/{what}", None)
        for what in ("acknowledgement", "on-site", "false-alarm")
    }
    return asked | {
        ("post", f"{V1}/contacts"): (f"{V1}/contacts", None),
        ("patch", f"{V1}/contacts/{{id}}"): (f"{V1}/contacts/1", None),
        ("post", f"{V1}/silences"): (f"{V1}/silences", None),
        ("post", f"{V1}/gaugings"): (f"{V1}/gaugings", None),
        ("post", f"{V1}/kahrizes/{{id}}/maintenance"): (of_kahriz, {"by": "A", "at": BEFORE}),
        ("post", f"{V1}/kahrizes/{{id}}/maintenance/end"): (f"{of_kahriz}/end", None),
    }


def test_the_documentation_page_shows_every_route_without_script_or_network(
    api: Api, document: dict[str, Any]
) -> None:
    page = api.get("/docs").text

    for path in document["paths"]:
        assert f"</span> {path}</h2>" in page
    assert "<script" not in page
    assert "http://" not in page
    assert "https://" not in page
    assert "<style" not in page
    assert "at least: 2; at most: 10000; default: 1000" in page
    assert api.get("/docs/style.css").headers["content-type"].startswith("text/css")


def fill(api: Api) -> int:
    """Write some of everything and return the alert's id."""
    day = timedelta(days=1)
    rows.deliver(api, 2.4, NOW - 3 * day, NOW)
    rows.observe(api, "agh-dere.outlet.battery_voltage", 12.5, NOW - day, NOW)
    rows.observe(api, "agh-dere.outlet.discharge", 2.4, NOW - day, NOW)
    rows.hear(api, "agh-dere-outlet", received_at_ms=to_ms(NOW), boot=1, last_seq=2)
    id = rows.raise_alert(api)
    rows.queue_message(api, id)
    api.beat()
    return id
