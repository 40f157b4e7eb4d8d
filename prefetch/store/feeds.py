"""Feeds: when each sends, hour by hour, and how its senders' times compare with the clock.

Counted from the inbox in batches, so that no message waits for it, and kept when the messages are gone.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import Connection, and_, delete, select, update

from prefetch.domain import feed_silence, sender_clock
from prefetch.store.dialects import insert_unless_known, upsert
from prefetch.store.tables import feed_hours, feeds, inbox, sender_clocks

KEPT = timedelta(weeks=feed_silence.WEEKS, days=1)
"""How long before a feed's last message its hours are kept, and a sender's measures that sends no more."""

MEASURES = 20
"""Messages of a sender by which its clock is judged."""

SENDERS = 50
"""Senders of a listener that are told apart."""


class Message(NamedTuple):
    """A message that is not counted yet; its bytes where it is one of the last."""

    number: int
    received_at: datetime
    raw: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class Uncounted:
    """The messages of one feed that are not counted yet."""

    source: str
    read_to: int
    """Up to which they were counted; 0 where none was."""
    last_message_at: datetime | None
    messages: tuple[Message, ...]


class SenderMeasure(NamedTuple):
    """A measure, of whom, and in which zone its time was read."""

    sender: str
    zone: str
    measure: sender_clock.Measure


class SenderClock(NamedTuple):
    """The last measures of a sender."""

    source: str
    sender: str
    zone: str
    measures: tuple[sender_clock.Measure, ...]


def uncounted_messages(c: Connection, source: str, limit: int) -> Uncounted:
    """Give the messages of a feed that are not counted yet, oldest first, the last ones with their bytes."""
    known = c.execute(select(feeds).where(feeds.c.source == source)).mappings().one_or_none()
    read_to = known["read_to"] if known else 0
    query = select(inbox.c.id, inbox.c.received_at).where(
        inbox.c.source == source, inbox.c.id > read_to, inbox.c.message_type != ""
    )
    rows = c.execute(query.order_by(inbox.c.id).limit(limit)).all()
    last = [row.id for row in rows[-MEASURES:]]
    raws = dict(c.execute(select(inbox.c.id, inbox.c.raw).where(inbox.c.id.in_(last))).all()) if last else {}
    return Uncounted(
        source=source,
        read_to=read_to,
        last_message_at=known["last_message_at"] if known else None,
        messages=tuple(Message(row.id, row.received_at, raws.get(row.id, b"")) for row in rows),
    )


def count_messages(c: Connection, counted: Uncounted, measures: Sequence[SenderMeasure]) -> bool:
    """Count messages to their hours and keep the measures; false where another daemon has counted them."""
    if not counted.messages:
        return False
    times = [message.received_at for message in counted.messages]
    last = max(times if counted.last_message_at is None else [*times, counted.last_message_at])
    new = {"source": counted.source, "known_since": min(times), "last_message_at": last, "read_to": 0}
    insert_unless_known(c, feeds, [new])
    ours = and_(feeds.c.source == counted.source, feeds.c.read_to == counted.read_to)
    values = {"read_to": counted.messages[-1].number, "last_message_at": last}
    if c.execute(update(feeds).where(ours).values(**values)).rowcount != 1:
        return False
    busy = feed_silence.count_busy_minutes(times, after=counted.last_message_at)
    _add_hours(c, counted.source, busy)
    outdated = and_(feed_hours.c.source == counted.source, feed_hours.c.hour < last - KEPT)
    c.execute(delete(feed_hours).where(outdated))
    _keep_measures(c, counted.source, measures)
    return True


def _add_hours(c: Connection, source: str, busy: Mapping[datetime, int]) -> None:
    rows = [{"source": source, "hour": hour, "busy_minutes": 0} for hour in busy]
    insert_unless_known(c, feed_hours, rows)
    for hour, minutes in busy.items():
        same = and_(feed_hours.c.source == source, feed_hours.c.hour == hour)
        more = feed_hours.c.busy_minutes + minutes
        c.execute(update(feed_hours).where(same).values(busy_minutes=more))


def _keep_measures(c: Connection, source: str, measures: Sequence[SenderMeasure]) -> None:
    """Keep the last measures of each sender; those that were read in another zone say nothing any more."""
    if not measures:
        return
    known = {clock.sender: clock for clock in list_clocks(c, [source])}
    new: dict[tuple[str, str], list[sender_clock.Measure]] = defaultdict(list)
    for each in measures:
        if each.sender in known or len({*known, *(sender for sender, _ in new)}) < SENDERS:
            new[each.sender, each.zone].append(each.measure)
    rows = []
    for (sender, zone), heard in new.items():
        clock = known.get(sender)
        before = clock.measures if clock and clock.zone == zone else ()
        kept = (*before, *heard)[-MEASURES:]
        rows.append(
            {
                "source": source,
                "sender": sender,
                "zone": zone,
                "heard_at": kept[-1].received_at,
                "measures": [_write(measure) for measure in kept],
            }
        )
    upsert(c, sender_clocks, rows)
    last = max(each.measure.received_at for each in measures)
    outdated = and_(sender_clocks.c.source == source, sender_clocks.c.heard_at < last - KEPT)
    c.execute(delete(sender_clocks).where(outdated))


def list_feeds(c: Connection) -> list[feed_silence.FeedHistory]:
    """List the feeds with their hours."""
    hours: dict[str, dict[datetime, int]] = defaultdict(dict)
    for row in c.execute(select(feed_hours)):
        hours[row.source][row.hour] = row.busy_minutes
    return [
        feed_silence.FeedHistory(
            source=row.source,
            known_since=row.known_since,
            last_message_at=row.last_message_at,
            busy_minutes=hours[row.source],
        )
        for row in c.execute(select(feeds).order_by(feeds.c.source))
    ]


def list_clocks(c: Connection, sources: Iterable[str] | None = None) -> list[SenderClock]:
    """List the senders' last measures, of all listeners or some."""
    query = select(sender_clocks).order_by(sender_clocks.c.source, sender_clocks.c.sender)
    if sources is not None:
        query = query.where(sender_clocks.c.source.in_(list(sources)))
    return [
        SenderClock(row.source, row.sender, row.zone, tuple(map(_read, row.measures)))
        for row in c.execute(query)
    ]


def _write(measure: sender_clock.Measure) -> list[Any]:
    return [measure.received_at.isoformat(), round(measure.ahead.total_seconds()), measure.has_offset]


def _read(document: Sequence[Any]) -> sender_clock.Measure:
    received_at, seconds, has_offset = document
    return sender_clock.Measure(
        received_at=datetime.fromisoformat(received_at),
        ahead=timedelta(seconds=seconds),
        has_offset=has_offset,
    )
