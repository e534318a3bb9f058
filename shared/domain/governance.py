"""Which senses may be used: what the deployment allows, what the job asks for, and what its purpose forbids."""

from __future__ import annotations

from enum import StrEnum

from shared.domain.emotion import Modality
from shared.domain.error import InvalidRequest, ModalityNotAllowed, PurposeProhibited
from shared.domain.value import Value


class Purpose(StrEnum):
    """Why the emotions of a recording are read; stored with the job and shown in the disclosure."""

    RESEARCH = "research"
    CUSTOMER_INTERACTION = "customer_interaction"
    PERSONAL_TRAINING = "personal_training"
    ACCESSIBILITY = "accessibility"
    MEDICAL = "medical"
    SAFETY = "safety"
    MEDIA = "media"
    OTHER = "other"
    # Known words that are refused for voice and face: EU AI Act, Art. 5(1)(f).
    EMPLOYEE_MONITORING = "employee_monitoring"
    RECRUITMENT = "recruitment"
    EDUCATION_ASSESSMENT = "education_assessment"


class Consent(Value):
    """What the sender says about the people who are heard and seen; stored as given."""

    basis: str | None = None
    participants_informed: bool = False
    attested_by: str | None = None
    attested_at: str | None = None
    reference: str | None = None


PROHIBITED = frozenset({Purpose.EMPLOYEE_MONITORING, Purpose.RECRUITMENT, Purpose.EDUCATION_ASSESSMENT})

NOTICE = (
    "Emotion is perceived from words, voice and face; in the EU, inferring emotions from voice or face at work "
    "or in education is prohibited (AI Act, Art. 5(1)(f)). GOVERNANCE__MODALITIES=text switches voice and face off."
)


def parse_purpose(word: str | None) -> Purpose | None:
    if word is None:
        return None
    try:
        return Purpose(word)
    except ValueError:
        known = ", ".join(purpose for purpose in Purpose if purpose not in PROHIBITED)
        raise InvalidRequest(f"There is no purpose {word!r}; the purposes are {known}.") from None


def allowed_modalities(
    requested: tuple[Modality, ...] | None, allowed: tuple[Modality, ...], purpose: Purpose | None
) -> tuple[Modality, ...]:
    """The senses a job may use. Asking for nothing special means all that are allowed; never more than those."""
    refused = tuple(modality for modality in requested or () if modality not in allowed)
    if refused:
        raise ModalityNotAllowed(
            f"This deployment does not allow {' and '.join(refused)}.",
            hint=f"Ask for {', '.join(allowed) or 'none'}, or have its operator change GOVERNANCE__MODALITIES.",
        )
    granted = allowed if requested is None else requested
    biometric = tuple(modality for modality in granted if modality is not Modality.TEXT)
    if purpose in PROHIBITED and biometric:
        raise PurposeProhibited(
            f"Reading emotions from {' and '.join(biometric)} for {purpose} is prohibited (EU AI Act, Art. 5(1)(f)).",
            hint="Ask for the modality text alone.",
        )
    return granted
