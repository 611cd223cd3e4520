"""Who may import whom, where a technology lives, and that nothing happens at import.

The rules are those of docs/architecture.md; they are read off the source by ``ast``, so that a
module that is not imported by any test is judged like the others.
"""

from __future__ import annotations

import ast
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("kahriz", "ingest", "api", "firmware_sim", "dashboards")
PROCESSES = ("ingest", "api", "firmware_sim")

BASE = (
    "errors",
    "clock",
    "units",
    "observations",
    "sites",
    "settings",
    "plugins",
    "logs",
    "configured",
    "contacts",
)
# What each folder of kahriz/ may use beside itself and the base modules.
MAY_USE: dict[str, tuple[str, ...]] = {
    "codec": (),
    "quality": (),
    "rating": ("stats",),
    "store": (),
    "book": (),
    "intake_log": (),
    "stats": (),
    "detect": ("stats",),
    "notify": (),
    "alert": ("codec", "quality", "rating", "store", "book", "stats", "detect", "notify"),
    "deploy": (),
    "export": ("store", "book", "stats"),
}
SIMULATOR_SEES = ("codec", "rating", *BASE)

ROOMS: dict[str, tuple[str, ...]] = {
    "phonenumbers": ("kahriz/contacts.py",),
    "paho": ("ingest/mqtt.py", "ingest/session.py", "ingest/bulk.py", "firmware_sim/device.py"),
    "influxdb_client": ("kahriz/store/influx*.py",),
    "fastapi": ("api/*",),
    "starlette": ("api/*",),
    "uvicorn": ("api/*",),
    "sqlite3": ("kahriz/store/sqlite*.py", "kahriz/book/*", "firmware_sim/ledger.py"),
    "sqlalchemy": ("kahriz/book/*", "kahriz/notify/gammu_sql.py"),
    "alembic": ("kahriz/book/*",),
    "amqtt": ("kahriz/cli/*",),
    "pyarrow": ("kahriz/export/parquet.py",),
    "typer": ("kahriz/cli/*", "firmware_sim/commands.py"),
    "rich": ("kahriz/cli/*", "firmware_sim/progress.py"),
}
# A type in a signature, and the error that says the book is away: no SQL can be made of them.
MAY_BE_NAMED = ("sqlalchemy.Connection", "sqlalchemy.exc.SQLAlchemyError")

PURE = (
    "kahriz/quality/*",
    "kahriz/rating/*",
    "kahriz/stats/*",
    "kahriz/detect/*",
    "kahriz/alert/lifecycle.py",
    "kahriz/alert/past.py",
    "kahriz/alert/reason.py",
    "kahriz/alert/works.py",
    "kahriz/alert/telling/*",
    "kahriz/alert/answer.py",
    "kahriz/alert/answering/*",
    "kahriz/alert/preview.py",
)
IMPURE_MODULES = {
    "os", "io", "pathlib", "time", "socket", "subprocess", "threading", "sqlite3", "urllib",
    "http", "random", "secrets", "tempfile", "shutil", "asyncio", "requests", "httpx",
}  # fmt: skip
IMPURE_CALLS = {"now", "utcnow", "today", "open", "print", "input", "system_clock"}

WIRES = ("ingest/worker.py", "*/__main__.py", "kahriz/cli/*", "firmware_sim/commands.py")
WIRING_CALLS = {"load_settings", "load_registry", "open_store", "create_app", "Book", "setup"}


@dataclass(frozen=True)
class Module:
    """One source file, parsed."""

    path: str
    tree: ast.Module

    @property
    def package(self) -> str:
        """Its top-level package."""
        return self.path.split("/")[0]

    @property
    def folder(self) -> str:
        """For ``kahriz/store/sqlite.py`` ``store``, for ``kahriz/sites.py`` ``sites``."""
        return self.path.split("/")[1].removesuffix(".py")

    def imports(self) -> Iterator[str]:
        """Every module it imports, anywhere in the file, with its full dotted name."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                yield from (alias.name for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                assert node.level == 0, f"{self.path}: relative import"
                assert node.module is not None
                # "from kahriz import plugins" means the module kahriz.plugins.
                for alias in node.names:
                    yield f"{node.module}.{alias.name}"

    def calls(self) -> Iterator[tuple[str, int]]:
        """Name and line of everything that is called."""
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Call):
                yield _called(node), node.lineno

    def is_in(self, patterns: tuple[str, ...]) -> bool:
        """Whether its path is one of these."""
        return any(fnmatch(self.path, pattern) for pattern in patterns)


def _called(call: ast.Call) -> str:
    if isinstance(call.func, ast.Name):
        return call.func.id
    return call.func.attr if isinstance(call.func, ast.Attribute) else ""


def _modules() -> list[Module]:
    paths = sorted(p for name in PACKAGES for p in (ROOT / name).rglob("*.py"))
    return [
        Module(str(p.relative_to(ROOT)), ast.parse(p.read_text(encoding="utf-8")))
        for p in paths
        if "node_modules" not in p.parts
    ]


MODULES = _modules()


def _ours(name: str) -> bool:
    return name.split(".")[0] in PACKAGES


def test_there_is_something_to_judge() -> None:
    assert {m.package for m in MODULES} == set(PACKAGES)
    assert {name for m in MODULES if m.package == "kahriz" for name in [m.folder]} >= set(MAY_USE)


def test_the_domain_imports_no_process_and_no_process_another() -> None:
    found = [
        f"{m.path} imports {name}"
        for m in MODULES
        if not m.path.startswith("kahriz/cli/")
        for name in m.imports()
        if name.split(".")[0] in PROCESSES and name.split(".")[0] != m.package
    ]

    assert found == []


def test_the_command_line_is_imported_by_nobody_but_itself() -> None:
    found = [
        f"{m.path} imports {name}"
        for m in MODULES
        if not m.path.startswith(("kahriz/cli/", "kahriz/__main__"))
        for name in m.imports()
        if name.startswith("kahriz.cli")
    ]

    assert found == []


def test_folders_of_the_domain_use_only_what_they_may() -> None:
    found = []
    for m in MODULES:
        if m.package != "kahriz" or m.folder in ("cli", "__init__", "__main__"):
            continue
        allowed = {*BASE, m.folder, *MAY_USE.get(m.folder, ())}
        if m.folder not in MAY_USE:
            assert m.folder in BASE, f"{m.path}: neither a base module nor a folder with a rule"
        for name in m.imports():
            parts = name.split(".")
            if parts[0] == "kahriz" and parts[1] not in allowed:
                found.append(f"{m.path} imports {name}")

    assert found == []


def test_the_simulator_sees_only_what_a_device_could_know() -> None:
    found = [
        f"{m.path} imports {name}"
        for m in MODULES
        if m.package == "firmware_sim"
        for name in m.imports()
        if name.startswith("kahriz.") and name.split(".")[1] not in SIMULATOR_SEES
    ]

    assert found == []


@pytest.mark.parametrize("technology", ROOMS)
def test_a_technology_has_its_own_room(technology: str) -> None:
    found = [
        f"{m.path} imports {name}"
        for m in MODULES
        if not m.is_in(ROOMS[technology])
        for name in m.imports()
        if name.split(".")[0] == technology and name not in MAY_BE_NAMED
    ]

    assert found == []


def test_pure_folders_have_no_clock_and_no_way_out() -> None:
    found = []
    for m in MODULES:
        if not m.is_in(PURE):
            continue
        found += [f"{m.path} imports {n}" for n in m.imports() if n.split(".")[0] in IMPURE_MODULES]
        found += [f"{m.path}:{line} calls {n}" for n, line in m.calls() if n in IMPURE_CALLS]

    assert found == []


def test_only_what_wires_a_process_builds_settings_stores_and_the_app() -> None:
    found = [
        f"{m.path}:{line} calls {name}"
        for m in MODULES
        if not m.is_in(WIRES)
        for name, line in m.calls()
        if name in WIRING_CALLS
    ]

    assert found == []


def test_one_direction_the_seams_do_not_know_the_technology_above_them() -> None:
    found = [
        f"{m.path} imports {name}"
        for m in MODULES
        if m.package == "dashboards"
        for name in m.imports()
        if _ours(name) and not name.startswith(("dashboards", "kahriz.errors"))
    ]

    assert found == []


# Raises as soon as importing one of our modules reaches outside the process.
_IMPORT_ALL = """
import importlib, sys

EFFECTS = {"socket.connect", "socket.bind", "socket.getaddrinfo", "sqlite3.connect",
           "subprocess.Popen", "os.mkdir", "os.remove", "os.rename", "signal.signal"}

def watch(event, args):
    writes = event == "open" and isinstance(args[1], str) and set(args[1]) & set("wax+")
    if event in EFFECTS or writes:
        raise RuntimeError(f"{current[0]}: {event} {args!r}")

current = [""]
sys.dont_write_bytecode = True
sys.addaudithook(watch)
for name in sys.argv[1:]:
    current[0] = name
    importlib.import_module(name)
"""


def test_importing_anything_of_ours_has_no_effect() -> None:
    names = [
        m.path.removesuffix(".py").removesuffix("/__init__").replace("/", ".")
        for m in MODULES
        # A migration's environment runs when Alembic imports it: that is its contract.
        if "/migrations/" not in m.path
    ]
    command = [sys.executable, "-c", textwrap.dedent(_IMPORT_ALL), *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stderr[-2000:]
