"""The verb `status`: the on-time share, the queue, and what is in the way, read from the store."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from prefetch import readiness, timing
from prefetch.cli import exams, terms, worklists
from prefetch.domain import trouble

if TYPE_CHECKING:
    from prefetch.config import Footing
    from prefetch.store.database import Connection
    from prefetch.store.nodes import Node

_INDENT = " " * 17
_WIDTH = 80


def status(*, config: terms.ConfigOption = None, json: terms.JsonOption = False) -> None:
    """Show the on-time share of the last day, the queue, and what is in the way."""
    site = terms.load_footing(config)
    now = timing.now()
    with terms.looking(site) as connection:
        facts = _status(connection, site, day=now - timedelta(days=1), now=now)
        found = find_trouble(connection, site, now)
    if json:
        troubles = {"trouble": [each.whole for each in found], "troubles": [_row(each) for each in found]}
        terms.print_json(facts | troubles)
        return
    _print(facts, site)
    for line in _trouble_lines(found):
        terms.echo(line)


def find_trouble(connection: Connection, site: Footing, now: datetime) -> tuple[trouble.Trouble, ...]:
    """All that is in the way now."""
    from prefetch.store import trouble_facts  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    scope = site.trouble_scope
    return trouble.find_trouble(trouble_facts.read_facts(connection, scope, now), scope, now)


def _print(facts: Mapping[str, Any], site: Footing) -> None:
    share = facts["on_time_share"]
    terms.echo(f"mode             {facts['mode']}")
    terms.echo(
        f"on-time share    {'no exam has counted yet' if share is None else f'{share:.1%}'}  (last 24 h)"
    )
    for name in ("exams", "messages", "retrieves"):
        terms.echo(f"{name:<16} {_counted(facts[name])}")
    for source, counts in facts["turned_away"].items():
        terms.echo(f"turned away      {source}: {_counted(counts)}  (since the start)")
    for worklist in facts["worklists"]:
        terms.echo(f"worklist         {worklists.line(worklist, site.time_zone)}")


def _trouble_lines(found: Iterable[trouble.Trouble]) -> Iterator[str]:
    """Each trouble, and below it what to do; folded on a terminal only."""
    width = _WIDTH if sys.stdout.isatty() else None
    for each in found:
        sentence = " ".join(each.sentence.split())
        yield from terms.fold(sentence, f"{'!':<17}", _INDENT, width=width)
        yield from terms.fold(f"→ {each.remedy}", _INDENT, _INDENT, width=width)


def _row(each: trouble.Trouble) -> dict[str, Any]:
    """A trouble as `prefetch status --json` prints it; the keys are a contract."""
    return {
        "name": each.name.value,
        "severity": each.severity.value,
        "subject": each.subject,
        "since": each.since,
        "sentence": each.sentence,
        "remedy": each.remedy,
        "page": each.page,
    }


def _status(connection: Connection, site: Footing, *, day: datetime, now: datetime) -> dict[str, Any]:
    from prefetch.store import inbox, nodes, retrieves  # noqa: PLC0415 (SQLAlchemy costs start-up time)
    from prefetch.store import worklists as worklist_rows  # noqa: PLC0415 (the same)

    known = exams.list_exams(connection, since=day, until=now + timedelta(days=1), limit=100_000)
    share = readiness.share(known, now)
    words = Counter(readiness.judge(exam, now).value for exam in known)
    messages = inbox.count_messages(connection, since=day)
    states = retrieves.count_retrieves(connection, since=day)
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
        "worklists": [worklists.row(worklist) for worklist in worklist_rows.list_worklists(connection)],
    }


def _daemon(node: Node, now: datetime) -> dict[str, Any]:
    return {
        "owner": node.owner,
        "alive": now - node.seen_at < trouble.UNHEARD,
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


def _counted(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in counts.items() if count) or "none"
