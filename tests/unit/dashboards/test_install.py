"""Bringing the page's library, with stand-ins for npm: the real ones need a network."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from pathlib import Path

import pytest

from dashboards import install as page
from kahriz.errors import ConfigError

_NPM = """#!/bin/sh
echo "$@" >> "{calls}"
{body}
"""
_FETCH = """mkdir -p node_modules/uplot/dist
echo "export default 1" > node_modules/uplot/dist/uPlot.esm.js
echo ".uplot {}" > node_modules/uplot/dist/uPlot.min.css
echo MIT > node_modules/uplot/LICENSE"""
_OFFLINE = """echo "npm error code ENOTFOUND" >&2
echo "npm error network request to the registry failed" >&2
echo "npm error A complete log of this run can be found in: /home/x/log" >&2
exit 1"""


@pytest.fixture
def web(tmp_path: Path) -> Path:
    """Return a copy of what is committed of dashboards/web."""
    folder = tmp_path / "web"
    folder.mkdir()
    shutil.copy(page.WEB / "package-lock.json", folder)
    return folder


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a folder that is all of PATH but the shell's own."""
    folder = tmp_path / "bin"
    folder.mkdir()
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/bin{os.pathsep}/usr/bin")
    return folder


def _program(folder: Path, name: str, body: str) -> Path:
    calls = folder / f"{name}.calls"
    file = folder / name
    file.write_text(_NPM.format(calls=calls, body=body))
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return calls


def test_the_locked_files_are_put_where_the_page_finds_them(web: Path, path: Path) -> None:
    _program(path, "node", "")
    calls = _program(path, "npm", _FETCH)
    said: list[str] = []

    assert page.install(said.append, web)
    assert sorted(p.name for p in (web / "vendor").iterdir()) == [
        "installed.txt",
        "uPlot.LICENSE",
        "uPlot.esm.js",
        "uPlot.min.css",
    ]
    assert calls.read_text().startswith("ci ")
    assert said[-1] == "page: uplot 1.6.32 installed"


def test_a_second_time_does_nothing(web: Path, path: Path) -> None:
    _program(path, "node", "")
    calls = _program(path, "npm", _FETCH)
    page.install(lambda line: None, web)
    said: list[str] = []

    assert not page.install(said.append, web)
    assert said == ["page: uplot 1.6.32 is there already"]
    assert len(calls.read_text().splitlines()) == 1


def test_another_version_in_the_lock_file_installs_again(web: Path, path: Path) -> None:
    _program(path, "node", "")
    _program(path, "npm", _FETCH)
    page.install(lambda line: None, web)
    lock = web / "package-lock.json"
    lock.write_text(lock.read_text().replace("1.6.32", "1.6.33"))

    assert not page.is_current(web)
    assert page.install(lambda line: None, web)


def test_a_copy_that_was_cut_short_is_not_taken_for_a_whole_one(web: Path, path: Path) -> None:
    _program(path, "node", "")
    _program(path, "npm", _FETCH)
    page.install(lambda line: None, web)
    (web / "vendor" / "uPlot.min.css").unlink()

    assert not page.is_current(web)


def test_without_a_network_one_line_says_so(web: Path, path: Path) -> None:
    _program(path, "node", "")
    _program(path, "npm", _OFFLINE)

    with pytest.raises(ConfigError, match=r"npm ci: npm error code ENOTFOUND.*network\?") as caught:
        page.install(lambda line: None, web)
    assert "\n" not in str(caught.value)
    assert "complete log" not in str(caught.value)


def test_a_lock_file_that_names_no_uplot_is_named(web: Path) -> None:
    (web / "package-lock.json").write_text('{"packages": {}}')

    with pytest.raises(ConfigError, match=r"package-lock\.json: names no uPlot"):
        page.install(lambda line: None, web)


def test_an_npm_whose_node_is_missing_is_not_taken(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _program(path, "npm", _FETCH)
    monkeypatch.setenv("PATH", str(path))

    found = page.find_npm()
    assert found is None or str(path / "npm") not in found


def test_the_lock_file_names_versions_and_checksums_but_no_registry() -> None:
    text = (page.WEB / "package-lock.json").read_text(encoding="utf-8")
    wanted = json.loads((page.WEB / "package.json").read_text(encoding="utf-8"))["dependencies"]

    assert "resolved" not in text
    assert "http" not in text
    assert re.fullmatch(r"uplot [\d.]+ sha512-\S+", page.locked())
    assert page.locked().split()[1] == wanted["uplot"]
