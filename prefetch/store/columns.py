"""Column types that mean the same on SQLite and PostgreSQL: times, numbered and worded enums, documents."""

from __future__ import annotations

from datetime import UTC, datetime
from enum import IntEnum, StrEnum
from typing import Any

from sqlalchemy import JSON, BigInteger, DateTime, Enum, Integer, SmallInteger, String, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator, TypeEngine

Identifier = BigInteger().with_variant(Integer, "sqlite")
"""A row's own number: SQLite counts only an INTEGER PRIMARY KEY."""

Document = JSON(none_as_null=True)


LONGEST_NAME = 250
"""No identifier of HL7 v2 or DICOM is longer; what is longer would not fit an index either."""


class Words(TypeDecorator[str]):
    """Text that may come from outside: what no database can keep (NUL, half a surrogate pair) is left out.

    The same is done to what is asked for, so that a value as it was sent finds its row.
    """

    impl = Text
    cache_ok = True

    def __init__(self, longest: int | None = None) -> None:
        super().__init__()
        self.longest = longest

    def process_bind_param(self, value: str | None, dialect: Dialect) -> str | None:  # noqa: ARG002 (theirs)
        """Leave out what cannot be kept."""
        if value is None:
            return None
        kept = value.replace("\0", "").encode("utf-8", "ignore").decode("utf-8")
        return kept[: self.longest]

    def process_result_value(self, value: Any, dialect: Dialect) -> str | None:  # noqa: ARG002 (theirs)
        """Give the text."""
        return None if value is None else str(value)


_ZERO = "+00:00"


class UTCDateTime(TypeDecorator[datetime]):
    """An instant: aware in, aware (UTC) out.

    PostgreSQL keeps a `timestamptz`; SQLite a text of fixed width, so that text order is time order.
    """

    impl = String(27)
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the database's own type."""
        own = DateTime(timezone=True) if dialect.name == "postgresql" else String(27)
        return dialect.type_descriptor(own)

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> Any:
        """Refuse a naive time: nobody could say later which instant it was."""
        if value is None:
            return None
        if value.tzinfo is None:
            raise ValueError(f"a time without a zone cannot be stored: {value}")
        instant = value if value.tzinfo is UTC else value.astimezone(UTC)
        if dialect.name == "postgresql":
            return instant
        return f"{instant.isoformat(timespec='microseconds').removesuffix(_ZERO)}Z"

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:  # noqa: ARG002 (theirs)
        """Give the instant in UTC."""
        if value is None:
            return None
        instant = value if isinstance(value, datetime) else datetime.fromisoformat(value)
        return instant if instant.tzinfo is UTC else instant.astimezone(UTC)


class Numbered(TypeDecorator[IntEnum]):
    """An `IntEnum` kept as its number, so that the database sorts as Python does."""

    impl = SmallInteger
    cache_ok = True

    def __init__(self, members: type[IntEnum]) -> None:
        super().__init__()
        self.members = members

    def process_bind_param(self, value: int | None, dialect: Dialect) -> int | None:  # noqa: ARG002 (theirs)
        """Give the plain number."""
        return None if value is None else int(value)

    def process_result_value(self, value: Any, dialect: Dialect) -> IntEnum | None:  # noqa: ARG002 (theirs)
        """Give the member."""
        return None if value is None else self.members(value)


def worded(members: type[StrEnum], name: str) -> Enum:
    """Give a `StrEnum` kept as its word, with a CHECK constraint of that name."""
    return Enum(
        members,
        name=name,
        native_enum=False,
        create_constraint=True,
        values_callable=lambda enum: [member.value for member in enum],
    )
