"""What `status` says of the worklists: how each answered last, and which has fallen silent."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import TYPE_CHECKING, Any

from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Config
    from prefetch.store.database import Connection
    from prefetch.store.worklists import Asked


def rows(connection: Connection, site: Config) -> list[dict[str, Any]]:
    """Each worklist of the site, as `prefetch status --json` prints it; the keys are a contract."""
    from prefetch.store import worklists  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    asked = {each.name: each for each in worklists.list_worklists(connection)}
    return [_row(name, asked.get(name)) for name in site.worklists]


def _row(name: str, asked: Asked | None) -> dict[str, Any]:
    return {
        "worklist": name,
        "asked_at": asked and asked.asked_at,
        "answered_at": asked and asked.answered_at,
        "outcome": asked and asked.outcome.value,
        "items": asked and asked.items,
        "milliseconds": asked and round(asked.milliseconds, 1),
        "because": asked and asked.because,
    }


def trouble(rows: list[dict[str, Any]], site: Config, now: datetime) -> Iterator[str]:
    """Worklists that have not answered wholly for longer than the site bears."""
    for row in rows:
        silent = site.worklists[row["worklist"]].stale.silent
        if row["asked_at"] is None or (row["answered_at"] and now - row["answered_at"] <= silent):
            continue
        since = terms.local(row["answered_at"], site.time_zone) or "it was first asked"
        yield (
            f"worklist {row['worklist']} has not answered wholly since {since}: {row['because']}; nothing is "
            f"cancelled on its word meanwhile, `prefetch echo {row['worklist']}` tries it"
        )


def lines(rows: list[dict[str, Any]], site: Config) -> Iterator[str]:
    """For a person: what each answered last."""
    for row in rows:
        if row["asked_at"] is None:
            yield f"{row['worklist']}: not asked yet"
            continue
        at = terms.local(row["asked_at"], site.time_zone)
        yield f"{row['worklist']}: {row['items']} items, {row['outcome']} ({at})"
