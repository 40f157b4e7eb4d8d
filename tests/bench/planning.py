"""What planning an order costs, the queries aside: `python -m tests.bench.planning`.

Two hundred studies of one patient, each with a description of its own, are identified, graded, and chosen
among with the shipped library of rules; the plan is written as a document. Beside it what a user would pick
instead: the same modality and a keyword in common, the newest two of five years, without a reason.
"""

from __future__ import annotations

import gc
import itertools
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

import typer

from prefetch import config, model
from prefetch.planning import draft, identity, keys, matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.store import documents
from tests.bench import machine, relevance

CANDIDATES = 200
ROUNDS = 60
RULES = Path(__file__).parents[2] / "rules"
NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
PATIENT = model.Patient(patient_id="4711", name="Muster^Anna", birth_date="19600131", sex="F")
ORDERS = (
    ("CT", "CT chest abdomen pelvis with contrast"),
    ("DX", "XR chest 2 views"),
    ("MR", "MR knee left"),
)


def history() -> tuple[model.Study, ...]:
    """The patient's studies, the newest first."""
    return tuple(
        model.Study(
            study_instance_uid=f"1.2.{number}",
            archive="archive",
            patient_id=PATIENT.patient_id,
            patient_name=PATIENT.name,
            birth_date=PATIENT.birth_date,
            sex=PATIENT.sex,
            study_date=date(2026, 2, 1) - timedelta(days=20 * number),
            description=text,
            modalities=(("CT",), ("DX",), ("MR",), ("US",))[number % 4],
            instances=100,
        )
        for number, text in enumerate(itertools.islice(relevance.texts(), CANDIDATES))
    )


def order(modality: str, description: str) -> model.Order:
    """An exam of tomorrow."""
    return model.Order(
        id=1,
        version=1,
        status=model.OrderStatus.SCHEDULED,
        patient=PATIENT,
        source="ris",
        accession_number="A1",
        modality=modality,
        procedure_description=description,
        scheduled_start=NOW + timedelta(days=1),
        created_at=NOW,
        changed_at=NOW,
    )


def plan(of: model.Order, studies: tuple[model.Study, ...], site: config.Config) -> int:
    """All that the planner does of one order between the queries; gives how many priors it wants."""
    matches = matching.match_rules(site.rule_set, of, site=site, now=NOW)
    circumstances = Circumstances.of(site, NOW)
    key = keys.own(PATIENT.ids)
    answer = draft.Answer(
        archive="archive", asked_at=NOW, studies=studies, outcome=model.Outcome.SUCCESS, asked=key
    )
    select.to_look_into(matches, of, {"archive": studies}, circumstances=circumstances)
    facts = draft.Facts(order=of, verdicts={}, policy=identity.Policy.of(site), circumstances=circumstances)
    draft.still_to_ask(facts, matches, [])
    draft.still_to_ask(facts, matches, [answer])
    found = draft.sort_studies(facts, matches, [answer])
    wanted = draft.want(of, found, present=(), expire_after=timedelta(hours=12))
    rules = tuple(match.reason for match in found.matches)
    candidates = draft.candidates(found, present=())
    documents.write_plan(
        model.Plan(order_id=1, order_version=1, made_at=NOW, rules=rules, candidates=candidates)
    )
    return len(wanted)


def naive(of: model.Order, studies: Sequence[model.Study]) -> int:
    """Same modality, a word of the description in common, the newest two of five years."""
    words = set((of.procedure_description or "").lower().split())
    since = NOW.date() - timedelta(days=5 * 365)
    fitting = [
        study
        for study in studies
        if of.modality in study.modalities
        and words & set((study.description or "").lower().split())
        and study.study_date is not None
        and study.study_date >= since
    ]
    return len(fitting[:2])


def milliseconds(work: Callable[[], int]) -> float:
    """The least of the processor's time that something takes: what a busy machine adds is not its own."""
    taken = []
    gc.collect()
    for _ in range(ROUNDS):
        begun = time.process_time()
        work()
        taken.append(time.process_time() - begun)
    return 1000 * min(taken)


def main() -> None:
    """Print a line an order."""
    site, studies = config.made_up(RULES), history()
    for modality, description in ORDERS:
        of = order(modality, description)
        begun = time.process_time()
        wanted = plan(of, studies, site)
        first = 1000 * (time.process_time() - begun)
        ours = milliseconds(partial(plan, of, studies, site))
        theirs = milliseconds(partial(naive, of, studies))
        typer.echo(
            f"planned   {ours:6.1f} ms of the processor, {CANDIDATES} candidates, {wanted} wanted "
            f"(the first time {first:.0f} ms, keywords {theirs:.1f} ms): {description}"
        )
    with TemporaryDirectory() as directory:
        typer.echo(machine.describe(Path(directory)))


if __name__ == "__main__":
    main()
