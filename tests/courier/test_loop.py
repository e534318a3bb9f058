"""The courier's periodic tasks: endpoints that fail for days are disabled, and old deliveries are deleted."""

from __future__ import annotations

from tests.courier.courier_harness import DAY, CourierHarness
from tests.local_server import Reply, serving


def test_an_endpoint_without_success_for_five_days_is_disabled(
    harness: CourierHarness,
) -> None:
    with serving(Reply(500)) as server:
        hook = harness.hook(server.url)
        for _ in range(7):
            harness.publish()
            harness.run_once()
            harness.courier.disable_failing_endpoints()
            harness.clock.move(DAY)
    found = harness.endpoints.find("ours", hook.id)
    assert found is not None and found.disabled_reason == "no_success_for_5_days"


def test_deliveries_are_deleted_after_the_period_of_the_setting(harness: CourierHarness) -> None:
    with serving(Reply(200)) as server:
        harness.hook(server.url)
        harness.publish()
        harness.run_once()
    harness.clock.move(29 * DAY)
    harness.courier.delete_old_deliveries()
    assert len(harness.deliveries.list("ours").items) == 1
    harness.clock.move(2 * DAY)
    harness.courier.delete_old_deliveries()
    assert harness.deliveries.list("ours").items == ()
