"""Run one decoder under atheris: ``python -m tests.fuzz.harness DECODER [libFuzzer's options]``.

atheris follows which branches the bytes reach and keeps what reaches new ones, so that it comes to
places random bytes do not. It ends with 0 when its time is over, with another code where a claim
did not hold; the bytes are then in a file ``crash-...``.
"""

from __future__ import annotations

import sys

import atheris


def main() -> None:
    """Fuzz the decoder named first until libFuzzer's limits end it."""
    with atheris.instrument_imports(include=["kahriz.codec"]):
        from tests.fuzz.claims import CLAIMS
    decoder, *options = sys.argv[1:]
    atheris.Setup([sys.argv[0], *options], CLAIMS[decoder])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
