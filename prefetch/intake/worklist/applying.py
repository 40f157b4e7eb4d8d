"""What a worklist's news does to the orders in the store, in the transaction that keeps its items.

However often a poll's process dies, its news is applied once: an item that was not kept is news again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from prefetch import config, model, orders
from prefetch.intake import upserts
from prefetch.intake.worklist import difference, reading
from prefetch.intake.worklist.difference import Known
from prefetch.store import database, worklists


@dataclass(frozen=True, slots=True, kw_only=True)
class Voice:
    """Which worklist speaks, how its items are understood, and when it was asked."""

    name: str
    settings: config.Worklist
    clock: orders.Clock
    at: datetime

    def upserts(self, connection: database.Connection, change: str) -> upserts.Upserts:
        """Where its news becomes orders."""
        origin = upserts.Origin(source=self.name, heard_at=self.at, detail={"worklist_item": change})
        return upserts.Upserts(connection=connection, origin=origin, clock=self.clock, now=self.at)


def known_items(connection: database.Connection, name: str) -> list[Known]:
    """What a worklist answered before."""
    return [
        Known(id=row.id, item=row.document, absences=row.absences, gone=row.gone_at is not None)
        for row in worklists.known_items(connection, name)
    ]


def apply_exams(
    connection: database.Connection, exams: Iterable[difference.Exam], *, by: Voice
) -> list[model.Order]:
    """Keep the items of some exams as they are now, and apply what is new in them; gives what it changed."""
    changed: list[model.Order] = []
    for exam in exams:
        for known, item in exam.written:
            key, number = reading.key_of(item), None if known is None else known.id
            worklists.keep_item(connection, by.name, key, item, known=number, now=by.at)
        word = "new" if exam.is_new else "changed"
        changed += by.upserts(connection, word).apply(exam.event, exam.news)
    return changed


def apply_loss(
    connection: database.Connection, gone: Known, known: Sequence[Known], *, by: Voice
) -> list[model.Order]:
    """Keep that an item has gone, and apply what follows for its exam; gives what it changed."""
    worklists.lose_item(connection, gone.id, now=by.at)
    if by.settings.stale.then is config.Gone.KEEP or _has_begun(gone, by):
        return []
    event, news = difference.without(known, gone, issuer=by.settings.issuer)
    return list(by.upserts(connection, "gone").apply(event, news))


def record(
    connection: database.Connection,
    answer: model.WorklistAnswer,
    found: difference.Difference,
    *,
    by: Voice,
    doubt: str | None,
) -> None:
    """Keep how the worklist answered, and which items it did and did not hold."""
    worklists.see_items(connection, [one.id for one in found.seen if not one.gone], now=by.at)
    worklists.miss_items(connection, {one.id: one.absences for one in found.absent})
    silent_at = by.at + by.settings.stale.silent
    worklists.record_poll(connection, by.name, answer, doubt=doubt, silent_at=silent_at, now=by.at)


def _has_begun(gone: Known, by: Voice) -> bool:
    """Many worklists drop what is under way: an item that goes about its start is no cancel."""
    start = orders.read_time(reading.start_of(gone.item), by.clock)
    return start is not None and start - by.settings.stale.begun <= by.at
