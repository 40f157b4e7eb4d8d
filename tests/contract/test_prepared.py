"""What is executed as prepared does as SQLAlchemy would: the same rows, the same values, the same errors."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import bindparam, func, insert, select, tuple_, update
from sqlalchemy.exc import IntegrityError

from prefetch.store.database import Database
from prefetch.store.dialects import insert_if_new, insert_unless_known, is_shared, upsert
from prefetch.store.prepared import Prepared
from prefetch.store.tables import KeyKind, archives, events, order_keys, orders, retrieves
from tests.queued import NOW, Queue, wish

ADD = Prepared(insert(events))
ALL = select(events.c.what, events.c.at, events.c.order_id, events.c.detail).order_by(events.c.id)


def event(what: str, **detail: object) -> dict[str, Any]:
    """A row of the history."""
    return {"at": NOW, "what": what, "order_id": None, "retrieve_id": None, "detail": detail}


def test_rows_are_read_as_sqlalchemy_reads_them(database: Database) -> None:
    """Times, documents, words, numbers and NULL."""
    with database.transaction() as c:
        ADD.run_all(c, [event("a", text="Ä", many=[1, None]), {**event("b"), "order_id": 7}])
        assert [dict(row) for row in c.execute(ALL).mappings()] == Prepared(ALL).rows(c)
        assert Prepared(ALL).values(c) == ["a", "b"]
        assert Prepared(ALL).row(c) == {
            "what": "a",
            "at": NOW,
            "order_id": None,
            "detail": {"text": "Ä", "many": [1, None]},
        }


def test_a_noun_is_read_as_sqlalchemy_reads_it(database: Database) -> None:
    """All columns of the two largest tables."""
    queue = Queue(database)
    queue.plan(queue.order(accession_number="A1"), wish("1"), wish("2"))
    with database.snapshot() as c:
        for table in (orders, retrieves, order_keys):
            query = select(table).order_by(*table.primary_key)
            assert [dict(row) for row in c.execute(query).mappings()] == Prepared(query).rows(c) != []


@pytest.mark.parametrize("wanted", [[], ["a"], ["a", "c"], ["c", "b", "a", "x"]])
def test_a_list_may_have_any_number_of_members(database: Database, wanted: list[str]) -> None:
    """Its text is made for each; no members, no rows."""
    query = Prepared(ALL.where(events.c.what.in_(bindparam("wanted", expanding=True))))
    with database.transaction() as c:
        ADD.run_all(c, [event("a"), event("b"), event("c")])
        for _ in range(2):
            assert sorted({*wanted} - {"x"}) == query.values(c, {"wanted": wanted})
            assert query.values(c, {"wanted": ["b"]}) == ["b"]


def test_the_members_of_a_list_may_be_several_values(database: Database) -> None:
    """As the number and the fence of a claim."""
    pairs = tuple_(events.c.what, events.c.order_id).in_(bindparam("pairs", expanding=True))
    with database.transaction() as c:
        ADD.run_all(c, [{**event("a"), "order_id": number} for number in (1, 2, 3)])
        found = Prepared(select(events.c.order_id).where(pairs).order_by(events.c.id))
        assert found.values(c, {"pairs": [("a", 3), ("b", 2), ("a", 1)]}) == [1, 3]


def test_what_stands_in_the_statement_is_kept_as_its_column_keeps_it(database: Database) -> None:
    """A word of an enum, a time, a number."""
    Queue(database).order(accession_number="A1", placer_order_number="P1")
    with database.transaction() as c:
        of_kind = select(order_keys.c.value).where(order_keys.c.kind == KeyKind.PLACER)
        assert Prepared(of_kind).values(c) == ["P1"]
        ADD.run(c, event("a"))
        later = Prepared(
            ALL.where(events.c.at < NOW + timedelta(seconds=1), events.c.at >= bindparam("since"))
        )
        assert later.values(c, {"since": NOW}) == ["a"]
        assert later.values(c, {"since": NOW + timedelta(seconds=1)}) == []


def test_only_the_columns_that_are_given_are_written(database: Database) -> None:
    """One statement writes now these and now those, as SQLAlchemy's does."""
    rename = Prepared(update(events).where(events.c.what == bindparam("was")).values(order_id=5))
    with database.transaction() as c:
        ADD.run_all(c, [event("a"), event("a"), event("b")])
        assert rename.run(c, {"was": "a", "what": "c"}) == 2
        assert rename.run(c, {"was": "b"}) == 1
        assert rename.run(c, {"was": "x"}) == 0
        assert Prepared(ALL.with_only_columns(events.c.what, events.c.order_id)).rows(c) == [
            {"what": "c", "order_id": 5},
            {"what": "c", "order_id": 5},
            {"what": "b", "order_id": 5},
        ]


def test_a_computed_column_goes_by_its_label(database: Database) -> None:
    """A count, over nothing as well."""
    number = Prepared(select(func.count(events.c.id).label("number"), func.max(events.c.at).label("last")))
    with database.transaction() as c:
        assert number.row(c) == {"number": 0, "last": None}
        ADD.run(c, event("a"))
        assert number.row(c) == {"number": 1, "last": NOW}
        assert Prepared(ALL.where(events.c.what == "x")).row(c) is None


def test_a_row_that_is_there_is_left_or_written_anew(database: Database) -> None:
    """The two INSERTs that both databases say in the same words."""
    with database.transaction() as c:
        insert_unless_known(c, archives, [{"name": "main"}, {"name": "main"}])
        upsert(c, archives, [{"name": "main", "paused_by": "night"}, {"name": "offsite", "paused_by": None}])
        insert_unless_known(c, archives, [])
        upsert(c, archives, [])
        names = select(archives.c.name, archives.c.paused_by).order_by(archives.c.name)
        assert Prepared(names).rows(c) == [
            {"name": "main", "paused_by": "night"},
            {"name": "offsite", "paused_by": None},
        ]


def test_an_insert_tells_whether_it_wrote(database: Database) -> None:
    """Of two nodes that insert the same row one knows that it was the first."""
    row = {"name": "main"}
    with database.transaction() as c:
        add = insert_if_new(archives, shared=is_shared(c))
        assert [add.run(c, row), add.run(c, row)] == [1, 0]


def test_an_error_is_what_sqlalchemy_makes_of_it_and_names_no_patient(database: Database) -> None:
    """It is translated like any other; what was written stands in no log."""
    add = Prepared(insert(archives))
    with database.transaction() as c:
        add.run(c, {"name": "main"})
        with pytest.raises(IntegrityError) as told, c.begin_nested():
            add.run(c, {"name": "main"})
        assert c.dialect.name != "sqlite" or "'main'" not in str(told.value)
        assert Prepared(select(archives.c.name)).values(c) == ["main"]
