"""Every decoder under a fuzzer that learns: ``make soak MINUTES=10`` shares the time among them."""

from __future__ import annotations

import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz.claims import CLAIMS, SEEDS

MINUTES = float(os.environ.get("SOAK_MINUTES", "10"))
ROOT = Path(__file__).parents[2]


@pytest.mark.soak
@pytest.mark.parametrize("decoder", list(CLAIMS))
def test_no_bytes_are_found_that_break_a_decoder_s_promise(decoder: str, tmp_path: Path) -> None:
    if importlib.util.find_spec("atheris") is None:
        pytest.skip("no atheris: .venv/bin/pip install -e '.[fuzz]' (Linux, Python to 3.13)")
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    for i, seed in enumerate(SEEDS[decoder]):
        (corpus / f"seed{i}").write_bytes(seed)
    seconds = max(5, round(MINUTES * 60 / len(CLAIMS)))
    command = [sys.executable, "-m", "tests.fuzz.harness", decoder]
    command += [f"-max_total_time={seconds}", "-max_len=4096", "-timeout=10", "-rss_limit_mb=1024"]
    command += [f"-artifact_prefix={tmp_path}/", str(corpus)]
    done = subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, errors="replace", check=False
    )
    found = [path.read_bytes()[:400] for path in tmp_path.glob("*-*") if path.is_file()]
    runs = re.search(r"Done (\d+) runs", done.stderr)
    sys.stderr.write(f"\nfuzz: {decoder}: {runs[1] if runs else 0} runs in {seconds} s\n")

    assert done.returncode == 0, f"{found}\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    assert runs is not None
    assert int(runs[1]) > 1000
