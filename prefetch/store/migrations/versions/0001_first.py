"""The first schema: until it is released it changes with `store.tables`, from then on it stands."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

from prefetch.store.columns import LONGEST_NAME, Document, Identifier, UTCDateTime, Words

revision = "0001"
down_revision = None

Name = Words(LONGEST_NAME)


_OUTCOMES = (
    "success, warning, partial, suspect, transient, unknown, unknown destination, not found, cancelled,"
    " permanent"
)
_STATES = "waiting, due, moving, moved, verified, quarantined, partial, failed, cancelled, expired"
_KEYS = (
    "accession number, placer order number, filler order number, study instance uid, "
    "placer appointment id, filler appointment id"
)
_LIVE = " OR ".join(f"state = '{state}'" for state in ("due", "moved", "moving", "quarantined", "waiting"))


def _word(name: str, words: str) -> sa.Enum:
    """Give a word out of a list, kept by a CHECK constraint."""
    return sa.Enum(*words.split(", "), name=name, native_enum=False, create_constraint=True)


def _index(
    name: str, table: str, *columns: str | sa.TextClause, where: str | None = None, unique: bool = False
) -> None:
    """Make an index, of the rows of interest only where a condition is given."""
    condition = None if where is None else sa.text(where)
    op.create_index(
        name, table, list(columns), unique=unique, sqlite_where=condition, postgresql_where=condition
    )


def upgrade() -> None:
    """Make all tables."""
    op.create_table(
        "answers",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("archive", Name, nullable=False),
        sa.Column("patient_id", Name, nullable=False),
        sa.Column("issuer", Name, nullable=False),
        sa.Column("first_asked_at", UTCDateTime, nullable=False),
        sa.Column("asked_at", UTCDateTime, nullable=False),
        sa.Column("outcome", _word("outcome", _OUTCOMES), nullable=False),
        sa.Column("status", sa.Integer),
        sa.Column("because", Words(), nullable=False),
        sa.Column("milliseconds", sa.Float, nullable=False),
        sa.Column("studies", Document, nullable=False),
        sqlite_autoincrement=True,
    )
    _index("ix_answers_asked", "answers", "asked_at")
    _index("ix_answers_patient", "answers", "archive", "patient_id", "issuer", "asked_at")

    op.create_table(
        "archives",
        sa.Column("name", Name, primary_key=True),
        sa.Column("paused_at", UTCDateTime),
        sa.Column("paused_by", Words()),
        sa.Column("resting_until", UTCDateTime),
        sa.Column("resting_because", Words()),
    )

    op.create_table(
        "events",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("at", UTCDateTime, nullable=False),
        sa.Column("what", Words(), nullable=False),
        sa.Column("order_id", Identifier),
        sa.Column("retrieve_id", Identifier),
        sa.Column("detail", Document, nullable=False),
        sqlite_autoincrement=True,
    )
    _index("ix_events_at", "events", "at")
    _index("ix_events_order_id", "events", "order_id", where="order_id IS NOT NULL")
    _index("ix_events_retrieve_id", "events", "retrieve_id", where="retrieve_id IS NOT NULL")

    op.create_table(
        "inbox",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("source", Name, nullable=False),
        sa.Column("raw", sa.LargeBinary, nullable=False),
        sa.Column("digest", sa.LargeBinary(32), nullable=False),
        sa.Column("control_id", Name, nullable=False),
        sa.Column("message_type", Name, nullable=False),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("order_number", Name),
        sa.Column("received_at", UTCDateTime, nullable=False),
        sa.Column("state", _word("state", "waiting, read, ignored, dead"), nullable=False),
        sa.Column("because", Words()),
        sa.Column("finished_at", UTCDateTime),
        sqlite_autoincrement=True,
    )
    _index("ix_inbox_dead", "inbox", "id", where="state = 'dead'")
    _index("ix_inbox_received", "inbox", "received_at")
    _index("ix_inbox_repeat", "inbox", "source", "control_id", "received_at")
    _index("ix_inbox_waiting", "inbox", "lane", "id", where="state = 'waiting'")
    _index("ix_inbox_waiting_order", "inbox", "source", "order_number", where="state = 'waiting'")

    op.create_table(
        "nodes",
        sa.Column("owner", Name, primary_key=True),
        sa.Column("started_at", UTCDateTime, nullable=False),
        sa.Column("seen_at", UTCDateTime, nullable=False),
        sa.Column("loaded_at", UTCDateTime),
        sa.Column("refused_at", UTCDateTime),
        sa.Column("refused_because", Words()),
        sa.Column("turned_away", Document, nullable=False),
        sa.Column("learnt", Document, nullable=False),
    )

    op.create_table(
        "orders",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("version", sa.Integer, nullable=False),
        sa.Column(
            "status",
            _word("status", "scheduled, on hold, in progress, completed, cancelled"),
            nullable=False,
        ),
        sa.Column("source", Name, nullable=False),
        sa.Column("patient_id", Name),
        sa.Column("issuer_of_patient_id", Name),
        sa.Column("patient_name", Words()),
        sa.Column("birth_date", Words()),
        sa.Column("sex", Words()),
        sa.Column("other_patient_ids", Document, nullable=False),
        sa.Column("accession_number", Words()),
        sa.Column("placer_order_number", Words()),
        sa.Column("filler_order_number", Words()),
        sa.Column("requested_procedure_id", Words()),
        sa.Column("scheduled_procedure_step_id", Words()),
        sa.Column("placer_appointment_id", Words()),
        sa.Column("filler_appointment_id", Words()),
        sa.Column("booked_service", Words()),
        sa.Column("study_instance_uid", Name),
        sa.Column("procedure_code", Words()),
        sa.Column("procedure_description", Words()),
        sa.Column("modality", Words()),
        sa.Column("scheduled_start", UTCDateTime),
        sa.Column("station_ae_title", Words()),
        sa.Column("station_name", Words()),
        sa.Column("location", Words()),
        sa.Column("patient_class", Words()),
        sa.Column("priority", sa.SmallInteger, nullable=False),
        sa.Column("message_time", UTCDateTime),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("changed_at", UTCDateTime, nullable=False),
        sa.Column("plan_at", UTCDateTime),
        sa.Column("plan_attempts", sa.Integer, nullable=False),
        sa.Column("plan_problem", Words()),
        sa.Column("planned_at", UTCDateTime),
        sa.Column("planned_version", sa.Integer),
        sa.Column("fetch_from", UTCDateTime),
        sa.Column("ready_by", UTCDateTime),
        sa.Column("fetch_now", sa.Boolean, nullable=False),
        sa.Column("ready_at", UTCDateTime),
        sa.Column("sayings", Document, nullable=False),
        sa.Column("worklist", Document, nullable=False),
        sa.Column("segments", Document, nullable=False),
        sa.Column("planned_segments", Document),
        sa.Column("owner", Name),
        sa.Column("lease_until", UTCDateTime),
        sqlite_autoincrement=True,
    )
    _index("ix_orders_day", "orders", sa.text("coalesce(scheduled_start, created_at)"))
    _index("ix_orders_leased", "orders", "owner", where="owner IS NOT NULL")
    _index("ix_orders_patient", "orders", "patient_id")
    _index("ix_orders_to_plan", "orders", "plan_at", where="plan_at IS NOT NULL")
    _index("ix_orders_to_plan_stat", "orders", "plan_at", where="plan_at IS NOT NULL AND priority = 0")

    op.create_table(
        "pairs",
        sa.Column("archive", Name, primary_key=True),
        sa.Column("destination", Name, primary_key=True),
        sa.Column("parked_until", UTCDateTime, nullable=False),
        sa.Column("because", Words(), nullable=False),
    )

    op.create_table(
        "patient_alias",
        sa.Column("prior_patient_id", Name, primary_key=True),
        sa.Column("prior_issuer", Name, primary_key=True),
        sa.Column("patient_id", Name, nullable=False),
        sa.Column("issuer_of_patient_id", Name),
        sa.Column("merged_at", UTCDateTime, nullable=False),
    )
    _index("ix_patient_alias_survivor", "patient_alias", "patient_id")

    op.create_table(
        "cross_references",
        sa.Column("patient_id", Name, primary_key=True),
        sa.Column("issuer", Name, primary_key=True),
        sa.Column("asked_at", UTCDateTime, nullable=False),
        sa.Column("ids", Document, nullable=False),
    )
    _index("ix_cross_references_asked", "cross_references", "asked_at")

    op.create_table(
        "retrieves",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column(
            "state",
            _word("state", _STATES),
            nullable=False,
        ),
        sa.Column("study_instance_uid", Name, nullable=False),
        sa.Column("archive", Name, nullable=False),
        sa.Column("archives", Document, nullable=False),
        sa.Column("destination", Name, nullable=False),
        sa.Column("patient_id", Name, nullable=False),
        sa.Column("issuer_of_patient_id", Name),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("start_at", UTCDateTime, nullable=False),
        sa.Column("closes_at", UTCDateTime),
        sa.Column("deadline", UTCDateTime, nullable=False),
        sa.Column("expire_at", UTCDateTime, nullable=False),
        sa.Column("attempts", sa.Integer, nullable=False),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("fence", sa.Integer, nullable=False),
        sa.Column("leader", sa.Integer),
        sa.Column("series", Document, nullable=False),
        sa.Column("missing", Document, nullable=False),
        sa.Column("expected_instances", sa.Integer),
        sa.Column("expected_series", sa.Integer),
        sa.Column("arrived_instances", sa.Integer),
        sa.Column("completed", sa.Integer),
        sa.Column("failed", sa.Integer),
        sa.Column("warning", sa.Integer),
        sa.Column(
            "last_outcome",
            _word("last_outcome", _OUTCOMES),
        ),
        sa.Column("problem", Words()),
        sa.Column("verified_by", _word("verified_by", "query, commitment, counters")),
        sa.Column("created_at", UTCDateTime, nullable=False),
        sa.Column("claimed_at", UTCDateTime),
        sa.Column("moved_at", UTCDateTime),
        sa.Column("verified_at", UTCDateTime),
        sa.Column("owner", Name),
        sa.Column("lease_until", UTCDateTime),
        sa.CheckConstraint("state != 'moving' OR owner IS NOT NULL", name="moving_has_an_owner"),
        sa.CheckConstraint("state != 'verified' OR verified_by IS NOT NULL", name="verified_by_something"),
        sqlite_autoincrement=True,
    )
    _index("ix_retrieves_deadline", "retrieves", "deadline")
    _index("ix_retrieves_due", "retrieves", "archive", "lane", "deadline", "id", where="state = 'due'")
    _index("ix_retrieves_due_patient", "retrieves", "patient_id", where="state = 'due'")
    _index(
        "ix_retrieves_expire",
        "retrieves",
        "expire_at",
        where="state = 'due' OR state = 'quarantined' OR state = 'waiting'",
    )
    _index("ix_retrieves_leased", "retrieves", "owner", where="owner IS NOT NULL")
    _index("ix_retrieves_moved", "retrieves", "start_at", where="state = 'moved'")
    _index("ix_retrieves_moving", "retrieves", "archive", where="state = 'moving'")
    _index("ix_retrieves_quarantined", "retrieves", "deadline", where="state = 'quarantined'")
    _index("ix_retrieves_study", "retrieves", "study_instance_uid", "destination")
    _index("ix_retrieves_verified", "retrieves", "archive", "destination", where="state = 'verified'")
    _index("ix_retrieves_waiting", "retrieves", "start_at", where="state = 'waiting'")
    _index(
        "uq_retrieves_live",
        "retrieves",
        "study_instance_uid",
        "destination",
        where=_LIVE,
        unique=True,
    )

    op.create_table(
        "verdicts",
        sa.Column("patient_id", Name, primary_key=True),
        sa.Column("issuer", Name, primary_key=True),
        sa.Column("study_instance_uid", Name, primary_key=True),
        sa.Column("verdict", _word("verdict", "release, refuse"), nullable=False),
        sa.Column("decided_by", Words(), nullable=False),
        sa.Column("decided_at", UTCDateTime, nullable=False),
    )

    op.create_table(
        "order_keys",
        sa.Column(
            "kind",
            _word(
                "kind",
                _KEYS,
            ),
            primary_key=True,
        ),
        sa.Column("value", Name, primary_key=True),
        sa.Column("order_id", Identifier, sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    )
    _index("ix_order_keys_order_id", "order_keys", "order_id")
    _index("ix_order_keys_value", "order_keys", "value")

    op.create_table(
        "order_patient_ids",
        sa.Column("patient_id", Name, primary_key=True),
        sa.Column("issuer", Name, primary_key=True),
        sa.Column("order_id", Identifier, sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
    )
    _index("ix_order_patient_ids_order_id", "order_patient_ids", "order_id")

    op.create_table(
        "plans",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("order_id", Identifier, sa.ForeignKey("orders.id", ondelete="CASCADE"), nullable=False),
        sa.Column("made_at", UTCDateTime, nullable=False),
        sa.Column("document", Document, nullable=False),
        sqlite_autoincrement=True,
    )
    _index("ix_plans_order", "plans", "order_id", "id")

    op.create_table(
        "wants",
        sa.Column("order_id", Identifier, sa.ForeignKey("orders.id", ondelete="CASCADE"), primary_key=True),
        sa.Column(
            "retrieve_id", Identifier, sa.ForeignKey("retrieves.id", ondelete="CASCADE"), primary_key=True
        ),
        sa.Column("rule", Words(), nullable=False),
        sa.Column("prior_class", Words(), nullable=False),
        sa.Column("grade", sa.SmallInteger, nullable=False),
        sa.Column("lane", sa.SmallInteger, nullable=False),
        sa.Column("start_at", UTCDateTime, nullable=False),
        sa.Column("closes_at", UTCDateTime),
        sa.Column("deadline", UTCDateTime, nullable=False),
        sa.Column("expire_at", UTCDateTime, nullable=False),
        sa.Column("withdrawn", sa.Boolean, nullable=False),
        sa.Column("withdrawn_because", Words()),
        sa.Column("refused_by", Words()),
    )
    _index("ix_wants_retrieve_id", "wants", "retrieve_id")

    _make_worklists()


def _make_worklists() -> None:
    """Make the tables of the worklists."""
    op.create_table(
        "worklist_items",
        sa.Column("id", Identifier, primary_key=True),
        sa.Column("worklist", Name, nullable=False),
        sa.Column("item_key", Name, nullable=False),
        sa.Column("document", Document, nullable=False),
        sa.Column("absences", sa.Integer, nullable=False),
        sa.Column("first_seen", UTCDateTime, nullable=False),
        sa.Column("last_seen", UTCDateTime, nullable=False),
        sa.Column("gone_at", UTCDateTime),
        sqlite_autoincrement=True,
    )
    _index("ix_worklist_items_last_seen", "worklist_items", "last_seen")
    _index("uq_worklist_items_item", "worklist_items", "worklist", "item_key", unique=True)

    op.create_table(
        "worklists",
        sa.Column("name", Name, primary_key=True),
        sa.Column("due_at", UTCDateTime),
        sa.Column("asked_at", UTCDateTime),
        sa.Column("answered_at", UTCDateTime),
        sa.Column("silent_at", UTCDateTime),
        sa.Column("outcome", _word("outcome", _OUTCOMES)),
        sa.Column("because", Words()),
        sa.Column("items", sa.Integer),
        sa.Column("milliseconds", sa.Float),
    )
