"""Words of the page for what detectors say, held against the detectors."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path
from typing import get_args

import pytest

from kahriz.alert.lifecycle import Step
from kahriz.book.gaugings import Method
from kahriz.contacts import Contact
from kahriz.detect import Audience, Kind
from kahriz.detect.learned import Topic, Why
from kahriz.notify.texts import REASONS
from kahriz.notify.texts.catalogue import LANGUAGES
from kahriz.rating import RATINGS

TEXTS = (Path(__file__).parents[3] / "dashboards" / "web" / "texts.js").read_text("utf-8")


def _words(language: str) -> set[str]:
    start = TEXTS.index(f"const {language} = {{")
    return set(re.findall(r"^  (\w+): ", TEXTS[start : TEXTS.index("\n};", start)], re.MULTILINE))


def _faults(language: str) -> set[str]:
    source = resources.files("kahriz.notify.texts").joinpath(f"{language}.toml")
    found: dict[str, str] = tomllib.loads(source.read_text("utf-8"))["fault"]
    return set(found)


# What alerts and texts come to: docs/http-api.md, "timeline".
_ANSWERED = ("acknowledged", "on_site", "false_alarm")
_OF_TEXTS = ("queued", "told", "delivered", "failed", "expired", "unknown")
_OF_NO_ALERT = ("digest", "answer", "notice")


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_word_for_all_that_happens_to_an_alert(language: str) -> None:
    happened = (*Step, *_ANSWERED, *_OF_TEXTS, "held", "accepted")
    wanted = {f"what_{what}" for what in happened}
    wanted |= {f"reason_{reason}" for reason in (*REASONS, *_OF_NO_ALERT)}

    assert wanted <= _words(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_word_for_who_people_are(language: str) -> None:
    fields = Contact.model_fields
    wanted = {f"role_{role}" for role in get_args(fields["role"].annotation)}
    wanted |= {f"alphabet_{alphabet}" for alphabet in get_args(fields["alphabet"].annotation)}

    assert len(wanted) == 6
    assert wanted <= _words(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_word_for_everything_a_detector_says(language: str) -> None:
    wanted = {f"kind_{kind}" for kind in Kind} | {f"audience_{who}" for who in Audience}
    wanted |= {f"fault_{fault}" for fault in _faults(language)}
    wanted |= {f"topic_{topic}" for topic in Topic} | {f"why_{why}" for why in Why}

    assert wanted <= _words(language)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_word_for_every_rating_and_way_to_gauge(language: str) -> None:
    wanted = {f"rating_{method}" for method in RATINGS}
    wanted |= {f"gauged_{method}" for method in get_args(Method)}

    assert wanted <= _words(language)


def test_the_page_has_the_same_words_in_every_language() -> None:
    assert _words("az") == _words("en") == _words("ru")
