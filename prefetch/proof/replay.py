"""PURE: a recorded exam and other rules → what they would have chosen, with the code that plans.

An exam is replayed at the moment at which it was planned, with what the archives had answered by then. Where
the rules need an answer that nobody asked for, nothing is guessed: the exam could not be judged.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from prefetch import model
from prefetch.planning import draft, identity, keys, matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.settings import Config
from prefetch.store.recorded import Answers, Decided, Record


@dataclass(frozen=True, slots=True, kw_only=True)
class Replayed:
    """What the rules make of an exam."""

    candidates: tuple[model.Candidate, ...] = ()
    missing: tuple[str, ...] = ()
    """What was never asked, in words; where anything is, the exam could not be judged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Plans recorded exams by the rules of a site."""

    site: Config
    answers: Answers
    verdicts: Mapping[tuple[str, str], Sequence[Decided]]
    fetched: Mapping[int, Sequence[model.Retrieve]]
    """Number of an order → what was ever fetched for it."""

    def plan(self, record: Record, ids: Sequence[model.PatientId]) -> Replayed:
        """What the site's rules would have chosen; `ids` are the patient's, as they were known then."""
        order, now = record.order, record.plan.made_at
        matches = matching.match_rules(self.site.rule_set, order, site=self.site, now=now)
        if order.fetch_now:
            matches = tuple(draft.hasten(match, now) for match in matches)
        if not ids or not any(match.acts and match.archives for match in matches):
            return Replayed()
        facts = draft.Facts(
            order=order,
            verdicts=self._verdicts(record, ids),
            policy=identity.Policy.of(self.site),
            circumstances=Circumstances.of(self.site, now),
            fetched=self._fetched(record),
        )
        answered, missing = self._ask(facts, matches, record, ids)
        if not record.plan.patient_ids and self.site.identity.pix:
            missing.append("the PIX manager was not asked for the patient's other IDs")
        by_archive = {answer.archive: answer.studies for answer in answered}
        lacking = select.to_look_into(matches, order, by_archive, circumstances=facts.circumstances)
        missing += sorted({f"{study.archive} was not asked for the series of a study" for study in lacking})
        found = draft.sort_studies(facts, matches, answered)
        needed = (answer for answer in answered if answer.archive in found.archives)
        missing += [f"{answer.archive} did not answer wholly" for answer in needed if not answer.whole]
        if missing:
            return Replayed(missing=tuple(missing))
        return Replayed(candidates=draft.candidates(found, present=()))

    def _ask(
        self,
        facts: draft.Facts,
        matches: Sequence[matching.RuleMatch],
        record: Record,
        ids: Sequence[model.PatientId],
    ) -> tuple[list[draft.Answer], list[str]]:
        """What the archives had answered that the rules would have asked, and what they were not asked."""
        answered: list[draft.Answer] = []
        missing: list[str] = []
        while not missing and (names := draft.still_to_ask(facts, matches, answered)):
            asked = [self._answer(name, record, ids) for name in names]
            missing += [one for one in asked if isinstance(one, str)]
            answered += [one for one in asked if isinstance(one, draft.Answer)]
        for number, answer in enumerate(answered):
            for uid in draft.named_studies(facts, matches, answered, answer.archive):
                if (said := _said_of_study(uid, answer.archive, record)) is None:
                    missing.append(f"{answer.archive} was not asked for a study that the order names")
                else:
                    answered[number] = draft.add_named(answered[number], uid, said, now=record.plan.made_at)
        return answered, missing

    def _answer(self, archive: str, record: Record, ids: Sequence[model.PatientId]) -> draft.Answer | str:
        """What an archive had answered of the patient by then, or what of it is missing, in words."""
        chosen = keys.keys_for(ids, self.site.archives[archive])
        answers: list[draft.Answer] = []
        for key in chosen.asked:
            said = self._said_either_way(archive, key, record)
            if said is None:
                return f"{archive} was not asked for this patient"
            answers.append(said)
        asked = tuple(key for answer in answers for key in answer.asked)
        return draft.unite(archive, answers, asked=asked, left_out=(), now=record.plan.made_at)

    def _said_either_way(self, archive: str, key: keys.Key, record: Record) -> draft.Answer | None:
        """What an archive had answered of one ID; the answer by the ID alone counts, where there is one."""
        by_both, alone = key, key.alone()
        was_asked = [
            any(_is_of(one, archive, way) for one in record.plan.consulted) for way in (by_both, alone)
        ]
        ways = (by_both, alone) if was_asked == [True, False] else (alone, by_both)
        return next(filter(None, (self._said(archive, way, record) for way in ways)), None)

    def _said(self, archive: str, key: keys.Key, record: Record) -> draft.Answer | None:
        """What an archive had answered of one ID, for this order or for another of the same patient."""
        named = archive, key.patient_id, key.asked_issuer or ""
        made_at = record.plan.made_at
        consulted = next((one for one in record.plan.consulted if _is_of(one, archive, key)), None)
        if consulted is None:
            fresh = made_at - self.site.planning.reuse_answer
            said = self.answers.good_at(named, made_at, since=fresh)
            return draft.answer_about(key, archive, made_at, said.result) if said else None
        said = self.answers.given_at(named, consulted.asked_at)
        # An older answer that stood in for a silent archive is no more whole than the archive's silence.
        answer = draft.answer_about(key, archive, consulted.asked_at, said.result) if said else None
        return replace(answer, outcome=consulted.outcome) if answer else None

    def _verdicts(self, record: Record, ids: Sequence[model.PatientId]) -> dict[str, model.Verdict]:
        """What people had decided of the patient's studies by then."""
        return {
            one.study_instance_uid: one.verdict
            for each in ids
            for one in self.verdicts.get((each.patient_id, each.issuer_of_patient_id or ""), ())
            if one.at <= record.plan.made_at
        }

    def _fetched(self, record: Record) -> list[model.Retrieve]:
        """What had been fetched for the exam by then."""
        fetched = self.fetched.get(record.order.id, ())
        return [one for one in fetched if one.verified_at and one.verified_at <= record.plan.made_at]


def _said_of_study(uid: str, archive: str, record: Record) -> model.FindResult | None:
    """What an archive had said of a study that it was asked for by its UID; None where it was not."""
    asked = (one for one in record.plan.consulted if one.study_instance_uid == uid)
    consulted = next((one for one in asked if one.archive == archive), None)
    if consulted is None:
        return None
    known = (one.study for one in record.plan.candidates if one.study.study_instance_uid == uid)
    found = [study for study in known if study.archive == archive]
    return model.FindResult(outcome=consulted.outcome, studies=tuple(found[:1]), because=consulted.because)


def _is_of(consulted: model.Consulted, archive: str, key: keys.Key) -> bool:
    return (consulted.archive, consulted.patient_id, consulted.issuer_of_patient_id) == (
        archive,
        key.patient_id,
        key.asked_issuer,
    )
