"""The options of a job that governance allows, from a request and the defaults of its key."""

from __future__ import annotations

from shared.domain.emotion import Modality
from shared.domain.error import InvalidRequest
from shared.domain.governance import Consent, allowed_modalities, parse_purpose
from shared.domain.job import JobOptions
from shared.domain.job_request import JobRequest
from shared.infra.settings import GovernanceSettings
from shared.infra.web.authenticator import Caller


def grant_options(
    request: JobRequest,
    caller: Caller,
    governance: GovernanceSettings,
    *,
    text_only: bool = False,
    known_voices: bool = False,
) -> tuple[JobOptions, Consent | None]:
    """Returns the job options that governance allows; the key's defaults apply where the request sets none."""
    default_purpose = caller.defaults.get("purpose")
    purpose = request.purpose or parse_purpose(default_purpose if isinstance(default_purpose, str) else None)
    if purpose is None and governance.require_purpose:
        raise InvalidRequest("This deployment requires a purpose.", hint="Add a purpose, such as research.")
    defaults = JobRequest.model_validate(
        {name: caller.defaults[name] for name in ("modalities", "consent") if name in caller.defaults}
    )
    consent = request.consent or defaults.consent
    modalities = allowed_modalities(
        defaults.modalities if request.modalities is None else request.modalities, governance.modalities, purpose
    )
    biometric = known_voices or (not text_only and any(modality is not Modality.TEXT for modality in modalities))
    if governance.require_consent and biometric and not (consent and consent.participants_informed):
        raise InvalidRequest(
            "This deployment analyses voice and face only if the participants were informed.",
            hint='Add a consent with "participants_informed": true, or request only the modality text.',
        )
    options = JobOptions(
        language=request.language,
        vocabulary=request.vocabulary,
        speakers=request.speakers,
        max_speakers=request.max_speakers,
        modalities=tuple(modality for modality in Modality if modality in modalities),
        engines=dict(request.engines),
        separate_channels=request.separate_channels,
        min_speech=request.min_speech,
        max_seconds=request.max_seconds,
        captions=request.captions,
        purpose=purpose,
    )
    return options, consent
