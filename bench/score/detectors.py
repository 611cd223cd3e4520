"""Who is judged: the peers, and ours by the command that runs the live code over a folder.

A contestant turns a collection into answers. Ours is given nothing but a folder without the truth:
what it cannot open it cannot know.
"""

from __future__ import annotations

import dataclasses
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

from bench.score.alarms import raised, read_alarms, read_flags
from bench.score.data import Collection, write_recordings
from bench.score.judge import Answers
from bench.score.peers import Peer
from kahriz.errors import ConfigError

_FRAME = " \t│╰╯╭╮─"

Contestant = Callable[[Collection], Answers]

ROLES = {
    "flow_out": "discharge@outlet",
    "flow_lps": "discharge@outlet",
    "level_up": "stage@shaft",
    "flow_dist": "discharge@line",
    "battery": "battery_voltage@outlet",
}
"""What a column of that name is, for ours: property @ site."""


def peer(flagging: Peer) -> Contestant:
    """Return a peer whose flags become alarms by the common policy."""

    def answer(collection: Collection) -> Answers:
        rules = collection.rules
        flags = {name: flagging(its, rules) for name, its in collection.recordings.items()}
        alarms = {
            name: raised(its.time_ms, flags[name], rules)
            for name, its in collection.recordings.items()
        }
        return Answers(alarms, flags)

    return answer


def written(alarms: Path, flags: Path | None = None) -> Contestant:
    """Return a detector that has already written its answers into folders."""

    def answer(collection: Collection) -> Answers:
        said = read_flags(flags, collection) if flags else None
        return Answers(read_alarms(alarms, collection), said)

    return answer


def ours(roles: Sequence[str] = ()) -> Contestant:
    """Return our detectors as ``kahriz detect run`` runs them, alarms and flags.

    Parameters
    ----------
    roles
        ``COLUMN=property@site`` where a column's name does not say what it is.
    """

    def answer(collection: Collection) -> Answers:
        with tempfile.TemporaryDirectory(prefix="kahriz-score-") as folder:
            data, alarms, flags = (Path(folder) / name for name in ("data", "alarms", "flags"))
            write_recordings(data, unlabelled(collection))
            words = ["--data", str(data), *roles_of(collection, roles)]
            _detect([*words, "--out", str(alarms)])
            _detect([*words, "--out", str(flags), "--flags"])
            return written(alarms, flags)(collection)

    return answer


def unlabelled(collection: Collection) -> Collection:
    """Return the collection without a word of what happened."""
    bare = {
        name: dataclasses.replace(its, is_labelled=None)
        for name, its in collection.recordings.items()
    }
    return dataclasses.replace(collection, recordings=bare, events={})


def roles_of(collection: Collection, given: Sequence[str] = ()) -> list[str]:
    """Return the words that say what each column is.

    Raises
    ------
    ConfigError
        No column has a role.
    """
    known = dict(role.partition("=")[::2] for role in given)
    present = {column for its in collection.recordings.values() for column in its.channels}
    roles = {column: known.get(column) or _role(column, collection) for column in sorted(present)}
    words = [f"{column}={role}" for column, role in roles.items() if role]
    if not words:
        hint = "give --role COLUMN=property@site"
        raise ConfigError(collection.name, f"no role for any of {sorted(present)}", hint)
    return [part for word in words for part in ("--role", word)]


def _role(column: str, collection: Collection) -> str:
    if column != "value":
        return ROLES.get(column, "")
    names = {name for right in collection.rules.kinds.values() for name in right}
    return "discharge@line" if "tap_leak" in names else "stage@outlet"


def _detect(words: Sequence[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kahriz", "detect", "run", *words],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    # 1 is "found something wrong", which is what it is for.
    if done.returncode not in (0, 1):
        # The last line that says anything: under it is the frame it is shown in.
        said = [line.strip(_FRAME) for line in done.stderr.splitlines()]
        last = next((line for line in reversed(said) if line), "no word")
        raise ConfigError("kahriz detect run", f"exit {done.returncode}: {last}")
