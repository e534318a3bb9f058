"""`GET /v1/engines`: which engines and weights the machines with workers have, and their free disk."""

from __future__ import annotations

from fastapi import APIRouter
from pydantic import BaseModel

from services.gateway.dependencies import Admin, Gateway
from shared.domain.engine_report import EngineReport

router = APIRouter(tags=["service"])


class EngineReports(BaseModel):
    items: tuple[EngineReport, ...]


@router.get("/v1/engines", summary="The last report of each machine that runs workers")
def list_engines(gateway: Gateway, caller: Admin) -> EngineReports:
    del caller  # a deployment has one set of machines for all tenants
    return EngineReports(items=gateway.engines.list())
