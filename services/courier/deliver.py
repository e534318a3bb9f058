"""One delivery attempt: sign the stored body, send it, and return the outcome."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from datetime import datetime

from services.courier.delivery_outcome import BLOCKED, AttemptResult, decide_outcome
from services.courier.signing import signed_headers
from shared.domain.error import AddressBlocked, OutboundFailed
from shared.domain.webhook import Attempt, Delivery, DeliveryOutcome, DueDelivery, WebhookEndpoint
from shared.infra.database.outbox import SqlOutbox
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher
from shared.infra.telemetry import NULL_TRACER, Tracer, TraceSpan, TraceSpanKind

REFUSED = 300  # redirects are not followed


class Deliverer:
    def __init__(
        self,
        outbox: SqlOutbox,
        outbound: Outbound,
        cipher: SecretCipher,
        clock: Callable[[], datetime],
        chance: Callable[[], float] = random.random,
        tracer: Tracer = NULL_TRACER,
    ) -> None:
        self._outbox = outbox
        self._outbound = outbound
        self._sealer = cipher
        self._clock = clock
        self._chance = chance
        self._tracer = tracer

    def deliver(self, outgoing: DueDelivery) -> DeliveryOutcome:
        delivery, endpoint = outgoing.delivery, outgoing.endpoint
        at = self._clock()
        # A secret that cannot be decrypted is an error on our side: it is raised and uses up no attempt.
        secrets = [self._sealer.decrypt(sealed, endpoint.id) for sealed in endpoint.signing_secrets(at)]
        began = time.time_ns()
        headers = self._own_header(endpoint) | signed_headers(delivery.id, at, delivery.body, secrets)
        result = self._send(endpoint, delivery.body, headers)
        number = delivery.attempts + 1
        self._tracer.record(_trace_span(delivery, number, began, result))
        outcome = decide_outcome(number, at, result, self._chance())
        attempt = Attempt(
            delivery_id=delivery.id,
            endpoint_id=endpoint.id,
            series=delivery.series,
            number=number,
            at=at,
            seconds=result.seconds,
            response_status=result.status,
            error=result.error,
            response_body=result.excerpt.replace(
                "\x00", "\N{REPLACEMENT CHARACTER}"
            ),  # PostgreSQL's text type cannot store NUL
            next_attempt_at=outcome.next_attempt_at,
        )
        self._outbox.record(outgoing, attempt, outcome)
        return outcome

    def _own_header(self, endpoint: WebhookEndpoint) -> dict[str, str]:
        if endpoint.header is None:
            return {}
        name, _, value = self._sealer.decrypt(endpoint.header, endpoint.id).partition(": ")
        return {name: value}

    def _send(self, endpoint: WebhookEndpoint, body: bytes, headers: dict[str, str]) -> AttemptResult:
        began = time.monotonic()
        try:
            answer = self._outbound.post(endpoint.url, body, headers, method=endpoint.payload.method)
        except AddressBlocked:
            return AttemptResult(error=BLOCKED, seconds=time.monotonic() - began)
        except OutboundFailed as failure:
            return AttemptResult(error=failure.reason, seconds=time.monotonic() - began)
        return AttemptResult(
            status=answer.status, headers=answer.headers, excerpt=answer.excerpt, seconds=answer.seconds
        )


def _trace_span(delivery: Delivery, number: int, began: int, result: AttemptResult) -> TraceSpan:
    """The span omits the URL, which may contain a token of the receiver."""
    facts: dict[str, str | int] = {
        "undertone.delivery": delivery.id,
        "undertone.event_type": delivery.event_type,
        "undertone.attempt": number,
    }
    if result.status is not None:
        facts["http.response.status_code"] = result.status
    if result.error is not None:
        facts["error.type"] = result.error
    return TraceSpan(
        name="webhook",
        kind=TraceSpanKind.CLIENT,
        started_ns=began,
        job_id=delivery.job_id,
        failed=result.error is not None or (result.status or 0) >= REFUSED,
        attributes=facts,
    )
