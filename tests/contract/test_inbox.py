"""The inbox keeps what was acknowledged, once, and gives it out in the right order."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from prefetch.model import Priority
from prefetch.store import inbox
from prefetch.store.database import Database
from prefetch.store.tables import MessageState
from tests.queued import MINUTE, NOW, Queue


@pytest.fixture
def queue(database: Database) -> Queue:
    """An empty queue."""
    return Queue(database)


def accept(queue: Queue, raw: bytes = b"MSH|1", **said: Any) -> inbox.Accepted:
    """Accept a message."""
    usual: dict[str, Any] = {
        "source": "ris",
        "control_id": "1",
        "message_type": "ORM^O01",
        "priority": Priority.ROUTINE,
        "order_number": None,
        "received_at": NOW,
    }
    return queue.do(inbox.accept_message, raw=raw, **(usual | said))


def waiting(queue: Queue) -> list[bytes]:
    """What is to be read, in that order."""
    return [message.raw for message in queue.do(inbox.waiting_messages, 100)]


def test_a_message_waits_with_its_bytes_as_they_came(queue: Queue) -> None:
    """Nothing is decoded on the way in."""
    raw = b"\x00MSH|^~\\&|\xff\xfe\r"
    accepted = accept(queue, raw)
    assert [(accepted.message_id, raw)] == [
        (message.id, message.raw) for message in queue.do(inbox.waiting_messages, 1)
    ]


def test_a_repeat_is_not_stored_twice(queue: Queue) -> None:
    """The same bytes with the same control ID within ten minutes are the sender's second try."""
    first = accept(queue)
    second = accept(queue, received_at=NOW + 9 * MINUTE)
    assert (inbox.Accepted(message_id=first.message_id, repeat=True), 1) == (second, len(waiting(queue)))


@pytest.mark.parametrize(
    "otherwise",
    [
        {"raw": b"MSH|2"},
        {"source": "other"},
        {"control_id": "2"},
        {"received_at": NOW + 10 * MINUTE},
    ],
    ids=["bytes", "source", "control ID", "ten minutes"],
)
def test_anything_else_is_a_message_of_its_own(queue: Queue, otherwise: dict[str, Any]) -> None:
    """Applying what changes nothing costs nothing; dropping what is new costs an exam."""
    accept(queue)
    assert not accept(queue, **otherwise).repeat


def test_messages_without_a_control_id_are_never_repeats(queue: Queue) -> None:
    """A sender that leaves MSH-10 empty cannot be told from itself."""
    accept(queue, control_id="")
    assert not accept(queue, control_id="").repeat


def test_a_message_that_was_read_is_a_repeat_all_the_same(queue: Queue) -> None:
    """A late second try finds its first one applied."""
    first = accept(queue)
    queue.do(inbox.finish_message, first.message_id, MessageState.READ, at=NOW)
    assert accept(queue).repeat


def test_messages_are_read_as_they_came(queue: Queue) -> None:
    """Urgency below STAT changes nothing: a change must not overtake its own order."""
    for number, priority in enumerate((Priority.ROUTINE, Priority.HIGH, Priority.MEDIUM)):
        accept(queue, bytes([number]), priority=priority)
    assert [b"\x00", b"\x01", b"\x02"] == waiting(queue)


def test_stat_goes_to_the_front_with_the_earlier_messages_of_its_order(queue: Queue) -> None:
    """What came before for the same order is still applied before it."""
    accept(queue, b"other", order_number="A1")
    accept(queue, b"booked", order_number="A2")
    accept(queue, b"elsewhere", order_number="A2", source="other")
    accept(queue, b"urgent", order_number="A2", priority=Priority.STAT)
    accept(queue, b"moved", order_number="A2")
    assert [b"booked", b"urgent", b"other", b"elsewhere", b"moved"] == waiting(queue)


def test_stat_without_an_order_number_goes_alone(queue: Queue) -> None:
    """It brings no other nameless message with it."""
    accept(queue, b"first")
    accept(queue, b"urgent", priority=Priority.STAT)
    assert [b"urgent", b"first"] == waiting(queue)


def test_only_the_first_to_finish_a_message_does_so(queue: Queue) -> None:
    """Two that read the same message cannot both apply it."""
    number = accept(queue).message_id
    done = [queue.do(inbox.finish_message, number, MessageState.READ, at=NOW) for _ in range(2)]
    assert ([True, False], []) == (done, waiting(queue))


def test_a_dead_letter_keeps_its_reason_and_can_be_replayed(queue: Queue) -> None:
    """What could not be understood waits for a person, and may be read once more."""
    number = accept(queue).message_id
    queue.do(inbox.finish_message, number, MessageState.DEAD, because="no PID", at=NOW)
    (dead,) = queue.do(inbox.dead_letters, 10)
    replayed = [queue.do(inbox.replay, number) for _ in range(2)]
    assert ("no PID", [True, False], 1) == (dead.because, replayed, len(waiting(queue)))


def test_messages_are_counted_by_what_became_of_them(queue: Queue) -> None:
    """What waits and the dead letters are counted however old; the rest from a time on."""
    for number in range(4):
        accept(queue, bytes([number]), received_at=NOW - timedelta(days=number))
    messages = [message.id for message in queue.do(inbox.waiting_messages, 4)]
    for number, state in zip(
        messages, (MessageState.READ, MessageState.READ, MessageState.DEAD), strict=False
    ):
        queue.do(inbox.finish_message, number, state, at=NOW)
    assert {MessageState.READ: 1, MessageState.DEAD: 1, MessageState.WAITING: 1} == queue.do(
        inbox.count_messages, since=NOW - timedelta(hours=1)
    )


@pytest.mark.usefixtures("url")
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(max_size=400), moment=st.datetimes())
def test_any_text_can_be_stored(queue: Queue, text: str, moment: datetime) -> None:
    """No control ID and no order number, however broken, keeps a message from being acknowledged."""
    raw = text.encode("utf-8", "replace") + moment.isoformat().encode()
    accepted = accept(
        queue, raw, control_id=text, order_number=text, message_type=text, priority=Priority.STAT
    )
    assert raw in {message.raw for message in queue.do(inbox.waiting_messages, 1000)} or accepted.repeat


def test_what_has_no_header_is_kept_once_and_never_in_a_flood(queue: Queue) -> None:
    """A dead letter at once; the same again is none, and beyond enough of one listener nothing is kept."""

    def keep(raw: bytes, source: str = "ris") -> bool:
        kept: bool = queue.do(inbox.keep_unreadable, source=source, raw=raw, because="no MSH", at=NOW)
        return kept

    assert [True, False, True] == [keep(b"hello"), keep(b"hello"), keep(b"hello", "his")]
    (_, first) = queue.do(inbox.dead_letters, 9)
    assert (b"hello", "no MSH", "") == (first.raw, first.because, first.message_type)
    kept = [keep(str(number).encode()) for number in range(inbox.MOST_UNREADABLE)]
    assert inbox.MOST_UNREADABLE - 1 == sum(kept)
    assert [] == waiting(queue)
