"""Asking for a plan: what the archives hold of a patient, and what the destinations have already.

Each archive is asked once a patient and its answer kept. One that cannot be asked is stood in for by what it
answered last, and said to be missing. No decision is made here; `draft` makes it of the answers.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from prefetch import config, health, model, parts
from prefetch.config import Verify
from prefetch.dimse import association
from prefetch.domain import issuers
from prefetch.planning import draft, keys, learned_issuers
from prefetch.runtime.tasks import run_together
from prefetch.store import answers, database, retrieves
from prefetch.timing import Now

log = structlog.get_logger()

_INFO, _WARNING = 20, 30
_LEVELS: Mapping[model.Outcome, int] = {
    model.Outcome.TRANSIENT: _WARNING,
    model.Outcome.PERMANENT: _WARNING,
}
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
        self._issuers = learned_issuers.LearnedIssuers(store=store, now=now)

    async def ask_archives(
        self,
        ids: Sequence[model.PatientId],
        names: Iterable[str],
        *,
        site: config.Config,
        since: datetime | None = None,
    ) -> list[draft.Answer]:
        """What each of these archives, asked at the same time, says of a patient under the IDs it knows.

        An answer from before `since` is asked for again.
        """
        return await run_together(self._ask_all(ids, name, site, since) for name in names)

    async def _ask_all(
        self, ids: Sequence[model.PatientId], archive: str, site: config.Config, since: datetime | None
    ) -> draft.Answer:
        """One archive's answers, united; one that fails to answer is not asked for the next ID as well."""
        chosen = keys.keys_for(ids, site.archives[archive])
        reusable = self._now() - site.planning.reuse_answer
        fresh_since = reusable if since is None else max(reusable, since)
        answers: list[draft.Answer] = []
        refused: list[model.Consulted] = []
        for key in chosen.asked:
            silent = next((answer for answer in answers if answer.is_silence), None)
            first, *repeat = await self._ask_by_key(key, archive, site, fresh_since, silent=silent)
            answers += repeat or [first]
            refused += [draft.consulted(first)] if repeat else []
        now = self._now()
        left_out = (*refused, *(_not_asked(archive, now, because) for because in chosen.left_out))
        asked = tuple(key for answer in answers for key in answer.asked)
        return draft.unite(archive, answers, asked=asked, left_out=left_out, now=now)

    async def _ask_by_key(
        self,
        key: keys.Key,
        archive: str,
        site: config.Config,
        fresh_since: datetime,
        *,
        silent: draft.Answer | None,
    ) -> list[draft.Answer]:
        """One archive's answer about one ID; and a second, by the ID alone, where the first found nothing."""
        setting, address = site.archives[archive].send_issuer, self._archives[archive].peer.address
        held = await self._issuers.of(archive, address)
        query = issuers.query_for(setting, held, key.patient_id)
        if key.issuer_of_patient_id is None or query is issuers.Query.ID_ALONE:
            answer = await self._ask(key.alone(), archive, fresh_since, silent=silent)
            await self._issuers.learn_from(answer, address)
            return [answer]
        first = await self._ask(key, archive, fresh_since, silent=silent)
        await self._issuers.learn_from(first, address)
        refused = first.outcome is model.Outcome.PERMANENT and first.status is not None
        found_nothing = first.outcome is model.Outcome.SUCCESS and not first.studies
        if query is issuers.Query.WITH_ISSUER or not (refused or found_nothing):
            return [first]
        repeat = await self._ask(key.alone(), archive, fresh_since, silent=silent)
        await self._issuers.learn_from(repeat, address, after_refusal=refused)
        return [first, repeat]

    async def _ask(
        self, key: keys.Key, archive: str, fresh_since: datetime, *, silent: draft.Answer | None
    ) -> draft.Answer:
        """One archive's answer: a fresh one that is kept, else asked anew, else the last one it ever gave.

        One that was asked for otherwise than we would now is not used again, and stands in all the same while
        the archive is away: what it held it holds, and whose it is is looked at each time. At another address
        is another archive.
        """
        peer = self._archives[archive].peer
        now, named = self._now(), (archive, key.patient_id, key.asked_issuer)
        kept = await self._store.read(answers.latest_answer, *named, address=peer.address)
        if kept is not None and kept.asked_at >= fresh_since and kept.asked_as == peer.asked_as:
            return draft.answer_about(key, archive, kept.asked_at, kept.result)
        if silent is not None:
            result = model.FindResult(outcome=silent.outcome, because=silent.because)
        else:
            result = await self._find(key, archive)
            if kept is not None:
                result = draft.remember_series(result, kept.result.studies)
            of = {"address": peer.address, "asked_as": peer.asked_as}
            await self._store.write_soon(answers.save_answer, *named, result, **of, asked_at=now)
        answer = draft.answer_about(key, archive, now, result)
        if kept is not None and answer.is_silence:
            return replace(answer, asked_at=kept.asked_at, studies=kept.result.studies)
        return answer

    async def _find(self, key: keys.Key, archive: str) -> model.FindResult:
        with self._pulse.waiting_for_peer(STAGE):
            result = await self._archives[archive].find_studies(
                patient_id=key.patient_id, issuer_of_patient_id=key.asked_issuer
            )
        log.log(
            _LEVELS.get(result.outcome, _INFO),
            "archive_asked",
            archive=archive,
            patient_id=key.patient_id,
            outcome=result.outcome.value,
            answers=len(result.studies),
            milliseconds=round(result.milliseconds, 1),
            because=result.because,
        )
        return result

    async def look_for(self, answer: draft.Answer, uids: Sequence[str]) -> draft.Answer:
        """An archive's answer with the studies that the order names, each asked for by its UID."""
        for uid in uids:
            if not answer.is_answer:
                break
            with self._pulse.waiting_for_peer(STAGE):
                result = await self._archives[answer.archive].find_studies(study_instance_uids=[uid])
            log.info(
                "study_asked",
                archive=answer.archive,
                study_instance_uid=uid,
                outcome=result.outcome.value,
                answers=len(result.studies),
                because=result.because,
            )
            answer = draft.add_named(answer, uid, result, now=self._now())
        return answer

    async def look_into(
        self, answered: Sequence[draft.Answer], studies: Sequence[model.Study], *, markings: bool
    ) -> list[draft.Answer]:
        """The answers with the series of some studies, asked for once a study and kept with the answer.

        `markings`: whether it matters which images somebody marked.
        """
        answers_of = await run_together(self._series_of(study, markings) for study in studies)
        found = {
            (study.archive, study.study_instance_uid): series
            for study, series in zip(studies, answers_of, strict=True)
            if series is not None
        }
        for answer in answered:
            told = {
                uid: series or () for (archive, uid), series in found.items() if archive == answer.archive
            }
            for key in answer.asked if told else ():
                named = (answer.archive, key.patient_id, key.asked_issuer)
                await self._store.write_soon(answers.save_series, *named, told)
        return [draft.tell_series(answer, found) for answer in answered]

    async def _series_of(self, study: model.Study, markings: bool) -> tuple[model.Series, ...] | None:
        with self._pulse.waiting_for_peer(STAGE):
            series = await self._archives[study.archive].find_series(
                study_instance_uid=study.study_instance_uid, patient_id=study.patient_id, markings=markings
            )
        log.info(
            "series_asked",
            archive=study.archive,
            study_instance_uid=study.study_instance_uid,
            series=None if series is None else len(series),
        )
        return series

    async def present(self, choices: Sequence[model.Choice], *, site: config.Config) -> set[tuple[str, str]]:
        """What the destinations hold complete already: (study instance UID, destination)."""
        present = set()
        by_destination: dict[str, list[model.Choice]] = {}
        for choice in choices:
            by_destination.setdefault(choice.destination, []).append(choice)
        for destination, wanted in by_destination.items():
            if site.workstations[destination].verify is Verify.COUNTERS:
                uids = [choice.study.study_instance_uid for choice in wanted]
                verified = await self._store.read(retrieves.verified_at, destination, uids)
                present |= {
                    (choice.study.study_instance_uid, destination)
                    for choice in wanted
                    if draft.was_brought(choice, verified)
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
        if choice.series:
            remote = self._workstations[choice.destination]
            with self._pulse.waiting_for_peer(STAGE):
                counts = await remote.count_parts(
                    study_instance_uid=choice.study.study_instance_uid,
                    parts=parts.wanted(choice),
                    patient_id=choice.study.patient_id,
                )
            return draft.holds_parts(choice, counts)
        at_archive = await self._counted(choice.study, self._archives[choice.study.archive])
        return draft.holds_all(at_archive, await self._counted(held, self._workstations[choice.destination]))

    async def _counted(self, study: model.Study, remote: association.RemoteAE) -> model.Study:
        if study.instances is not None:
            return study
        with self._pulse.waiting_for_peer(STAGE):
            counted = await remote.count_instances(
                study_instance_uid=study.study_instance_uid, patient_id=study.patient_id
            )
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


def _not_asked(archive: str, now: datetime, because: str) -> model.Consulted:
    return model.Consulted(
        archive=archive,
        asked_at=now,
        outcome=model.Outcome.SUCCESS,
        answers=0,
        because=f"not asked for {because}",
    )
