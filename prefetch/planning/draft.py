"""PURE: from what archives and destinations answered to the plan of one order.

Knows no peer and no store. The rules choose (`select`), second identifiers are checked (`identity`), people's
decisions on doubtful studies are honoured, and what a destination already holds is not wanted again.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from math import inf

from prefetch import model, parts, rules
from prefetch.model import Candidate, Choice, Decision, Outcome, Reason, Study, Verdict
from prefetch.planning import cooling, identity, keys, matching, named, select, strategy
from prefetch.planning.circumstances import Circumstances
from prefetch.planning.exam import Exam

_WHOLE = frozenset({Outcome.SUCCESS, Outcome.WARNING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What one archive said of the order's patient under all IDs, now or earlier."""

    archive: str
    asked_at: datetime
    studies: tuple[Study, ...]
    outcome: Outcome
    because: str = ""
    status: int | None = None
    """The status of the query; `None` where it had none, as that of an archive that was not reached."""
    asked: tuple[keys.Key, ...] = ()
    """The keys that it was asked for; no answer that carries another ID is this patient's."""
    consulted: tuple[model.Consulted, ...] = ()

    @property
    def whole(self) -> bool:
        """Whether nothing is missing; a single answer that could not be read does not make it less."""
        return self.outcome in _WHOLE

    @property
    def is_silence(self) -> bool:
        """Whether asking again may give more; an answer that was cut as too long will be so again."""
        return not self.whole and self.outcome is not Outcome.PARTIAL

    @property
    def is_answer(self) -> bool:
        """Whether it was asked and said something; who knows none of the patient's IDs did not."""
        return bool(self.asked) and not self.is_silence


def answer_about(key: keys.Key, archive: str, asked_at: datetime, result: model.FindResult) -> Answer:
    """What an archive answered of one key."""
    return Answer(
        archive=archive,
        asked_at=asked_at,
        studies=result.studies,
        outcome=result.outcome,
        because=result.because,
        status=result.status,
        asked=(key,),
    )


def unite(
    archive: str,
    answers: Sequence[Answer],
    *,
    asked: tuple[keys.Key, ...],
    left_out: tuple[model.Consulted, ...],
    now: datetime,
) -> Answer:
    """An archive's answers to all keys as one, as whole as the least whole of them."""
    studies = dict.fromkeys(study for answer in answers for study in answer.studies)
    worst = min(answers, key=lambda answer: (answer.whole, not answer.is_silence), default=None)
    return Answer(
        archive=archive,
        asked_at=min((answer.asked_at for answer in answers), default=now),
        studies=tuple(studies),
        outcome=Outcome.SUCCESS if worst is None else worst.outcome,
        because="" if worst is None else worst.because,
        asked=asked,
        consulted=(*map(consulted, answers), *left_out),
    )


def consulted(answer: Answer) -> model.Consulted:
    """Give the record of one query about one key, for `explain`."""
    (key,) = answer.asked
    return model.Consulted(
        archive=answer.archive,
        asked_at=answer.asked_at,
        outcome=answer.outcome,
        answers=len(answer.studies),
        because=answer.because,
        patient_id=key.patient_id,
        issuer_of_patient_id=key.asked_issuer,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What sorting needs to know beside rules and answers."""

    order: model.Order
    verdicts: Mapping[str, Verdict]
    """What people decided on studies in quarantine, by Study Instance UID."""
    policy: identity.Policy
    circumstances: Circumstances
    fetched: Sequence[model.Retrieve] = ()
    """What the order wanted before, in whatever state it is."""

    @property
    def exam(self) -> Exam:
        """The order as rules see it."""
        return self.circumstances.exam(self.order)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorted:
    """The patient's studies, sorted by what the rules and the second identifiers say."""

    choices: tuple[Choice, ...] = ()
    doubtful: tuple[Choice, ...] = ()
    """Wanted, but their patient may be another: a person decides."""
    left: tuple[Candidate, ...] = ()
    matches: tuple[matching.RuleMatch, ...] = ()
    """The rules, each with the archives that it goes by."""
    cooling: Mapping[cooling.Target, str] = field(default_factory=dict)
    """What is not fetched again for a while, and why."""

    @property
    def to_look_for(self) -> tuple[Choice, ...]:
        """The choices that the destinations may hold already."""
        return tuple(choice for choice in self.choices if _target(choice) not in self.cooling)

    @property
    def archives(self) -> frozenset[str]:
        """The archives that any rule goes by: what others did not say is not missing."""
        return strategy.gone_by(self.matches)


def still_to_ask(
    facts: Facts, matches: Sequence[matching.RuleMatch], answers: Sequence[Answer]
) -> tuple[str, ...]:
    """The archives to ask next, after these answers; none where the rules have what they need."""
    return strategy.still_to_ask(matches, _answered(answers), partial(_is_enough, facts, answers))


def sort_studies(facts: Facts, matches: Sequence[matching.RuleMatch], answers: Sequence[Answer]) -> Sorted:
    """Bring each rule down to the archives that it goes by, and sort what those answered."""
    settled = strategy.settle(matches, _answered(answers), partial(_is_enough, facts, answers))
    gone_by = strategy.gone_by(settled)
    needed = [answer for answer in answers if answer.archive in gone_by]
    found = _sort(facts, settled, needed)
    resting = cooling.cooling(facts.order, found.choices, facts.fetched, now=facts.circumstances.now)
    return replace(found, left=(*found.left, *_not_found(facts, settled, needed)), cooling=resting)


def named_studies(
    facts: Facts, matches: Iterable[matching.RuleMatch], answers: Sequence[Answer], archive: str
) -> tuple[str, ...]:
    """The studies that the order names, no answer holds, and an archive is to be asked for by their UIDs."""
    asking = [
        one
        for match in matches
        if match.acts and archive in match.archives
        for one in match.rule.priors
        if one.named_in
    ]
    if not asking:
        return ()
    return named.to_look_for(asking, facts.exam, [study for answer in answers for study in answer.studies])


def add_named(answer: Answer, uid: str, result: model.FindResult, *, now: datetime) -> Answer:
    """An archive's answer with what it said of a study that the order names; other studies do not count."""
    own = (study for study in result.studies if study.study_instance_uid == uid)
    found = tuple(replace(study, patient_id=study.patient_id or "") for study in own)
    consulted = model.Consulted(
        archive=answer.archive,
        asked_at=now,
        outcome=result.outcome,
        answers=len(found),
        because=result.because,
        study_instance_uid=uid,
    )
    known = replace(answer, studies=(*answer.studies, *found), consulted=(*answer.consulted, consulted))
    is_whole = result.outcome in _WHOLE
    return known if is_whole else replace(known, outcome=result.outcome, because=result.because)


def _not_found(
    facts: Facts, matches: Iterable[matching.RuleMatch], answers: Sequence[Answer]
) -> Iterator[Candidate]:
    held = [study for answer in answers for study in answer.studies]
    for match in matches:
        if match.acts and any(one.named_in for one in match.rule.priors):
            yield from named.not_found(match.rule, facts.exam, held, match.archives)


def _answered(answers: Iterable[Answer]) -> dict[str, bool]:
    return {answer.archive: answer.is_answer for answer in answers}


def _is_enough(facts: Facts, answers: Sequence[Answer], match: matching.RuleMatch) -> bool:
    """Whether each class of a rule finds as many as it asks for; what only fills up is not waited for."""
    choices = _sort(facts, [match], answers).choices
    taken = {choice.study.study_instance_uid: choice.prior_class for choice in choices}
    most = match.rule.limits.studies
    if most is not None and len(taken) >= most:
        return True
    has = Counter(taken.values())
    classes = [one for one in match.rule.priors if one.if_fewer_than is None]
    return all(has[one.name] >= _asked_for(one, facts) for one in classes)


def _asked_for(one: rules.PriorClass, facts: Facts) -> float:
    """How many studies a class asks for; one without a number never has enough."""
    most = inf if one.is_unlimited else one.most
    return min(most, len(named.uids(one, facts.exam))) if one.named_in else most


def _sort(facts: Facts, matches: Sequence[matching.RuleMatch], answers: Sequence[Answer]) -> Sorted:
    """Choose among the studies that are surely the patient's; find those that doubt alone keeps out.

    A doubtful study never takes the place of a sure one: the sure ones are chosen as if it were not there.
    """
    order, verdicts, circumstances = facts.order, facts.verdicts, facts.circumstances
    answers, strangers, doubts = _part(order, answers, facts.policy)
    refused = {uid for uid, verdict in verdicts.items() if verdict is Verdict.REFUSED}
    doubtful = {uid for uid in doubts if uid not in verdicts}
    sure = select.select_priors(
        matches, order, _without(answers, doubtful | refused), circumstances=circumstances
    )
    if not doubtful:
        left = (*_left(sure), *_refused(answers, refused), *strangers)
        return Sorted(choices=sure.choices, left=left, matches=tuple(matches))
    with_doubt = select.select_priors(matches, order, _without(answers, refused), circumstances=circumstances)
    suspects = tuple(
        replace(choice, reason=replace(choice.reason, because=doubts[choice.study.study_instance_uid]))
        for choice in with_doubt.choices
        if choice.study.study_instance_uid in doubtful
    )
    unwanted = tuple(candidate for candidate in _left(with_doubt) if _uid(candidate) in doubtful)
    left = (*_left(sure), *unwanted, *_refused(answers, refused), *strangers)
    return Sorted(choices=sure.choices, doubtful=suspects, left=left, matches=tuple(matches))


def hasten(match: matching.RuleMatch, now: datetime) -> matching.RuleMatch:
    """A rule's match for an order that is fetched by hand: it waits for no time and no window."""
    return replace(match, waits=False, start_at=min(match.start_at, now), closes_at=None)


def tell_series(answer: Answer, found: Mapping[tuple[str, str], tuple[model.Series, ...] | None]) -> Answer:
    """An answer with the series that its archive told besides; (archive, Study Instance UID) → series."""
    told = [(study, found.get((study.archive, study.study_instance_uid))) for study in answer.studies]
    studies = (study if series is None else study.with_series(series) for study, series in told)
    return replace(answer, studies=tuple(studies))


def remember_series(result: model.FindResult, before: Sequence[Study]) -> model.FindResult:
    """An answer with the series that were asked for earlier, of studies that have not changed since."""
    known = {_shape(study): study.series_found for study in before if study.series_found is not None}
    told = [(study, known.get(_shape(study))) for study in result.studies]
    studies = (study if series is None else study.with_series(series) for study, series in told)
    return replace(result, studies=tuple(studies))


def _shape(study: Study) -> tuple[str, int | None, int | None]:
    return study.study_instance_uid, study.instances, study.series


def was_brought(choice: Choice, verified: Sequence[model.Retrieve]) -> bool:
    """Whether all that a choice wants was verified at its destination before."""
    return any(
        retrieve.study_instance_uid == choice.study.study_instance_uid
        and parts.covers(retrieve.series, parts.wanted(choice))
        for retrieve in verified
    )


def holds_parts(choice: Choice, counts: Mapping[str, int | None] | None) -> bool:
    """Whether a destination holds what is wanted of a study, by how many it holds of each series' part."""
    return all(parts.is_there(part, counts or {}) for part in parts.wanted(choice))


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
    sure = [(choice, _decision(choice, found, present)) for choice in found.choices]
    doubtful = [(choice, Decision.QUARANTINED) for choice in found.doubtful]
    return tuple(
        _wanted(order, choice, decision, expire_after=expire_after)
        for choice, decision in (*sure, *doubtful)
        if not choice.observe
    )


def candidates(found: Sorted, *, present: Collection[tuple[str, str]]) -> tuple[Candidate, ...]:
    """Every study of the patient with what was decided, what is wanted first."""
    taken = [
        _candidate(_explained(choice, found), _decision(choice, found, present)) for choice in found.choices
    ]
    doubtful = [_candidate(choice, Decision.QUARANTINED) for choice in found.doubtful]
    return (*taken, *doubtful, *found.left)


def _part(
    order: model.Order, answers: Sequence[Answer], policy: identity.Policy
) -> tuple[list[Answer], list[Candidate], dict[str, str]]:
    """The answers without what is surely another patient's, that apart, and what may be another's.

    No person can release what is surely another's. Of the rest: Study Instance UID → why it is doubtful.
    """
    own: list[Answer] = []
    strangers: list[Candidate] = []
    doubts: dict[str, str] = {}
    said = {study.study_instance_uid: study.birth_date for study in _studies(answers) if study.birth_date}
    for answer in answers:
        studies: list[Study] = []
        wholes: list[Study] = []
        verdicts: dict[tuple[str | None, ...], identity.Verdict] = {}
        for study in answer.studies:
            # What one archive does not say of a study, another may.
            told = None if study.birth_date else said.get(study.study_instance_uid)
            whole = replace(study, birth_date=told) if told else study
            says = identity.said_of_patient(whole)
            if says not in verdicts:
                verdicts[says] = identity.check_identity(
                    order.patient, whole, asked=answer.asked, policy=policy
                )
            verdict = verdicts[says]
            because = f"{answer.archive}: {verdict.because}"
            if verdict.kind is identity.Kind.OTHER:
                reasons = (Reason(because=because),)
                strangers.append(Candidate(study=study, decision=Decision.LEFT, reasons=reasons))
                continue
            studies.append(study)
            wholes.append(whole)
            if verdict.kind is identity.Kind.CONFLICT:
                doubts[study.study_instance_uid] = because
        for uid, why in identity.check_record(wholes, policy).items():
            doubts.setdefault(uid, f"{answer.archive}: {why}")
        own.append(replace(answer, studies=tuple(studies)))
    if apart := identity.check_together(order.patient, _studies(own), policy):
        doubts = {study.study_instance_uid: apart for study in _studies(own)} | doubts
    return own, strangers, doubts


def _studies(answers: Iterable[Answer]) -> Iterator[Study]:
    return itertools.chain.from_iterable(answer.studies for answer in answers)


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


def _target(choice: Choice) -> cooling.Target:
    return choice.study.study_instance_uid, choice.destination


def _explained(choice: Choice, found: Sorted) -> Choice:
    """A choice that says as well why it is not fetched again."""
    resting = found.cooling.get(_target(choice))
    because = f"{choice.reason.because}; {resting}" if resting else choice.reason.because
    return replace(choice, reason=replace(choice.reason, because=because))


def _decision(choice: Choice, found: Sorted, present: Collection[cooling.Target]) -> Decision:
    if _target(choice) in present:
        return Decision.PRESENT
    if _target(choice) in found.cooling and not choice.observe:
        return Decision.COOLING
    return Decision.OBSERVED if choice.observe else Decision.TAKEN


def _candidate(choice: Choice, decision: Decision) -> Candidate:
    return replace(select.taken(choice), decision=decision)


def _key_at_destination(order: model.Order, study: Study) -> str:
    """An archive that does not repeat the ID was asked by it; a study found by its UID may have none."""
    return (order.patient.patient_id or "") if study.patient_id is None else study.patient_id


def _wanted(
    order: model.Order, choice: Choice, decision: Decision, *, expire_after: timedelta
) -> model.Wanted:
    return model.Wanted(
        choice=choice,
        decision=decision,
        patient_id=_key_at_destination(order, choice.study),
        issuer_of_patient_id=choice.study.issuer_of_patient_id or order.patient.issuer_of_patient_id,
        lane=choice.lane,
        # What comes after the exam was read helps nobody; an exam without a time expires by its deadline.
        expire_at=(order.scheduled_start or choice.deadline) + expire_after,
        because=choice.reason.because,
    )
