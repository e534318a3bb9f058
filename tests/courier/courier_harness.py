"""A courier over one SQLite file, and the signature checks of its receivers."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from openai import OpenAI
from standardwebhooks import Webhook

from services.courier.deliver import Deliverer
from services.courier.loop import Courier
from services.courier.settings import CourierSettings
from shared.domain.webhook import DeliveryOutcome, EncryptedSecret, EventType, WebhookEndpoint
from shared.infra.address_rule import OutboundSettings
from shared.infra.database.engine import Database
from shared.infra.database.jobs import SqlJobStore
from shared.infra.database.outbox import SqlOutbox
from shared.infra.database.webhooks import SqlDeliveryStore, SqlEndpointStore
from shared.infra.database.work import SqlWorkStore
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_key
from tests.local_server import ReceivedRequest
from tests.service_fakes import MINUTE, ONE_STAGE, MovableClock, held, new_job

DAY = timedelta(days=1)


@dataclass
class CourierHarness:
    """A courier and its stores over one SQLite file."""

    database: Database
    clock: MovableClock
    folder: Path
    sealer: SecretCipher = field(default_factory=lambda: SecretCipher([new_key()]))

    def __post_init__(self) -> None:
        self.outbox = SqlOutbox(self.database)
        self.endpoints = SqlEndpointStore(self.database)
        self.deliveries = SqlDeliveryStore(self.database)
        self.jobs = SqlJobStore(self.database)
        self.work = SqlWorkStore(self.database)
        outbound = Outbound(OutboundSettings(_env_file=None), loopback=True)
        self.deliverer = Deliverer(self.outbox, outbound, self.sealer, self.clock, chance=lambda: 0.5)
        self.courier = Courier(self.outbox, self.deliverer, CourierSettings(), self.clock)

    def hook(self, url: str, secret: str | None = None) -> WebhookEndpoint:
        sealed = (EncryptedSecret(ciphertext=self.sealer.encrypt(secret, "hook")),) if secret else ()
        made = WebhookEndpoint(
            id="hook",
            tenant="ours",
            url=url,
            event_types=frozenset(EventType),
            secrets=sealed,
            created_at=self.clock.now,
        )
        self.endpoints.add(made)
        return made

    def publish(self) -> str:
        job = self.jobs.add("ours", new_job(ONE_STAGE, metadata={"meeting": "Zoë"}))
        self.work.publish(held(self.work, job.id, "publish"), seconds=1)
        return job.id

    def run_once(self) -> list[DeliveryOutcome]:
        """Run one iteration of the courier's loop."""
        self.outbox.fan_out()
        return [self.deliverer.deliver(one) for one in self.outbox.due(limit=50, lease=MINUTE)]


def verify(request: ReceivedRequest, secret: str) -> Any:
    OpenAI(api_key="unused").webhooks.verify_signature(request.body, dict(request.headers), secret=secret)
    return Webhook(secret).verify(request.body, dict(request.headers))
