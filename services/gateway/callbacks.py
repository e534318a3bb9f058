"""Creates webhook endpoints, including the callback endpoint of a single job with its own secret."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import uuid4

from shared.domain.error import InvalidSetting, OutboundFailed
from shared.domain.webhook import EncryptedSecret, EventType, PayloadFormat, WebhookEndpoint
from shared.infra.address_rule import not_callable
from shared.infra.database.webhooks import SqlEndpointStore
from shared.infra.outbound import Outbound
from shared.infra.secret_encryption import SecretCipher, new_webhook_secret


@dataclass(frozen=True, slots=True)
class Callback:
    """Where one job reports its end, and in which form."""

    url: str
    payload: PayloadFormat = PayloadFormat.EVENT
    header: str | None = None  # `name: value`


class CallbackEndpoints:
    def __init__(
        self,
        endpoints: SqlEndpointStore,
        outbound: Outbound,
        cipher: SecretCipher | None,
        clock: Callable[[], datetime],
    ) -> None:
        self._endpoints = endpoints
        self._outbound = outbound
        self._cipher = cipher
        self._clock = clock

    @contextmanager
    def adding(self, tenant: str, job_id: str, callback: Callback | None) -> Iterator[str | None]:
        """Adds the endpoint before its job, which could end immediately, and deletes it if the job is not created."""
        if callback is None:
            yield None
            return
        types = frozenset({EventType.TRANSCRIPT_READY, EventType.JOB_FAILED})
        endpoint, secret = self.make(tenant, callback.url, types, job_id=job_id, callback=callback)
        try:
            yield secret
        except BaseException:
            self._endpoints.delete(tenant, endpoint.id)
            raise

    def make(
        self,
        tenant: str,
        url: str,
        event_types: frozenset[EventType],
        *,
        job_id: str | None = None,
        description: str = "",
        callback: Callback | None = None,
        template: str | None = None,
    ) -> tuple[WebhookEndpoint, str]:
        """Creates an endpoint and returns it with its secret, which is shown only once."""
        self.check(url)
        secret, endpoint_id = new_webhook_secret(), uuid4().hex
        endpoint = WebhookEndpoint(
            id=endpoint_id,
            tenant=tenant,
            url=url,
            event_types=event_types,
            description=description,
            secrets=(EncryptedSecret(ciphertext=self.cipher.encrypt(secret, endpoint_id)),),
            job_id=job_id,
            payload=callback.payload if callback else PayloadFormat.EVENT,
            template=template,
            header=self.cipher.encrypt(callback.header, endpoint_id) if callback and callback.header else None,
            created_at=self._clock(),
        )
        self._endpoints.add(endpoint)
        return endpoint, secret

    def check(self, url: str) -> None:
        """Rejects a URL that may not be called; every delivery attempt checks it again."""
        try:
            self._outbound.check(url)
        except OutboundFailed:
            raise not_callable() from None

    @property
    def cipher(self) -> SecretCipher:
        if self._cipher is None:
            raise InvalidSetting("No key to encrypt secrets is set.", hint="Set SECRETS__KEYS.")
        return self._cipher
