"""PURE: what was fetched for an exam a short while ago, and is not fetched again though it is there no more.

For workstations that pass on what they get, or that clean up: else each change of an order would have
everything sent anew. Only a fetch that was verified counts, only the exam's own, and only while there is no
more to fetch than there was.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta

from prefetch import parts, spans
from prefetch.model import Choice, Order, Retrieve, RetrieveState

Target = tuple[str, str]
"""Study Instance UID and destination."""


def cooling(
    order: Order, choices: Iterable[Choice], fetched: Iterable[Retrieve], *, now: datetime
) -> dict[Target, str]:
    """The choices that are not fetched again for a while, and why; `fetched` is what the order wanted."""
    own = {
        (retrieve.study_instance_uid, retrieve.destination): retrieve
        for retrieve in sorted(fetched, key=lambda retrieve: retrieve.id)
        if _is_own_fetch(retrieve, order)
    }
    found = {}
    for choice in () if order.fetch_now else choices:
        target = choice.study.study_instance_uid, choice.destination
        if target in own and (because := _why_not_again(choice, own[target], now)):
            found[target] = because
    return found


def _is_own_fetch(retrieve: Retrieve, order: Order) -> bool:
    """Whether it was moved for this exam, and verified: what another exam had fetched before is not."""
    moved = retrieve.moved_at is not None and retrieve.moved_at >= order.created_at
    return moved and retrieve.state is RetrieveState.VERIFIED


def _why_not_again(choice: Choice, retrieve: Retrieve, now: datetime) -> str | None:
    if choice.cool_down is None or retrieve.verified_at is None or _is_more(choice, retrieve):
        return None
    if now >= retrieve.verified_at + choice.cool_down:
        return None
    cool_down = spans.say_duration(choice.cool_down)
    return f"fetched {_say(now - retrieve.verified_at)} ago, and the cool-down is {cool_down}"


def _is_more(choice: Choice, retrieve: Retrieve) -> bool:
    """Whether there is more to fetch than was: other series, or instances that have come since."""
    wanted = parts.wanted(choice)
    if not parts.covers(retrieve.series, wanted):
        return True
    there = parts.count(wanted) if wanted else choice.study.instances
    then = retrieve.expected_instances
    return there is not None and then is not None and there > then


def _say(passed: timedelta) -> str:
    """In whole minutes; nobody counts the seconds."""
    return spans.say_duration(max(passed - passed % _MINUTE, _MINUTE))


_MINUTE = timedelta(minutes=1)
