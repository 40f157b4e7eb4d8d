"""What `status` says of the worklists: how each answered last."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.store.worklists import Asked


def row(asked: Asked) -> dict[str, Any]:
    """A worklist as `prefetch status --json` prints it; the keys are a contract."""
    return {
        "worklist": asked.name,
        "asked_at": asked.asked_at,
        "answered_at": asked.answered_at,
        "outcome": asked.outcome.value,
        "items": asked.items,
        "milliseconds": round(asked.milliseconds, 1),
        "because": asked.because,
    }


def line(row: dict[str, Any], zone: ZoneInfo) -> str:
    """For a person: what a worklist answered last."""
    at = terms.local(row["asked_at"], zone)
    return f"{row['worklist']}: {row['items']} items, {row['outcome']} ({at})"
