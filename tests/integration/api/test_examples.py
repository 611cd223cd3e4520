"""Every `curl` of the documentation is run as it stands there, against a real server.

The service stands at the instant the examples are of, with what they speak of. What is answered
has to be what is shown: each name of a JSON answer, or the first line of any other.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from kahriz.book import audit, dead_letters, inbound, messages, silences
from kahriz.book.days import Reason
from kahriz.book.dead_letters import DeadLetter
from kahriz.clock import system_clock, to_ms
from kahriz.store import open_store
from tests.integration.api import rows
from tests.integration.api.client import NOW, Api
from tests.integration.api.test_process import ROOT, running
from tests.servers import program

PAGES = ("http-api.md", "export.md")
_BLOCK = re.compile(r"^```console\n(.*?)^```$", re.DOTALL | re.MULTILINE)
_NAME = re.compile(r'"([a-z_0-9]+)":')
# What is shown because it is refused, and a stream that would never end.
_REFUSED = re.compile(r'"status":(4\d\d|5\d\d|"degraded")')
_GATEWAY = {
    "KAHRIZ_NOTIFY__NOTIFIERS": '["console","http"]',
    "KAHRIZ_NOTIFY__HTTP__PRESET": "kannel",
    "KAHRIZ_NOTIFY__HTTP__URL": "http://127.0.0.1:13013/cgi-bin/sendsms",
    "KAHRIZ_NOTIFY__HTTP__ALLOW_PRIVATE": "true",
    "KAHRIZ_NOTIFY__HTTP__ACCOUNT": "kahriz",
    "KAHRIZ_NOTIFY__HTTP__SECRET": "secret",
    "KAHRIZ_NOTIFY__HTTP__CALLBACK": "https://kahriz.example",
    "KAHRIZ_NOTIFY__HTTP__CALLBACK_SECRET": "0123456789abcdef",
}


def examples(page: str) -> Iterator[tuple[str, str]]:
    """Yield each command of a page and what is shown of its answer."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    for block in _BLOCK.findall(text):
        for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
            lines = part.splitlines()
            n = 1 + next(i for i, line in enumerate(lines) if not line.endswith("\\"))
            command = " ".join(line.rstrip("\\").strip() for line in lines[:n])
            if command.startswith("curl "):
                yield command, "\n".join(lines[n:])


def populate(folder: Path) -> str:
    """Write what the examples speak of; return a key that may write."""
    with Api(folder) as api:
        api.store = open_store(f"sqlite:///{folder / 'observations.sqlite'}")
        rows.deliver(api, 2.41, NOW - timedelta(days=3), NOW)
        for name in ("outlet.stage", "outlet.discharge", "outlet.battery_voltage"):
            rows.observe(api, f"agh-dere.{name}", 2.5, NOW - timedelta(days=1), NOW)
        rows.hear(api, "agh-dere-outlet", received_at_ms=to_ms(NOW), boot=7, last_seq=41)
        evidence = {"observed_lps": 1.4, "expected_lps": 2.3, "deviation": -0.39}
        alerts = [rows.raise_alert(api, key=str(i), evidence=evidence) for i in range(12)]
        for i, alert in enumerate(alerts):
            rows.queue_message(api, alert, address=f"+9945000000{i:02}")
        for i in range(3):
            rows.add_contact(api, phone=f"+99450000001{i}")
        with api.book.begin() as book:
            while (claimed := messages.claim(book, NOW)) is not None:
                reference = "http-31-1795327200000" if claimed.alert_id == 12 else "console-1"
                messages.mark_accepted(book, claimed.id, reference, NOW)
            silences.add(
                book, None, None, NOW, NOW + timedelta(hours=1), note="", by="x",
                role=silences.Role.ENGINEER, now=NOW,
            )  # fmt: skip
            inbound.arrive(book, "gammu", "1", "+994500000001", "1", NOW)
            audit.append(book, NOW, "office", "test", {})
            letter = DeadLetter(to_ms(NOW), "kahriz/v1/x/up", "x", "no", b"{", Reason.DECODE_ERROR)
            dead_letters.put(book, [letter])
        api.store.close()
        return api.key()["Authorization"].removeprefix("Bearer ")


def names(value: Any) -> set[str]:
    """Return every name in a JSON value."""
    if isinstance(value, dict):
        return set(value) | {name for inner in value.values() for name in names(inner)}
    return {name for inner in value for name in names(inner)} if isinstance(value, list) else set()


def wrong(shown: str, said: str, documented: set[str]) -> str:
    """Return how what was said differs from what is shown; empty: it does not.

    A name that is shown further in may be missing where there is nothing to tell yet, if the
    OpenAPI document has it.
    """
    body = said.partition("\n\n")[2] if said.startswith("HTTP/") else said
    json_shown = shown[shown.index("{") :] if "{" in shown and '":' in shown else ""
    if json_shown and "event:" not in shown:
        answer = json.loads(body)
        missing = set(_NAME.findall(json_shown)) - names(answer) - documented
        missing |= set(_NAME.findall(json_shown)[:1]) - set(answer)
        return f"lacks {', '.join(sorted(missing))}" if missing else ""
    first, *_ = [*shown.splitlines(), ""]
    there = [*said.splitlines(), ""][0]
    return "" if first in ("", "...") or there == first else f"begins with {there!r}"


@pytest.mark.server
def test_every_example_does_what_is_shown(folder: Path) -> None:
    curl = program("curl", "curl")
    key = populate(folder)
    time = {
        "KAHRIZ_CLOCK__ORIGIN": NOW.isoformat(),
        "KAHRIZ_CLOCK__STARTED": system_clock().isoformat(),
    }
    found = [each for page in PAGES for each in examples(page)]
    failures = []
    with running(folder, **time, **_GATEWAY) as api:
        where = api.url.removeprefix("http://")
        tag = subprocess.run(
            [curl, "-sI", f"{api.url}/api/v1/datastreams"],
            capture_output=True,
            text=True,
            check=True,
        )
        etag = re.search(r'etag: W/"(.*)"', tag.stdout)
        assert etag is not None
        documented = names(httpx.get(f"{api.url}/openapi.json").json()["components"])
        for command, shown in found:
            is_refused = _REFUSED.search(shown) is not None
            script = command.replace("curl ", "curl -sS --max-time 3 --fail-with-body ", 1)
            script = script.replace("localhost:8000", where).replace("kz_3f9a1c2e_Zk0...", key)
            done = subprocess.run(
                ["bash", "-c", script],
                cwd=folder,
                env={"PATH": f"{curl.parent}:/usr/bin:/bin", "KEY": key, "TAG": etag[1]},
                capture_output=True,
                text=True,
                check=False,
            )
            wanted = {22} if is_refused else {28} if "/events" in command else {0}
            if done.returncode not in wanted:
                failures.append(f"{command}\n  exit {done.returncode}: {done.stderr}{done.stdout}")
            elif problem := wrong(shown, done.stdout, documented):
                failures.append(f"{command}\n  {problem}\n  {done.stdout[:500]}")

    assert len(found) > 30
    assert failures == [], "\n".join(failures)
