from __future__ import annotations

import pytest

from tests.integration.api.client import Api, assert_problem


@pytest.fixture
def page(api: Api) -> Api:
    files = {
        "index.html": "<!doctype html><title>Su</title>",
        "app.js": "export const a = 1;",
        "vendor/uPlot.esm.js": "export default 1;",
        "style.css": "body{}",
        "icon.svg": "<svg/>",
        "package.json": "{}",
        "node_modules/x/index.js": "1",
        ".secret.js": "1",
    }
    for name, text in files.items():
        place = api.folder / name
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")
    (api.folder.parent / "outside.js").write_text("1", encoding="utf-8")
    return api


def test_the_page_is_at_the_root_and_no_cache_keeps_it(page: Api) -> None:
    answer = page.get("/", peer="203.0.113.9")

    assert answer.text == "<!doctype html><title>Su</title>"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("path", "media_type"),
    [
        ("/app.js", "text/javascript; charset=utf-8"),
        ("/vendor/uPlot.esm.js", "text/javascript; charset=utf-8"),
        ("/style.css", "text/css; charset=utf-8"),
        ("/icon.svg", "image/svg+xml"),
    ],
)
def test_its_files_have_the_type_a_browser_insists_on_and_are_asked_for_again(
    page: Api, path: str, media_type: str
) -> None:
    answer = page.get(path)
    again = page.get(path, headers={"If-None-Match": answer.headers["etag"]})

    assert answer.headers["content-type"] == media_type
    assert answer.headers["cache-control"] == "no-cache"
    assert again.status_code == 304


@pytest.mark.parametrize(
    "path",
    [
        "/package.json",
        "/node_modules/x/index.js",
        "/.secret.js",
        "/../outside.js",
        "/%2e%2e/outside.js",
        "/vendor/../../outside.js",
        "/vendor",
        "/vendor/",
        "/%00.js",
        "//etc/passwd.js",
        "/missing.js",
    ],
)
def test_nothing_else_of_the_folder_and_nothing_outside_it_is_served(page: Api, path: str) -> None:
    assert_problem(page.get(path), 404)


def test_a_missing_page_is_a_404_not_a_fault(api: Api) -> None:
    assert_problem(api.get("/"), 404)


@pytest.mark.parametrize(
    "path", ["/", "/app.js", "/docs", "/health", "/api/v1/latest", "/api/v1/nothing", "/missing.js"]
)
def test_every_answer_carries_a_policy_without_inline_script_or_style(page: Api, path: str) -> None:
    headers = page.get(path).headers
    policy = dict(
        part.strip().split(" ", 1) for part in headers["content-security-policy"].split(";")
    )

    assert policy["default-src"] == policy["style-src"] == policy["script-src"] == "'self'"
    assert policy["img-src"] == "'self' data:"
    assert policy["frame-ancestors"] == policy["object-src"] == "'none'"
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
