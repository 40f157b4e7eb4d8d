"""PURE: how the time of a message (MSH-7) compares with when it came, and who sent it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, timedelta
from zoneinfo import ZoneInfo

from prefetch import orders
from prefetch.domain import sender_clock
from prefetch.intake import header, hl7
from prefetch.intake.hl7 import forms
from prefetch.store import feeds

_LONGEST_NAME = 60
"""No sender needs a longer name to be told from the others."""


def measure_all(
    messages: Iterable[feeds.Message], source: str, *, senders: hl7.Senders, zone: ZoneInfo
) -> Iterator[feeds.SenderMeasure]:
    """Measure each message that has its bytes and says its time; `zone` is the site's."""
    for message in messages:
        measured = measure(message, source, senders=senders, zone=zone) if message.raw else None
        if measured is not None:
            yield measured


def measure(
    message: feeds.Message, source: str, *, senders: hl7.Senders, zone: ZoneInfo
) -> feeds.SenderMeasure | None:
    """Compare the time of one message with the clock; None where it says none, or no more than a day."""
    heading = header.read_header(message.raw)
    text = forms.time(heading.message_time, heading) if heading is not None else None
    if heading is None or text is None or len(text) <= forms.DAY:
        return None
    own = senders.mapping(heading, source).time_zone or zone
    moment = orders.read_time(text, orders.Clock(zone=own))
    if moment is None:
        return None
    # Of an hour that the clock shows twice it is the nearer one.
    both = (moment.replace(fold=fold).astimezone(UTC) - message.received_at for fold in (0, 1))
    ahead: timedelta = min(both, key=abs)
    return feeds.SenderMeasure(
        sender=_name(heading),
        zone=str(own),
        measure=sender_clock.Measure(
            received_at=message.received_at,
            ahead=ahead,
            has_offset="+" in text or "-" in text[forms.DAY :],
        ),
    )


def _name(heading: header.Header) -> str:
    """Name a sender by MSH-3 and MSH-4."""
    named = (heading.sending_application, heading.sending_facility)
    return " at ".join(text[:_LONGEST_NAME] for text in named if text)
