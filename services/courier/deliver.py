"""One attempt: sign the stored bytes, send them, note what came of it."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from services.courier.signing import signed_headers
from services.courier.verdict import BLOCKED, Result, judge
from shared.domain.error import AddressBlocked, OutboundFailed
from shared.domain.webhook import Attempt, Delivery, Outcome, Outgoing
from shared.infra.outbound import Outbound
from shared.infra.sealing import Sealer
from shared.infra.telemetry import SILENT, Deed, Part, Tracer
from shared.ports.webhooks import Outbox

REFUSED = 300  # redirects are not followed


class Deliverer:
    def __init__(
        self,
        outbox: Outbox,
        outbound: Outbound,
        sealer: Sealer,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        tracer: Tracer = SILENT,
    ) -> None:
        self._outbox = outbox
        self._outbound = outbound
        self._sealer = sealer
        self._clock = clock
        self._chance = chance
        self._tracer = tracer

    def deliver(self, outgoing: Outgoing) -> Outcome:
        delivery, endpoint = outgoing.delivery, outgoing.endpoint
        at = self._clock()
        # A secret that does not open is our own trouble: it is raised, and costs the delivery no attempt.
        secrets = [self._sealer.open(sealed, endpoint.id) for sealed in endpoint.signing(at)]
        began = time.time_ns()
        result = self._send(endpoint.url, delivery.body, signed_headers(delivery.id, at, delivery.body, secrets))
        number = delivery.attempts + 1
        self._tracer.tell(_deed(delivery, number, began, result))
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


def _deed(delivery: Delivery, number: int, began: int, result: Result) -> Deed:
    """Without the address, which may carry a token of the receiver's."""
    facts: dict[str, str | int] = {
        "undertone.delivery": delivery.id,
        "undertone.topic": delivery.topic,
        "undertone.attempt": number,
    }
    if result.status is not None:
        facts["http.response.status_code"] = result.status
    if result.error is not None:
        facts["error.type"] = result.error
    return Deed(
        name="webhook",
        part=Part.CLIENT,
        began=began,
        job_id=delivery.job_id,
        failed=result.error is not None or (result.status or 0) >= REFUSED,
        facts=facts,
    )
