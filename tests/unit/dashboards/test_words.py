"""Words of the page for what detectors say, held against the detectors."""

from __future__ import annotations

import re
import tomllib
from importlib import resources
from pathlib import Path

import pytest

from kahriz.detect import Audience, Kind
from kahriz.detect.learned import Topic, Why
from kahriz.notify.texts.catalogue import LANGUAGES

TEXTS = (Path(__file__).parents[3] / "dashboards" / "web" / "texts.js").read_text("utf-8")


def _words(language: str) -> set[str]:
    start = TEXTS.index(f"const {language} = {{")
    return set(re.findall(r"^  (\w+): ", TEXTS[start : TEXTS.index("\n};", start)], re.MULTILINE))


def _faults(language: str) -> set[str]:
    source = resources.files("kahriz.notify.texts").joinpath(f"{language}.toml")
    found: dict[str, str] = tomllib.loads(source.read_text("utf-8"))["fault"]
    return set(found)


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_page_has_a_word_for_everything_a_detector_says(language: str) -> None:
    wanted = {f"kind_{kind}" for kind in Kind} | {f"audience_{who}" for who in Audience}
    wanted |= {f"fault_{fault}" for fault in _faults(language)}
    wanted |= {f"topic_{topic}" for topic in Topic} | {f"why_{why}" for why in Why}

    assert wanted <= _words(language)


def test_the_page_has_the_same_words_in_every_language() -> None:
    assert _words("az") == _words("en") == _words("ru")
