"""Statements that are made into text once, and on SQLite go straight to the driver.

SQLAlchemy writes each statement for either database and knows how each column is kept. What it does besides
at every execution is most of what a statement costs on a local file, where no server is waited for: there
what it made is kept, and the driver is called with it. On PostgreSQL SQLAlchemy executes (decision 22).

No statement is decided upon here, and no transaction begun.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import Executable
from sqlalchemy.types import TypeEngine

Parameters = Mapping[str, Any]
_Convert = Callable[[Any], Any]
_MOST_TEXTS = 100
"""Of one statement: few lengths of lists are usual."""


class Prepared:
    """A statement that is executed often; it and the conditions in it stay as they are."""

    def __init__(self, statement: Executable) -> None:
        self._statement = statement
        self._made: dict[tuple[str, ...], _Made] = {}
        """By the names of the parameters: an INSERT or UPDATE writes those of its columns that are given."""

    def rows(self, c: Connection, parameters: Parameters | None = None) -> list[dict[str, Any]]:
        """Execute it and give all rows, by the names of their columns."""
        asked = parameters or {}
        if c.dialect.name != "sqlite":
            return [dict(row) for row in c.execute(self._statement, asked).mappings()]
        made = self._make(c.dialect, asked)
        return [made.read(row) for row in made.text(asked).execute(c, asked).fetchall()]

    def row(self, c: Connection, parameters: Parameters | None = None) -> dict[str, Any] | None:
        """Execute it and give its first row, if it has any."""
        rows = self.rows(c, parameters)
        return rows[0] if rows else None

    def values(self, c: Connection, parameters: Parameters | None = None) -> list[Any]:
        """Execute it and give the first column of all rows."""
        return [next(iter(row.values())) for row in self.rows(c, parameters)]

    def run(self, c: Connection, parameters: Parameters | None = None) -> int:
        """Execute it for what it writes; gives how many rows that were."""
        asked = parameters or {}
        if c.dialect.name != "sqlite":
            # Of an INSERT SQLAlchemy forgets it, unless it is told to keep it.
            counting = {"preserve_rowcount": True}
            return int(c.execute(self._statement, asked, execution_options=counting).rowcount)
        made = self._make(c.dialect, asked)
        return int(made.text(asked).execute(c, asked).rowcount)

    def run_all(self, c: Connection, rows: Sequence[Parameters]) -> None:
        """Execute it for each of some rows, which have the same columns."""
        if not rows:
            return
        if c.dialect.name != "sqlite":
            c.execute(self._statement, rows)
            return
        made = self._make(c.dialect, rows[0])
        made.text(rows[0]).execute_all(c, rows)

    def _make(self, dialect: Dialect, parameters: Parameters) -> _Made:
        names = tuple(parameters)
        made = self._made.get(names)
        if made is None:
            made = self._made[names] = _Made.of(self._statement, dialect, names)
        return made


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """The text of a statement, and what stands where a `?` is: names of parameters, and how each is kept."""

    text: str
    places: Sequence[tuple[str, _Convert | None]]
    lists: Mapping[str, Sequence[str]]
    """Parameter that is a list → the names under which its members stand."""
    constants: Parameters
    """What stands in the statement itself."""

    def execute(self, c: Connection, parameters: Parameters) -> Any:
        """Have the driver execute it; gives the driver's cursor."""
        return call_driver(c, self.text, self._arguments(parameters))

    def execute_all(self, c: Connection, rows: Iterable[Parameters]) -> None:
        """Have the driver execute it for each row."""
        call_driver(c, self.text, [self._arguments(row) for row in rows], many=True)

    def _arguments(self, parameters: Parameters) -> list[Any]:
        """Give what stands in the places, as the driver takes it."""
        values = {**self.constants, **parameters}
        for name, members in self.lists.items():
            values.update(zip(members, _flat(parameters[name]), strict=True))
        return [values[name] if keep is None else keep(values[name]) for name, keep in self.places]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Made:
    """What SQLAlchemy made of a statement for some parameters."""

    compiled: SQLCompiler
    constants: Parameters
    """What stands in the statement itself."""
    lists: Sequence[str]
    """Parameters that are lists: for each number of members the text is another."""
    columns: Sequence[str]
    readers: Sequence[tuple[str, _Convert]]
    """Columns that are kept otherwise than as Python has them, and how they are read."""
    texts: dict[tuple[int, ...], _Text] = field(default_factory=dict)

    @classmethod
    def of(cls, statement: Executable, dialect: Dialect, names: Sequence[str]) -> _Made:
        """Have SQLAlchemy write a statement."""
        written = cast("ClauseElement", statement).compile(dialect=dialect, column_keys=list(names))
        compiled = cast("SQLCompiler", written)
        columns = getattr(statement, "exported_columns", ())
        readers = [(column.key, _reader(column.type, dialect)) for column in columns]
        return cls(
            compiled=compiled,
            constants={name: value for name, value in compiled.params.items() if name not in names},
            lists=[name for name, bound in compiled.binds.items() if bound.expanding],
            columns=[column.key for column in columns],
            readers=[(name, read) for name, read in readers if read is not None],
        )

    def read(self, row: Sequence[Any]) -> dict[str, Any]:
        """Give a row by the names of its columns, each value as Python has it."""
        values = dict(zip(self.columns, row, strict=True))
        for name, read in self.readers:
            values[name] = read(values[name])
        return values

    def text(self, parameters: Parameters) -> _Text:
        """Give the text that takes these parameters."""
        lengths = tuple(len(parameters[name]) for name in self.lists)
        text = self.texts.get(lengths)
        if text is None:
            if len(self.texts) >= _MOST_TEXTS:
                self.texts.clear()
            text = self.texts[lengths] = self._write(parameters)
        return text

    def _write(self, parameters: Parameters) -> _Text:
        dialect = self.compiled.dialect
        keep = {name: _keeper(bound.type, dialect) for name, bound in self.compiled.binds.items()}
        state = self.compiled.construct_expanded_state({**self.constants, **parameters})
        lists = {name: state.parameter_expansion.get(name, ()) for name in self.lists}
        keep |= {member: keep[name] for name, members in lists.items() for member in members}
        names = state.positiontup or ()
        places = [(name, keep[name]) for name in names]
        return _Text(text=state.statement, places=places, lists=lists, constants=self.constants)


def _keeper(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    """Give what makes of a value what the database keeps; None where it is kept as it is."""
    return kind.dialect_impl(dialect).bind_processor(dialect)


def _reader(kind: TypeEngine[Any], dialect: Dialect) -> _Convert | None:
    """Give what makes a value of what the database keeps; None where it is kept as it is."""
    return kind.dialect_impl(dialect).result_processor(dialect, None)


def _flat(members: Iterable[Any]) -> list[Any]:
    """Give the values of a list, of whose members each may be several values."""
    return [value for member in members for value in (member if isinstance(member, tuple) else (member,))]


def call_driver(c: Connection, text: str, arguments: Sequence[Any] = (), *, many: bool = False) -> Any:
    """Have SQLite's driver execute a text as it is; its errors are what SQLAlchemy makes of them."""
    cursor = c.connection.cursor()
    try:
        if many:
            cursor.executemany(text, arguments)
        else:
            cursor.execute(text, arguments)
    except sqlite3.Error as error:
        # Without the parameters, which are of patients.
        raise DBAPIError.instance(text, None, error, sqlite3.Error, dialect=c.dialect) from error
    return cursor
