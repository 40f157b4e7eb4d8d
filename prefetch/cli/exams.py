"""The verbs about exams: `orders`, `status`, and what both count, read from the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch import readiness, timing
from prefetch.cli import refusals, terms, worklists
from prefetch.model import RetrieveState

if TYPE_CHECKING:
    from prefetch.config import Footing
    from prefetch.store.database import Connection
    from prefetch.store.nodes import Node
    from prefetch.store.tables import MessageState

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
        exams = _exams(
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


def status(*, config: terms.ConfigOption = None, json: terms.JsonOption = False) -> None:
    """Show the on-time share of the last day, the queue, and what is in the way."""
    site = terms.load_footing(config)
    now = timing.now()
    day = now - timedelta(days=1)
    with terms.looking(site) as connection:
        facts = _status(connection, site, day=day, now=now)
    if json:
        terms.print_json(facts)
        return
    share = facts["on_time_share"]
    typer.echo(f"mode             {facts['mode']}")
    typer.echo(
        f"on-time share    {'no exam has counted yet' if share is None else f'{share:.1%}'}  (last 24 h)"
    )
    for name, counts in (
        ("exams", facts["exams"]),
        ("messages", facts["messages"]),
        ("retrieves", facts["retrieves"]),
    ):
        typer.echo(f"{name:<16} {_counted(counts)}")
    for source, counts in facts["turned_away"].items():
        typer.echo(f"turned away      {source}: {_counted(counts)}  (since the start)")
    for worklist in facts["worklists"]:
        typer.echo(f"worklist         {worklists.line(worklist, site.time_zone)}")
    for trouble in facts["trouble"]:
        typer.echo(f"!                {trouble}")


def _exams(
    connection: Connection, *, since: datetime, until: datetime, patient: str | None = None, limit: int = 1000
) -> list[readiness.Exam]:
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


def _status(connection: Connection, site: Footing, *, day: datetime, now: datetime) -> dict[str, Any]:
    from prefetch.store import inbox, nodes, retrieves  # noqa: PLC0415 (SQLAlchemy costs start-up time)
    from prefetch.store import worklists as worklist_rows  # noqa: PLC0415 (the same)

    exams = _exams(connection, since=day, until=now + timedelta(days=1), limit=100_000)
    share = readiness.share(exams, now)
    words = Counter(readiness.judge(exam, now).value for exam in exams)
    messages = inbox.count_messages(connection, since=day)
    states = retrieves.count_retrieves(connection, since=day)
    polled = worklist_rows.list_worklists(connection)
    running = nodes.list_nodes(connection)
    return {
        "mode": site.mode.value,
        "daemons": [_daemon(node, now) for node in running],
        "turned_away": _sum(node.turned_away for node in running),
        "on_time_share": share.share,
        "on_time": {standing.value: count for standing, count in share.counts.items()},
        "exams": dict(words),
        "messages": {state.value: count for state, count in messages.items()},
        "retrieves": {state.value: count for state, count in states.items()},
        "worklists": [worklists.row(asked) for asked in polled],
        "trouble": [
            *_trouble(connection, now),
            *_dead(messages),
            *_set_aside(connection, since=day),
            *worklists.trouble(polled, site.time_zone, now),
        ],
    }


def _daemon(node: Node, now: datetime) -> dict[str, Any]:
    return {
        "owner": node.owner,
        "alive": now - node.seen_at < terms.UNHEARD,
        "started_at": node.started_at,
        "last_reload_successful": node.refused_at is None,
        "configuration_loaded_at": node.loaded_at,
        "configuration_refused_at": node.refused_at,
        "configuration_refused_because": node.refused_because,
        "waits_for_restart": list(node.waits_for_restart),
        "exams_planned_anew": node.exams_planned_anew,
        "turned_away": node.turned_away,
    }


def _sum(of_nodes: Iterable[Mapping[str, Mapping[str, int]]]) -> dict[str, dict[str, int]]:
    """What the listeners of all daemons turned away: listener → cause → how often."""
    total: dict[str, Counter[str]] = {}
    for node in of_nodes:
        for source, counts in node.items():
            total.setdefault(source, Counter()).update(counts)
    return {source: dict(counts) for source, counts in total.items()}


def _trouble(connection: Connection, now: datetime) -> Iterator[str]:
    """What keeps studies from moving, in sentences that say what to do."""
    from prefetch.store import archives, nodes  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    running = nodes.list_nodes(connection)
    for node in running:
        if node.refused_at is not None:
            yield (
                f"the configuration of {node.loaded_at:%Y-%m-%d %H:%M} UTC is in force; what was reloaded at "
                f"{node.refused_at:%Y-%m-%d %H:%M} UTC was refused: {node.refused_because}"
            )
        for because in node.waits_for_restart.values() if now - node.seen_at < terms.UNHEARD else ():
            yield f"what was reloaded at {node.loaded_at:%Y-%m-%d %H:%M} UTC is in force, but: {because}"
    if not any(now - node.seen_at < terms.UNHEARD for node in running):
        yield "no daemon is running"
    refused = refusals.refused_requests(connection, heard_since=now - terms.UNHEARD)
    yield from (sentence for sentences in refused.values() for sentence in sentences)
    for archive in archives.list_archives(connection):
        if archive.paused_at is not None:
            yield f"{archive.name} is paused by {archive.paused_by}; `prefetch resume {archive.name}` ends it"
        elif not archive.may_move(now) and archive.name not in refused:
            yield (
                f"{archive.name} rests until {archive.resting_until:%H:%M:%S} UTC and is tried again then: "
                f"{archive.resting_because}; `prefetch echo {archive.name}` tries it now"
            )
    unknown = refusals.unknown_destinations(connection, now)
    yield from unknown.values()
    for pair in archives.parked_pairs(connection, now):
        if (pair.archive, pair.destination) in unknown:
            continue
        yield (
            f"moves from {pair.archive} to {pair.destination} wait until {pair.parked_until:%H:%M:%S} UTC: "
            f"{pair.because}; `prefetch echo` says whether the workstation answers, and whether the archive "
            "knows it; make the workstation's AE title known to the archive, and see that it can be reached"
        )


def _set_aside(connection: Connection, *, since: datetime) -> Iterator[str]:
    """What we failed at ourselves, while all else went on."""
    from prefetch.store import orders, retrieves  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    if count := orders.count_set_aside(connection):
        yield f"{count} exams are set aside after failures of ours; `prefetch orders` says why and what to do"
    if count := retrieves.count_set_aside(connection, since):
        yield f"{count} studies are set aside after failures of ours; `prefetch retrieves` says why"


def _dead(messages: Mapping[MessageState, int]) -> Iterator[str]:
    if count := sum(count for state, count in messages.items() if state.value == "dead"):
        yield f"{count} messages could not be understood; `prefetch dead-letters list` says why"


def _counted(counts: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
