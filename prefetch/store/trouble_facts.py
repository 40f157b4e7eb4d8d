"""The facts that troubles are found by, read from the store in one place (`domain.trouble` judges them)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from sqlalchemy import Connection, func, select

from prefetch.domain import sender_clock, trouble
from prefetch.model import ANSWERED, MATCHES, OrderStatus, Outcome
from prefetch.store import archives as archive_rows
from prefetch.store import destinations, feeds, inbox, nodes, troubles, worklists
from prefetch.store import orders as order_rows
from prefetch.store import retrieves as retrieve_rows
from prefetch.store.tables import MessageState, answers, orders, plans

_LATELY = timedelta(days=30)
"""How far back answers and plans are looked at."""

_FAR_BACK = 200
"""Answers of an archive, and plans, by which a run of unlucky ones is judged."""

_EXAMS = 20
"""Exams of a source whose times are judged."""


def read_facts(c: Connection, scope: trouble.TroubleScope, now: datetime) -> trouble.TroubleFacts:
    """Read all facts; `scope` says how many of them are needed."""
    standing = archive_rows.list_archives(c)
    names = [archive.name for archive in standing if scope.has_archive(archive.name)]
    return trouble.TroubleFacts(
        daemons=[_daemon(node) for node in nodes.list_nodes(c)],
        archives=[
            trouble.ArchiveFact(
                name=archive.name,
                paused_at=archive.paused_at,
                paused_by=archive.paused_by,
                resting_until=archive.resting_until,
                resting_because=archive.resting_because,
            )
            for archive in standing
        ],
        parked=[
            trouble.ParkedFact(
                archive=pair.archive,
                destination=pair.destination,
                until=pair.parked_until,
                because=pair.because,
            )
            for pair in archive_rows.parked_pairs(c, now)
        ],
        unknown_destinations=[
            trouble.DestinationFact(
                archive=pair.archive,
                destination=pair.destination,
                failures=pair.failures,
                since=pair.failed_since,
                reason=pair.reason,
                remedy=pair.remedy,
            )
            for pair in destinations.unknown_destinations(c, now)
        ],
        set_aside={
            "orders": order_rows.count_set_aside(c),
            "retrieves": retrieve_rows.count_set_aside(c, now - _LATELY),
        },
        dead_letters=inbox.count_in_state(c, MessageState.DEAD),
        worklists=[
            trouble.WorklistFact(
                name=worklist.name,
                answered_at=worklist.answered_at,
                silent_at=worklist.silent_at,
                because=worklist.because,
            )
            for worklist in worklists.list_worklists(c)
        ],
        feeds=feeds.list_feeds(c),
        answers=[answer for name in names for answer in _answers(c, name, scope, now)],
        plans=_plans(c, scope, now),
        clocks=[_clock(clock) for clock in feeds.list_clocks(c)],
        exams=_exams(c),
        open=troubles.open_since(c),
    )


def _daemon(node: nodes.Node) -> trouble.DaemonFact:
    return trouble.DaemonFact(
        started_at=node.started_at,
        seen_at=node.seen_at,
        loaded_at=node.loaded_at,
        refused_at=node.refused_at,
        refused_because=node.refused_because,
        waits_for_restart=tuple(node.waits_for_restart.values()),
        refusals=node.refusals,
    )


# --- what archives answered ------------------------------------------------------------------------


def _answers(
    c: Connection, archive: str, scope: trouble.TroubleScope, now: datetime
) -> Iterator[trouble.AnswerFact]:
    """Give an archive's last answers, newest first; of the last with studies, whether they are bare."""
    query = (
        select(
            *(answers.c[name] for name in ("id", "patient_id", "issuer", "asked_at", "outcome")),
            func.json_array_length(answers.c.studies).label("studies"),
        )
        .where(answers.c.archive == archive, answers.c.asked_at > now - _LATELY)
        .where(answers.c.outcome.in_(ANSWERED))
        .order_by(answers.c.asked_at.desc())
        .limit(_FAR_BACK)
    )
    rows = c.execute(query).all()
    speaking = [row.id for row in rows if row.studies][: max(trouble.FEWEST, scope.unknown_patients)]
    bare = _bare(c, speaking)
    for row in rows:
        yield trouble.AnswerFact(
            archive=archive,
            patient_id=row.patient_id,
            issuer=row.issuer,
            asked_at=row.asked_at,
            studies=row.studies,
            is_unreadable=row.outcome is Outcome.WARNING and not row.studies,
            is_bare=row.id in bare,
        )


def _bare(c: Connection, numbers: Sequence[int]) -> set[int]:
    """Give which of some answers have no study with a date, a description or a modality."""
    query = select(answers.c.id, answers.c.studies).where(answers.c.id.in_(numbers))
    return {row.id for row in c.execute(query) if not any(map(_says_anything, row.studies))}


def _says_anything(study: dict[str, Any]) -> bool:
    """Tell from a study's document; what an archive did not say is left out of it."""
    return bool(study.keys() & {"study_date", "description", "modalities", "procedure_codes"})


# --- plans and orders ------------------------------------------------------------------------------


def _plans(c: Connection, scope: trouble.TroubleScope, now: datetime) -> list[trouble.PlanFact]:
    """Give the last plans, one an order, newest first; more of them only where no rule matched for any."""
    few = _last_plans(c, scope.unmatched_orders, now)
    if len(few) < scope.unmatched_orders or any(plan.has_match for plan in few):
        return few
    return _last_plans(c, max(_FAR_BACK, scope.unmatched_orders), now)


def _last_plans(c: Connection, limit: int, now: datetime) -> list[trouble.PlanFact]:
    document = plans.c.document
    query = (
        select(
            plans.c.order_id,
            plans.c.made_at,
            document["rules"].label("rules"),
            document["consulted"].label("consulted"),
            document["uncompared"].label("uncompared"),
        )
        .where(plans.c.id.in_(_latest_numbers(c, limit)), plans.c.made_at > now - _LATELY)
        .order_by(plans.c.id.desc())
    )
    return [
        trouble.PlanFact(
            order_id=row.order_id,
            made_at=row.made_at,
            has_match=any(rule["because"].startswith(MATCHES) for rule in row.rules or ()),
            answered_by=frozenset(each["archive"] for each in row.consulted or () if each["answers"]),
            uncompared=row.uncompared or {},
        )
        for row in c.execute(query)
    ]


def _latest_numbers(c: Connection, limit: int) -> list[int]:
    """Give the last plan of each of the orders that were planned last."""
    query = select(plans.c.id, plans.c.order_id).order_by(plans.c.id.desc()).limit(limit * 4)
    latest: dict[int, int] = {}
    for number, order_id in c.execute(query):
        latest.setdefault(order_id, number)
    return list(latest.values())[:limit]


def _exams(c: Connection) -> dict[str, list[sender_clock.ExamTime]]:
    """Give when the last exams of each source begin; one that was over when it came first says nothing."""
    over = orders.c.status.in_((OrderStatus.IN_PROGRESS, OrderStatus.COMPLETED))
    came_so = over & (orders.c.created_at == orders.c.changed_at)
    query = (
        select(orders.c.source, orders.c.scheduled_start, orders.c.created_at)
        .where(orders.c.scheduled_start.is_not(None), ~came_so)
        .order_by(orders.c.id.desc())
        .limit(_FAR_BACK)
    )
    exams: dict[str, list[sender_clock.ExamTime]] = {}
    for row in c.execute(query):
        of_source = exams.setdefault(row.source, [])
        if len(of_source) < _EXAMS:
            time = sender_clock.ExamTime(starts_at=row.scheduled_start, heard_at=row.created_at)
            of_source.append(time)
    return exams


def _clock(clock: feeds.SenderClock) -> trouble.ClockFact:
    return trouble.ClockFact(
        source=clock.source, sender=clock.sender, zone=_zone(clock.zone), measures=clock.measures
    )


def _zone(name: str) -> ZoneInfo | None:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return None
