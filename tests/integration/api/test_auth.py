from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from kahriz.book import keys
from tests.integration.api import rows
from tests.integration.api.client import Api, assert_problem

V1 = "/api/v1"
READS = [
    f"{V1}/kahrizes",
    f"{V1}/kahrizes/agh-dere",
    f"{V1}/kahrizes/agh-dere/water",
    f"{V1}/kahrizes/agh-dere/summary",
    f"{V1}/kahrizes/agh-dere/statistics",
    f"{V1}/kahrizes/agh-dere/detection",
    f"{V1}/datastreams",
    f"{V1}/datastreams/agh-dere.outlet.stage/observations",
    f"{V1}/latest",
    f"{V1}/alerts",
    f"{V1}/alerts/1",
    f"{V1}/messages",
    f"{V1}/messages/summary",
    f"{V1}/contacts",
    f"{V1}/contacts/1",
    f"{V1}/silences",
    f"{V1}/kahrizes/agh-dere/maintenance",
    f"{V1}/kahrizes/agh-dere/texts",
    f"{V1}/gaugings",
    f"{V1}/ratings/agh-dere.outlet",
    f"{V1}/inbound",
    f"{V1}/devices",
    f"{V1}/dead-letters",
    f"{V1}/export/observations",
    f"{V1}/export/water",
    f"{V1}/export/alerts",
    f"{V1}/export/datastreams",
    f"{V1}/events",
    "/metrics",
]


@pytest.mark.parametrize("path", READS)
def test_every_read_needs_a_key_where_reads_are_not_open(closed_api: Api, path: str) -> None:
    answer = closed_api.get(path)

    assert_problem(answer, 401, "API key with read scope")
    assert answer.headers["www-authenticate"] == "Bearer"


def test_no_route_of_the_api_is_forgotten_in_that_list(api: Api) -> None:
    documented = {
        path.replace("{id}", "*")
        for path, operations in api.app.openapi()["paths"].items()
        if "get" in operations and path not in {"/health", f"{V1}/audit"}
    }
    named = {
        "agh-dere.outlet.stage": "*",
        "ratings/agh-dere.outlet": "ratings/*",
        "agh-dere": "*",
        "alerts/1": "alerts/*",
        "contacts/1": "contacts/*",
    }
    tried = set()
    for path in READS:
        for given, pattern in named.items():
            path = path.replace(given, pattern)
        tried.add(path)

    assert tried == documented


@pytest.mark.parametrize("path", [p for p in READS if not p.endswith("/events")])
def test_every_read_opens_with_a_read_key(closed_api: Api, path: str) -> None:
    rows.raise_alert(closed_api)
    rows.add_contact(closed_api)

    assert closed_api.get(path, headers=closed_api.key(keys.Scope.READ)).status_code == 200


@pytest.mark.parametrize("path", ["/health", "/docs", "/docs/style.css", "/openapi.json"])
def test_health_and_documentation_need_no_key(closed_api: Api, path: str) -> None:
    assert closed_api.get(path, peer="203.0.113.9").status_code in {200, 503}


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.8.8.8", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]"])
def test_open_reads_are_open_on_this_machine(api: Api, peer: str, host: str) -> None:
    assert api.get(f"{V1}/latest", peer=peer, host=host).status_code == 200


@pytest.mark.parametrize("peer", ["192.168.1.7", "203.0.113.9", "::ffff:10.0.0.1", "fe80::1", ""])
def test_open_reads_are_closed_to_every_other_machine(api: Api, peer: str) -> None:
    assert_problem(api.get(f"{V1}/latest", peer=peer), 401)


def test_a_name_that_another_site_points_at_this_machine_opens_nothing(api: Api) -> None:
    assert_problem(api.get(f"{V1}/latest", host="rebound.example.org"), 401)


@pytest.mark.parametrize("header", ["X-Forwarded-For", "Forwarded", "X-Real-IP"])
def test_a_proxy_on_this_machine_does_not_open_reads_to_its_clients(api: Api, header: str) -> None:
    assert_problem(api.get(f"{V1}/latest", headers={header: "127.0.0.1"}), 401)


def test_open_reads_do_not_open_writing(api: Api) -> None:
    id = rows.raise_alert(api)

    answer = api.ask("POST", f"{V1}/alerts/{id}/acknowledgement", json={"by": "x"})

    assert_problem(answer, 401, "write scope")


def test_a_read_key_may_not_write_and_the_answer_names_the_key_not_the_secret(api: Api) -> None:
    id = rows.raise_alert(api)
    header = api.key(keys.Scope.READ)
    key_id, secret = header["Authorization"].removeprefix("Bearer kz_").split("_", 1)

    answer = api.ask("POST", f"{V1}/alerts/{id}/acknowledgement", json={"by": "x"}, headers=header)

    assert_problem(answer, 403, key_id, "read scope", "write")
    assert secret not in answer.text
    assert api.json(f"{V1}/alerts/{id}")["acknowledged_by"] is None


def test_a_key_is_taken_from_either_header(closed_api: Api) -> None:
    token = closed_api.key()["Authorization"].removeprefix("Bearer ")

    assert closed_api.get(f"{V1}/latest", headers={"X-API-Key": token}).status_code == 200
    assert (
        closed_api.get(f"{V1}/latest", headers={"authorization": f"bearer {token}"}).status_code
        == 200
    )


@pytest.mark.parametrize(
    "headers",
    [
        {"Authorization": "Bearer kz_00000000_nonsense"},
        {"Authorization": "Bearer nonsense"},
        {"X-API-Key": "kz_00000000_nonsense"},
    ],
)
def test_a_wrong_key_is_refused_even_where_reads_are_open(
    api: Api, headers: dict[str, str]
) -> None:
    answer = api.get(f"{V1}/latest", headers=headers)

    assert_problem(answer, 401, "not known")
    assert "invalid_token" in answer.headers["www-authenticate"]


def test_a_key_of_another_kind_is_no_key(closed_api: Api) -> None:
    answer = closed_api.get(f"{V1}/latest", headers={"Authorization": "Basic dXNlcjpwYXNz"})

    assert_problem(answer, 401, "API key with read scope is needed")


def test_a_key_expires_by_the_wall_clock_not_by_the_demonstrations(closed_api: Api) -> None:
    key = closed_api.key(lifetime=timedelta(days=1))
    closed_api.now += timedelta(days=300)
    while_valid = closed_api.get(f"{V1}/latest", headers=key)
    closed_api.wall += 86_400
    when_over = closed_api.get(f"{V1}/latest", headers=key)

    assert while_valid.status_code == 200
    assert_problem(when_over, 401, "expired")


def test_a_revoked_key_opens_nothing_from_the_next_request_on(closed_api: Api) -> None:
    key = closed_api.key()
    id = key["Authorization"].split("_")[1]
    before = closed_api.get(f"{V1}/latest", headers=key)
    with closed_api.book.begin() as connection:
        keys.revoke(connection, id, datetime.fromtimestamp(closed_api.wall, UTC))
    after = closed_api.get(f"{V1}/latest", headers=key)

    assert before.status_code == 200
    assert_problem(after, 401, "revoked")
