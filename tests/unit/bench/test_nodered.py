"""Node-RED as a peer: pinned, left out with a reason, and its flow makes the same points."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from bench import load, nodered

_WANTED = ("node-red", "node-red-contrib-influxdb")
_LOCK = json.loads((nodered.HERE / "package-lock.json").read_text(encoding="utf-8"))
_FLOW = json.loads((nodered.HERE / "flows.json").read_text(encoding="utf-8"))


def test_its_packages_are_pinned_and_named_without_a_registry() -> None:
    wanted = json.loads((nodered.HERE / "package.json").read_text(encoding="utf-8"))
    pinned = {name: _LOCK["packages"][f"node_modules/{name}"]["version"] for name in _WANTED}

    assert wanted["dependencies"] == pinned
    assert all("resolved" not in entry for entry in _LOCK["packages"].values())
    # Node-RED brings some of its packages inside its own: their checksum is its own.
    others = {n: e for n, e in _LOCK["packages"].items() if n and not e.get("inBundle")}
    assert [name for name, entry in others.items() if "integrity" not in entry] == []


@pytest.mark.parametrize(
    ("version", "is_enough"),
    [("v22.9.0", True), ("v24.1.0\n", True), ("v22.8.9", False), ("v18.20.4", False), ("", False)],
)
def test_only_a_node_that_can_run_it_is_taken(version: str, is_enough: bool) -> None:
    assert nodered.is_new_enough(version) is is_enough


def test_without_npm_it_is_missing_and_says_so(tmp_path: Path) -> None:
    with pytest.raises(nodered.MissingError, match="no npm: apt-get install npm"):
        nodered.install(lambda _: None, tmp_path / "cache", lambda: None)


def test_a_registry_that_gives_nothing_leaves_nothing_half_done(tmp_path: Path) -> None:
    failing = ["sh", "-c", "echo 'npm error code ENOTFOUND' >&2; exit 1", "npm"]

    with pytest.raises(nodered.MissingError, match="npm error code ENOTFOUND"):
        nodered.install(lambda _: None, tmp_path / "cache", lambda: failing)
    assert not nodered.is_current(tmp_path / "cache")


def test_an_installation_of_another_lock_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "installed.json").write_text("{}", encoding="utf-8")

    assert not nodered.is_current(tmp_path)


_RUN = """
const kept = {}, sent = [];
const context = { get: (k) => kept[k], set: (k, v) => { kept[k] = v; } };
const node = { send: (m) => sent.push(m) };
const run = new Function("msg", "context", "node", process.argv[1]);
const input = JSON.parse(require("fs").readFileSync(0, "utf8"));
for (const msg of input) {
    const now = run(msg, context, node);
    if (now) sent.push(now);
}
setTimeout(() => console.log(JSON.stringify(sent)), 1300);
"""


def test_its_function_makes_batches_of_a_thousand_points_and_one_of_the_rest() -> None:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: apt-get install nodejs")
    function = next(each["func"] for each in _FLOW if each["type"] == "function")
    made = load.payloads(devices=10, readings=2300, pack=20, now_ms=1_795_000_000_000)
    messages = [{"topic": topic, "payload": json.loads(body)} for topic, body in made]
    text = json.dumps(messages)
    done = subprocess.run(
        [node, "-e", _RUN, function], input=text, capture_output=True, text=True, check=True
    )
    batches = [each["payload"] for each in json.loads(done.stdout)]
    points = [point for batch in batches for point in batch]
    keys = {(point["tags"]["kahriz"], point["timestamp"]) for point in points}

    assert [len(batch) for batch in batches] == [1000, 1000, 300]
    assert len(keys) == 2300
    assert points[0]["tags"] == {"kahriz": "d0000", "site": "outlet", "property": "discharge"}
    assert points[0]["fields"] == {"value": messages[0]["payload"]["r"][0][1]["discharge_lps"]}
    assert points[0]["measurement"] == "observation"


def test_its_flow_listens_at_qos_1_and_keeps_its_session() -> None:
    kinds = {each["type"]: each for each in _FLOW}

    assert kinds["mqtt in"]["qos"] == "1"
    assert kinds["mqtt-broker"]["cleansession"] is False
    assert kinds["influxdb batch"]["precision"] == "ms"
