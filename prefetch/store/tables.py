"""The tables of the queue and their invariants: constraints, partial unique indexes, indexes of due work.

Knows no statement; the statements on a table stand in the module of its noun. Partial indexes carry the
queue, so that history costs nothing: a query that is meant for one writes its states with `in_state`.
"""

from __future__ import annotations

from enum import StrEnum

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    ColumnElement,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    bindparam,
    func,
    literal_column,
    or_,
    text,
)

from prefetch import lifecycle, model
from prefetch.store.columns import LONGEST_NAME, Document, Identifier, Numbered, UTCDateTime, Words, worded

Name = Words(LONGEST_NAME)
Count = BigInteger
"""What a peer counted, or the sum of such numbers."""


class MessageState(StrEnum):
    """What became of a message in the inbox."""

    WAITING = "waiting"
    READ = "read"
    IGNORED = "ignored"
    DEAD = "dead"
    """Could not be understood: a dead letter, with the reason."""


class KeyKind(StrEnum):
    """The names by which a later message can mean the same order again."""

    ACCESSION = "accession number"
    PLACER = "placer order number"
    FILLER = "filler order number"
    STUDY = "study instance uid"
    PLACER_APPOINTMENT = "placer appointment id"
    FILLER_APPOINTMENT = "filler appointment id"


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(column_0_label)s",
        "uq": "uq_%(table_name)s_%(column_0_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "pk": "pk_%(table_name)s",
    }
)


def _partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    """Give an index of the rows of interest only, on both databases."""
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def _lease() -> tuple[Column[str], Column[object]]:
    """Give the two columns of a lease: who works on the row, and until when that is believed."""
    return Column("owner", Name), Column("lease_until", UTCDateTime)


# --- what came in ----------------------------------------------------------------------------------

inbox = Table(
    "inbox",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("source", Name, nullable=False),
    Column("raw", LargeBinary, nullable=False),
    Column("digest", LargeBinary(32), nullable=False),
    Column("control_id", Name, nullable=False),
    Column("message_type", Name, nullable=False),
    Column("priority", Numbered(model.Priority), nullable=False),
    Column("lane", SmallInteger, nullable=False),
    Column("order_number", Name),
    Column("received_at", UTCDateTime, nullable=False),
    Column("state", worded(MessageState, "state"), nullable=False),
    Column("because", Words()),
    Column("finished_at", UTCDateTime),
    _partial("ix_inbox_waiting", "lane", "id", where="state = 'waiting'"),
    _partial("ix_inbox_waiting_order", "source", "order_number", where="state = 'waiting'"),
    _partial("ix_inbox_dead", "id", where="state = 'dead'"),
    Index("ix_inbox_repeat", "source", "control_id", "received_at"),
    Index("ix_inbox_received", "received_at"),
    sqlite_autoincrement=True,
)

# --- what we hold ----------------------------------------------------------------------------------

orders = Table(
    "orders",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("status", worded(model.OrderStatus, "status"), nullable=False),
    Column("source", Name, nullable=False),
    Column("patient_id", Name),
    Column("issuer_of_patient_id", Name),
    Column("patient_name", Words()),
    Column("birth_date", Words()),
    Column("sex", Words()),
    Column("other_patient_ids", Document, nullable=False),
    Column("accession_number", Words()),
    Column("placer_order_number", Words()),
    Column("filler_order_number", Words()),
    Column("accession_issuer", Words()),
    Column("placer_issuer", Words()),
    Column("filler_issuer", Words()),
    Column("requested_procedure_id", Words()),
    Column("scheduled_procedure_step_id", Words()),
    Column("placer_appointment_id", Words()),
    Column("filler_appointment_id", Words()),
    Column("booked_service", Words()),
    Column("study_instance_uid", Name),
    Column("procedure_code", Words()),
    Column("procedure_description", Words()),
    Column("modality", Words()),
    Column("scheduled_start", UTCDateTime),
    Column("station_ae_title", Words()),
    Column("station_name", Words()),
    Column("location", Words()),
    Column("patient_class", Words()),
    Column("priority", Numbered(model.Priority), nullable=False),
    Column("message_time", UTCDateTime),
    Column("created_at", UTCDateTime, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
    Column("plan_at", UTCDateTime),
    Column("plan_attempts", Integer, nullable=False),
    Column("plan_problem", Words()),
    Column("planned_at", UTCDateTime),
    Column("planned_version", Integer),
    Column("fetch_from", UTCDateTime),
    Column("ready_by", UTCDateTime),
    Column("fetch_now", Boolean, nullable=False),
    Column("answers_since", UTCDateTime),
    Column("configuration", Words()),
    Column("ready_at", UTCDateTime),
    Column("sayings", Document, nullable=False),
    Column("worklist", Document, nullable=False),
    Column("segments", Document, nullable=False),
    Column("planned_segments", Document),
    *_lease(),
    _partial("ix_orders_to_plan", "plan_at", where="plan_at IS NOT NULL"),
    _partial("ix_orders_to_plan_stat", "plan_at", where="plan_at IS NOT NULL AND priority = 0"),
    _partial("ix_orders_leased", "owner", where="owner IS NOT NULL"),
    Index("ix_orders_patient", "patient_id"),
    sqlite_autoincrement=True,
)
"""`planned_segments` are its messages as they were when it was planned last, where a later one said otherwise
without bearing on the plan: what a replay of the plan goes by. `configuration` is the fingerprint of the one
that it was planned by, or is to be planned by next."""
day_of_order: ColumnElement[object] = func.coalesce(orders.c.scheduled_start, orders.c.created_at)
"""When an order's exam is, or when we heard of it where nobody has said."""
Index("ix_orders_day", day_of_order)

order_keys = Table(
    "order_keys",
    metadata,
    Column("kind", worded(KeyKind, "kind"), primary_key=True),
    Column("value", Name, primary_key=True),
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_order_keys_order_id", "order_id"),
    Index("ix_order_keys_value", "value"),
)

order_patient_ids = Table(
    "order_patient_ids",
    metadata,
    Column("patient_id", Name, primary_key=True),
    Column("issuer", Name, primary_key=True),
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Index("ix_order_patient_ids_order_id", "order_id"),
)
"""Further IDs of an order's patient, so that a message about one of them finds the order."""

patient_alias = Table(
    "patient_alias",
    metadata,
    Column("prior_patient_id", Name, primary_key=True),
    Column("prior_issuer", Name, primary_key=True),
    Column("patient_id", Name, nullable=False),
    Column("issuer_of_patient_id", Name),
    Column("merged_at", UTCDateTime, nullable=False),
    Index("ix_patient_alias_survivor", "patient_id"),
)

cross_references = Table(
    "cross_references",
    metadata,
    Column("patient_id", Name, primary_key=True),
    Column("issuer", Name, primary_key=True),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("ids", Document, nullable=False),
    Index("ix_cross_references_asked", "asked_at"),
)
"""What the PIX manager last said of an ID."""

# --- what the worklists said -----------------------------------------------------------------------

worklists = Table(
    "worklists",
    metadata,
    Column("name", Name, primary_key=True),
    Column("due_at", UTCDateTime),
    Column("asked_at", UTCDateTime),
    Column("answered_at", UTCDateTime),
    Column("silent_at", UTCDateTime),
    Column("outcome", worded(model.Outcome, "outcome")),
    Column("because", Words()),
    Column("items", Integer),
    Column("milliseconds", Float),
)
"""`asked_at` is when it was asked last, `answered_at` when it last answered wholly, and `silent_at` when it
counts as silent unless it does so before."""

worklist_items = Table(
    "worklist_items",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("worklist", Name, nullable=False),
    Column("item_key", Name, nullable=False),
    Column("document", Document, nullable=False),
    Column("absences", Integer, nullable=False),
    Column("first_seen", UTCDateTime, nullable=False),
    Column("last_seen", UTCDateTime, nullable=False),
    Column("gone_at", UTCDateTime),
    Index("uq_worklist_items_item", "worklist", "item_key", unique=True),
    Index("ix_worklist_items_last_seen", "last_seen"),
    sqlite_autoincrement=True,
)

# --- what the archives said and what we made of it -------------------------------------------------

answers = Table(
    "answers",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("archive", Name, nullable=False),
    Column("patient_id", Name, nullable=False),
    Column("issuer", Name, nullable=False),
    Column("address", Words(), nullable=False),
    Column("asked_as", Words(), nullable=False),
    Column("first_asked_at", UTCDateTime, nullable=False),
    Column("asked_at", UTCDateTime, nullable=False),
    Column("outcome", worded(model.Outcome, "outcome"), nullable=False),
    Column("status", Integer),
    Column("because", Words(), nullable=False),
    Column("milliseconds", Float, nullable=False),
    Column("studies", Document, nullable=False),
    Index("ix_answers_patient", "archive", "patient_id", "issuer", "asked_at"),
    Index("ix_answers_asked", "asked_at"),
    Index("ix_answers_archive", "archive", "asked_at"),
    sqlite_autoincrement=True,
)
"""`address` is whom we asked, and `asked_as` the fingerprint of the settings that the query was made by."""

archive_issuers = Table(
    "archive_issuers",
    metadata,
    Column("archive", Name, primary_key=True),
    Column("address", Words(), nullable=False),
    Column("names", Document, nullable=False),
    Column("some_unnamed", Boolean, nullable=False),
    Column("refuses_key", Boolean, nullable=False),
    Column("empty_repeats", Integer, nullable=False),
    Column("changed_at", UTCDateTime, nullable=False),
)
"""The issuers that an archive's studies have named; `address` says of which archive that was learned."""

plans = Table(
    "plans",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), nullable=False),
    Column("made_at", UTCDateTime, nullable=False),
    Column("document", Document, nullable=False),
    Index("ix_plans_order", "order_id", "id"),
    sqlite_autoincrement=True,
)

verdicts = Table(
    "verdicts",
    metadata,
    Column("patient_id", Name, primary_key=True),
    Column("issuer", Name, primary_key=True),
    Column("study_instance_uid", Name, primary_key=True),
    Column("verdict", worded(model.Verdict, "verdict"), nullable=False),
    Column("decided_by", Words(), nullable=False),
    Column("decided_at", UTCDateTime, nullable=False),
)

# --- the queue -------------------------------------------------------------------------------------


def _any_of(states: frozenset[model.RetrieveState]) -> str:
    """Write the condition of a partial index as `in_state` writes it: SQLite compares them word by word."""
    return " OR ".join(f"state = '{state}'" for state in sorted(states))


retrieves = Table(
    "retrieves",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("state", worded(model.RetrieveState, "state"), nullable=False),
    Column("study_instance_uid", Name, nullable=False),
    Column("archive", Name, nullable=False),
    Column("archives", Document, nullable=False),
    Column("destination", Name, nullable=False),
    Column("patient_id", Name, nullable=False),
    Column("issuer_of_patient_id", Name),
    Column("lane", Numbered(model.Priority), nullable=False),
    Column("start_at", UTCDateTime, nullable=False),
    Column("closes_at", UTCDateTime),
    Column("deadline", UTCDateTime, nullable=False),
    Column("expire_at", UTCDateTime, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("fence", Integer, nullable=False),
    Column("leader", Integer),
    Column("series", Document, nullable=False),
    Column("missing", Document, nullable=False),
    Column("expected_instances", Count),
    Column("expected_series", Count),
    Column("arrived_instances", Count),
    Column("completed", Count),
    Column("failed", Count),
    Column("warning", Count),
    Column("last_outcome", worded(model.Outcome, "last_outcome")),
    Column("problem", Words()),
    Column("verified_by", worded(model.VerifiedBy, "verified_by")),
    Column("created_at", UTCDateTime, nullable=False),
    Column("claimed_at", UTCDateTime),
    Column("moved_at", UTCDateTime),
    Column("verified_at", UTCDateTime),
    *_lease(),
    CheckConstraint("state != 'moving' OR owner IS NOT NULL", name="moving_has_an_owner"),
    CheckConstraint("state != 'verified' OR verified_by IS NOT NULL", name="verified_by_something"),
    _partial(
        "uq_retrieves_live", "study_instance_uid", "destination", where=_any_of(lifecycle.LIVE), unique=True
    ),
    _partial("ix_retrieves_waiting", "start_at", where="state = 'waiting'"),
    _partial("ix_retrieves_due", "archive", "lane", "deadline", "id", where="state = 'due'"),
    _partial("ix_retrieves_due_patient", "patient_id", where="state = 'due'"),
    _partial("ix_retrieves_moving", "archive", where="state = 'moving'"),
    _partial("ix_retrieves_moved", "start_at", where="state = 'moved'"),
    _partial("ix_retrieves_verified", "archive", "destination", where="state = 'verified'"),
    _partial("ix_retrieves_quarantined", "deadline", where="state = 'quarantined'"),
    _partial("ix_retrieves_expire", "expire_at", where=_any_of(lifecycle.origins(lifecycle.Step.EXPIRE))),
    _partial("ix_retrieves_leased", "owner", where="owner IS NOT NULL"),
    Index("ix_retrieves_study", "study_instance_uid", "destination"),
    Index("ix_retrieves_deadline", "deadline"),
    sqlite_autoincrement=True,
)
"""`leader` is the retrieve whose C-MOVE carries it, its own number where it is that one."""

wants = Table(
    "wants",
    metadata,
    Column("order_id", ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    Column("retrieve_id", ForeignKey("retrieves.id", ondelete="CASCADE"), primary_key=True),
    Column("rule", Words(), nullable=False),
    Column("prior_class", Words(), nullable=False),
    Column("grade", SmallInteger, nullable=False),
    Column("lane", Numbered(model.Priority), nullable=False),
    Column("start_at", UTCDateTime, nullable=False),
    Column("closes_at", UTCDateTime),
    Column("deadline", UTCDateTime, nullable=False),
    Column("expire_at", UTCDateTime, nullable=False),
    Column("withdrawn", Boolean, nullable=False),
    Column("withdrawn_because", Words()),
    Column("refused_by", Words()),
    Index("ix_wants_retrieve_id", "retrieve_id"),
)
"""`refused_by` names the person who took the want away: no later plan of the order brings it back."""

archives = Table(
    "archives",
    metadata,
    Column("name", Name, primary_key=True),
    Column("paused_at", UTCDateTime),
    Column("paused_by", Words()),
    Column("resting_until", UTCDateTime),
    Column("resting_because", Words()),
)
"""`paused` by a person, `resting` by the circuit breaker; the row is also the lock of its slots."""

pairs = Table(
    "pairs",
    metadata,
    Column("archive", Name, primary_key=True),
    Column("destination", Name, primary_key=True),
    Column("parked_until", UTCDateTime, nullable=False),
    Column("because", Words(), nullable=False),
)

destinations = Table(
    "destinations",
    metadata,
    Column("archive", Name, primary_key=True),
    Column("destination", Name, primary_key=True),
    Column("reached_at", UTCDateTime),
    Column("failures", Integer, nullable=False),
    Column("failed_since", UTCDateTime),
    Column("failed_at", UTCDateTime),
    Column("reason", Words()),
    Column("remedy", Words()),
)
"""Whether an archive knows a Move Destination, as moves have shown; `pairs` are those that wait now."""

nodes = Table(
    "nodes",
    metadata,
    Column("owner", Name, primary_key=True),
    Column("started_at", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
    Column("loaded_at", UTCDateTime),
    Column("refused_at", UTCDateTime),
    Column("refused_because", Words()),
    Column("at_start", Document, nullable=False),
    Column("waits_for_restart", Document, nullable=False),
    Column("exams_planned_anew", Integer),
    Column("turned_away", Document, nullable=False),
    Column("learnt", Document, nullable=False),
    Column("refusals", Document, nullable=False),
)

# --- trouble ---------------------------------------------------------------------------------------

troubles = Table(
    "troubles",
    metadata,
    Column("name", Name, primary_key=True),
    Column("subject", Name, primary_key=True),
    Column("since", UTCDateTime, nullable=False),
    Column("seen_at", UTCDateTime, nullable=False),
)
"""What is in the way now: a row from when it begins to when it ends, whoever notices it first."""

feeds = Table(
    "feeds",
    metadata,
    Column("source", Name, primary_key=True),
    Column("known_since", UTCDateTime, nullable=False),
    Column("last_message_at", UTCDateTime, nullable=False),
    Column("read_to", Identifier, nullable=False),
)
"""What is known of each listener's feed; `read_to` is the last message of the inbox that was counted."""

feed_hours = Table(
    "feed_hours",
    metadata,
    Column("source", Name, primary_key=True),
    Column("hour", UTCDateTime, primary_key=True),
    Column("busy_minutes", Integer, nullable=False),
)
"""In how many minutes of an hour a feed sent anything; hours without a message have no row."""

sender_clocks = Table(
    "sender_clocks",
    metadata,
    Column("source", Name, primary_key=True),
    Column("sender", Name, primary_key=True),
    Column("zone", Name, nullable=False),
    Column("heard_at", UTCDateTime, nullable=False),
    Column("measures", Document, nullable=False),
)
"""How the times of a sender's last messages compare with the clock; `zone` is in which they were read."""

# --- history ---------------------------------------------------------------------------------------

events = Table(
    "events",
    metadata,
    Column("id", Identifier, primary_key=True),
    Column("at", UTCDateTime, nullable=False),
    Column("what", Words(), nullable=False),
    Column("order_id", Identifier),
    Column("retrieve_id", Identifier),
    Column("detail", Document, nullable=False),
    _partial("ix_events_order_id", "order_id", where="order_id IS NOT NULL"),
    _partial("ix_events_retrieve_id", "retrieve_id", where="retrieve_id IS NOT NULL"),
    Index("ix_events_at", "at"),
    sqlite_autoincrement=True,
)


def in_numbers(column: Column[int]) -> ColumnElement[bool]:
    """Say that a column is among the numbers given at execution as `numbers`."""
    return column.in_(bindparam("numbers", expanding=True))


def in_state(*states: model.RetrieveState) -> ColumnElement[bool]:
    """Say that a retrieve is in one of the states, in the words that its partial indexes know.

    SQLite takes a partial index only where the state stands in the statement itself, not in a parameter.
    """
    return or_(*(retrieves.c.state == literal_column(f"'{state}'") for state in sorted(states)))
