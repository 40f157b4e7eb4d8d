"""The append-only history: each event is written in the transaction that it tells of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, insert, or_, select

from prefetch import model
from prefetch.store.prepared import Prepared
from prefetch.store.tables import events, wants

_ADD = Prepared(insert(events))


def record(c: Connection, *happenings: model.Happening) -> None:
    """Add events to the history."""
    _ADD.run_all(c, [_values(happening) for happening in happenings])


def story(c: Connection, order_id: int) -> list[model.Happening]:
    """Give all that happened to an order and to the retrieves that it ever wanted, oldest first."""
    wanted = select(wants.c.retrieve_id).where(wants.c.order_id == order_id)
    query = (
        select(events)
        .where(or_(events.c.order_id == order_id, events.c.retrieve_id.in_(wanted)))
        .order_by(events.c.at, events.c.id)
    )
    return [_as_happening(row) for row in c.execute(query).mappings()]


def _values(happening: model.Happening) -> dict[str, object]:
    return {
        "at": happening.at,
        "what": happening.what,
        "order_id": happening.order_id,
        "retrieve_id": happening.retrieve_id,
        "detail": happening.detail,
    }


def _as_happening(row: Mapping[Any, Any]) -> model.Happening:
    return model.Happening(
        at=row["at"],
        what=row["what"],
        order_id=row["order_id"],
        retrieve_id=row["retrieve_id"],
        detail=row["detail"],
    )
