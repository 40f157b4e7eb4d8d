"""PURE: from what archives and destinations answered to the plan of one order.

Knows no peer and no store. The rules choose (`select`), second identifiers are checked (`identity`), people's
decisions on doubtful studies are honoured, and what a destination already holds is not wanted again.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from prefetch import model, orders
from prefetch.model import Candidate, Choice, Decision, Outcome, Reason, Study, Verdict
from prefetch.planning import identity, matching, select
from prefetch.planning.circumstances import Circumstances


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one archive said of the order's patient, now or earlier."""

    archive: str
    asked_at: datetime
    studies: tuple[Study, ...]
    outcome: Outcome
    because: str = ""

    @property
    def whole(self) -> bool:
        """Whether nothing is missing; a single answer that could not be read does not make it less."""
        return self.outcome in {Outcome.SUCCESS, Outcome.WARNING}

    @property
    def is_silence(self) -> bool:
        """Whether asking again may give more; an answer that was cut as too long will be so again."""
        return not self.whole and self.outcome is not Outcome.PARTIAL


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The patient's studies, sorted by what the rules and the second identifiers say."""

    choices: tuple[Choice, ...] = ()
    doubtful: tuple[Choice, ...] = ()
    """Wanted, but their patient may be another: a person decides."""
    left: tuple[Candidate, ...] = ()


def sort_studies(
    order: model.Order,
    matches: Sequence[matching.RuleMatch],
    answers: Sequence[Answer],
    *,
    verdicts: Mapping[str, Verdict],
    policy: identity.Policy,
    circumstances: Circumstances,
) -> Sorted:
    """Choose among the studies that are surely the patient's; find those that doubt alone keeps out.

    A doubtful study never takes the place of a sure one: the sure ones are chosen as if it were not there.
    """
    doubts = _doubts(order, answers, policy)
    refused = {uid for uid, verdict in verdicts.items() if verdict is Verdict.REFUSED}
    doubtful = {uid for uid in doubts if uid not in verdicts}
    sure = select.select_priors(
        matches, order, _without(answers, doubtful | refused), circumstances=circumstances
    )
    if not doubtful:
        return Sorted(choices=sure.choices, left=(*_left(sure), *_refused(answers, refused)))
    with_doubt = select.select_priors(matches, order, _without(answers, refused), circumstances=circumstances)
    suspects = tuple(
        replace(choice, reason=replace(choice.reason, because=doubts[choice.study.study_instance_uid]))
        for choice in with_doubt.choices
        if choice.study.study_instance_uid in doubtful
    )
    unwanted = tuple(candidate for candidate in _left(with_doubt) if _uid(candidate) in doubtful)
    return Sorted(
        choices=sure.choices, doubtful=suspects, left=(*_left(sure), *unwanted, *_refused(answers, refused))
    )


def hasten(match: matching.RuleMatch, now: datetime) -> matching.RuleMatch:
    """A rule's match for an order that is fetched by hand: it waits for no time and no window."""
    return replace(match, waits=False, start_at=min(match.start_at, now))


def holds_all(study: Study, held: Study | None) -> bool:
    """Whether a destination's copy is complete by its count; a missing count on either side is no proof."""
    if held is None or held.instances is None or study.instances is None:
        return False
    return held.instances >= study.instances


def want(
    order: model.Order,
    found: Sorted,
    *,
    present: Collection[tuple[str, str]],
    expire_after: timedelta,
) -> tuple[model.Wanted, ...]:
    """What the order wants of the queue; an observed choice wants nothing, for nothing is to move.

    `present` names what a destination holds complete: (Study Instance UID, destination).
    """
    sure = [(choice, _decision(choice, present)) for choice in found.choices]
    doubtful = [(choice, Decision.QUARANTINED) for choice in found.doubtful]
    return tuple(
        _wanted(order, choice, decision, expire_after=expire_after)
        for choice, decision in (*sure, *doubtful)
        if not choice.observe
    )


def candidates(found: Sorted, *, present: Collection[tuple[str, str]]) -> tuple[Candidate, ...]:
    """Every study of the patient with what was decided, what is wanted first."""
    taken = [_candidate(choice, _decision(choice, present)) for choice in found.choices]
    doubtful = [_candidate(choice, Decision.QUARANTINED) for choice in found.doubtful]
    return (*taken, *doubtful, *found.left)


def _doubts(order: model.Order, answers: Sequence[Answer], policy: identity.Policy) -> dict[str, str]:
    """Study Instance UID → why it may be another patient's, in words."""
    doubts = {}
    for answer in answers:
        for study in answer.studies:
            verdict = identity.check_identity(order.patient, study, policy=policy)
            if verdict.kind is identity.Kind.CONFLICT:
                doubts[study.study_instance_uid] = f"{answer.archive}: {verdict.because}"
    return doubts


def _without(answers: Sequence[Answer], uids: Collection[str]) -> dict[str, list[Study]]:
    return {
        answer.archive: [study for study in answer.studies if study.study_instance_uid not in uids]
        for answer in answers
    }


def _left(selection: select.Selection) -> tuple[Candidate, ...]:
    return tuple(candidate for candidate in selection.candidates if candidate.decision is Decision.LEFT)


def _refused(answers: Sequence[Answer], refused: Collection[str]) -> tuple[Candidate, ...]:
    reason = Reason(because="refused by hand: another patient's")
    studies = {study.study_instance_uid: study for answer in answers for study in answer.studies}
    return tuple(
        Candidate(study=studies[uid], decision=Decision.LEFT, reasons=(reason,))
        for uid in refused
        if uid in studies
    )


def _uid(candidate: Candidate) -> str:
    return candidate.study.study_instance_uid


def _decision(choice: Choice, present: Collection[tuple[str, str]]) -> Decision:
    if (choice.study.study_instance_uid, choice.destination) in present:
        return Decision.PRESENT
    return Decision.OBSERVED if choice.observe else Decision.TAKEN


def _candidate(choice: Choice, decision: Decision) -> Candidate:
    return replace(select.taken(choice), decision=decision)


def _wanted(
    order: model.Order, choice: Choice, decision: Decision, *, expire_after: timedelta
) -> model.Wanted:
    lane = model.Priority.STAT if orders.is_emergency(order) else order.priority
    return model.Wanted(
        choice=choice,
        decision=decision,
        patient_id=choice.study.patient_id or order.patient.patient_id or "",
        issuer_of_patient_id=choice.study.issuer_of_patient_id or order.patient.issuer_of_patient_id,
        lane=lane,
        # What comes after the exam was read helps nobody; an exam without a time expires by its deadline.
        expire_at=(order.scheduled_start or choice.deadline) + expire_after,
        because=choice.reason.because,
    )
