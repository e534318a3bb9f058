"""Sends tickets as Celery messages on Redis by task name, so that senders need not import the worker."""

from __future__ import annotations

import json
from base64 import b64decode
from collections.abc import Mapping
from typing import Any

from celery import Celery
from kombu import Queue

from shared.domain.error import InvalidSetting
from shared.domain.stage_plan import QUEUES
from shared.domain.work import Ticket
from shared.infra.queue_settings import QueueSettings, RedisSettings

TASK = "undertone.run_stage"
# A sender that cannot reach Redis fails quickly: the row stays, and the dispatcher sends its ticket again.
RETRY_POLICY = {"max_retries": 2, "interval_start": 0.1, "interval_step": 0.3, "interval_max": 0.5}


def broker_settings(redis: RedisSettings, queue: QueueSettings) -> Mapping[str, Any]:
    """Celery settings that all programs must share, because the shortest visibility timeout among them applies."""
    url = redis.url.get_secret_value()
    if not url:
        raise InvalidSetting(
            "The Redis URL is not set.", hint="Set REDIS__URL, or use `undertone serve`, which starts its own Redis."
        )
    visibility = 2 * queue.max_stage_seconds  # a task that runs longer would be delivered a second time
    return {
        "broker_url": url,
        "broker_transport_options": {
            "visibility_timeout": visibility,
            "unacked_restore_interval": 10,  # the default restores lost messages only about every 100 s
            "unacked_restore_throttle": 1,
            "socket_timeout": 30,
            "socket_connect_timeout": 5,
            "socket_keepalive": True,
        },
        "result_backend_transport_options": {"visibility_timeout": visibility},  # all three must be equal
        "visibility_timeout": visibility,
        "broker_connection_retry_on_startup": True,
        "task_queues": [Queue(name, routing_key=name) for name in QUEUES],
        "task_default_queue": QUEUES[0],
        "task_create_missing_queues": False,  # a mistyped name must not create a queue without consumers
        "task_serializer": "json",
        "accept_content": ["json"],  # never pickle, which would let anyone with broker access run code in the workers
        "task_ignore_result": True,  # the database stores the result of a stage
        "result_backend": None,
    }


class CeleryQueue:
    def __init__(self, redis: RedisSettings, queue: QueueSettings) -> None:
        self._app = Celery("undertone-sender", set_as_current=False)
        self._app.conf.update(broker_settings(redis, queue))

    def send(self, ticket: Ticket) -> None:
        self._app.send_task(
            TASK,
            kwargs={"job_id": ticket.job_id, "stage": ticket.stage},
            queue=ticket.queue,
            retry=True,
            retry_policy=RETRY_POLICY,
        )

    def waiting_tickets(self, queue: str) -> set[tuple[str, str]]:
        """Job and stage of each message in the queue, except messages that a worker has taken."""
        with self._app.connection_for_read() as connection:
            messages = connection.default_channel.client.lrange(queue, 0, -1)
        return {_ticket_in(message) for message in messages}

    def waiting(self, queue: str) -> int:
        # A new connection each time would cost more than the query.
        with self._app.connection_for_read() as connection:
            return int(connection.default_channel.client.llen(queue))

    def close(self) -> None:
        self._app.close()


def _ticket_in(message: bytes) -> tuple[str, str]:
    _, named, _ = json.loads(b64decode(json.loads(message)["body"]))
    return named["job_id"], named["stage"]
