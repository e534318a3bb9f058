"""Checks which engines can run on this machine, and which weights are on it."""

from __future__ import annotations

from shared.domain.engine_report import EngineFinding, EngineStatus, SlotReport, WeightsFinding
from shared.domain.error import EngineUnavailable
from shared.engines.catalog import SLOTS, Setup, Slot
from shared.engines.settings import EngineSettings
from shared.engines.weights.description import all_weights
from shared.engines.weights.installed import is_here


def check_slots(setup: Setup) -> tuple[SlotReport, ...]:
    return tuple(
        SlotReport(slot=slot.name, work=slot.work, engines=tuple(_check_slot(slot, setup))) for slot in SLOTS.values()
    )


def _check_slot(slot: Slot[object], setup: Setup) -> list[EngineFinding]:
    """Try to load every engine of the slot, in the order of `auto`."""
    findings: list[EngineFinding] = []
    status = EngineStatus.USED
    for name in slot.classes:
        found = slot.find_class(name)
        try:
            engine = found.load(None, setup)
        except EngineUnavailable as error:
            missing = EngineFinding(engine=name, status=EngineStatus.MISSING, detail=error.message, hint=error.hint)
            findings.append(missing)
            continue
        described = found if engine is None else engine  # the choice of no engine is described by its class
        detail = getattr(described, "note", None) or ""
        findings.append(EngineFinding(engine=getattr(described, "name", name), status=status, detail=detail))
        status = EngineStatus.READY
    return findings


def check_weights(settings: EngineSettings) -> tuple[WeightsFinding, ...]:
    return tuple(
        WeightsFinding(
            name=weights.name,
            slot=weights.slot,
            licence=weights.licence,
            megabytes=round(weights.bytes / 1e6, 1),
            installed=is_here(weights, settings),
        )
        for weights in all_weights()
    )
