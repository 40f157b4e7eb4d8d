"""The inbox: raw messages, committed before they are acknowledged and read afterwards."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import ColumnElement, Connection, bindparam, func, insert, literal_column, select, update

from prefetch import model
from prefetch.store.prepared import Prepared
from prefetch.store.tables import MessageState, inbox

REPEAT_WITHIN = timedelta(minutes=10)
"""How long the same bytes with the same control ID are a sender's second try and not a second message."""

MOST_UNREADABLE = 200
"""Messages without a header that are kept of one listener: enough to see what comes there."""

FRONT, BACK = 0, 1
"""The two lanes of the inbox: STAT, and all others in the order in which they came."""


def _is(state: MessageState) -> ColumnElement[bool]:
    """Say the state in the words that the partial indexes know (see `tables.in_state`)."""
    return inbox.c.state == literal_column(f"'{state}'")


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """A message that is stored: now, or before where the sender repeats himself."""

    message_id: int
    repeat: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class InboxMessage:
    """A message as it came, and what became of it."""

    id: int
    source: str
    raw: bytes
    control_id: str
    message_type: str
    priority: model.Priority
    order_number: str | None
    received_at: datetime
    state: MessageState
    because: str | None
    finished_at: datetime | None


_COLUMNS = [inbox.c[name] for name in InboxMessage.__dataclass_fields__]

# Every message passes these; SQLAlchemy takes longer to build a statement than SQLite to run it.
_FIND_REPEAT = Prepared(
    select(inbox.c.id)
    .where(
        inbox.c.source == bindparam("source"),
        inbox.c.control_id == bindparam("control_id"),
        inbox.c.received_at > bindparam("since"),
        inbox.c.digest == bindparam("digest"),
    )
    .limit(1)
)
_STORE = Prepared(insert(inbox).returning(inbox.c.id))
_BRING_FORWARD = Prepared(
    update(inbox)
    .where(
        inbox.c.source == bindparam("of_source"),
        inbox.c.order_number == bindparam("of_order"),
        _is(MessageState.WAITING),
    )
    .values(lane=FRONT)
)
_FINISH = Prepared(update(inbox).where(inbox.c.id == bindparam("number"), _is(MessageState.WAITING)))


def accept_message(
    c: Connection,
    *,
    source: str,
    raw: bytes,
    control_id: str,
    message_type: str,
    priority: model.Priority,
    order_number: str | None,
    received_at: datetime,
) -> Accepted:
    """Store a message unless it repeats one; STAT goes to the front with its order's earlier messages."""
    message: dict[str, Any] = {
        "source": source,
        "control_id": control_id,
        "digest": hashlib.sha256(raw).digest(),
    }
    if control_id:
        since = received_at - REPEAT_WITHIN
        if known := _FIND_REPEAT.values(c, {**message, "since": since}):
            return Accepted(message_id=known[0], repeat=True)
    lane = FRONT if priority is model.Priority.STAT else BACK
    message |= {
        "raw": raw,
        "message_type": message_type,
        "priority": priority,
        "lane": lane,
        "order_number": order_number,
        "received_at": received_at,
        "state": MessageState.WAITING,
    }
    (message_id,) = _STORE.values(c, message)
    if lane == FRONT and order_number:
        _BRING_FORWARD.run(c, {"of_source": source, "of_order": order_number})
    return Accepted(message_id=message_id, repeat=False)


def keep_unreadable(c: Connection, *, source: str, raw: bytes, because: str, at: datetime) -> bool:
    """Keep what has no header as a dead letter; false where it, or enough of its kind, lies there."""
    digest = hashlib.sha256(raw).digest()
    known = select(inbox.c.digest).where(
        _is(MessageState.DEAD), inbox.c.source == source, inbox.c.message_type == ""
    )
    digests = set(c.execute(known.limit(MOST_UNREADABLE)).scalars())
    if digest in digests or len(digests) >= MOST_UNREADABLE:
        return False
    nothing = {"control_id": "", "message_type": "", "priority": model.Priority.ROUTINE, "lane": BACK}
    kept = {"source": source, "raw": raw, "digest": digest, "received_at": at, "finished_at": at}
    c.execute(insert(inbox).values(**nothing, **kept, state=MessageState.DEAD, because=because))
    return True


def waiting_messages(c: Connection, limit: int) -> list[InboxMessage]:
    """Give the messages to be read next: STAT first, then as they came."""
    return [InboxMessage(**row) for row in _WAITING.rows(c, {"most": limit})]


_WAITING = Prepared(
    select(*_COLUMNS)
    .where(_is(MessageState.WAITING))
    .order_by(inbox.c.lane, inbox.c.id)
    .limit(bindparam("most"))
)
_URGENT = Prepared(
    select(*_COLUMNS)
    .where(_is(MessageState.WAITING), inbox.c.lane == FRONT)
    .order_by(inbox.c.id)
    .limit(bindparam("most"))
)


def urgent_messages(c: Connection, limit: int) -> list[InboxMessage]:
    """Give the messages that wait in the front lane, as they came."""
    return [InboxMessage(**row) for row in _URGENT.rows(c, {"most": limit})]


def finish_message(
    c: Connection, message_id: int, state: MessageState, *, because: str | None = None, at: datetime
) -> bool:
    """Write what became of a waiting message; false where somebody else has finished it already.

    Called first in the transaction that applies the message, it keeps two nodes from applying it twice.
    """
    said = {"number": message_id, "state": state, "because": because, "finished_at": at}
    return _FINISH.run(c, said) == 1


def get_message(c: Connection, message_id: int) -> InboxMessage | None:
    """Give one message."""
    row = c.execute(select(*_COLUMNS).where(inbox.c.id == message_id)).mappings().one_or_none()
    return InboxMessage(**row) if row else None


def dead_letters(c: Connection, limit: int, *, source: str | None = None) -> list[InboxMessage]:
    """Give the messages that could not be understood, of one listener or of all, newest first."""
    query = select(*_COLUMNS).where(_is(MessageState.DEAD)).order_by(inbox.c.id.desc()).limit(limit)
    if source is not None:
        query = query.where(inbox.c.source == source)
    return [InboxMessage(**row) for row in c.execute(query).mappings()]


def dead_numbers(c: Connection) -> list[int]:
    """Give the numbers of all dead letters, oldest first."""
    return list(c.execute(select(inbox.c.id).where(_is(MessageState.DEAD)).order_by(inbox.c.id)).scalars())


def replay(c: Connection, message_id: int) -> bool:
    """Have a dead letter read once more; false where the message is not one."""
    replayed = c.execute(
        update(inbox)
        .where(inbox.c.id == message_id, _is(MessageState.DEAD))
        .values(state=MessageState.WAITING, because=None, finished_at=None)
    )
    return replayed.rowcount == 1


def count_messages(c: Connection, since: datetime) -> Mapping[MessageState, int]:
    """Count what was received since, by what became of it; what waits and the dead letters count always."""
    recent = select(inbox.c.state, func.count()).where(inbox.c.received_at >= since).group_by(inbox.c.state)
    counts: dict[MessageState, int] = dict(c.execute(recent).all())
    for state in (MessageState.WAITING, MessageState.DEAD):
        counts[state] = count_in_state(c, state)
    return counts


def count_in_state(c: Connection, state: MessageState) -> int:
    """Count the messages in a state that has its own index: those that wait, and the dead letters."""
    return c.execute(select(func.count()).select_from(inbox).where(_is(state))).scalar_one()
