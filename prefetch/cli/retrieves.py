"""The verbs about retrieves: `retrieves`, `quarantine`, and what an operator does with one of them."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch import errors, model, readiness, timing
from prefetch.cli import terms
from prefetch.model import RetrieveState

if TYPE_CHECKING:
    from prefetch.config import Footing

Numbers = Annotated[
    list[int], typer.Argument(metavar="RETRIEVE...", help="Numbers as `prefetch retrieves` shows them.")
]

_COLUMNS = {
    "retrieve": "retrieve",
    "state": "state",
    "study_instance_uid": "study",
    "archive": "from",
    "destination": "to",
    "patient_id": "patient",
    "by": "deadline",
    "attempts": "moves",
    "instances": "instances",
    "problem": "problem",
}
_QUARANTINE = {
    "retrieve": "retrieve",
    "order": "order",
    "the order's patient": "the order's patient",
    "the study's patient": "the study's patient",
    "study": "study",
    "archive": "from",
    "problem": "why",
}


def retrieves(
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
    state: Annotated[
        list[RetrieveState] | None, typer.Option("--state", help="Only in this state; may be repeated.")
    ] = None,
    archive: Annotated[str | None, typer.Option("--archive", metavar="NAME", help="Only from it.")] = None,
    to: Annotated[str | None, typer.Option("--to", metavar="NAME", help="Only to this workstation.")] = None,
    order: Annotated[str | None, typer.Option("--order", metavar="ORDER", help="Only of one order.")] = None,
    limit: Annotated[int, typer.Option("--limit", metavar="N", help="At most so many.")] = 1000,
) -> None:
    """List what is to be moved, moves, or was moved, by deadline."""
    from prefetch.store import retrieves as rows  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site = terms.load_footing(config)
    with terms.looking(site) as connection:
        if order is None:
            found = rows.list_retrieves(
                connection, states=state or (), archive=archive, destination=to, limit=limit
            )
        else:
            wanted = rows.retrieves_of_order(connection, terms.the_order(connection, order).id)
            found = [retrieve for want, retrieve in wanted if not want.withdrawn][:limit]
    _print(found, site, as_json=json, columns=_COLUMNS)


def quarantine(*, config: terms.ConfigOption = None, json: terms.JsonOption = False) -> None:
    """List the studies that may be another patient's; a person decides by `release` or `refuse`."""
    from prefetch.store import exams  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site = terms.load_footing(config)
    with terms.looking(site) as connection:
        rows = [_suspect(retrieve, exam) for retrieve, exam in exams.list_quarantine(connection)]
    if json:
        terms.print_lines(rows)
    else:
        terms.print_table((row | _compared(row) for row in rows), _QUARANTINE)


def release(numbers: Numbers, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Decide that a study in quarantine is the patient's own: it is moved, now and for later orders."""
    from prefetch.store import operator  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    _act(terms.load_footing(config), numbers, by, operator.release, "released")


def refuse(numbers: Numbers, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Decide that a study in quarantine is another patient's: it is never moved for this patient."""
    from prefetch.store import operator  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    _act(terms.load_footing(config), numbers, by, operator.refuse, "refused")


def retry(numbers: Numbers, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Move once more what is partial, failed or expired, or now what waits after a failure."""
    from prefetch.store import operator  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site = terms.load_footing(config)
    expire_at = timing.now() + site.retrieval.expire_after
    _act(site, numbers, by, partial(operator.retry, expire_at=expire_at), "is tried again")


def cancel(numbers: Numbers, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Take a retrieve that is not moving yet off the queue, for all orders that want it."""
    from prefetch.store import operator  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    _act(terms.load_footing(config), numbers, by, operator.cancel, "cancelled")


def _act(
    site: Footing,
    numbers: list[int],
    by: str | None,
    verb: Callable[..., model.Retrieve],
    done: str,
) -> None:
    """Apply an operator's verb to each retrieve, and say of each what became of it."""
    refused = 0
    with terms.writing(site) as connection:
        for number in numbers:
            try:
                verb(connection, number, by=terms.who(by), now=timing.now())
            except (errors.NotFoundError, errors.IllegalTransitionError) as error:
                refused += 1
                terms.say(str(error))
            else:
                terms.echo(f"{number} {done}")
    if refused:
        terms.stop(terms.Exit.NO)


def _print(found: list[model.Retrieve], site: Footing, *, as_json: bool, columns: dict[str, str]) -> None:
    rows = [_row(retrieve) for retrieve in found]
    if as_json:
        terms.print_lines(rows)
        return
    terms.print_table(
        (
            row
            | {
                "by": terms.local(retrieve.deadline, site.time_zone),
                "instances": f"{_number(retrieve.arrived_instances)}/{_number(retrieve.expected_instances)}",
            }
            for row, retrieve in zip(rows, found, strict=True)
        ),
        columns,
    )


def _suspect(retrieve: model.Retrieve, exam: readiness.Exam) -> dict[str, Any]:
    """A study in quarantine beside the order that wants it, with all that a person needs to decide."""
    candidates = exam.plan.candidates if exam.plan else ()
    same = (each.study for each in candidates if each.study.study_instance_uid == retrieve.study_instance_uid)
    study = next(same, None)
    patient = exam.order.patient
    return _row(retrieve) | {
        "order": exam.order.name,
        "order_patient": {
            "patient_id": patient.patient_id,
            "issuer_of_patient_id": patient.issuer_of_patient_id,
            "patient_name": patient.name,
            "birth_date": patient.birth_date,
            "sex": patient.sex,
        },
        "study_patient": {
            "patient_id": study.patient_id if study else None,
            "issuer_of_patient_id": study.issuer_of_patient_id if study else None,
            "patient_name": study.patient_name if study else None,
            "birth_date": study.birth_date if study else None,
            "sex": study.sex if study else None,
        },
        "study_date": study.study_date if study else None,
        "description": study.description if study else None,
    }


def _compared(row: dict[str, Any]) -> dict[str, str]:
    return {
        "the order's patient": " ".join(str(value or "?") for value in row["order_patient"].values()),
        "the study's patient": " ".join(str(value or "?") for value in row["study_patient"].values()),
        "study": f"{row['study_date'] or 'no date'} {row['description'] or row['study_instance_uid']}",
    }


def _number(count: int | None) -> str:
    return "?" if count is None else str(count)


def _row(retrieve: model.Retrieve) -> dict[str, Any]:
    return {
        "retrieve": retrieve.id,
        "state": retrieve.state.value,
        "study_instance_uid": retrieve.study_instance_uid,
        "patient_id": retrieve.patient_id,
        "issuer_of_patient_id": retrieve.issuer_of_patient_id,
        "archive": retrieve.archive,
        "archives": retrieve.archives,
        "destination": retrieve.destination,
        "lane": retrieve.lane.name,
        "start_at": retrieve.start_at,
        "closes_at": retrieve.closes_at,
        "deadline": retrieve.deadline,
        "attempts": retrieve.attempts,
        "expected_instances": retrieve.expected_instances,
        "arrived_instances": retrieve.arrived_instances,
        "completed": retrieve.completed,
        "failed": retrieve.failed,
        "warning": retrieve.warning,
        "outcome": None if retrieve.last_outcome is None else retrieve.last_outcome.value,
        "verified_by": None if retrieve.verified_by is None else retrieve.verified_by.value,
        "moved_at": retrieve.moved_at,
        "verified_at": retrieve.verified_at,
        "problem": retrieve.problem,
    }
