"""Decides which modalities a job may use: those allowed by the deployment, requested, and legal for the purpose."""

from __future__ import annotations

from enum import StrEnum

from shared.domain.emotion import Modality
from shared.domain.error import InvalidRequest, ModalityNotAllowed, PurposeProhibited
from shared.domain.value import Value


class Purpose(StrEnum):
    """The purpose of the emotion analysis; stored with the job and shown in the disclosure."""

    RESEARCH = "research"
    CUSTOMER_INTERACTION = "customer_interaction"
    PERSONAL_TRAINING = "personal_training"
    ACCESSIBILITY = "accessibility"
    MEDICAL = "medical"
    SAFETY = "safety"
    MEDIA = "media"
    OTHER = "other"
    # Known purposes that are refused for voice and face: EU AI Act, Art. 5(1)(f).
    EMPLOYEE_MONITORING = "employee_monitoring"
    RECRUITMENT = "recruitment"
    EDUCATION_ASSESSMENT = "education_assessment"


class Consent(Value):
    """The client's statement about the consent of the people in the recording; stored as given."""

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
        raise InvalidRequest(f"Unknown purpose {word!r}; the purposes are {known}.") from None


def allowed_modalities(
    requested: tuple[Modality, ...] | None, allowed: tuple[Modality, ...], purpose: Purpose | None
) -> tuple[Modality, ...]:
    """The modalities a job may use: all allowed ones by default, and never more than those."""
    refused = tuple(modality for modality in requested or () if modality not in allowed)
    if refused:
        raise ModalityNotAllowed(
            f"This deployment does not allow {' and '.join(refused)}.",
            hint=f"Request {', '.join(allowed) or 'none'}, or have the operator change GOVERNANCE__MODALITIES.",
        )
    granted = allowed if requested is None else requested
    biometric = tuple(modality for modality in granted if modality is not Modality.TEXT)
    if purpose in PROHIBITED and biometric:
        raise PurposeProhibited(
            f"Reading emotions from {' and '.join(biometric)} for {purpose} is prohibited (EU AI Act, Art. 5(1)(f)).",
            hint="Request only the modality text.",
        )
    return granted
