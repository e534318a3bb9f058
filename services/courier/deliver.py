"""One attempt: sign the stored bytes, send them, note what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from services.courier.signing import signed_headers
from services.courier.verdict import BLOCKED, Result, judge
from shared.domain.error import AddressBlocked, OutboundFailed
from shared.domain.webhook import Attempt, Outcome, Outgoing
from shared.infra.outbound import Outbound
from shared.infra.sealing import Sealer
from shared.ports.webhooks import Outbox


class Deliverer:
    def __init__(
        self,
        outbox: Outbox,
        outbound: Outbound,
        sealer: Sealer,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._outbox = outbox
        self._outbound = outbound
        self._sealer = sealer
        self._clock = clock
        self._chance = chance

    def deliver(self, outgoing: Outgoing) -> Outcome:
        delivery, endpoint = outgoing.delivery, outgoing.endpoint
        at = self._clock()
        # A secret that does not open is our own trouble: it is raised, and costs the delivery no attempt.
        secrets = [self._sealer.open(sealed, endpoint.id) for sealed in endpoint.signing(at)]
        result = self._send(endpoint.url, delivery.body, signed_headers(delivery.id, at, delivery.body, secrets))
        number = delivery.attempts + 1
        outcome = judge(number, at, result, self._chance())
        attempt = Attempt(
            delivery_id=delivery.id,
            endpoint_id=endpoint.id,
            series=delivery.series,
            number=number,
            at=at,
            seconds=result.seconds,
            status=result.status,
            error=result.error,
            answer=result.excerpt.replace("\x00", "\N{REPLACEMENT CHARACTER}"),  # PostgreSQL's text has no NUL
            next_attempt_at=outcome.next_attempt_at,
        )
        self._outbox.record(outgoing, attempt, outcome)
        return outcome

    def _send(self, url: str, body: bytes, headers: dict[str, str]) -> Result:
        began = time.monotonic()
        try:
            answer = self._outbound.post(url, body, headers)
        except AddressBlocked:
            return Result(error=BLOCKED, seconds=time.monotonic() - began)
        except OutboundFailed as failure:
            return Result(error=failure.reason, seconds=time.monotonic() - began)
        return Result(status=answer.status, headers=answer.headers, excerpt=answer.excerpt, seconds=answer.seconds)
