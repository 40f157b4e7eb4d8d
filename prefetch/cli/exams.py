"""The verb `orders`: the exams that are known, read from the store."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch import readiness, timing
from prefetch.cli import terms
from prefetch.model import RetrieveState

if TYPE_CHECKING:
    from prefetch.config import Footing
    from prefetch.store.database import Connection

_COLUMNS = {
    "order": "order",
    "patient_id": "patient",
    "modality": "modality",
    "procedure_description": "procedure",
    "start": "start",
    "readiness": "readiness",
    "share": "verified",
    "due": "ready by",
    "ready": "ready at",
    "problem": "problem",
}


def orders(
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
    days: Annotated[int, typer.Option("--days", metavar="N", help="From N days ago …")] = 1,
    ahead: Annotated[int, typer.Option("--ahead", metavar="N", help="… to N days ahead.")] = 30,
    patient: Annotated[str | None, typer.Option("--patient", metavar="ID", help="Of one patient.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = 1000,
) -> None:
    """List the exams that are known, by time, and whether their priors are there."""
    site = terms.load_footing(config)
    now = timing.now()
    with terms.looking(site) as connection:
        exams = list_exams(
            connection,
            since=now - timedelta(days=days),
            until=now + timedelta(days=ahead),
            patient=patient,
            limit=limit,
        )
    if json:
        terms.print_lines(row(exam, now) for exam in exams)
    else:
        terms.print_table((_line(exam, now, site) for exam in exams), _COLUMNS)


def list_exams(
    connection: Connection, *, since: datetime, until: datetime, patient: str | None = None, limit: int = 1000
) -> list[readiness.Exam]:
    """The exams of a time, with their plans and retrieves."""
    from prefetch.store import exams  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    return exams.list_exams(connection, since=since, until=until, patient_id=patient, limit=limit)


def row(exam: readiness.Exam, now: datetime) -> dict[str, Any]:
    """An exam as `prefetch orders --json` prints it; the keys are a contract."""
    order = exam.order
    return {
        "order": order.name,
        "id": order.id,
        "source": order.source,
        "status": order.status.value,
        "accession_number": order.accession_number,
        "placer_order_number": order.placer_order_number,
        "filler_order_number": order.filler_order_number,
        "patient_id": order.patient.patient_id,
        "issuer_of_patient_id": order.patient.issuer_of_patient_id,
        "modality": order.modality,
        "procedure_code": order.procedure_code,
        "procedure_description": order.procedure_description,
        "station_ae_title": order.station_ae_title,
        "patient_class": order.patient_class,
        "priority": order.priority.name,
        "scheduled_start": order.scheduled_start,
        "readiness": readiness.judge(exam, now).value,
        "on_time": readiness.stand(exam, now).value,
        "priors": len(exam.retrieves),
        "verified": _verified(exam),
        "ready_by": order.ready_by,
        "ready_at": order.ready_at,
        "planned_at": order.planned_at,
        "next_plan_at": order.plan_at,
        "problem": order.plan_problem,
    }


def _line(exam: readiness.Exam, now: datetime, site: Footing) -> dict[str, Any]:
    order, zone = exam.order, site.time_zone
    return row(exam, now) | {
        "start": terms.local(order.scheduled_start, zone),
        "due": terms.local(order.ready_by, zone),
        "ready": terms.local(order.ready_at, zone),
        "share": f"{_verified(exam)}/{len(exam.retrieves)}",
    }


def _verified(exam: readiness.Exam) -> int:
    return sum(retrieve.state is RetrieveState.VERIFIED for retrieve in exam.retrieves)
