"""A real Chromium on the page, with everything it complains of at hand."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, Page, sync_playwright

from dashboards.install import is_current
from tests.browser.fake_api import FakeApi, serve
from tests.browser.world import World
from tests.servers import ProgramMissingError, program

# No sandbox where tests run as root, and no word to the outside.
_ARGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


@dataclass
class Opened:
    """A page that is open, what its console said amiss and every address it asked for."""

    page: Page
    complaints: list[str] = field(default_factory=list)
    requests: list[str] = field(default_factory=list)

    def hosts(self) -> set[str]:
        return {urlsplit(url).netloc for url in self.requests}


Open = Callable[..., Opened]


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Start Debian's Chromium once for all tests of the page.

    No longer: while it runs, playwright holds an event loop in this thread.
    """
    path = program("chromium", "chromium")
    if not is_current():
        raise ProgramMissingError("the page's library is missing: python -m dashboards.install")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=path, args=_ARGS, env={**os.environ, "TZ": "UTC"}
        )
        yield browser
        browser.close()


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def api(world: World) -> Iterator[FakeApi]:
    with serve(world) as server:
        yield server


@pytest.fixture
def opened(chromium: Browser, api: FakeApi) -> Iterator[Open]:
    """Return a function that opens the page; it is closed again afterwards."""
    contexts = []

    def open_page(
        width: int = 1280, height: int = 900, locale: str = "en-GB", wait: str = ".card"
    ) -> Opened:
        context = chromium.new_context(viewport={"width": width, "height": height}, locale=locale)
        contexts.append(context)
        page = context.new_page()
        seen = Opened(page)
        page.on("console", lambda m: _note(seen, m.type, m.text))
        page.on("pageerror", lambda error: seen.complaints.append(str(error)))
        page.on("request", lambda request: seen.requests.append(request.url))
        page.goto(api.url)
        page.wait_for_selector(wait)
        return seen

    yield open_page
    for context in contexts:
        context.close()


def _note(seen: Opened, kind: str, text: str) -> None:
    if kind in ("error", "warning"):
        seen.complaints.append(text)
