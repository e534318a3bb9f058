"""`python -m tests.attacks`: run every attack, and print what was tried and what got through."""

from __future__ import annotations

import sys

import pytest

from tests.stores import stores_name

ATTACKS = (
    "tests/attacks",
    "tests/gateway/test_attacks.py",
    "tests/gateway/test_access.py",
    "tests/engines/decoder/test_hostile_files.py",
    "tests/infra/test_address_rule.py",
    "tests/infra/test_outbound.py",
)


class Report:
    """Collects the outcome of each attack; parametrized ones are counted together."""

    def __init__(self) -> None:
        self.tried: dict[str, list[bool]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" or report.failed:
            name = report.nodeid.partition("[")[0]
            self.tried.setdefault(name, []).append(report.passed)

    def write(self) -> None:
        for name, outcomes in self.tried.items():
            through = outcomes.count(False)
            state = "got through" if through else "held"
            count = f" ({through or len(outcomes)} of {len(outcomes)})" if len(outcomes) > 1 else ""
            file, _, test = name.rpartition("::")
            sys.stdout.write(f"{state:12}{test.removeprefix('test_').replace('_', ' ')}{count}  [{file}]\n")
        failed = sum(not all(outcomes) for outcomes in self.tried.values())
        cases = sum(len(outcomes) for outcomes in self.tried.values())
        sys.stdout.write(
            f"\n{len(self.tried)} attacks with {cases} cases tried over {stores_name()}, {failed} got through.\n"
        )


def main() -> int:
    report = Report()
    status = pytest.main([*ATTACKS, "-q", "--no-header", "-p", "no:cacheprovider", *sys.argv[1:]], plugins=[report])
    report.write()
    return int(status)


if __name__ == "__main__":
    sys.exit(main())
