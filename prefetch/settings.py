"""What `prefetch.yaml` may say: every key with its description, its default and an example.

The peers have a module of their own; `config` loads the file and its rules and checks them together.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, time, timedelta
from enum import StrEnum
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, PlainValidator, PrivateAttr, WithJsonSchema

from prefetch import fingerprint, lifecycle, logs, modalities, sizes, spans
from prefetch.domain.trouble import TroubleScope
from prefetch.fieldpath import FieldPath
from prefetch.model import Study
from prefetch.peers import AETitle, Archive, Listener, Worklist, Workstation
from prefetch.pix import PixManager
from prefetch.relevance import comparison
from prefetch.relevance.comparison import Comparison
from prefetch.rules import Count, Destinations, Lookup, Modality, Mode, RuleSet, Version, places
from prefetch.senders import Sender
from prefetch.spans import Duration
from prefetch.yamlfile import Model, NotEmpty
from prefetch.zones import Zone

# --- values ----------------------------------------------------------------------------------------


def _read_store(said: object) -> str:
    text = said if isinstance(said, str) else ""
    found = re.fullmatch(r"(sqlite|postgresql)(?:\+\w+)?://(.*)", text)
    if not found:
        raise ValueError(
            f"“{said}” is not a store; write sqlite:////path/to/file or postgresql://host/database"
        )
    kind, rest = found.groups()
    if kind == "sqlite" and not re.fullmatch(r"/[^?#]+", rest):
        raise ValueError("write sqlite:/// and the path of a file: sqlite:////var/lib/prefetch/prefetch.db")
    if kind == "postgresql" and re.match(r"[^/@]*:[^/@]*@", rest):
        raise ValueError("a password does not belong here; keep it in the service's ~/.pgpass or $PGPASSFILE")
    return f"sqlite://{rest}" if kind == "sqlite" else f"postgresql+psycopg://{rest}"


def _read_date(said: object) -> str:
    text = re.sub(r"^(\d{4})-(\d\d)-(\d\d)$", r"\1\2\3", said) if isinstance(said, str) else ""
    try:
        return date.fromisoformat(text).strftime("%Y%m%d") if len(text) == len("19000101") else _no_date(said)
    except ValueError:
        return _no_date(said)


def _no_date(said: object) -> str:
    raise ValueError(f"“{said}” is not a date; write 19000101 or 1900-01-01")


def _read_time(said: object) -> time:
    if isinstance(said, str) and re.fullmatch(r"([01]\d|2[0-3]):[0-5]\d", said):
        return time.fromisoformat(said)
    raise ValueError(f"“{said}” is not a time of day; write one such as 08:00")


def _read_name(said: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}", said):
        raise ValueError(f"“{said}” is not a name: letters, digits, _ . and - without blanks")
    return said


def _text(**more: Any) -> WithJsonSchema:
    return WithJsonSchema({"type": "string"} | more)


Name = Annotated[str, PlainValidator(_read_name), _text()]
StoreURL = Annotated[str, PlainValidator(_read_store), _text(pattern="^(sqlite|postgresql)")]
BirthDate = Annotated[
    str, PlainValidator(_read_date), _text(type=["string", "integer"], pattern=r"^\d{4}-?\d\d-?\d\d$")
]
TimeOfDay = Annotated[time, PlainValidator(_read_time), _text(pattern=r"^\d\d:\d\d$")]


class Waits(Model):
    """How soon something is tried again; the wait doubles each time."""

    first: Duration = Field(examples=["15s"])
    """The first wait."""
    longest: Duration = Field(examples=["10m"])
    """The longest wait."""


class Retry(Waits):
    """How often and how soon something is tried again; the wait doubles each time."""

    attempts: Count = Field(examples=["5"])
    """Attempts in all."""

    @property
    def patience(self) -> lifecycle.Patience:
        """The same for the life cycle."""
        return lifecycle.Patience(attempts=self.attempts, first=self.first, most=self.longest)


# --- sections --------------------------------------------------------------------------------------


class Planning(Model):
    """Asking the archives and choosing."""

    to: Destinations | None = Field(
        default=None,
        examples=["{by: station_ae_title, map: {CT1: reading-room-1}, otherwise: reading-room-2}"],
    )
    """Where priors go for rules without `to`. Left out: the only workstation there is."""
    fetch_from: spans.Beginning = Field(
        default=spans.Moment(before_exam=timedelta(hours=24)), examples=["24h before exam", "when ordered"]
    )
    """The earliest time of a fetch, for rules without `fetch_from`."""
    ready_by: spans.Deadline = Field(
        default=spans.Moment(before_exam=timedelta(minutes=30)), examples=["30m before exam"]
    )
    """The deadline, for rules without `ready_by`."""
    deadline_if_unscheduled: Duration = Field(default=timedelta(hours=1), examples=["1h"])
    """The deadline of an order without a time, counted from its planning."""
    start_of_day: TimeOfDay = Field(default=time(8), examples=["08:00"])
    """When an exam begins for which a date was sent and no time."""
    replan_before: Duration = Field(default=timedelta(minutes=15), examples=["15m"])
    """An exam is planned again this long before its fetch begins, so that yesterday's study is not missed."""
    reuse_answer: Duration = Field(default=timedelta(minutes=2), examples=["2m"])
    """An archive's answer about a patient serves for so long before it is asked again."""
    answer_limit: Annotated[int, Field(ge=1, le=100_000)] = Field(default=2000, examples=["2000"])
    """More studies than this are not taken from one answer."""
    retry: Waits = Field(
        default=Waits(first=timedelta(seconds=15), longest=timedelta(minutes=10)),
        examples=["{first: 15s, longest: 10m}"],
    )
    """When an archive could not be asked: how soon it is asked again, while that is still worth it."""

    @property
    def patience(self) -> lifecycle.Patience:
        """How soon planning is tried again."""
        return lifecycle.Patience(first=self.retry.first, most=self.retry.longest)


class Retrieval(Model):
    """Moving, and looking whether it arrived."""

    retry: Retry = Field(
        default=Retry(attempts=5, first=timedelta(seconds=15), longest=timedelta(minutes=10)),
        examples=["{attempts: 5, first: 15s, longest: 10m}"],
    )
    """When a move failed in a way that time may mend."""
    check_again: Retry = Field(
        default=Retry(attempts=6, first=timedelta(seconds=2), longest=timedelta(minutes=1)),
        examples=["{attempts: 6, first: 2s, longest: 1m}"],
    )
    """When the workstation does not have everything yet."""
    park: Duration = Field(default=timedelta(minutes=10), examples=["10m"])
    """How long an archive's moves to a workstation rest when it says that it does not know that AE Title."""
    expire_after: Duration = Field(default=timedelta(hours=12), examples=["12h"])
    """How long after the exam's start a prior is still worth fetching; without a time, after the deadline."""
    lease: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """Work of a process that has said nothing for so long is taken over."""

    @property
    def patience(self) -> lifecycle.Patience:
        """How often a move is tried again."""
        return self.retry.patience

    @property
    def recheck(self) -> lifecycle.Patience:
        """How often the destination is asked again."""
        return self.check_again.patience


class NameConflict(StrEnum):
    """What a patient name that differs from the order's means by itself."""

    NOTE = "note"
    GIVEN_NAME = "given name"
    """Only where the given names differ: who married is noted, a twin is not taken for the other."""
    QUARANTINE = "quarantine"
    MUST_AGREE = "must agree"
    """One that cannot be compared is in doubt too."""


class BirthDateSaidBy(StrEnum):
    """Who must say a birth date before a study moves."""

    NOBODY = "nobody"
    RECORD = "record"
    """A study, where others that the archive has of the patient do."""
    STUDY = "study"
    BOTH = "both"


class Identity(Model):
    """When a study may be another patient's."""

    placeholder_birth_dates: tuple[BirthDate, ...] = Field(
        default=("19000101",), examples=["[1900-01-01, 1800-01-01]"]
    )
    """Birth dates that mean “unknown”."""
    name_conflict: NameConflict = Field(default=NameConflict.GIVEN_NAME, examples=["quarantine"])
    """A name that differs, birth date and sex agreeing: `note` it, or `quarantine` the study; `given name`
    quarantines it where the given names differ (twins), `must agree` also where names cannot be compared.
    Where birth date or sex is unknown, a name that differs always quarantines."""
    birth_date_said_by: BirthDateSaidBy = Field(default=BirthDateSaidBy.RECORD, examples=["both"])
    """Who must say a birth date before a study moves: it alone tells a namesake's study that was filed under
    the patient's number. `record`: each study, where others say one that the same archive has of the patient.
    `study`: each study, a year at least. With both, where the order says none, all studies found for it must
    agree in theirs. `both`: order and study, to the day. `nobody`: one that is not said is no conflict."""
    pix: PixManager | None = Field(
        default=None,
        examples=["{host: mpi.example.org, port: 3600, domains: {HOSP: HOSP&1.2.3&ISO, CLINIC: CLINIC}}"],
    )
    """A PIX manager that knows which other IDs a patient has. Left out: none is asked."""


_USUAL_BYTES = 10**6
_BYTES = {
    "CT": 500_000,
    "MR": 300_000,
    "PT": 100_000,
    "NM": 500_000,
    "XA": 5_000_000,
    "RF": 5_000_000,
    **dict.fromkeys(("CR", "DX", "RG", "PX", "XR"), 10_000_000),
    "MG": 25_000_000,
    "SR": 20_000,
    "PR": 20_000,
    "KO": 20_000,
}
"""Modality → bytes of an instance as they are without compression."""


class Limits(Model):
    """The most that is fetched for one exam, all rules together."""

    studies: Count = Field(default=20, examples=["20"])
    """Studies for one exam."""
    instances: Count = Field(default=20_000, examples=["20000"])
    """Instances for one exam."""
    bytes: sizes.Size | None = Field(default=None, examples=["20GB"])
    """Data for one exam, estimated: instances by `bytes_per_instance`. Left out: as much as it may be."""
    bytes_per_instance: dict[Modality, sizes.Size] = Field(default={}, examples=["{CT: 300kB, MG: 15MB}"])
    """What an instance of a modality takes in your archives, where that differs from what is usual: 0.5 MB
    for CT, 0.3 MB for MR, 10 MB for CR, DX and RG, 25 MB for MG, 1 MB for US and all others."""
    unknown_instances: Count = Field(default=500, examples=["500"])
    """What a study counts as, here and in a rule's `limits`, when no archive says how many instances it
    has."""

    def count(self, study: Study) -> int:
        """How many instances a study counts as."""
        return self.unknown_instances if study.instances is None else study.instances

    def estimate(self, study: Study) -> int:
        """How many bytes a study takes, going by the largest kind of its instances."""
        each = [self._of_instance(modality) for modality in study.modalities]
        return self.count(study) * max(each, default=_USUAL_BYTES)

    def _of_instance(self, modality: str) -> int:
        names = (modality, *(name for name, terms in modalities.FAMILIES.items() if modality in terms))
        said = next((self.bytes_per_instance[name] for name in names if name in self.bytes_per_instance), 0)
        return said or _BYTES.get(modality, _USUAL_BYTES)


class Relevance(Model):
    """A site's own words, codes and tables, beside those of the product."""

    vocabulary: Path | None = Field(default=None, examples=["vocabulary"])
    """Directory of vocabulary files whose terms are read besides ours; theirs outweigh ours."""
    procedure_codes: Path | None = Field(default=None, examples=["procedure-codes.csv"])
    """What the site's procedure codes stand for: `code,words` lines, or `code: words` in YAML."""
    grading: Path | None = Field(default=None, examples=["grading"])
    """Directory of grading tables whose lines outweigh ours."""


class Retention(Model):
    """How long things are kept."""

    history: Duration = Field(default=timedelta(days=180), examples=["180d"])
    """Orders that have passed, with their plans, retrieves and events, and what the archives answered: as far
    back as `prefetch backtest` can look."""
    messages: Duration = Field(default=timedelta(days=30), examples=["30d"])
    """HL7 messages as they came."""


class Logging(Model):
    """The log, on stderr."""

    level: Literal["debug", "info", "warning", "error"] = Field(default="info", examples=["debug"])
    """The least that is logged."""
    format: logs.Format = Field(default=logs.Format.AUTO, examples=["json"])
    """`auto` is readable on a terminal, and JSON elsewhere."""
    identifiers: logs.Identifiers = Field(default=logs.Identifiers.PLAIN, examples=["hashed"])
    """How patient IDs, accession numbers and UIDs appear. Names and birth dates never do."""


class TroubleSettings(Model):
    """When `prefetch status` and the log tell of trouble."""

    unknown_patients: Count = Field(default=20, examples=["20"])
    """An archive that knows none of so many patients in a row is told; more, where it knew few before."""
    unmatched_orders: Count = Field(default=20, examples=["20"])
    """Rules that match none of so many exams in a row are told; more, where few matched before."""
    feed_silence: Duration | None = Field(default=None, examples=["4h"])
    """A listener that has received nothing for so long is told during its first week. From the second week on
    one is told whose silence is unusual at this hour of this weekday. Left out: only from then on."""


class Footing(Model):
    """What of `prefetch.yaml` is enough to look into the store, and to act on what is queued there."""

    time_zone: Zone = Field(examples=["Europe/Berlin"])
    """The site's time zone: of times that a message sends without one, and of study dates."""
    mode: Mode = Field(default=Mode.ACTIVE, examples=["observe"])
    """`observe` decides and shows everything, and moves nothing: the way to go live."""
    store: StoreURL = Field(
        default="sqlite:////var/lib/prefetch/prefetch.db",
        examples=["sqlite:////var/lib/prefetch/prefetch.db", "postgresql://prefetch@db.example.org/prefetch"],
    )
    """The database. A path without a fourth slash begins at the directory of this file."""
    retrieval: Retrieval = Field(default=Retrieval(), examples=["{expire_after: 6h}"])
    """Moving, and looking whether it arrived."""
    trouble: TroubleSettings = Field(default=TroubleSettings(), examples=["{feed_silence: 4h}"])
    """When `prefetch status` and the log tell of trouble."""

    @property
    def trouble_scope(self) -> TroubleScope:
        """By what troubles are found."""
        return TroubleScope(
            zone=self.time_zone,
            unknown_patients=self.trouble.unknown_patients,
            unmatched_orders=self.trouble.unmatched_orders,
            feed_silence=self.trouble.feed_silence,
        )


_DECIDES_NOTHING = frozenset(
    {"timeouts", "rest", "tls", "max_associations", "studies_per_move", "settle", "verify"}
)
"""Keys of an archive or a workstation that say how it is spoken with, and not what is wanted of it."""


def _decisive(peers: Mapping[str, BaseModel]) -> dict[str, dict[str, object]]:
    return {
        name: {key: getattr(one, key) for key in type(one).model_fields if key not in _DECIDES_NOTHING}
        for name, one in peers.items()
    }


class Config(Footing):
    """The whole of `prefetch.yaml`."""

    version: Version = Field(default="1", examples=["1"])
    """Version of this format."""
    ae_title: AETitle = Field(default="PREFETCH", examples=["PREFETCH"])
    """Our own AE Title, as archives and workstations know us."""
    rules: Path = Field(default=Path("rules"), examples=["rules"])
    """Directory of the rules; it may be written from the directory of this file."""
    listeners: dict[Name, Listener] = Field(default={}, examples=["{ris: {host: 0.0.0.0, port: 2575}}"])
    """Where feeds send HL7 messages, by a name of your own."""
    senders: dict[Name, Sender] = Field(
        default={}, examples=["{old-ris: {application: OLDRIS, fields: {accession_number: [OBR-3, usual]}}}"]
    )
    """How a sender writes, where it differs from most, by a name of your own. The first that fits a message
    is taken; a message that none fits is read in the usual way."""
    worklists: dict[Name, Worklist] = Field(
        default={}, examples=["{ris-worklist: {ae_title: RIS, host: ris.example.org, port: 104}}"]
    )
    """Modality Worklists to ask for exams, by a name of your own."""
    archives: Annotated[dict[Name, Archive], NotEmpty()] = Field(
        examples=["{main-archive: {ae_title: PACS, host: pacs.example.org, port: 104}}"]
    )
    """Archives, by a name of your own, in order of preference."""
    workstations: Annotated[dict[Name, Workstation], NotEmpty()] = Field(
        examples=["{reading-room-1: {ae_title: READ1, host: 10.1.2.3, port: 11112}}"]
    )
    """Workstations to which priors go, by a name of your own."""
    planning: Planning = Field(default=Planning(), examples=["{ready_by: 45m before exam}"])
    """Asking the archives and choosing."""
    identity: Identity = Field(default=Identity(), examples=["{name_conflict: quarantine}"])
    """When a study may be another patient's."""
    limits: Limits = Field(default=Limits(), examples=["{studies: 12, instances: 10000}"])
    """The most that is fetched for one exam."""
    relevance: Relevance = Field(default=Relevance(), examples=["{procedure_codes: procedure-codes.csv}"])
    """How orders and studies are described and graded. Paths begin at the directory of this file."""
    retention: Retention = Field(default=Retention(), examples=["{history: 365d, messages: 14d}"])
    """How long things are kept."""
    logging: Logging = Field(default=Logging(), examples=["{level: debug, identifiers: hashed}"])
    """The log."""
    drain: Duration = Field(default=timedelta(seconds=20), examples=["20s"])
    """When the daemon stops, how long what is moving may go on before it is interrupted and put back."""

    _rule_set: RuleSet = PrivateAttr(default=RuleSet())
    _relevance_files: str = PrivateAttr(default="")
    _comparison: Comparison = PrivateAttr(default_factory=comparison.usual)

    @property
    def rule_set(self) -> RuleSet:
        """The rules, loaded and checked together with this."""
        return self._rule_set

    @property
    def trouble_scope(self) -> TroubleScope:
        """By what troubles are found, with the peers and rules that there are."""
        return replace(
            super().trouble_scope,
            archives=frozenset(self.archives),
            listeners=frozenset(self.listeners),
            rules=sum(rule.enabled for rule in self._rule_set.rules),
        )

    @property
    def watched(self) -> tuple[FieldPath, ...]:
        """The places in messages that rules and destinations ask for: a change there changes an order."""
        by = (self.planning.to.by,) if isinstance(self.planning.to, Lookup) else ()
        return tuple(sorted(self._rule_set.watched | frozenset(places.watched(by)), key=str))

    @property
    def comparison(self) -> Comparison:
        """How orders and studies are described and graded here."""
        return self._comparison

    def fingerprint(self) -> str:
        """What tells one plan's reasons from another's: whatever decides which studies move, where and when.

        How patiently and how much at a time peers are asked decides nothing; the product's own words do.
        """
        decides = [getattr(self, key) for key in ("time_zone", "mode", "planning", "identity", "limits")]
        peers = [_decisive(named) for named in (self.archives, self.workstations)]
        moves = self.retrieval.expire_after
        product = metadata.version("prior-study-prefetch")
        words = (self._rule_set.rules, self._relevance_files, product)
        return fingerprint.fingerprint(*decides, *peers, moves, *words)

    def with_rules(
        self, rule_set: RuleSet, compared: Comparison | None = None, *, relevance_files: str = ""
    ) -> Config:
        """The same configuration with its rules, and its own way to describe and grade.

        `relevance_files` is the fingerprint of the files that say the latter.
        """
        config = self.model_copy()
        config._relevance_files = relevance_files  # noqa: SLF001 (its own attribute, on a copy)
        config._rule_set = rule_set  # noqa: SLF001 (its own attribute, on a copy)
        if compared is not None:
            config._comparison = compared  # noqa: SLF001 (the same)
        return config
