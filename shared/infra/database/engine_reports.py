"""Stores the last report of each machine that runs workers."""

from __future__ import annotations

from datetime import timedelta

from sqlalchemy import delete, insert, select

from shared.domain.engine_report import EngineReport
from shared.infra.database.engine import Database
from shared.infra.database.schema import engine_reports

KEPT = timedelta(days=1)  # a machine that has been silent for longer is no longer part of the deployment


class SqlEngineReportStore:
    def __init__(self, database: Database) -> None:
        self._database = database

    def is_recent(self, host: str, within: timedelta) -> bool:
        since = self._database.now - within
        query = select(engine_reports.c.host).where(engine_reports.c.host == host, engine_reports.c.at > since)
        with self._database.reading() as connection:
            return connection.execute(query).first() is not None

    def replace(self, report: EngineReport) -> None:
        """Store the report instead of the machine's last one."""
        outdated = engine_reports.c.at <= self._database.now - KEPT
        with self._database.writing_exclusively("engine_reports") as connection:
            connection.execute(delete(engine_reports).where((engine_reports.c.host == report.host) | outdated))
            row = {"host": report.host, "at": report.at, "report": report.model_dump_json()}
            connection.execute(insert(engine_reports).values(**row))

    def list(self) -> tuple[EngineReport, ...]:
        query = select(engine_reports.c.report).order_by(engine_reports.c.host)
        with self._database.reading() as connection:
            return tuple(EngineReport.model_validate_json(text) for text in connection.execute(query).scalars())
