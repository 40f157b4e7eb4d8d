"""The store tells `echo` what daemons have learnt of peers, and what moves have shown of archives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from prefetch import errors
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Config
    from prefetch.dimse import move
    from prefetch.store.destinations import DestinationRow


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """The daemons have found this out; empty for a site that has no store yet."""

    learned: Mapping[str, list[str]] = field(default_factory=dict)
    destinations: Mapping[tuple[str, str], DestinationRow] = field(default_factory=dict)


def read(site: Config) -> Stored:
    """Read it from the store; says so where there is none to read."""
    from prefetch.store import database, destinations, nodes  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    try:
        with closing(database.Database.open(site.store)) as store, store.snapshot() as connection:
            rows = destinations.list_destinations(connection)
            return Stored(
                learned=nodes.learnt(connection),
                destinations={(row.archive, row.destination): row for row in rows},
            )
    except errors.StoreError as error:
        terms.say(f"what a daemon has learnt of its peers is not known: {error}")
        return Stored()


# --- which archive knows which workstation ---------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Knowledge:
    """A word for whether an archive knows a workstation, and how that is known."""

    word: str
    reason: str
    problem: str | None = None


def knowledge(
    site: Config, archive: str, workstation: str, introduction: move.Introduction, stored: Stored
) -> Knowledge:
    """Give what the probe told; where it could not, what moves have shown."""
    from prefetch.retrieval import destinations  # noqa: PLC0415 (for who speaks DICOM)

    word, reason = introduction.acquaintance.value, introduction.because
    row = stored.destinations.get((archive, workstation))
    if word == "cannot tell":
        refused = "not told: it refuses our C-MOVE"
        word, reason = (word, refused) if introduction.refused else _shown_by_moves(row, site)
    if word != "unknown":
        return Knowledge(word=word, reason=reason)
    remedy = destinations.registration(site.archives[archive], site.workstations[workstation])
    ae_title = site.workstations[workstation].ae_title
    return Knowledge(
        word=word, reason=reason, problem=f"does not know {workstation} ({ae_title}): {reason}; {remedy}"
    )


def _shown_by_moves(row: DestinationRow | None, site: Config) -> tuple[str, str]:
    """A word and a reason from what is stored of a pair."""
    if row is not None and row.failures:
        times = "a move" if row.failures == 1 else f"{row.failures} moves in a row"
        at = terms.local(row.failed_at, site.time_zone)
        return "unknown", f"{times} failed for it, last at {at}: {row.reason}"
    if row is not None and row.reached_at is not None:
        return "known", f"it has sent images there, seen at {terms.local(row.reached_at, site.time_zone)}"
    return "cannot tell", "not told by this archive before the first move"
