"""Asking for a plan: what the archives hold of a patient, and what the destinations have already.

Each archive is asked once a patient and its answer kept. One that cannot be asked is stood in for by what it
answered last, and said to be missing. No decision is made here; `draft` makes it of the answers.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from prefetch import config, health, model
from prefetch.config import Verify
from prefetch.dimse import association
from prefetch.planning import draft
from prefetch.store import answers, database, retrieves
from prefetch.timing import Now

log = structlog.get_logger()

STAGE = "planner"
"""The stage that waits while peers are asked."""


class Inquiries:
    """Asks archives and workstations on the planner's behalf."""

    def __init__(
        self,
        *,
        store: database.Database,
        archives: Mapping[str, association.RemoteAE],
        workstations: Mapping[str, association.RemoteAE],
        now: Now,
        pulse: health.Pulse,
    ) -> None:
        self._store = store
        self._archives = archives
        self._workstations = workstations
        self._now = now
        self._pulse = pulse

    async def ask_archives(
        self, patient: model.Patient, names: Iterable[str], *, site: config.Config
    ) -> list[draft.Answer]:
        """What each of these archives says of a patient, asked at the same time."""
        async with asyncio.TaskGroup() as group:
            asking = [group.create_task(self._ask(patient, name, site)) for name in names]
        return [task.result() for task in asking]

    async def _ask(self, patient: model.Patient, archive: str, site: config.Config) -> draft.Answer:
        """One archive's answer: a fresh one that is kept, else asked anew, else the last one it ever gave."""
        # The archive may call the order's assigning authority otherwise; unmapped it is asked as it came.
        patient_id, issuer = patient.patient_id or "", _namespace(patient.issuer_of_patient_id)
        issuer = site.archives[archive].issuers.get(issuer or "", issuer)
        now = self._now()
        kept = await self._store.read(answers.latest_answer, archive, patient_id, issuer)
        if kept is not None and kept.asked_at >= now - site.planning.reuse_answer:
            return _answer(archive, kept.asked_at, kept.result.studies, kept.result)
        with self._pulse.waiting_for_peer(STAGE):
            result = await self._archives[archive].find_studies(
                patient_id=patient_id, issuer_of_patient_id=issuer
            )
        await self._store.write(answers.save_answer, archive, patient_id, issuer, result, asked_at=now)
        log.info(
            "archive_asked",
            archive=archive,
            patient_id=patient_id,
            outcome=result.outcome.value,
            answers=len(result.studies),
            milliseconds=round(result.milliseconds, 1),
            because=result.because,
        )
        answer = _answer(archive, now, result.studies, result)
        if kept is not None and answer.is_silence:
            return replace(answer, asked_at=kept.asked_at, studies=kept.result.studies)
        return answer

    async def present(self, choices: Sequence[model.Choice], *, site: config.Config) -> set[tuple[str, str]]:
        """What the destinations hold complete already: (study instance UID, destination)."""
        present = set()
        by_destination: dict[str, list[model.Choice]] = {}
        for choice in choices:
            by_destination.setdefault(choice.destination, []).append(choice)
        for destination, wanted in by_destination.items():
            if site.workstations[destination].verify is Verify.COUNTERS:
                uids = [choice.study.study_instance_uid for choice in wanted]
                present |= {
                    (uid, destination)
                    for uid in await self._store.read(retrieves.verified_at, destination, uids)
                }
                continue
            held = await self._held(destination, wanted)
            present |= {
                (choice.study.study_instance_uid, destination)
                for choice in wanted
                if await self._holds_all(choice, held.get(choice.study.study_instance_uid))
            }
        return present

    async def _holds_all(self, choice: model.Choice, held: model.Study | None) -> bool:
        """Whether a destination's copy is complete; whoever gives no count is asked for each instance."""
        if held is None:
            return False
        at_archive = await self._counted(choice.study, self._archives[choice.study.archive])
        return draft.holds_all(at_archive, await self._counted(held, self._workstations[choice.destination]))

    async def _counted(self, study: model.Study, remote: association.RemoteAE) -> model.Study:
        if study.instances is not None:
            return study
        with self._pulse.waiting_for_peer(STAGE):
            counted = await remote.count_instances(study_instance_uid=study.study_instance_uid)
        return replace(study, instances=counted)

    async def _held(self, destination: str, wanted: Sequence[model.Choice]) -> dict[str, model.Study]:
        """One C-FIND a patient at the destination; one that cannot be asked holds nothing that we know of."""
        held: dict[str, model.Study] = {}
        by_patient: dict[str, list[str]] = {}
        for choice in wanted:
            by_patient.setdefault(choice.study.patient_id or "", []).append(choice.study.study_instance_uid)
        for patient_id, uids in by_patient.items():
            with self._pulse.waiting_for_peer(STAGE):
                result = await self._workstations[destination].find_held(
                    patient_id=patient_id, study_instance_uids=uids
                )
            held |= {study.study_instance_uid: study for study in result.studies}
        return held


def _namespace(issuer: str | None) -> str | None:
    """The Issuer of Patient ID is the first part of an assigning authority (HL7 v2.5.1 2.A.33)."""
    return issuer.split("&")[0].strip() or None if issuer else None


def _answer(
    archive: str, asked_at: datetime, studies: tuple[model.Study, ...], result: model.FindResult
) -> draft.Answer:
    return draft.Answer(
        archive=archive, asked_at=asked_at, studies=studies, outcome=result.outcome, because=result.because
    )
