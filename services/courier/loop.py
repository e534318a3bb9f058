"""The courier's loop: sends due deliveries concurrently, so that a slow receiver delays only itself."""

from __future__ import annotations

from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event

import structlog

from services.courier.deliver import Deliverer
from services.courier.settings import CourierSettings
from shared.domain.webhook import DeliveryOutcome, DueDelivery
from shared.infra.database.engine import Clock
from shared.infra.database.outbox import SqlOutbox
from shared.infra.heartbeat import Heartbeat
from shared.infra.periodic import PeriodicTasks

log = structlog.get_logger()

NO_SUCCESS = timedelta(days=5)
RECENT = timedelta(days=1)
REASON = "no_success_for_5_days"
# Longer than an attempt may take, so that no other courier sends the same delivery meanwhile.
LEASE = timedelta(seconds=120)


class Courier:
    def __init__(
        self,
        outbox: SqlOutbox,
        deliverer: Deliverer,
        settings: CourierSettings,
        clock: Clock,
        heartbeat: Heartbeat | None = None,
    ) -> None:
        self._heartbeat = heartbeat or Heartbeat()
        self._outbox = outbox
        self._deliverer = deliverer
        self._settings = settings
        self._clock = clock
        self._in_progress: set[Future[DeliveryOutcome | None]] = set()

    def run(self, stop: Event) -> None:
        """Run until `stop` is set; attempts in progress are finished first."""
        tasks = PeriodicTasks(
            "courier.task_failed",
            (self._settings.sweep_seconds, self.disable_failing_endpoints),
            (self._settings.sweep_seconds, self.delete_old_deliveries),
        )
        with ThreadPoolExecutor(self._settings.max_parallel, thread_name_prefix="courier") as pool:
            while not stop.is_set():
                tasks.run_due()
                if not self._start_deliveries(pool):
                    self._wait(stop)

    def disable_failing_endpoints(self) -> None:
        count = self._outbox.disable_failing(reason=REASON, after=NO_SUCCESS, recent=RECENT)
        if count:
            log.warning("courier.endpoints_disabled", count=count, reason=REASON)

    def delete_old_deliveries(self) -> None:
        self._outbox.delete_before(self._clock() - timedelta(days=self._settings.log_days))

    def _start_deliveries(self, pool: ThreadPoolExecutor) -> int:
        """Start as many due deliveries as there are free threads; return their number."""
        self._in_progress = {future for future in self._in_progress if not future.done()}
        free = self._settings.max_parallel - len(self._in_progress)
        if not free:
            return 0
        try:
            due: tuple[DueDelivery, ...] = ()
            if self._outbox.any_due():
                self._outbox.fan_out()
                due = self._outbox.due(limit=free, lease=LEASE)
        # A database outage must not end the courier. A traceback could contain an address.
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400
                "courier.outbox_failed", error=type(error).__name__
            )
            return 0
        self._heartbeat.touch()  # the database is reachable
        self._in_progress |= {pool.submit(self._deliver, outgoing) for outgoing in due}
        return len(due)

    def _deliver(self, outgoing: DueDelivery) -> DeliveryOutcome | None:
        names = {"delivery": outgoing.delivery.id, "endpoint": outgoing.endpoint.id}
        try:
            outcome = self._deliverer.deliver(outgoing)
        # An exception in a thread would be lost; the delivery's lease expires and it is retried.
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400
                "courier.delivery_failed", **names, error=getattr(error, "code", type(error).__name__)
            )
            return None
        log.info(
            "courier.delivery_attempted", **names, status=outcome.status, retry=outcome.next_attempt_at is not None
        )
        return outcome

    def _wait(self, stop: Event) -> None:
        if self._in_progress:
            wait(self._in_progress, timeout=self._settings.poll_seconds, return_when=FIRST_COMPLETED)
        else:
            stop.wait(self._settings.poll_seconds)
