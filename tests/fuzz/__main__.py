"""`python -m tests.fuzz`: fuzz with a new seed, and print it with the number of attempts of each target."""

from __future__ import annotations

import os
import random
import sys

import pytest


def main() -> int:
    os.environ.setdefault("FUZZ_SEED", str(random.randrange(10**6)))  # noqa: S311 - not secret
    os.environ.setdefault("FUZZ_SECONDS", "30")
    sys.stdout.write(f"FUZZ_SEED={os.environ['FUZZ_SEED']} FUZZ_SECONDS={os.environ['FUZZ_SECONDS']}\n")
    return int(pytest.main(["tests/fuzz", "-q", "-s", "--no-header", "-p", "no:cacheprovider"]))


if __name__ == "__main__":
    sys.exit(main())
