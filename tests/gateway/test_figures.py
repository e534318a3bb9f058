"""What Prometheus is told about the work, from figures that are made up."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from services.gateway.figures import WorkFigures
from services.gateway.meters import Meters
from shared.domain.figures import Ended, Figures, QueueFigures
from shared.domain.job_record import JobStatus
from shared.domain.webhook import DeliveryState
from shared.domain.work import StageState

BUSY = Figures(
    jobs={JobStatus.DONE: 7},
    queues={"cpu": QueueFigures(waiting=5, sent=2, oldest_seconds=33, running=1, lapsed=1)},
    running={"decode": 1},
    ended={("decode", StageState.FAILED): Ended(count=2, seconds=3.5, attempts=6)},
    jobs_done=2,
    work_seconds=30,
    recording_seconds=300,
    turnaround_seconds=50,
    announcements=1,
    deliveries_due=3,
    oldest_due_seconds=12,
    deliveries_pending=4,
    deliveries_ended={DeliveryState.BLOCKED: 1},
)


@dataclass
class ScriptedFigures:
    told: Figures | None
    asked: int = 0

    def read(self) -> Figures:
        self.asked += 1
        if self.told is None:
            raise ConnectionError("secret words")
        return self.told


def page(source: ScriptedFigures) -> str:
    return Meters(WorkFigures(source)).page().decode()


@pytest.mark.parametrize(
    "line",
    [
        "undertone_figures_known 1.0",
        'undertone_queue_stages{queue="cpu",where="database"} 5.0',
        'undertone_queue_stages{queue="cpu",where="broker"} 2.0',
        'undertone_queue_stages{queue="cpu",where="worker"} 1.0',
        'undertone_queue_stages{queue="gpu",where="database"} 0.0',
        'undertone_queue_oldest_seconds{queue="cpu"} 33.0',
        'undertone_queue_lapsed_stages{queue="cpu"} 1.0',
        'undertone_stages_running{stage="decode"} 1.0',
        'undertone_lately_stages{stage="decode",state="failed"} 2.0',
        'undertone_lately_stage_seconds{stage="decode",state="failed"} 3.5',
        'undertone_lately_stage_attempts{stage="decode",state="failed"} 6.0',
        'undertone_jobs{status="done"} 7.0',
        'undertone_jobs{status="failed"} 0.0',
        "undertone_lately_jobs_done 2.0",
        "undertone_lately_recording_seconds 300.0",
        "undertone_lately_work_seconds 30.0",
        "undertone_lately_turnaround_seconds 50.0",
        "undertone_lately_real_time_factor 0.1",
        "undertone_webhook_announcements 1.0",
        "undertone_webhook_pending 4.0",
        "undertone_webhook_due 3.0",
        "undertone_webhook_oldest_due_seconds 12.0",
        'undertone_lately_webhook_deliveries{outcome="blocked"} 1.0',
        'undertone_lately_webhook_deliveries{outcome="delivered"} 0.0',
    ],
)
def test_every_figure_has_its_line(line: str) -> None:
    assert line in page(ScriptedFigures(BUSY)).splitlines()


def test_without_finished_jobs_there_is_no_factor() -> None:
    assert "real_time_factor" not in page(ScriptedFigures(Figures()))


def test_however_many_scrape_the_database_is_asked_once_and_not_before_the_first() -> None:
    source = ScriptedFigures(BUSY)
    meters = Meters(WorkFigures(source))
    assert source.asked == 0
    assert meters.page() == meters.page()
    assert source.asked == 1


def test_a_database_that_is_away_leaves_the_other_figures(capfd: pytest.CaptureFixture[str]) -> None:
    told = page(ScriptedFigures(None))
    assert "undertone_figures_known 0.0" in told and "undertone_gateway_uploads 0.0" in told
    assert "undertone_jobs{" not in told
    assert "secret" not in "".join(capfd.readouterr())
