"""PURE: all that keeps priors from coming, as one list with what to do.

Knows what the store says (`TroubleFacts`) and what the site bears (`TroubleScope`), and nothing of where
either comes from. `prefetch status` shows the list, the daemon logs each when it begins and when it ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, tzinfo
from enum import StrEnum

from prefetch.domain import feed_silence, sender_clock

UNHEARD = timedelta(seconds=30)
"""A daemon that has not written for so long is not there; it writes every five seconds."""

PAGE = "docs/reference/trouble.md"

FEWEST = 5
"""Patients, or orders, by which an archive's answers and identities are judged."""

_CHANCE = 0.001
"""How likely it may be that so many in a row are as they are by chance alone."""


class TroubleKind(StrEnum):
    """The names of troubles; they never change, and each has a section of the page."""

    NO_DAEMON = "no_daemon"
    CONFIGURATION_REFUSED = "configuration_refused"
    ARCHIVE_PAUSED = "archive_paused"
    ARCHIVE_RESTS = "archive_rests"
    MOVES_PARKED = "moves_parked"
    ARCHIVE_KNOWS_NOBODY = "archive_knows_nobody"
    ANSWERS_UNUSABLE = "answers_unusable"
    IDENTITY_NOT_COMPARED = "identity_not_compared"
    NO_RULE_MATCHES = "no_rule_matches"
    FEED_SILENT = "feed_silent"
    WORKLIST_SILENT = "worklist_silent"
    DEAD_LETTERS = "dead_letters"
    SENDER_CLOCK = "sender_clock"
    EXAMS_IN_THE_PAST = "exams_in_the_past"
    RESTART_NEEDED = "restart_needed"
    REQUESTS_REFUSED = "requests_refused"
    DESTINATION_UNKNOWN = "destination_unknown"
    SET_ASIDE = "set_aside"


class Severity(StrEnum):
    """How bad a trouble is."""

    ERROR = "error"
    """Nothing comes."""
    WARNING = "warning"
    """Something may not come."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trouble:
    """One thing that keeps priors from coming."""

    name: TroubleKind
    subject: str
    """The archive, the listener, …; empty where it concerns all."""
    sentence: str
    remedy: str
    severity: Severity = Severity.WARNING
    since: datetime | None = None
    """Since when; None where it has only now been noticed."""

    @property
    def page(self) -> str:
        """Where the manual tells of it."""
        return f"{PAGE}#{self.name}"

    @property
    def whole(self) -> str:
        """The sentence and the remedy in one line."""
        return f"{self.sentence}; {self.remedy}"


# --- facts -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleScope:
    """What the site bears, and which peers it has; a set that is None is not known."""

    zone: tzinfo
    unknown_patients: int = 20
    unmatched_orders: int = 20
    feed_silence: timedelta | None = None
    archives: frozenset[str] | None = None
    listeners: frozenset[str] | None = None
    rules: int | None = None
    """How many rules are switched on."""

    def has_archive(self, name: str) -> bool:
        """Whether the site still has an archive of that name."""
        return self.archives is None or name in self.archives

    def has_listener(self, name: str) -> bool:
        """Whether the site still has a listener of that name."""
        return self.listeners is None or name in self.listeners


@dataclass(frozen=True, slots=True, kw_only=True)
class DaemonFact:
    """A daemon that runs, or ran lately."""

    started_at: datetime
    seen_at: datetime
    loaded_at: datetime | None = None
    refused_at: datetime | None = None
    refused_because: str | None = None
    waits_for_restart: Sequence[str] = ()
    """What was reloaded and only a start can bring into force, in words."""
    refusals: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Peer → what it refuses every time, with what to do, in words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ArchiveFact:
    """Who or what keeps an archive from being asked to move."""

    name: str
    paused_at: datetime | None = None
    paused_by: str | None = None
    resting_until: datetime | None = None
    resting_because: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParkedFact:
    """Moves of an archive to a workstation that wait."""

    archive: str
    destination: str
    until: datetime
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DestinationFact:
    """A workstation that an archive does not know."""

    archive: str
    destination: str
    failures: int
    since: datetime | None
    reason: str | None
    remedy: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorklistFact:
    """How a worklist answered last."""

    name: str
    answered_at: datetime | None
    silent_at: datetime
    because: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerFact:
    """What one archive answered of one ID."""

    archive: str
    patient_id: str
    issuer: str
    asked_at: datetime
    studies: int
    is_unreadable: bool = False
    """Nothing of the answer could be read."""
    is_bare: bool = False
    """No study of it has a date, a description or a modality."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanFact:
    """What the last plan of one order came to."""

    order_id: int
    made_at: datetime
    has_match: bool
    answered_by: frozenset[str] = frozenset()
    """Archives that answered any study."""
    uncompared: Mapping[str, str] = field(default_factory=dict)
    """Archive → why the birth date could be compared with none of its studies."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockFact:
    """The times of a sender's last messages."""

    source: str
    sender: str
    zone: tzinfo | None
    """In which its times without an offset are read; None: the site's."""
    measures: tuple[sender_clock.Measure, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TroubleFacts:
    """All that troubles are found by. Answers and plans stand newest first."""

    daemons: Sequence[DaemonFact] = ()
    archives: Sequence[ArchiveFact] = ()
    parked: Sequence[ParkedFact] = ()
    unknown_destinations: Sequence[DestinationFact] = ()
    dead_letters: int = 0
    set_aside: Mapping[str, int] = field(default_factory=dict)
    """What was set aside after failures of ours → how many: orders, retrieves."""
    worklists: Sequence[WorklistFact] = ()
    feeds: Sequence[feed_silence.FeedHistory] = ()
    answers: Sequence[AnswerFact] = ()
    plans: Sequence[PlanFact] = ()
    clocks: Sequence[ClockFact] = ()
    exams: Mapping[str, Sequence[sender_clock.ExamTime]] = field(default_factory=dict)
    """Source → when the last exams that it told of begin, newest first."""
    open: Mapping[tuple[str, str], datetime] = field(default_factory=dict)
    """(name, subject) of what was noticed before → since when."""

    def alive(self, now: datetime) -> list[DaemonFact]:
        """The daemons that run."""
        return [daemon for daemon in self.daemons if now - daemon.seen_at < UNHEARD]


Find = Callable[[TroubleFacts, TroubleScope, datetime], Iterable[Trouble]]


def find_trouble(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> tuple[Trouble, ...]:
    """Give all troubles, each with since when."""
    found = (trouble for find in FINDERS for trouble in find(facts, scope, now))
    return tuple(_with_since(trouble, facts) for trouble in found)


def _with_since(trouble: Trouble, facts: TroubleFacts) -> Trouble:
    noticed = (trouble.since, facts.open.get((trouble.name.value, trouble.subject)))
    return replace(trouble, since=min(filter(None, noticed), default=None))


# --- the daemon and its peers ----------------------------------------------------------------------


def _no_daemon(facts: TroubleFacts, _scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    if not facts.alive(now):
        yield Trouble(
            name=TroubleKind.NO_DAEMON,
            subject="",
            severity=Severity.ERROR,
            sentence="no daemon is running",
            remedy="`systemctl start prefetch` starts it, `journalctl -u prefetch` says why it ended",
            since=max((daemon.seen_at for daemon in facts.daemons), default=None),
        )


def _configuration_refused(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for daemon in facts.daemons:
        if daemon.refused_at is not None:
            loaded = _time(daemon.loaded_at or daemon.started_at, scope, now)
            yield Trouble(
                name=TroubleKind.CONFIGURATION_REFUSED,
                subject="",
                sentence=f"the configuration of {loaded} is in force; what was reloaded at "
                f"{_time(daemon.refused_at, scope, now)} was refused: {daemon.refused_because}",
                remedy="mend the files, `prefetch check` says when they are right, then reload",
                since=daemon.refused_at,
            )
            return


def _restart_needed(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for daemon in facts.alive(now):
        for waiting in daemon.waits_for_restart:
            loaded = _time(daemon.loaded_at or daemon.started_at, scope, now)
            yield Trouble(
                name=TroubleKind.RESTART_NEEDED,
                subject=waiting.partition(" ")[0],
                sentence=f"what was reloaded at {loaded} is in force, but: {waiting}",
                remedy="`systemctl restart prefetch` brings it into force",
                since=daemon.loaded_at,
            )


def _requests_refused(facts: TroubleFacts, _scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    refused = {
        peer: tuple(sentences) for daemon in facts.alive(now) for peer, sentences in daemon.refusals.items()
    }
    for peer, sentences in refused.items():
        yield Trouble(
            name=TroubleKind.REQUESTS_REFUSED,
            subject=peer,
            severity=Severity.ERROR,
            sentence="; ".join(f"{peer} {sentence}" for sentence in sentences),
            remedy=f"`prefetch echo {peer}` tries it now",
        )


def _unknown_destinations(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for pair in facts.unknown_destinations:
        since = f" since {_time(pair.since, scope, now)}" if pair.since else ""
        yield Trouble(
            name=TroubleKind.DESTINATION_UNKNOWN,
            subject=f"{pair.archive} → {pair.destination}",
            severity=Severity.ERROR,
            sentence=f"{pair.archive} does not know {pair.destination}: {pair.failures} moves in a row "
            f"failed{since} ({pair.reason})",
            remedy=f"{pair.remedy}; moves are tried again by themselves, `prefetch echo {pair.archive}` "
            "shows whether one has gone",
            since=pair.since,
        )


def _set_aside(facts: TroubleFacts, _scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    for what, count in facts.set_aside.items():
        if count:
            yield Trouble(
                name=TroubleKind.SET_ASIDE,
                subject=what,
                sentence=f"{count} {what} were set aside, for they made us fail three times",
                remedy=_AGAIN[what],
            )


_AGAIN = {
    "orders": "report it with the log's `order_set_aside`; `prefetch replan ORDER` plans one once more",
    "retrieves": "report it with the log's `retrieve_set_aside`; `prefetch retry N` tries one once more",
}


def _archives_that_wait(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    refused = {peer for daemon in facts.alive(now) for peer in daemon.refusals}
    for archive in facts.archives:
        if archive.paused_at is not None:
            yield Trouble(
                name=TroubleKind.ARCHIVE_PAUSED,
                subject=archive.name,
                sentence=f"{archive.name} is paused by {archive.paused_by}",
                remedy=f"`prefetch resume {archive.name}` ends it",
                since=archive.paused_at,
            )
        elif (
            archive.resting_until is not None and archive.resting_until > now and archive.name not in refused
        ):
            yield Trouble(
                name=TroubleKind.ARCHIVE_RESTS,
                subject=archive.name,
                sentence=f"{archive.name} rests until {_time(archive.resting_until, scope, now)} and is "
                f"tried again then: {archive.resting_because}",
                remedy=f"`prefetch echo {archive.name}` tries it now",
            )


def _parked(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    unknown = {(pair.archive, pair.destination) for pair in facts.unknown_destinations}
    for pair in facts.parked:
        if (pair.archive, pair.destination) in unknown:
            continue
        yield Trouble(
            name=TroubleKind.MOVES_PARKED,
            subject=f"{pair.archive} → {pair.destination}",
            sentence=f"moves from {pair.archive} to {pair.destination} wait until "
            f"{_time(pair.until, scope, now)}: {pair.because}",
            remedy="`prefetch echo` says whether the workstation answers, and whether the archive knows it; "
            "make the workstation's AE title known to the archive, and see that it can be reached",
        )


# --- what archives answer --------------------------------------------------------------------------


def _knows_nobody(facts: TroubleFacts, scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    for archive, answers in _by_archive(facts, scope).items():
        readable = [answer for answer in answers if not answer.is_unreadable]
        if not _is_uncommon_run([answer.studies > 0 for answer in readable], scope.unknown_patients):
            continue
        run = _run([answer.studies > 0 for answer in readable])
        yield Trouble(
            name=TroubleKind.ARCHIVE_KNOWS_NOBODY,
            subject=archive,
            severity=Severity.ERROR if run == len(readable) else Severity.WARNING,
            sentence=f"{archive} knows none of the last {run} patients that it was asked about: it may file "
            "under another issuer or another form of the ID, or be the wrong archive",
            remedy=f"`prefetch echo --patient ID {archive}`, with the ID of a patient who has studies there, "
            "shows what it answers to each way of asking",
            since=readable[run - 1].asked_at,
        )


def _unusable(facts: TroubleFacts, scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    for archive, answers in _by_archive(facts, scope).items():
        speaking = [answer for answer in answers if answer.studies or answer.is_unreadable]
        last = speaking[: max(FEWEST, scope.unknown_patients)]
        if len(last) < FEWEST or not all(answer.is_unreadable or answer.is_bare for answer in last):
            continue
        cannot = (
            "can be read"
            if all(answer.is_unreadable for answer in last)
            else "names a study with a date, a description or a modality"
        )
        yield Trouble(
            name=TroubleKind.ANSWERS_UNUSABLE,
            subject=archive,
            severity=Severity.ERROR,
            sentence=f"none of the last {len(last)} answers of {archive} {cannot}",
            remedy=f"`prefetch echo --patient ID {archive}` shows what it answers; see to its character set "
            "and to the attributes that it returns at STUDY level",
            since=last[-1].asked_at,
        )


def _by_archive(facts: TroubleFacts, scope: TroubleScope) -> dict[str, list[AnswerFact]]:
    """Give for each archive what it answered last of each patient, newest first, under all issuers."""
    latest: dict[tuple[str, str, str], AnswerFact] = {}
    for answer in facts.answers:
        if scope.has_archive(answer.archive):
            latest.setdefault((answer.archive, answer.patient_id, answer.issuer), answer)
    patients: dict[tuple[str, str], AnswerFact] = {}
    for answer in latest.values():
        known = patients.get((answer.archive, answer.patient_id), answer)
        patients[answer.archive, answer.patient_id] = answer if answer.studies > known.studies else known
    archives: dict[str, list[AnswerFact]] = {}
    for answer in patients.values():
        archives.setdefault(answer.archive, []).append(answer)
    return archives


def _identity_not_compared(facts: TroubleFacts, scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    archives = sorted({archive for plan in facts.plans for archive in plan.answered_by})
    for archive in filter(scope.has_archive, archives):
        plans = [plan for plan in facts.plans if archive in plan.answered_by]
        if len(plans) < FEWEST or not all(archive in plan.uncompared for plan in plans):
            continue
        yield Trouble(
            name=TroubleKind.IDENTITY_NOT_COMPARED,
            subject=archive,
            sentence=f"identity could not be compared in any of the last {len(plans)} exams with studies at "
            f"{archive}: {plans[0].uncompared[archive]}",
            remedy=f"`prefetch explain '#{plans[0].order_id}'` shows one; have the RIS send PID-7 and the "
            "archive answer Patient's Birth Date",
            since=plans[-1].made_at,
        )


# --- rules -----------------------------------------------------------------------------------------


def _no_rule_matches(facts: TroubleFacts, scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    if scope.rules == 0:
        yield Trouble(
            name=TroubleKind.NO_RULE_MATCHES,
            subject="",
            severity=Severity.ERROR,
            sentence="no rule is switched on: nothing is fetched for any exam",
            remedy="put rules into the directory `rules`, `prefetch check` and reload",
        )
        return
    matches = [plan.has_match for plan in facts.plans]
    if not _is_uncommon_run(matches, scope.unmatched_orders):
        return
    run = _run(matches)
    yield Trouble(
        name=TroubleKind.NO_RULE_MATCHES,
        subject="",
        severity=Severity.ERROR if run == len(matches) else Severity.WARNING,
        sentence=f"no rule matched any of the last {run} exams: nothing is fetched for them",
        remedy=f"`prefetch explain '#{facts.plans[0].order_id}'` says for each rule why not; mend its "
        "`when`, `prefetch test` and reload",
        since=facts.plans[run - 1].made_at,
    )


def _run(flags: Sequence[bool]) -> int:
    """Count how many stand before the first that is true."""
    return flags.index(True) if True in flags else len(flags)


def _is_uncommon_run(flags: Sequence[bool], least: int) -> bool:
    """Tell whether so many false ones in front are no chance, given how common true ones are behind them."""
    run = _run(flags)
    if run < least:
        return False
    before = flags[run:]
    usual = sum(before) / len(before) if before else 1.0
    return (1.0 - usual) ** run < _CHANCE


# --- feeds -----------------------------------------------------------------------------------------


def _silent_feeds(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    alive = facts.alive(now)
    listening_since = min((daemon.started_at for daemon in alive), default=None)
    for feed in facts.feeds:
        if not scope.has_listener(feed.source):
            continue
        is_silent = feed_silence.is_silent(
            feed,
            now=now,
            zone=scope.zone,
            listening_since=listening_since,
            told_at=facts.open.get((TroubleKind.FEED_SILENT.value, feed.source)),
            fallback=scope.feed_silence,
        )
        if is_silent:
            yield Trouble(
                name=TroubleKind.FEED_SILENT,
                subject=feed.source,
                sentence=f"{feed.source} has sent nothing since {_time(feed.last_message_at, scope, now)}: "
                "longer than is usual at this hour of this weekday",
                remedy="see whether the RIS or the interface engine still sends to this listener; "
                "`prefetch orders` shows what is known",
                since=feed.last_message_at,
            )


def _silent_worklists(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for worklist in facts.worklists:
        if now > worklist.silent_at:
            answered = worklist.answered_at
            since = "it was first asked" if answered is None else _time(answered, scope, now)
            yield Trouble(
                name=TroubleKind.WORKLIST_SILENT,
                subject=worklist.name,
                sentence=f"worklist {worklist.name} has not answered wholly since {since}: "
                f"{worklist.because}",
                remedy="nothing is cancelled on its word meanwhile, "
                f"`prefetch echo {worklist.name}` tries it",
                since=answered,
            )


def _dead_letters(facts: TroubleFacts, _scope: TroubleScope, _now: datetime) -> Iterator[Trouble]:
    if count := facts.dead_letters:
        yield Trouble(
            name=TroubleKind.DEAD_LETTERS,
            subject="",
            sentence=f"{count} message{'s' if count > 1 else ''} could not be understood",
            remedy="`prefetch dead-letters list` says why",
        )


def _sender_clocks(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for clock in facts.clocks:
        wrong_by = sender_clock.find_difference(clock.measures) if scope.has_listener(clock.source) else None
        if wrong_by is None:
            continue
        if all(measure.has_offset for measure in clock.measures):
            remedy = "it writes its offset from UTC: its clock or its zone is wrong, have it set there"
        else:
            fits = _fitting(clock.zone or scope.zone, wrong_by, now)
            remedy = (
                f"{fits} would fit: set `time_zone` for it under `senders`, or for the site where all its "
                "times are so, or have the sender's clock set"
            )
        yield Trouble(
            name=TroubleKind.SENDER_CLOCK,
            subject=clock.source if not clock.sender else f"{clock.source} ({clock.sender})",
            sentence=f"messages of {clock.sender or 'a sender'} to {clock.source} are dated (MSH-7) "
            f"{_hours(wrong_by)} {'ahead of' if wrong_by > timedelta() else 'behind'} the clock: the "
            "times of its exams may be wrong by as much",
            remedy=remedy,
        )


def _past_exams(facts: TroubleFacts, scope: TroubleScope, now: datetime) -> Iterator[Trouble]:
    for source, exams in facts.exams.items():
        lateness = sender_clock.find_lateness(exams)
        if lateness is None:
            continue
        fits = _fitting(scope.zone, -lateness, now)
        yield Trouble(
            name=TroubleKind.EXAMS_IN_THE_PAST,
            subject=source,
            sentence=f"most of the last {len(exams)} exams of {source} had begun {_hours(lateness)} or more "
            "before their order came: their times may be read in the wrong zone",
            remedy=f"{fits} would put them in the future: set `time_zone` for the sender under `senders`, or "
            "for the site; or orders come late, then nothing can be fetched before the exam",
        )


def _fitting(used: tzinfo, wrong_by: timedelta, now: datetime) -> str:
    offset, names = sender_clock.fitting_zones(used, wrong_by, now)
    named = " or ".join(names)
    return f"{sender_clock.offset_name(offset)}{f' ({named})' if named else ''}"


FINDERS: tuple[Find, ...] = (
    _no_daemon,
    _configuration_refused,
    _restart_needed,
    _requests_refused,
    _archives_that_wait,
    _unknown_destinations,
    _parked,
    _set_aside,
    _knows_nobody,
    _unusable,
    _identity_not_compared,
    _no_rule_matches,
    _silent_feeds,
    _silent_worklists,
    _dead_letters,
    _sender_clocks,
    _past_exams,
)
"""One function a kind or two; a new kind is a name, a function and a section of the page."""


# --- words -----------------------------------------------------------------------------------------


def _time(moment: datetime, scope: TroubleScope, now: datetime) -> str:
    """Write a time as the site's clocks show it, no longer than it must be."""
    local, today = moment.astimezone(scope.zone), now.astimezone(scope.zone)
    if local.date() == today.date() or now < moment < now + timedelta(hours=12):
        return f"{local:%H:%M:%S}"
    return (
        f"{local:%a %H:%M}" if timedelta() <= now - moment < timedelta(days=6) else f"{local:%Y-%m-%d %H:%M}"
    )


def _hours(length: timedelta) -> str:
    hours = abs(length) / timedelta(hours=1)
    return f"{hours:g} hour{'' if hours == 1 else 's'}"
