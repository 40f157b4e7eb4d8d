"""Archives that hold the same studies and disagree in how they answer get the same plan."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from contextlib import AsyncExitStack, ExitStack, closing
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from prefetch import bell, config, dialling, health, model
from prefetch.dimse import association
from prefetch.model import Decision
from prefetch.planning import inquiries, planner
from prefetch.sandbox import quirks, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.quirks import QUIRKS
from prefetch.store import plans
from prefetch.store.database import Database
from tests.queued import Queue

pytestmark = pytest.mark.xdist_group("opposite quirks")

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
ANNE = model.Patient(patient_id="ABC01", name="Müller^Änne", birth_date="19500304", sex="F")
ANOTHER = model.Patient(patient_id="abc01", name="Muster^Berta", birth_date="19610101", sex="F")
"""Whose ID differs in case alone."""
RULES = """
rules:
- name: {name}
  when: {{procedure_code: [{code}]}}
  from: [{name}]
  priors:
  - name: like it
    modality: [CT, XR]
    region: [chest]
    newest: 3
    oldest: 1
    within: 15y
  - name: of the skull
    description: ["Röntgen*"]
    newest: 2
"""
SOME = frozenset(
    {
        "ignores-modalities-key",
        "no-modalities-in-study",
        "lists-are-alternatives",
        "refuses-asterisk",
        "refuses-open-date-range",
        "hangs-on-study-time",
        "malformed-values",
        "no-character-set",
        "cuts-after-5",
        "identifier-in-success",
        "pending-as-0xFF01",
    }
)
OTHERS = frozenset(
    {
        "empty-modalities-in-study",
        "refuses-modalities-key",
        "lists-match-nothing",
        "refuses-empty-uid",
        "ignores-case",
        "finds-nothing-by-dash",
        "malformed-dates",
        "wrong-character-set",
        "refuses-above-5",
        "status-in-the-data-set",
        "broken-answer",
    }
)
ALONE = {"character-set-on-request", "warns-after-5"}
"""Neither has an opposite that is left."""


def study(number: int, modality: str, description: str, patient: model.Patient = ANNE) -> studies.Study:
    """A study of two series; the higher the number, the older."""
    return studies.Study(
        patient=patient,
        study_instance_uid=studies.made_up_uid(patient.patient_id, number),
        study_date=date(2025, 11, 3) - timedelta(days=211 * number),
        accession_number=f"A{number}",
        description=description,
        series=[studies.Series(modality=modality, instances=count) for count in (2, 1)],
    )


HELD = [
    *(study(number, "CT", "CT Thorax mit Kontrastmittel") for number in (1, 4, 7, 10, 13, 16)),
    *(study(number, "DX", "Röntgen Schädel in 2 Ebenen") for number in (2, 5, 8)),
    *(study(number, "MR", "MR Kopf") for number in (3, 6, 9)),
    *(study(number, "US", "Sonographie Abdomen") for number in (11, 12, 40)),
    study(1, "CT", "CT Thorax", ANOTHER),
]


CASES = {
    "faithful": frozenset[str](),
    "some": SOME,
    "others": OTHERS,
    **{name: frozenset({name}) for name in sorted(QUIRKS)},
}

Plans = Mapping[str, model.Plan]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Plans:
    """The plan of the same exam for each archive, all of which hold the same."""
    directory = tmp_path_factory.mktemp("site")
    holdings = Holdings(instance for each in HELD for instance in studies.make(each))
    with ExitStack() as opened:
        archives = {
            name: opened.enter_context(Archive(ae_title="MAIN", holdings=holdings, faults=quirky))
            for name, quirky in CASES.items()
        }
        store = opened.enter_context(
            closing(Database.open(f"sqlite:///{directory / 'prefetch.db'}", create=True))
        )
        return asyncio.run(plan_all(configured(directory, archives), store))


def configured(directory: Path, archives: Mapping[str, Archive]) -> config.Config:
    """A site with all of them, and for each the same rules; where a limit is silent somebody found it out."""
    (directory / "rules").mkdir()
    for number, name in enumerate(archives):
        said = RULES.format(name=name, code=f"CODE{number}")
        (directory / "rules" / f"{name}.yaml").write_text(said)
    lines = (
        f"  {name}: {{ae_title: MAIN, host: {each.host}, port: {each.port}"
        f"{f', most_answers: {quirks.FEW}' if 'cuts-after-5' in CASES[name] else ''}}}\n"
        for name, each in archives.items()
    )
    (directory / "prefetch.yaml").write_text(
        f"time_zone: Europe/Berlin\narchives:\n{''.join(lines)}"
        "workstations: {room: {ae_title: ROOM, verify: counters}}\n"
    )
    return config.load(directory / "prefetch.yaml")


async def plan_all(site: config.Config, store: Database) -> Plans:
    """Plan a CT of her chest once for each archive."""
    queue = Queue(store)
    orders = {
        name: queue.order(
            patient=ANNE,
            accession_number=f"ACC{number}",
            procedure_code=f"CODE{number}",
            procedure_description="CT Thorax",
            modality="CT",
            scheduled_start=NOW + timedelta(days=1),
        )
        for number, name in enumerate(site.archives)
    }
    async with AsyncExitStack() as opened:
        remotes = {
            name: await opened.enter_async_context(association.RemoteAE(dialling.archive(site, name)))
            for name in site.archives
        }
        planning = planner_of(site, store, remotes)
        while await planning.plan_next():
            pass
    plans_made = {name: queue.do(plans.latest_plan, order.id) for name, order in orders.items()}
    return {name: plan for name, plan in plans_made.items() if plan is not None}


def planner_of(
    site: config.Config, store: Database, remotes: Mapping[str, association.RemoteAE]
) -> planner.Planner:
    """The daemon's own, with a clock that stands still."""
    asking = inquiries.Inquiries(
        store=store, archives=remotes, workstations={}, now=lambda: NOW, pulse=health.Pulse()
    )
    bells = bell.Bells(archives=remotes, destinations=["room"])
    return planner.Planner(site=site, store=store, asking=asking, owner="here", now=lambda: NOW, bells=bells)


@dataclass(frozen=True)
class Decided:
    """What a plan says of a study, but for the words, in which an archive is quoted."""

    decision: Decision
    destination: str | None
    classes: tuple[str | None, ...]
    """Of each reason."""
    grade: int | None


def decisions(plan: model.Plan) -> dict[str, Decided]:
    """What was decided of each of her studies, and of any other that was not left."""
    own = {each.study_instance_uid for each in HELD if each.patient is ANNE}
    return {
        candidate.study.study_instance_uid: Decided(
            decision=candidate.decision,
            destination=candidate.destination,
            classes=tuple(reason.prior_class for reason in candidate.reasons),
            grade=candidate.relevance.grade if candidate.relevance else None,
        )
        for candidate in plan.candidates
        if candidate.study.study_instance_uid in own or candidate.decision is not Decision.LEFT
    }


def test_the_plan_is_worth_comparing(made: Plans) -> None:
    """Of the studies some are taken for each reason, and some are left."""
    usual = decisions(made["faithful"])
    taken = {uid for uid, decided in usual.items() if decided.decision is Decision.TAKEN}
    numbers = {number for number in range(50) if studies.made_up_uid("ABC01", number) in taken}
    assert ({1, 2, 4, 5, 7, 16}, len(HELD) - 1) == (numbers, len(usual))


def test_opposite_quirks_give_the_same_plan(made: Plans) -> None:
    """However many come together."""
    assert decisions(made["some"]) == decisions(made["others"]) == decisions(made["faithful"])


@pytest.mark.parametrize("name", CASES)
def test_each_quirk_gives_the_same_plan(made: Plans, name: str) -> None:
    """So that none hides behind another, and none is a problem."""
    assert (None, decisions(made["faithful"])) == (made[name].problem, decisions(made[name]))


def test_no_quirk_is_forgotten() -> None:
    """Each stands in one set, or has no opposite that is left."""
    assert set(QUIRKS) == SOME | OTHERS | ALONE
    assert not SOME & OTHERS
