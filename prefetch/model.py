"""The nouns of the walk, frozen: orders and what is said of them, studies, plans and retrieves.

Knows no I/O and no rule. Words are DICOM's and HL7's own (docs/reference/vocabulary.md).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from enum import IntEnum, StrEnum
from typing import Any, NamedTuple, NewType

AETitle = NewType("AETitle", str)
StudyInstanceUID = NewType("StudyInstanceUID", str)


# --- what a feed says ------------------------------------------------------------------------------


class Action(StrEnum):
    """What a message or worklist item asks of us."""

    NEW = "new"
    CHANGE = "change"
    CANCEL = "cancel"
    MERGE = "merge"
    IGNORE = "ignore"


class OrderStatus(StrEnum):
    """Where the exam stands in its own life, as the feed tells it."""

    SCHEDULED = "scheduled"
    ON_HOLD = "on hold"
    IN_PROGRESS = "in progress"
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Priority(IntEnum):
    """Urgency of an order; the mover's lane. Smaller goes first."""

    STAT = 0
    HIGH = 1
    MEDIUM = 2
    ROUTINE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientId:
    """One ID of a patient and who issued it: a repetition of PID-3."""

    patient_id: str
    issuer_of_patient_id: str | None = None
    foreign: bool = False
    """Of a kind under which archives hardly ever file (insurance, state, account): asked only where an
    archive is said to know its authority."""

    @property
    def name(self) -> str:
        """What a person calls it: `4711 (HOSP)`."""
        return f"{self.patient_id} ({self.issuer_of_patient_id or 'no authority'})"


@dataclass(frozen=True, slots=True, kw_only=True)
class OrderEvent:
    """One thing that a message says of one order or patient; every value as it was sent.

    `None` is "not said" and leaves what is known alone; a name in `cleared` was sent as the explicit
    null `""` and deletes (HL7 v2.5.1 2.5.3). Times read `YYYY-MM-DDTHH:MM[:SS][±hh:mm]`, dates of
    birth `YYYY[MM[DD]]`; nothing is converted.
    """

    action: Action
    status: OrderStatus | None = None
    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    other_patient_ids: tuple[PatientId, ...] = ()
    """Further IDs of the patient, the likeliest first; a message that has none takes none away."""
    patient_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    accession_number: str | None = None
    placer_order_number: str | None = None
    filler_order_number: str | None = None
    accession_issuer: str | None = None
    """Within whose numbers the accession number counts (IPC-1.2, Issuer of Accession Number)."""
    placer_issuer: str | None = None
    filler_issuer: str | None = None
    """Within whose numbers an order number counts (EI.2 or EI.3, HL7 v2.5.1 2.A.28)."""
    requested_procedure_id: str | None = None
    scheduled_procedure_step_id: str | None = None
    placer_appointment_id: str | None = None
    filler_appointment_id: str | None = None
    booked_service: str | None = None
    """Which of several services of a booking, or procedures of an order, that no number tells apart."""
    service_ends: bool = False
    """Whether this service is taken out of a booking that goes on with others (SIU S20 to S22, AIS-2 D)."""
    procedure_code: str | None = None
    procedure_description: str | None = None
    modality: str | None = None
    scheduled_start: str | None = None
    station_ae_title: str | None = None
    station_name: str | None = None
    location: str | None = None
    patient_class: str | None = None
    priority: str | None = None
    study_instance_uid: str | None = None
    prior_patient_id: str | None = None
    prior_issuer_of_patient_id: str | None = None
    message_time: str | None = None
    creates: bool = True
    """Whether an order that is not known is made of it; a number that is assigned (ORC-1 NA) makes none."""
    moves_patient_data: bool = False
    """Whether accounts or ID lists go from one patient to another (A43, A44): no merge of the patients."""
    cleared: frozenset[str] = frozenset()
    worklist: Mapping[str, str] = field(default_factory=dict, hash=False)
    """The attributes of a worklist item, by keyword; empty where a message speaks."""
    segments: Sequence[Sequence[Any]] = field(default=(), repr=False, compare=False)
    """The message, field by field (`lastmessage`); empty where a worklist speaks."""

    @property
    def identifies_an_order(self) -> bool:
        """Whether a later message could name the same order again."""
        return any(
            (
                self.accession_number,
                self.placer_order_number,
                self.filler_order_number,
                self.study_instance_uid,
                self.placer_appointment_id,
                self.filler_appointment_id,
            )
        )


# --- what we hold ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Patient:
    """Whose images may move: an ID, who issued it, and the second identifiers (design, section 6)."""

    patient_id: str | None = None
    issuer_of_patient_id: str | None = None
    name: str | None = None
    birth_date: str | None = None
    """`YYYYMMDD`, or less of it where less was said."""
    sex: str | None = None
    other_ids: tuple[PatientId, ...] = ()
    """Further IDs under which archives may know the patient."""

    @property
    def ids(self) -> tuple[PatientId, ...]:
        """All IDs, the patient's chosen one first; none where none is known."""
        if not self.patient_id:
            return ()
        chosen = PatientId(patient_id=self.patient_id, issuer_of_patient_id=self.issuer_of_patient_id)
        return (chosen, *self.other_ids)


@dataclass(frozen=True, slots=True, kw_only=True)
class Saying:
    """What one source said of an exam at one time, as it was sent; kept until that source says otherwise."""

    source: str
    """A listener or a worklist, by the site's name for it."""
    at: datetime
    said: Mapping[str, str | None] = field(hash=False)
    """Field of `OrderEvent` → value; None where it was deleted."""
    heard_at: datetime | None = None
    """When we received it."""


NAMING = (
    "accession_number",
    "filler_order_number",
    "placer_order_number",
    "filler_appointment_id",
    "placer_appointment_id",
)
"""Fields of an order; the first that it has is what a person calls it."""


def name_of(number: int, names: Iterable[str | None]) -> str:
    """What a person calls an order: the first of its names (`NAMING`) that is said, or our own number."""
    return next(filter(None, names), f"#{number}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """One Requested Procedure for one patient, as the last message left it."""

    id: int
    version: int
    status: OrderStatus
    patient: Patient
    source: str
    accession_number: str | None = None
    placer_order_number: str | None = None
    filler_order_number: str | None = None
    accession_issuer: str | None = None
    placer_issuer: str | None = None
    filler_issuer: str | None = None
    requested_procedure_id: str | None = None
    scheduled_procedure_step_id: str | None = None
    placer_appointment_id: str | None = None
    filler_appointment_id: str | None = None
    booked_service: str | None = None
    """Which of several services of its booking, or procedures of its order; `None` where numbers say it."""
    study_instance_uid: str | None = None
    procedure_code: str | None = None
    procedure_description: str | None = None
    modality: str | None = None
    scheduled_start: datetime | None = None
    """Aware; the site's zone where the message gave none."""
    station_ae_title: str | None = None
    station_name: str | None = None
    location: str | None = None
    patient_class: str | None = None
    priority: Priority = Priority.ROUTINE
    message_time: datetime | None = None
    created_at: datetime
    changed_at: datetime
    plan_at: datetime | None = None
    """When it is to be planned next; `None`: nothing to plan."""
    plan_attempts: int = 0
    plan_problem: str | None = None
    """Why the last planning is incomplete, in words for the administrator."""
    planned_at: datetime | None = None
    planned_version: int | None = None
    fetch_from: datetime | None = None
    """When the first of its fetches was to begin."""
    ready_by: datetime | None = None
    """The earliest deadline among its wants."""
    fetch_now: bool = False
    """Asked for by hand: fetched at once, whatever its rules say of the time."""
    answers_since: datetime | None = None
    """No answer that an archive gave before this is used again: a person has asked since."""
    ready_at: datetime | None = None
    """When the last wanted prior was verified; `None` while any is not."""
    sayings: tuple[Saying, ...] = ()
    """Each source's last word on each field, in the order in which they were heard (`provenance`)."""
    worklist: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Its attributes in a worklist, by keyword; empty where no worklist has it."""
    segments: Sequence[Sequence[Any]] = field(default=(), repr=False, hash=False)
    """What its last messages said, field by field (`lastmessage`); empty where only a worklist has it."""

    @property
    def name(self) -> str:
        """What a person calls this order."""
        return name_of(self.id, (getattr(self, name) for name in NAMING))


class Readiness(StrEnum):
    """Whether an exam has its priors, in the operator's words."""

    UNPLANNED = "unplanned"
    UNSCHEDULED = "waits for a time"
    NAMELESS = "waits for a patient ID"
    NOTHING = "nothing to fetch"
    OBSERVED = "observed"
    WAITING = "waiting"
    READY = "ready"
    LATE = "late"
    INCOMPLETE = "incomplete"
    QUARANTINED = "quarantined"
    ON_HOLD = "on hold"
    CANCELLED = "cancelled"


# --- what an archive answers -----------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Marking:
    """A Key Object Selection Document or a Presentation State: which images of its study it refers to."""

    sop_instance_uid: str
    title: str | None = None
    """Code value of a Key Object Selection's title (PS3.16 CID 7010)."""
    images: tuple[tuple[str, str], ...] | None = None
    """Series and SOP Instance UID of each; None where the archive does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """One SERIES-level C-FIND answer (PS3.4 C.6.2.1.3); `None` is what the archive did not say."""

    series_instance_uid: str
    modality: str | None = None
    description: str | None = None
    body_part: str | None = None
    """Body Part Examined, else the code of an Anatomic Region of its images."""
    instances: int | None = None
    markings: tuple[Marking, ...] | None = None
    """What is in it, of a series of KO or PR; None where the archive was not asked, or did not say."""
    only: tuple[str, ...] = ()
    """SOP Instance UIDs, where no more of it is wanted; then `instances` is their number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Study:
    """One STUDY-level C-FIND answer (PS3.4 C.6.2.1.2), malformed values read as absent.

    `None` and `()` mean that the archive did not say; a missing count is not zero.
    """

    study_instance_uid: str
    archive: str
    patient_id: str | None = None
    """Empty where it was found by its UID, and carries none."""
    issuer_of_patient_id: str | None = None
    patient_name: str | None = None
    birth_date: str | None = None
    sex: str | None = None
    study_date: date | None = None
    study_time: str | None = None
    accession_number: str | None = None
    description: str | None = None
    institution: str | None = None
    procedure_codes: tuple[str, ...] = ()
    """Code values of Procedure Code Sequence: what was done, in the codes of whoever ordered it."""
    anatomic_regions: tuple[str, ...] = ()
    """Code values of Anatomic Regions in Study (PS3.16 CID 4)."""
    body_part: str | None = None
    """As in `Series`, where an archive says it of a study."""
    modalities: tuple[str, ...] = ()
    instances: int | None = None
    series: int | None = None
    series_found: tuple[Series, ...] | None = None
    """Its series, where the archive was asked for them; None where it was not, or did not say."""
    availability: str | None = None
    """Instance Availability: ONLINE, NEARLINE, OFFLINE, UNAVAILABLE (PS3.3 C.4.23.1.1)."""

    def with_series(self, series: tuple[Series, ...]) -> Study:
        """The same study with its series, and with their modalities where the archive did not say its own."""
        modalities = dict.fromkeys(each.modality for each in series if each.modality)
        return replace(self, series_found=series, modalities=self.modalities or tuple(modalities))


class Outcome(StrEnum):
    """What became of a C-FIND or C-MOVE, after the status tables of `dimse.status`."""

    SUCCESS = "success"
    WARNING = "warning"
    PARTIAL = "partial"
    """Some sub-operations failed."""
    SUSPECT = "suspect"
    """Success that stored nothing, or said nothing of what it stored."""
    TRANSIENT = "transient"
    """Refused in a way that time may mend."""
    UNKNOWN = "unknown"
    """The association was lost on the way: anything may have arrived."""
    UNKNOWN_DESTINATION = "unknown destination"
    """The archive does not know the Move Destination (0xA801): every move of the pair waits."""
    NOT_FOUND = "not found"
    """The archive does not have what it told of (0x0112): deleted there, or merged into another."""
    CANCELLED = "cancelled"
    PERMANENT = "permanent"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindResult:
    """All answers to one query, or why there are none. `studies` is whole only on `SUCCESS`."""

    outcome: Outcome
    studies: tuple[Study, ...] = ()
    status: int | None = None
    because: str = ""
    unwell: bool = False
    """It speaks of the archive and not of what was asked: no association, silence, out of resources."""
    refused: bool = False
    """The peer let us in and broke off before any answer, or did not let us in: it may not know us."""
    milliseconds: float = 0.0

    @property
    def has_answered(self) -> bool:
        """Whether the archive answered, if not wholly."""
        return self.outcome in ANSWERED


ANSWERED = frozenset({Outcome.SUCCESS, Outcome.WARNING, Outcome.PARTIAL})
"""Outcomes of a query that was answered, if not wholly."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveResult:
    """What an archive said of one C-MOVE. Counts are `None` where it said nothing (PS3.7 9.1.4)."""

    outcome: Outcome
    status: int | None = None
    because: str = ""
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    failed_sop_instance_uids: tuple[str, ...] = ()
    of_missing: bool = False
    """Whether no more was asked for than what an earlier move had left out; its counts are of that."""
    unwell: bool = False
    """As of a `FindResult`."""
    begun: bool = True
    """Whether the archive was asked at all; false where it rejected the association."""
    destination_silent: bool = False
    """The destination itself was asked and did not answer: nothing is said of the study or the archive."""
    tries: int | None = None
    """How many attempts its status is worth; None where our patience alone says so."""
    refused: bool = False
    """As of a `FindResult`."""
    milliseconds: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistKeys:
    """What a worklist is asked for; what is None matches all."""

    first_day: date | None = None
    last_day: date | None = None
    station_ae_title: str | None = None
    modality: str | None = None
    accession_number: str | None = None
    study_instance_uid: str | None = None
    scheduled_procedure_step_id: str | None = None
    patient_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistAnswer:
    """All items that a worklist answered, or why there are none. `items` is whole only on `SUCCESS`.

    An item is its attributes by keyword: a text as it was sent, or for a sequence a list of the same.
    """

    outcome: Outcome
    items: tuple[Mapping[str, Any], ...] = ()
    status: int | None = None
    because: str = ""
    refused: bool = False
    """As of a `FindResult`."""
    milliseconds: float = 0.0


# --- what we decide --------------------------------------------------------------------------------


class Decision(StrEnum):
    """What a plan says of one candidate."""

    TAKEN = "taken"
    PRESENT = "present"
    """Wanted, and already complete at the destination."""
    COOLING = "cooling down"
    """Wanted, and fetched for this exam a short while ago: not fetched again, though it is there no more."""
    OBSERVED = "observed"
    """Wanted, but observe mode moves nothing."""
    QUARANTINED = "quarantined"
    LEFT = "left"


class Verdict(StrEnum):
    """What a person decided on a study in quarantine."""

    RELEASED = "release"
    """It is this patient's."""
    REFUSED = "refuse"
    """It is another's."""


# Not frozen, though nobody changes one: a plan of 200 studies makes 1,600, and a frozen one costs twice as
# much.
@dataclass(slots=True, kw_only=True, unsafe_hash=True)
class Reason:
    """Why: in words, with the rule and the place in its file where one decided."""

    because: str
    rule: str | None = None
    prior_class: str | None = None
    place: str | None = None
    """`file:line` of the rule or class."""

    @property
    def is_match(self) -> bool:
        """Whether it says of a rule that it matched."""
        return self.because.startswith(MATCHES)


MATCHES = "matches"
"""Begins the reason of a rule that matched."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Graded:
    """How much a study is worth to an order, 0 to 3, and why, whatever a rule makes of it."""

    grade: int
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """A study that rules want at a destination: what the planner turns into a Retrieve and a want."""

    study: Study
    archives: tuple[str, ...]
    """Archives that hold it, or mirror one that does, in order of preference; the first is to move it."""
    destination: str
    rule: str
    prior_class: str
    grade: int
    """Relevance 0–3; 3 where the class does not grade."""
    start_at: datetime
    deadline: datetime
    observe: bool
    reason: Reason
    series: tuple[Series, ...] = ()
    """The series that are wanted of it; none: the whole study."""
    others: tuple[Reason, ...] = ()
    """Why other rules and classes want it as well."""
    closes_at: datetime | None = None
    """When the window closes in which it may be moved; None: there is none."""
    lane: Priority = Priority.ROUTINE
    """How urgent the rules that want it are."""
    cool_down: timedelta | None = None
    """How long it is not fetched again for this exam; None: whenever it is missing at the destination."""
    relevance: Graded | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """One study of the patient and what was decided, for `explain`. `destination` is None when left."""

    study: Study
    decision: Decision
    destination: str | None = None
    reasons: tuple[Reason, ...] = ()
    relevance: Graded | None = None
    series: Parts = ()
    """What is wanted of it; none: the whole study, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """A choice as the planner wants it queued: taken, present already, or in quarantine."""

    choice: Choice
    decision: Decision
    patient_id: str
    """As the archive answered it: the key to ask the destination with; empty: it is asked by UID."""
    issuer_of_patient_id: str | None = None
    lane: Priority
    expire_at: datetime
    because: str = ""
    """Why it is in quarantine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Consulted:
    """One archive's part in a plan: when it was asked of which ID, and how it answered."""

    archive: str
    asked_at: datetime
    outcome: Outcome
    answers: int
    because: str = ""
    patient_id: str | None = None
    """As it was asked, after the archive's rules; `None` where it was not asked, `because` says why."""
    issuer_of_patient_id: str | None = None
    study_instance_uid: str | None = None
    """What it was asked for instead of a patient: a study that the order names."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """What a cross-reference came to: further IDs of a patient, and what is wrong with them, in words."""

    ids: tuple[PatientId, ...] = ()
    because: str = ""
    """From where they are known."""
    problem: str | None = None
    """Why the answer is missing or old; asking again may mend it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KnownId:
    """An ID of the order's patient that a plan went by, and from where it is known."""

    id: PatientId
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Everything that one planning of one order decided, and on what ground."""

    order_id: int
    order_version: int
    made_at: datetime
    rules: tuple[Reason, ...] = ()
    """Each rule, and why it did or did not match."""
    patient_ids: tuple[KnownId, ...] = ()
    consulted: tuple[Consulted, ...] = ()
    candidates: tuple[Candidate, ...] = ()
    problem: str | None = None
    """What keeps the plan from being whole, in words; `None` where nothing does."""
    uncompared: Mapping[str, str] = field(default_factory=dict, hash=False)
    """Archive → why the birth date could be compared with none of its studies, in words."""
    waits_for_a_time: bool = False
    """Whether a rule matched that fetches only when a message has brought the exam's time."""


# --- the queue -------------------------------------------------------------------------------------


class RetrieveState(StrEnum):
    """States of a Retrieve; the transitions stand in `lifecycle.TRANSITIONS`."""

    WAITING = "waiting"
    DUE = "due"
    MOVING = "moving"
    MOVED = "moved"
    VERIFIED = "verified"
    QUARANTINED = "quarantined"
    PARTIAL = "partial"
    FAILED = "failed"
    CANCELLED = "cancelled"
    EXPIRED = "expired"


class VerifiedBy(StrEnum):
    """On whose word a prior is complete."""

    QUERY = "query"
    COMMITMENT = "commitment"
    COUNTERS = "counters"


class Part(NamedTuple):
    """A series that is wanted of a study, or some instances of one."""

    series_instance_uid: str
    instances: int | None
    """How many are wanted; None where the archive does not say how many the series has."""
    only: tuple[str, ...] = ()
    """The SOP Instance UIDs of those that are wanted; none: the whole series."""


Parts = tuple[Part, ...]
"""What is wanted of a study; none: the whole of it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Retrieve:
    """One study to be moved from one archive to one destination by a deadline."""

    id: int
    state: RetrieveState
    study_instance_uid: str
    archive: str
    archives: tuple[str, ...]
    """All archives that hold it, in order of preference."""
    destination: str
    patient_id: str
    """As the archive answered it: the key to ask the destination with; empty: it is asked by UID."""
    issuer_of_patient_id: str | None = None
    lane: Priority = Priority.ROUTINE
    start_at: datetime
    closes_at: datetime | None = None
    """No move begins after this until the order was planned again; None: nothing forbids one."""
    deadline: datetime
    expire_at: datetime
    attempts: int = 0
    checks: int = 0
    """How often the destination was asked since the last move."""
    fence: int = 0
    """Grows with each claim; a result with an older fence is dropped."""
    series: Parts = ()
    """What is wanted of it; none: the whole study."""
    missing: tuple[str, ...] = ()
    """SOP Instance UIDs that the last move named as failed: the next one asks for no others."""
    expected_instances: int | None = None
    expected_series: int | None = None
    arrived_instances: int | None = None
    completed: int | None = None
    failed: int | None = None
    warning: int | None = None
    last_outcome: Outcome | None = None
    problem: str | None = None
    verified_by: VerifiedBy | None = None
    created_at: datetime
    claimed_at: datetime | None = None
    moved_at: datetime | None = None
    verified_at: datetime | None = None

    @property
    def elsewhere(self) -> str | None:
        """The next archive that holds the study, in order of preference; None after the last."""
        after = (
            self.archives[self.archives.index(self.archive) + 1 :] if self.archive in self.archives else ()
        )
        return after[0] if after else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Want:
    """One order's wish for one Retrieve; cancelling the order withdraws only this."""

    order_id: int
    retrieve_id: int
    rule: str
    prior_class: str
    grade: int
    deadline: datetime
    withdrawn: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadyOrder:
    """An order whose priors are all verified, as far as one needs to know it."""

    id: int
    name: str
    ready_by: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Happening:
    """One entry of the append-only history, written in the transaction that it tells of."""

    at: datetime
    what: str
    """Event name as in the log: `message_acknowledged`, `order_planned`, `retrieve_verified`, …"""
    order_id: int | None = None
    retrieve_id: int | None = None
    detail: dict[str, object] = field(default_factory=dict)
