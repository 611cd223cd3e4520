"""Two workers, and the tests that need the machine to themselves."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path

import pytest

pytest_plugins = ["pytester"]

ROOT = Path(__file__).parents[2]

CONFTEST = """
from pathlib import Path
from tests.turns import Turns

def pytest_configure(config):
    if hasattr(config, "workerinput"):
        config.pluginmanager.register(Turns(Path(config.option.basetemp).parent))
"""

TESTS = """
import json, os, time
import pytest

@pytest.fixture(autouse=True)
def recorded(request):
    began = time.monotonic()
    yield
    is_alone = request.node.get_closest_marker("alone") is not None
    seen = {{"pid": os.getpid(), "alone": is_alone, "began": began, "ended": time.monotonic()}}
    with open({seen!r}, "a") as file:
        file.write(json.dumps(seen) + "\\n")

@pytest.mark.parametrize("n", range(30))
def test_one_of_many(n):
    time.sleep(0.02)

@pytest.mark.alone
@pytest.mark.parametrize("n", range(4))
def test_that_measures(n):
    time.sleep(0.05)
"""


@pytest.fixture(autouse=True)
def found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the workers find this repository."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT))


def test_an_alone_test_is_the_only_one_and_the_others_go_two_by_two(
    pytester: pytest.Pytester, tmp_path: Path
) -> None:
    seen = tmp_path / "seen"
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers = alone: needs the machine")
    pytester.makepyfile(textwrap.dedent(TESTS).format(seen=str(seen)))
    done = pytester.runpytest_subprocess("--numprocesses=2", "--dist=worksteal", timeout=60)
    done.assert_outcomes(passed=34)
    runs = [json.loads(line) for line in seen.read_text(encoding="utf-8").splitlines()]
    alone = [run for run in runs if run["alone"]]

    def beside(run: dict[str, float]) -> int:
        others = [o for o in runs if o is not run]
        return len([o for o in others if o["began"] < run["ended"] and run["began"] < o["ended"]])

    assert [beside(run) for run in alone] == [0] * 4
    assert len({run["pid"] for run in runs}) == 2
    assert sum(beside(run) for run in runs) > 0, "the others do run side by side"


def test_a_worker_that_dies_in_an_alone_test_keeps_nobody_waiting(
    pytester: pytest.Pytester,
) -> None:
    pytester.makeconftest(CONFTEST)
    pytester.makeini("[pytest]\nmarkers = alone: needs the machine")
    pytester.makepyfile(
        textwrap.dedent("""
        import os
        import pytest

        @pytest.mark.alone
        @pytest.mark.parametrize("n", range(3))
        def test_that_dies(n):
            if n == 0:
                os.kill(os.getpid(), 9)

        @pytest.mark.parametrize("n", range(9))
        def test_of_others(n):
            pass
        """)
    )
    done = pytester.runpytest_subprocess("--numprocesses=2", "--dist=worksteal", timeout=60)

    done.assert_outcomes(passed=11, failed=1)
