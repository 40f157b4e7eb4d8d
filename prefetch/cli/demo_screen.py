"""What `prefetch demo` shows: the opening, the walk while it runs, the exams at the end, the verdict."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from prefetch import model, readiness
from prefetch.model import Readiness, RetrieveState

if TYPE_CHECKING:
    from prefetch.sandbox.judge import Verdict
    from prefetch.sandbox.premises import Premises

STYLES = {
    Readiness.READY: "green",
    Readiness.WAITING: "yellow",
    Readiness.UNPLANNED: "dim",
    Readiness.NOTHING: "dim",
    Readiness.CANCELLED: "dim",
    Readiness.LATE: "magenta",
    Readiness.INCOMPLETE: "bold red",
    Readiness.QUARANTINED: "bold red",
}

_STATE_STYLES = {
    RetrieveState.WAITING: "yellow",
    RetrieveState.QUARANTINED: "bold red",
    RetrieveState.PARTIAL: "bold red",
    RetrieveState.FAILED: "bold red",
    RetrieveState.EXPIRED: "bold red",
}

WIDE = 160
"""Columns from which on a prior and its reason stand on one line."""
NAME = 56
"""Columns of a prior's name on a wide screen."""
VERIFIED = len(Readiness.NOTHING)

Show = Callable[["Glance"], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """One look into the store."""

    now: datetime
    exams: Sequence[readiness.Exam]
    sent: int
    """Messages that the RIS sent; a repeat is none of its own."""
    read: int

    def funnel(self) -> list[tuple[str, int, int]]:
        """Each stage of the walk: its name, how many have come so far, and out of how many."""
        live = [exam for exam in self.exams if exam.order.status is not model.OrderStatus.CANCELLED]
        planned = sum(exam.plan is not None for exam in live)
        retrieves = {retrieve.id: retrieve for exam in live for retrieve in exam.retrieves}.values()
        due = [retrieve for retrieve in retrieves if retrieve.state not in _NOT_NOW]
        moved = sum(retrieve.moved_at is not None for retrieve in due)
        verified = sum(retrieve.state is RetrieveState.VERIFIED for retrieve in due)
        return [
            ("messages read", self.read, self.sent),
            ("exams planned", planned, len(live)),
            ("priors moved", moved, len(due)),
            ("priors verified", verified, len(due)),
        ]


_NOT_NOW = {RetrieveState.WAITING, RetrieveState.QUARANTINED, RetrieveState.CANCELLED}


class Lines:
    """Plain progress for where no terminal is: a line when something changed, not more than one a second."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._last: list[tuple[str, int, int]] = []
        self._at: datetime | None = None

    def __call__(self, glance: Glance) -> None:
        """Print how far it is, if that is news."""
        funnel = glance.funnel()
        if funnel == self._last or (self._at and glance.now - self._at < timedelta(seconds=1)):
            return
        self._last, self._at = funnel, glance.now
        line = ", ".join(f"{name} {count}/{of}" for name, count, of in funnel)
        self._console.print(f"{glance.now:%H:%M:%S}  {line}", highlight=False, soft_wrap=True)


def opening(premises: Premises) -> Text:
    """Who is on the stage."""
    hospital = premises.morning.hospital
    lines = [line for patient in hospital.patients for line in patient.studies]
    counts = {name: archive.holdings.counts() for name, archive in premises.archives.items()}
    archives = ", ".join(f"{name} with {len(held)} studies" for name, held in counts.items())
    return Text(
        f"A hospital in a box: {len(hospital.patients)} patients with {len(lines)} earlier studies.\n"
        f"Archives: {archives}. Workstations: {', '.join(premises.workstations)}.\n"
        f"A RIS books {len(list(hospital.exams()))} exams. All on loopback, all made up.\n"
    )


def picture(glance: Glance) -> RenderableType:
    """The walk as it stands, and each exam's readiness."""
    stages = Table.grid(padding=(0, 2))
    for name, count, of in glance.funnel():
        stages.add_row(name, ProgressBar(total=max(of, 1), completed=count, width=40), f"{count} of {of}")
    cells = [_cell(exam, glance.now) for exam in glance.exams]
    grid = Table.grid(padding=(0, 3))
    columns = 4
    for at in range(0, len(cells), columns):
        grid.add_row(*cells[at : at + columns])
    return Group(stages, Text(), grid)


def _cell(exam: readiness.Exam, now: datetime) -> Text:
    word = readiness.judge(exam, now)
    verified = sum(retrieve.state is RetrieveState.VERIFIED for retrieve in exam.retrieves)
    share = f" {verified}/{len(exam.retrieves)}" if exam.retrieves else ""
    return Text(
        f"{exam.order.name} {exam.order.modality or '?':<2} {word}{share}", style=STYLES.get(word, "")
    )


# --- the last screen -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prior:
    """A chosen study, and what became of it."""

    candidate: model.Candidate
    retrieve: model.Retrieve

    @property
    def study(self) -> model.Study:
        return self.candidate.study

    @property
    def why(self) -> str:
        """Which rule and class, and the last word of the reason; `explain` tells it whole."""
        reason = self.candidate.reasons[0]
        rule = "/".join(filter(None, (reason.rule, reason.prior_class)))
        return f"{rule}: {reason.because.rpartition('; ')[2]}"


def exams_table(exams: Iterable[readiness.Exam], *, now: datetime, width: int) -> Text:
    """Each exam: the priors chosen and why, when they were verified, how long before the start.

    Where the screen is narrow the reason stands on a line of its own.
    """
    lines = [_Line(name="exam and its priors", why="why", verified="verified", before="before start")]
    far = datetime.max.replace(tzinfo=UTC)
    for exam in sorted(exams, key=lambda exam: exam.order.scheduled_start or far):
        lines += [_Line(), _exam_line(exam, now)]
        lines += [_prior_line(prior, exam.order, now) for prior in _priors(exam)]
    laid_out = [line.laid_out(width) for line in lines]
    for line in laid_out:
        line.rstrip()
    return Text("\n").join(laid_out)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Line:
    """One line of the table, in columns of which only the names and reasons give way."""

    name: str = ""
    name_style: str = ""
    why: str = ""
    verified: str = ""
    verified_style: str = ""
    before: str = ""

    def laid_out(self, width: int) -> Text:
        end = Text.assemble(
            "  ",
            _fitted(self.verified, VERIFIED, self.verified_style),
            "  ",
            self.before.rjust(len("before start")),
        )
        rest = width - end.cell_len
        if width >= WIDE:
            name, why = _fitted(self.name, NAME, self.name_style), _fitted(self.why, rest - NAME - 2, "dim")
            return Text.assemble(name, "  ", why, end)
        below = (f"\n{'':14}{self.why}", "dim") if self.why else ""
        return Text.assemble(_fitted(self.name, rest, self.name_style), end, below)


def _fitted(words: str, width: int, style: str) -> Text:
    text = Text(words, style=style)
    text.truncate(width, overflow="ellipsis", pad=True)
    return text


def _priors(exam: readiness.Exam) -> list[_Prior]:
    """What an exam's retrieves are about, the newest first."""
    candidates = {
        candidate.study.study_instance_uid: candidate
        for candidate in (exam.plan.candidates if exam.plan else ())
    }
    priors = [
        _Prior(candidate=candidates[retrieve.study_instance_uid], retrieve=retrieve)
        for retrieve in exam.retrieves
        if retrieve.study_instance_uid in candidates
    ]
    return sorted(priors, key=lambda prior: prior.study.study_date or date.min, reverse=True)


def _exam_line(exam: readiness.Exam, now: datetime) -> _Line:
    order = exam.order
    start = (
        f"{order.scheduled_start.astimezone(now.tzinfo):%a %H:%M}" if order.scheduled_start else "no time yet"
    )
    word = readiness.judge(exam, now)
    return _Line(
        name=f"{order.name}  {start}  {order.procedure_description}",
        name_style="bold",
        verified=word,
        verified_style=STYLES.get(word, ""),
    )


def _prior_line(prior: _Prior, order: model.Order, now: datetime) -> _Line:
    study, retrieve = prior.study, prior.retrieve
    at = retrieve.verified_at
    modalities = "/".join(study.modalities)
    return _Line(
        name=f"  {study.study_date or 'no date'}  {modalities:<5}  {study.description or ''}",
        why=f"{prior.why}, from {retrieve.archive}",
        verified=f"{at.astimezone(now.tzinfo):%H:%M:%S}" if at else retrieve.state,
        verified_style=_STATE_STYLES.get(retrieve.state, ""),
        before=_ahead(order.scheduled_start, at) if at else "",
    )


def _ahead(start: datetime | None, verified_at: datetime) -> str:
    if start is None:
        return "–"
    hours, minutes = divmod(int((start - verified_at).total_seconds() // 60), 60)
    return f"{hours} h {minutes:02} min" if hours else f"{minutes} min"


def verdict(found: Verdict) -> Text:
    """What the judge found on the workstations."""
    arrivals = [(finding, arrival) for finding in found.findings for arrival in finding.arrivals]
    short = [
        f"{finding.accession}: {arrival.study} has {arrival.instances} of {arrival.expected} instances"
        for finding, arrival in arrivals
        if not arrival.is_complete
    ]
    forbidden = [
        f"{finding.accession}: {key} must not be there"
        for finding in found.findings
        for key in finding.forbidden
    ]
    strangers = [f"{key} is of a patient who has no exam" for key in found.strangers]
    complete = f"{len(arrivals) - len(short)} of {len(arrivals)}"
    intruders = len(forbidden) + len(strangers) or "nothing"
    summary = (
        f"On the workstations: {complete} priors that a radiologist wants, complete; "
        f"{intruders} that must not be there."
    )
    lines = [summary, *(f"  {line}" for line in short + forbidden + strangers)]
    return Text("\n".join(lines), style="bold green" if found.is_good else "bold red")


def how_to_talk(program: Sequence[str], configuration: Path, later: Path) -> list[tuple[list[str], str]]:
    """Commands to try, each with what it shows."""
    config = ["--config", str(configuration)]
    return [
        ([*program, "orders", *config], "the exams, and whether their priors are there"),
        (
            [*program, "explain", "N26010", *config],
            "one exam's story: every candidate, taken or left, and why",
        ),
        ([*program, "quarantine", *config], "studies that may be another patient's"),
        (
            [*program, "submit", str(later), *config],
            "book one more exam; then look at it with explain N26029",
        ),
    ]
