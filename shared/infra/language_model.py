"""Asks a language model at the OpenAI-compatible address that the operator has set, and at no other."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict

from shared.domain.error import OutboundFailed
from shared.infra.address_rule import OutboundSettings, parse
from shared.infra.outbound import Outbound, Timeouts

MAX_ANSWER = 1 << 20  # bytes


class NotesSettings(BaseSettings):
    model_config = SettingsConfigDict(env_prefix="NOTES__", frozen=True)

    url: str = ""
    """Base address of an OpenAI-compatible API, such as http://127.0.0.1:11434/v1; empty: no notes are written."""

    model: str = ""
    """The model's name in that API."""

    key: SecretStr = SecretStr("")
    """The API key; empty: none is sent."""

    emotion: bool = False
    """Whether the model is given the perceived emotions."""

    timeout_seconds: float = Field(default=300.0, gt=0)
    """Seconds for one answer."""

    part_characters: int = Field(default=24_000, ge=1000)
    """Characters of a transcript that are sent at once; longer ones are sent in parts."""


class _Message(BaseModel):
    content: str


class _Choice(BaseModel):
    message: _Message


class _Completion(BaseModel):
    choices: list[_Choice] = Field(min_length=1)


class LanguageModel:
    def __init__(self, settings: NotesSettings) -> None:
        self._settings = settings
        host = parse(settings.url).host
        # The operator's own address may be internal and plain; every other rule stays, and redirects are not followed.
        rules = OutboundSettings(allow=(host,), plain_http=True, own_hosts=())
        self._outbound = Outbound(rules)

    @property
    def name(self) -> str:
        return self._settings.model

    def answer(self, messages: Sequence[Mapping[str, str]]) -> str:
        request = {
            "model": self.name,
            "messages": messages,
            "temperature": 0,
            "response_format": {"type": "json_object"},
        }
        headers = {"Content-Type": "application/json"}
        if key := self._settings.key.get_secret_value():
            headers["Authorization"] = f"Bearer {key}"
        seconds = self._settings.timeout_seconds
        content = self._outbound.exchange(
            f"{self._settings.url.rstrip('/')}/chat/completions",
            json.dumps(request).encode(),
            headers,
            max_bytes=MAX_ANSWER,
            limits=Timeouts(next_byte=seconds, total=seconds),
        )
        try:
            return _Completion.model_validate_json(content).choices[0].message.content
        except ValidationError:
            raise OutboundFailed("The language model's server sent an invalid answer.", reason="protocol") from None
