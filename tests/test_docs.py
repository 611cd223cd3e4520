"""What exists is documented, what is linked exists, and nothing of one machine is committed."""

from __future__ import annotations

import inspect
import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
import typer
from pydantic import BaseModel

from api.app import create_app
from kahriz import errors
from kahriz.book import Book
from kahriz.cli import build
from kahriz.clock import system_clock
from kahriz.codec import CODECS
from kahriz.codec.payload import PAYLOAD_DECODERS
from kahriz.contacts import Contact
from kahriz.detect import DETECTORS
from kahriz.notify import NOTIFIERS
from kahriz.quality import TESTS
from kahriz.rating import RATINGS
from kahriz.settings import PREFIX, Settings
from kahriz.sites import (
    Detect,
    Device,
    Kahriz,
    Norm,
    PayloadChannel,
    RatingEntry,
    Sensor,
    Site,
    load_registry,
)
from kahriz.store import STORES, open_store

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"

SEAMS: dict[str, tuple[dict[str, str], str]] = {
    "codec": (CODECS, "wire-format.md"),
    "payload decoder": (PAYLOAD_DECODERS, "lorawan.md"),
    "quality test": (TESTS, "quality.md"),
    "rating": (RATINGS, "quality.md"),
    "store": (STORES, "stores.md"),
    "detector": (DETECTORS, "detectors.md"),
    "notifier": (NOTIFIERS, "alerts.md"),
}


def _settings(model: type[BaseModel] = Settings, prefix: str = PREFIX) -> Iterator[str]:
    for name, field in model.model_fields.items():
        variable = prefix + name.upper()
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _settings(field.annotation, variable + "__")
        else:
            yield variable


def _commands(command: Any, words: str = "kahriz") -> Iterator[tuple[str, str]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        yield words, command.help
    else:
        for name, each in inner.items():
            yield from _commands(each, f"{words} {name}")


_ALL_COMMANDS = dict(_commands(typer.main.get_command(build())))


def _errors() -> list[str]:
    return [
        name
        for name, thing in vars(errors).items()
        if inspect.isclass(thing) and issubclass(thing, errors.KahrizError)
    ]


@cache
def _tracked() -> tuple[Path, ...]:
    # New files count before they are committed; outside a checkout everything in docs/ does.
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip("not a git checkout")
    paths = (ROOT / name for name in done.stdout.split("\0") if name)
    return tuple(path for path in paths if path.is_file())


@cache
def _all_docs() -> str:
    paths = [*sorted(DOCS.rglob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
    return "\n".join(path.read_text(encoding="utf-8") for path in paths)


def _mentions(text: str, name: str) -> bool:
    return re.search(rf"(?<![\w-]){re.escape(name)}(?![\w-])", text) is not None


@pytest.mark.parametrize("variable", list(_settings()))
def test_every_setting_is_documented(variable: str) -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")

    assert _mentions(text, variable)


@pytest.mark.parametrize(
    "model", [Kahriz, Site, Sensor, Device, PayloadChannel, RatingEntry, Contact, Norm, Detect]
)
def test_every_key_of_the_registry_is_documented(model: type[BaseModel]) -> None:
    text = (DOCS / "configuration.md").read_text(encoding="utf-8")

    assert [name for name in model.model_fields if f"`{name}`" not in text] == []


@pytest.mark.parametrize("seam", SEAMS)
def test_every_implementation_of_a_seam_is_documented(seam: str) -> None:
    known, page = SEAMS[seam]
    text = (DOCS / page).read_text(encoding="utf-8")

    assert [name for name in known if not _mentions(text, name)] == []


@pytest.mark.parametrize("name", _errors())
def test_every_error_is_documented(name: str) -> None:
    assert _mentions(_all_docs(), name)


def test_every_route_is_documented(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    registry = load_registry(ROOT / "sites.example.toml")
    app = create_app(settings, registry, open_store("memory://"), Book("sqlite://"), system_clock)
    text = (DOCS / "http-api.md").read_text(encoding="utf-8")
    routes = app.openapi()["paths"]

    assert len(routes) > 10
    assert [r for r in routes if r not in text and r.removeprefix("/api/v1") not in text] == []


@pytest.mark.parametrize("command", _ALL_COMMANDS)
def test_every_command_is_documented_and_its_help_has_an_example(command: str) -> None:
    example = _ALL_COMMANDS[command].partition("Example: ")[2]

    assert command in _all_docs()
    assert command in example


def test_every_file_of_ingest_has_its_place_in_the_architecture() -> None:
    text = (DOCS / "architecture.md").read_text(encoding="utf-8")
    files = [path.stem for path in (ROOT / "ingest").glob("[a-z]*.py")]

    assert [name for name in files if f"`{name}`" not in text] == []


def test_decisions_are_numbered_without_a_gap() -> None:
    paths = sorted((DOCS / "decisions").glob("*.md"))

    assert [path.name[:4] for path in paths] == [f"{i:04}" for i in range(1, len(paths) + 1)]
    assert all(path.read_text(encoding="utf-8").startswith(f"# {path.name[:4]} ") for path in paths)


def test_links_lead_somewhere() -> None:
    broken = []
    for page in (p for p in _tracked() if p.suffix == ".md"):
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.DOTALL)
        for target in re.findall(r"\]\(([^)\s]+)\)", text):
            if "://" in target or target.startswith(("#", "mailto:")):
                continue
            path = (page.parent / unquote(target.split("#")[0])).resolve()
            if not path.exists():
                broken.append(f"{page.relative_to(ROOT)}: {target}")

    assert broken == []


def test_files_the_contributing_guide_names_exist() -> None:
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    named = re.findall(r"`((?:kahriz|tests|docs)/[\w/.-]+)`", text)
    invented = {name for name in named if "/my_" in name}

    assert len(named) - len(invented) > 15
    assert sorted(n for n in set(named) - invented if not (ROOT / n).exists()) == []


def test_documents_that_are_named_exist() -> None:
    broken = []
    for page in _tracked():
        if page.suffix not in (".md", ".py", ".toml", ".yml"):
            continue
        named = re.findall(r"\bdocs/[\w/-]+\.md\b", page.read_text(encoding="utf-8"))
        broken += [f"{page.relative_to(ROOT)}: {n}" for n in named if not (ROOT / n).exists()]

    assert broken == []


# Paths and package indexes of whoever's machine it was made on; put together here, so that this
# file does not find itself.
_OF_ONE_MACHINE = (
    "/" + "work/main",
    "/" + "work/shared",
    "/" + "root/",
    "index" + "-url",
    "registry" + "=https",
    '"resolved' + '": "http',
)


def test_nothing_of_one_machine_is_committed() -> None:
    found = []
    for path in _tracked():
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        found += [f"{path.relative_to(ROOT)}: {word}" for word in _OF_ONE_MACHINE if word in text]

    assert found == []
