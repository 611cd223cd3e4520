"""The stand-in the page is tested on answers in the real API's shapes, field by field."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import BaseModel

from api import schemas, schemas_people, schemas_ratings, schemas_statistics
from tests.browser.fake_api import FakeApi, serve
from tests.browser.world import World, iso

ANSWERS: list[tuple[str, type[BaseModel]]] = [
    ("/health", schemas.HealthAnswer),
    ("/api/v1/kahrizes", schemas.Kahrizes),
    ("/api/v1/kahrizes/agh-dere/water?by=day", schemas.Water),
    ("/api/v1/kahrizes/agh-dere/statistics?forecast=true", schemas_statistics.Statistics),
    ("/api/v1/kahrizes/velibey/statistics?forecast=true", schemas_statistics.Statistics),
    ("/api/v1/kahrizes/agh-dere/summary", schemas.Summary),
    ("/api/v1/alerts", schemas.Alerts),
    ("/api/v1/alerts/7", schemas.AlertDetail),
    ("/api/v1/devices", schemas.Devices),
    ("/api/v1/contacts", schemas_people.Contacts),
    ("/api/v1/silences", schemas_people.Silences),
    ("/api/v1/kahrizes/agh-dere/maintenance", schemas_people.AllWorks),
    ("/api/v1/kahrizes/agh-dere/texts", schemas_people.Previews),
    ("/api/v1/ratings/agh-dere.outlet", schemas_ratings.Ratings),
    ("/api/v1/ratings/velibey.outlet", schemas_ratings.Ratings),
    ("/api/v1/messages/summary", schemas_people.MonthOfMessages),
]


@pytest.fixture
def fake() -> Iterator[FakeApi]:
    with serve(World()) as api:
        yield api


def get(fake: FakeApi, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{fake.server_address[1]}{path}") as answer:
        return json.load(answer)


@pytest.mark.parametrize(("path", "model"), ANSWERS, ids=[path for path, _ in ANSWERS])
def test_an_answer_is_one_the_real_api_gives(
    fake: FakeApi, path: str, model: type[BaseModel]
) -> None:
    model.model_validate(get(fake, path))


def test_observations_have_the_columns_of_the_real_ones(fake: FakeApi) -> None:
    now = fake.world.now
    query = f"start={iso(now.replace(hour=0))}&end={iso(now)}&max_points=100"
    said = get(fake, f"/api/v1/datastreams/agh-dere.outlet.discharge/observations?{query}")

    schemas.Observations.model_validate(said)
    assert len(said["time"]) == len(said["discharge_lps"]) == len(said["quality"]) <= 100
