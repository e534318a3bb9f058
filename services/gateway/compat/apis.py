"""The compatible APIs by the names that GATEWAY__COMPATIBLE_APIS lists."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from services.gateway.compat import sagemaker
from services.gateway.compat.api import CompatibleApi
from services.gateway.compat.assemblyai import api as assemblyai
from services.gateway.compat.deepgram import api as deepgram
from services.gateway.compat.hume import api as hume
from services.gateway.compat.openai import api as openai
from shared.domain.error import InvalidSetting

APIS: Mapping[str, CompatibleApi] = {
    "assemblyai": assemblyai.API,
    "openai": openai.API,
    "deepgram": deepgram.API,
    "hume": hume.API,
    "sagemaker": sagemaker.API,
}


def enabled_apis(names: Iterable[str]) -> Sequence[CompatibleApi]:
    if unknown := sorted(set(names) - set(APIS)):
        raise InvalidSetting(
            f"There is no compatible API {', '.join(unknown)}.",
            hint=f"GATEWAY__COMPATIBLE_APIS may list {', '.join(APIS)}.",
        )
    return [APIS[name] for name in names]
