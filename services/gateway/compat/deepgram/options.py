"""The query of a request: which of Deepgram's options have an effect, and which are refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Literal

from pydantic import Field
from starlette.datastructures import Headers, QueryParams

from services.gateway.body_parsers import validate
from services.gateway.compat.api import GOVERNANCE_FIELDS, check_options, first_part, read_options
from shared.domain.job_request import JobRequest
from shared.domain.value import Value

IGNORED = frozenset(
    {
        "encoding",
        "filler_words",
        "keywords",
        "language_hint",
        "measurements",
        "mip_opt_out",
        "model",
        "numerals",
        "profanity_filter",
        "version",
    }
)
LISTS = ("keyterm", "tag", "extra")


class ListenOptions(Value):
    """The options that have an effect."""

    language: str | None = Field(default=None, max_length=32)
    detect_language: bool = False
    diarize: bool = False
    diarize_model: str | None = None
    utterances: bool = False
    utt_split: float | None = Field(default=None, gt=0)  # seconds
    paragraphs: bool = False
    punctuate: bool = True  # always
    smart_format: bool = True
    sentiment: bool = False
    multichannel: bool = False
    keyterm: tuple[str, ...] = ()
    tag: tuple[str, ...] = ()
    extra: tuple[Annotated[str, Field(pattern=r"^[^:]+:")], ...] = ()  # key:value, returned in the metadata
    callback: str | None = Field(default=None, max_length=2000, exclude=True, repr=False)
    callback_method: Literal["POST", "post", "PUT", "put"] = Field(default="POST", exclude=True)

    @property
    def speakers(self) -> bool:
        return self.diarize or self.diarize_model is not None

    def job_request(self, headers: Headers, query: QueryParams, metadata: Mapping[str, Any]) -> JobRequest:
        fields = {
            "language": None if self.detect_language else first_part(self.language),
            "vocabulary": self.keyterm,
            "separate_channels": self.multichannel,
            "metadata": metadata,
        }
        return read_options(headers, fields, query, names={"vocabulary": "keyterm"})


def read_query(query: QueryParams) -> tuple[ListenOptions, list[str]]:
    """The options, and warnings about those without effect."""
    given: dict[str, Sequence[str] | str] = {
        name: query.getlist(name) if name in LISTS else query[name] for name in query
    }
    warnings = check_options(given, supported=(*ListenOptions.model_fields, *GOVERNANCE_FIELDS), ignored=IGNORED)
    known: Mapping[str, Any] = {name: given[name] for name in given if name in ListenOptions.model_fields}
    options = validate(ListenOptions, known)
    if not (options.punctuate and options.smart_format):
        warnings.append("Words are always punctuated.")
    return options, warnings
