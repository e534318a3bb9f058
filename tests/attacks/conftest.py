"""The fixtures of the gateway's and the results service's tests."""

from tests.gateway.conftest import client, gateway, opened, stranger
from tests.results.conftest import harness as results

__all__ = ["client", "gateway", "opened", "results", "stranger"]
