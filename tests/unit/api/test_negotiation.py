from __future__ import annotations

import pytest

from api.negotiation import preferred

OFFERED = ("application/json", "text/csv")


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", "application/json"),
        ("*/*", "application/json"),
        ("text/csv", "text/csv"),
        ("TEXT/CSV; header=present", "text/csv"),
        ("text/*", "text/csv"),
        ("text/html, application/xhtml+xml, */*;q=0.8", "application/json"),
        ("application/json;q=0.5, text/csv;q=0.6", "text/csv"),
        ("application/json;q=0.5, text/csv;q=0.5", "application/json"),
        ("application/json;q=0, */*", "text/csv"),
        ("text/csv;q=0.1, text/*;q=0.9, application/json;q=0.2", "application/json"),
        ("text/html", None),
        ("text/csv;q=0", None),
        ("*/*;q=0", None),
        ("text/csv;q=much", None),
        ("text/csv;q=7", None),
        ("nonsense", None),
        (",,,", "application/json"),
    ],
)
def test_the_most_specific_range_decides_and_of_equals_the_first(
    accept: str, chosen: str | None
) -> None:
    assert preferred(accept, OFFERED) == chosen
