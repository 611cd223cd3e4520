"""The oracle itself: each way of being wrong is found, and nothing where nothing is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from kahriz.clock import from_ms
from kahriz.observations import DatastreamId, Observation, ObservationBatch, Quality
from kahriz.sites import load_registry
from kahriz.store import open_store
from tests.campaign.calm import Figures, different
from tests.campaign.ingest_at import ALL, KillAt
from tests.campaign.oracle import Found, Sent, compare, sent_by_device, unbalanced
from tests.campaign.runner import Campaign
from tests.campaign.world import PROBE, registry_file

T0 = 1_795_348_800_000
LINE = DatastreamId(f"{PROBE}.line.discharge")
SENT = [Sent(PROBE, 1, n, T0 + n, {"discharge_lps": 1.0 + n}, is_acked=n < 2) for n in range(4)]


@dataclass(frozen=True)
class Row:
    received: int = 6
    duplicate: int = 2
    quarantined: int = 0
    shed: int = 0
    lost: int = 0


def judged(folder: Path, stored: Sequence[tuple[int, float]], sent: Sequence[Sent]) -> Found:
    """Return what is found where these (number, value) are stored."""
    url = f"sqlite:///{folder / 'observations.sqlite'}"
    with closing(open_store(url)) as store:
        rows = [Observation(LINE, from_ms(T0 + n), v, Quality.GOOD) for n, v in stored]
        store.write(ObservationBatch.of(rows))
    return compare(url, load_registry(registry_file(folder)), sent)


def test_all_that_was_acknowledged_and_some_that_was_not_yet_is_right(tmp_path: Path) -> None:
    found = judged(tmp_path, [(0, 1.0), (1, 2.0), (2, 3.0)], SENT)

    assert found.is_right
    assert found == Found(values=2)


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        ([(0, 1.0)], Found(2, lost=1)),
        ([(0, 1.0), (1, 2.5)], Found(2, altered=1)),
        ([(0, 1.0), (1, 2.0), (3, 9.0)], Found(2, altered=1)),
        ([(0, 1.0), (1, 2.0), (7, 8.0)], Found(2, never_sent=1)),
    ],
)
def test_a_value_that_is_lost_altered_or_was_never_sent_is_counted(
    tmp_path: Path, stored: list[tuple[int, float]], expected: Found
) -> None:
    found = judged(tmp_path, stored, SENT)

    assert not found.is_right
    assert found == expected


def test_a_reading_that_is_stored_before_it_was_sent_was_never_sent(tmp_path: Path) -> None:
    held = [*SENT[:3], replace(SENT[3], is_sent=False)]

    assert judged(tmp_path, [(0, 1.0), (1, 2.0), (3, 4.0)], held).never_sent == 1


def test_a_run_in_which_nothing_was_acknowledged_is_not_right(tmp_path: Path) -> None:
    assert not judged(tmp_path, [(0, 1.0)], [replace(SENT[0], is_acked=False)]).is_right


@pytest.mark.parametrize(
    ("row", "n_wrong"),
    [
        (Row(), 0),
        (Row(received=7), 1),
        (Row(duplicate=1), 1),
        (Row(received=7, shed=1), 0),
        (Row(shed=1), 1),
        (Row(quarantined=1), 1),
        (Row(lost=1), 1),
        (None, 1),
    ],
)
def test_books_that_do_not_balance_are_named(row: Row | None, n_wrong: int) -> None:
    rows = {} if row is None else {PROBE: row}

    assert len(unbalanced(rows, sent_by_device(SENT))) == n_wrong


def test_figures_differ_beyond_rounding_only() -> None:
    one: Figures = {("a", 0): (1.0, None), ("b", 0): (2.0, 3.0)}
    other: Figures = {("a", 0): (1.0 + 1e-12, None), ("b", 0): (2.0, None), ("c", 0): (1.0, 1.0)}

    assert [said.partition(":")[0] for said in different(one, other)] == ["('b', 0)", "('c', 0)"]


def test_every_step_that_ingest_names_is_one_it_can_die_at() -> None:
    code = "".join(path.read_text(encoding="utf-8") for path in Path("ingest").glob("*.py"))

    assert set(re.findall(r'_at\("([^"]+)"\)', code)) == set(ALL)


def test_a_step_that_ingest_does_not_know_is_refused() -> None:
    with pytest.raises(ValueError, match="'before_ack' is none of received"):
        KillAt("before_ack", 1)
    with pytest.raises(ValueError, match="'stored'"):
        KillAt("written", 1)("stored")


def test_what_health_said_untruly_is_in_the_summary_and_fails_the_campaign() -> None:
    campaign = Campaign(1)
    campaign.untrue.append("store never answers: not shown after 10.3 s")
    with pytest.raises(AssertionError, match=r"not shown after 10\.3 s"):
        campaign.assert_truthful("table")
