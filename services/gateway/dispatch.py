"""After a job is committed its first stages are sent to the queue, in the turns that the database decides."""

from __future__ import annotations

from collections.abc import Sequence

import structlog

from shared.ports.jobs import WorkQueue
from shared.ports.queue import CountedQueue

log = structlog.get_logger()


class Dispatcher:
    """Sending is a courtesy: what is not sent now, the sweep sends a little later."""

    def __init__(self, work: WorkQueue, queue: CountedQueue, *, queues: Sequence[str], most_waiting: int) -> None:
        self._work = work
        self._queue = queue
        self._queues = queues
        self._most_waiting = most_waiting

    def wake(self) -> None:
        try:
            # Asked first: a ticket that is marked as sent but was not would wait until it counts as lost.
            self._queue.waiting(self._queues[0])
            for name in self._queues:
                for ticket in self._work.next_tickets(name, most_waiting=self._most_waiting):
                    self._queue.send(ticket)
        # Whatever the broker's client raises: the job is safe in the database, and its sender has been answered.
        except Exception as error:  # noqa: BLE001
            log.warning("gateway.queue_unreachable", error=type(error).__name__)

    def reachable(self) -> bool:
        try:
            self._queue.waiting(self._queues[0])
        except Exception as error:  # noqa: BLE001 - see above; not ready is the answer, whatever the reason
            log.warning("gateway.queue_unreachable", error=type(error).__name__)
            return False
        return True
