"""The courier's loop: what is due goes out side by side, a slow receiver holds up only itself."""

from __future__ import annotations

import time
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from datetime import timedelta
from threading import Event

import structlog

from services.courier.deliver import Deliverer
from services.courier.house import House
from services.courier.settings import CourierSettings
from shared.domain.webhook import Outcome, Outgoing
from shared.infra.heartbeat import Heartbeat
from shared.ports.webhooks import Outbox

log = structlog.get_logger()

# Longer than an attempt may take, so that nobody else sends the same meanwhile.
LEASE = timedelta(seconds=120)


class Courier:
    def __init__(
        self,
        outbox: Outbox,
        deliverer: Deliverer,
        house: House,
        settings: CourierSettings,
        heart: Heartbeat | None = None,
    ) -> None:
        self._heart = heart or Heartbeat()
        self._outbox = outbox
        self._deliverer = deliverer
        self._house = house
        self._settings = settings
        self._going: set[Future[Outcome | None]] = set()

    def run(self, stop: Event) -> None:
        """Until told to stop; attempts that are under way are finished first."""
        next_sweep = 0.0
        with ThreadPoolExecutor(self._settings.parallel, thread_name_prefix="courier") as pool:
            while not stop.is_set():
                if time.monotonic() >= next_sweep:
                    self._house.sweep()
                    next_sweep = time.monotonic() + self._settings.sweep_seconds
                if not self._post(pool):
                    self._rest(stop)

    def _post(self, pool: ThreadPoolExecutor) -> int:
        """Hand out as much as there are free hands; how much it was."""
        self._going = {future for future in self._going if not future.done()}
        free = self._settings.parallel - len(self._going)
        if not free:
            return 0
        try:
            due: tuple[Outgoing, ...] = ()
            if self._outbox.any_due():
                self._outbox.fan_out()
                due = self._outbox.due(limit=free, lease=LEASE)
        # A database that is away for a minute must not end the courier. A traceback could carry an address.
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400
                "courier.outbox_failed", error=type(error).__name__
            )
            return 0
        self._heart.beat()  # the database has answered
        self._going |= {pool.submit(self._deliver, outgoing) for outgoing in due}
        return len(due)

    def _deliver(self, outgoing: Outgoing) -> Outcome | None:
        names = {"delivery": outgoing.delivery.id, "endpoint": outgoing.endpoint.id}
        try:
            outcome = self._deliverer.deliver(outgoing)
        # In a thread nobody would hear of it; its lease ends, and it comes again.
        except Exception as error:  # noqa: BLE001
            log.error(  # noqa: TRY400
                "courier.attempt_failed", **names, error=getattr(error, "code", type(error).__name__)
            )
            return None
        log.info("courier.attempted", **names, state=outcome.state, again=outcome.next_attempt_at is not None)
        return outcome

    def _rest(self, stop: Event) -> None:
        if self._going:
            wait(self._going, timeout=self._settings.poll_seconds, return_when=FIRST_COMPLETED)
        else:
            stop.wait(self._settings.poll_seconds)
