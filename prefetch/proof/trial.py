"""PURE: a rule test and the rules → what of its expectations does not hold, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from prefetch import modalities, model, orders, parts, rules
from prefetch.fieldpath import FieldPath
from prefetch.planning import draft, identity, keys, matching, select
from prefetch.planning.circumstances import Circumstances
from prefetch.proof import cases
from prefetch.settings import BirthDateSaidBy, Config, NameConflict


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What became of one test."""

    case: cases.Case
    failures: tuple[str, ...]
    """What does not hold; none where all is as expected."""
    matched: tuple[str, ...]
    """The rules that matched."""

    @property
    def passed(self) -> bool:
        """Whether all holds."""
        return not self.failures


def run(case: cases.Case, rule_set: rules.RuleSet, site: Config) -> Outcome:
    """Plan the order of a test, and compare."""
    now = _instant(case.now, site)
    order = _order(case, site, now)
    matches = matching.match_rules(rule_set, order, site=site, now=now)
    studies = {_uid(given): given for given in case.studies}
    facts = draft.Facts(
        order=order,
        verdicts={},
        policy=_POLICY,
        circumstances=Circumstances.of(site, now),
        fetched=[one for given in case.studies for one in _fetched(given, site, now)],
    )
    answers = _answers(case, site, facts, matches)
    found = draft.sort_studies(facts, matches, answers)
    given = [one for one in draft.candidates(found, present=()) if one.study.study_instance_uid in studies]
    selection = select.Selection(choices=found.to_look_for, candidates=tuple(given))
    matches = found.matches
    matched = tuple(match.rule.name for match in matches if match.matched)
    failures = [
        *_never_asked(case, answers),
        *_wrong_rules(case.expect, matches, matched),
        *_wrong_priors(case.expect, selection, studies),
        *_wrong_course(case.expect, selection, studies, site),
        *_wrong_reasons(case.expect, selection, studies),
    ]
    return Outcome(case=case, failures=tuple(failures), matched=matched)


_PATIENT = "TEST"
_POLICY = identity.Policy(name_conflict=NameConflict.NOTE, birth_date_said_by=BirthDateSaidBy.NOBODY)
"""All studies of a rule test are the patient's: whose they are is not for rules to say."""


# --- what is given ---------------------------------------------------------------------------------


def _instant(moment: datetime, site: Config) -> datetime:
    return moment if moment.tzinfo else moment.replace(tzinfo=site.time_zone)


_SAME = (
    "accession_number",
    "study_instance_uid",
    "procedure_code",
    "procedure_description",
    "modality",
    "station_ae_title",
    "station_name",
    "location",
    "patient_class",
)
"""Keys of a given order that are the order's own fields."""


def _order(case: cases.Case, site: Config, now: datetime) -> model.Order:
    given = case.order
    tomorrow = datetime.combine(case.now.date() + timedelta(days=1), cases.EXAM_AT)
    start = None if given.unscheduled else _instant(given.scheduled_start or tomorrow, site)
    return model.Order(
        id=0,
        version=1,
        status=model.OrderStatus.SCHEDULED,
        patient=model.Patient(
            patient_id=_PATIENT,
            birth_date=f"{given.birth_date:%Y%m%d}" if given.birth_date else None,
            sex=given.sex,
        ),
        source=given.feed,
        scheduled_start=start.astimezone(UTC) if start else None,
        priority=orders.read_priority(given.priority),
        worklist=given.worklist,
        segments=_segments(given.hl7),
        created_at=now - max((given.fetched for given in case.studies if given.fetched), default=timedelta()),
        changed_at=now,
        **{name: getattr(given, name) for name in _SAME},
    )


def _segments(said: Mapping[str, str]) -> Sequence[Sequence[Any]]:
    """Places and values as the segments of a message (`lastmessage`)."""
    segments: dict[str, list[Any]] = {}
    for place, value in said.items():
        path = FieldPath.parse(place)
        segment = segments.setdefault(path.segment, [path.segment])
        segment += [""] * (path.field + 1 - len(segment))
        repetition = segment[path.field] = segment[path.field] or [[]]
        components = repetition[0]
        components += [""] * (path.component - len(components))
        deeper = [""] * (path.subcomponent - 1)
        components[path.component - 1] = [*deeper, value] if deeper else value
    return list(segments.values())


def _uid(given: cases.GivenStudy) -> str:
    return given.study_instance_uid or f"of {given.name}"


def _answers(
    case: cases.Case, site: Config, facts: draft.Facts, matches: Sequence[matching.RuleMatch]
) -> list[draft.Answer]:
    """What the archives answer, each asked only where a rule has it asked."""
    holdings = _by_archive(case, site, facts.circumstances.exam(facts.order).day)
    answers: list[draft.Answer] = []
    while names := draft.still_to_ask(facts, matches, answers):
        answers += [_answer(name, holdings.get(name, ()), case) for name in names]
    return answers


def _answer(archive: str, studies: Sequence[model.Study], case: cases.Case) -> draft.Answer:
    silent = archive in case.silent
    return draft.Answer(
        archive=archive,
        asked_at=case.now,
        studies=() if silent else tuple(studies),
        outcome=model.Outcome.TRANSIENT if silent else model.Outcome.SUCCESS,
        asked=(keys.Key(patient_id=_PATIENT),),
    )


def _by_archive(case: cases.Case, site: Config, day: date) -> dict[str, list[model.Study]]:
    default = next(iter(site.archives))
    found: dict[str, list[model.Study]] = {}
    for given in case.studies:
        study = _study(given, day, default=default)
        found.setdefault(study.archive, []).append(study)
    return found


def _fetched(given: cases.GivenStudy, site: Config, now: datetime) -> list[model.Retrieve]:
    """What was fetched of a study for this exam."""
    if given.fetched is None:
        return []
    then = now - given.fetched
    return [
        model.Retrieve(
            id=0,
            state=model.RetrieveState.VERIFIED,
            study_instance_uid=_uid(given),
            archive="",
            archives=(),
            destination=destination,
            patient_id=_PATIENT,
            start_at=then,
            deadline=then,
            expire_at=then,
            expected_instances=given.instances,
            created_at=then,
            moved_at=then,
            verified_at=then,
        )
        for destination in site.workstations
    ]


def _study(given: cases.GivenStudy, day: date, *, default: str) -> model.Study:
    study = model.Study(
        study_instance_uid=_uid(given),
        archive=given.archive or default,
        patient_id=_PATIENT,
        study_date=given.age.before(day) if given.age else given.date,
        accession_number=given.accession_number,
        description=given.description,
        institution=given.institution,
        procedure_codes=given.procedure_code,
        anatomic_regions=given.anatomic_region,
        body_part=given.body_part,
        modalities=given.modality,
        instances=given.instances,
    )
    return study if given.series is None else study.with_series(tuple(map(_series, given.series)))


def _series(given: cases.GivenSeries) -> model.Series:
    """Its name is its UID, by which it is known again."""
    return model.Series(
        series_instance_uid=given.name,
        modality=given.modality,
        description=given.description,
        body_part=given.body_part,
        instances=given.instances if given.marks is None else 1,
        markings=_markings(given),
    )


def _markings(given: cases.GivenSeries) -> tuple[model.Marking, ...] | None:
    """The one object of a series that marks images: so many of each series that it names."""
    if given.modality not in modalities.MARKING:
        return None
    images = None
    if given.marks is not None:
        images = tuple((name, f"{name}/{n}") for name, many in given.marks.items() for n in range(many))
    return (model.Marking(sop_instance_uid=f"{given.name}/0", images=images),)


# --- what does not hold ----------------------------------------------------------------------------


def _never_asked(case: cases.Case, answers: Iterable[draft.Answer]) -> Iterator[str]:
    asked = [answer.archive for answer in answers]
    for name in case.silent:
        if name not in asked:
            yield f"{name} should be silent, and nobody asks it"


def _wrong_rules(
    expected: cases.Expectation, matches: Iterable[matching.RuleMatch], matched: Sequence[str]
) -> Iterator[str]:
    if expected.matching is None:
        return
    because = {match.rule.name: match.reason.because for match in matches}
    for one in expected.matching:
        if one.rule not in because:
            yield f"there is no rule {one.rule}"
        elif one.rule not in matched:
            yield f"rule {one.rule} should match: {because[one.rule]}"
        elif one.because and not one.because.matches(because[one.rule]):
            yield f"rule {one.rule} should say “{one.because}”; it says: {because[one.rule]}"
    for name in matched:
        if name not in {one.rule for one in expected.matching}:
            yield f"rule {name} should not match: {because[name]}"


def _wrong_priors(
    expected: cases.Expectation, selection: select.Selection, studies: Mapping[str, cases.GivenStudy]
) -> Iterator[str]:
    taken = _taken(selection, studies)
    wanted = {prior.study for prior in expected.taken}
    said = _said(selection, studies)
    for prior in expected.taken:
        if prior.study in taken:
            yield from _wrong_choice(prior, taken[prior.study])
        else:
            yield f"“{prior.study}” should be taken; {said[prior.study]}"
    for name, choices in taken.items():
        if name not in wanted:
            yield f"“{name}” should be left; {_why(choices[0].reason)}"


def _wrong_choice(prior: cases.ExpectedPrior, choices: Sequence[model.Choice]) -> Iterator[str]:
    first = choices[0]
    destinations = sorted(choice.destination for choice in choices)
    if prior.to and sorted(prior.to) != destinations:
        yield f"“{prior.study}” should go to {', '.join(prior.to)}; it goes to {', '.join(destinations)}"
    if prior.rule not in {None, first.rule}:
        yield f"“{prior.study}” should be taken by rule {prior.rule}; {_why(first.reason)}"
    if prior.prior_class not in {None, first.prior_class}:
        yield f"“{prior.study}” should be taken as {prior.prior_class}; {_why(first.reason)}"
    if prior.series and set(prior.series) != (moved := _moved(first)):
        says = f"“{prior.study}” should be taken with its series {', '.join(prior.series)}"
        yield f"{says}; it is taken with {', '.join(sorted(moved)) or 'none'}; {_why(first.reason)}"
    if prior.instances not in {None, number := _instances(first)}:
        says = f"“{prior.study}” should be taken with {prior.instances} instances"
        yield f"{says}; it is taken with {number}; {_why(first.reason)}"
    if prior.because and not any(prior.because.matches(why.because) for why in (first.reason, *first.others)):
        yield f"“{prior.study}” should be taken because “{prior.because}”; {_why(first.reason)}"


def _instances(choice: model.Choice) -> int | None:
    return parts.count(parts.wanted(choice)) if choice.series else choice.study.instances


def _moved(choice: model.Choice) -> set[str]:
    """The names of the series that are moved; of a whole study all."""
    return {each.series_instance_uid for each in choice.series or choice.study.series_found or ()}


def _wrong_course(
    expected: cases.Expectation,
    selection: select.Selection,
    studies: Mapping[str, cases.GivenStudy],
    site: Config,
) -> Iterator[str]:
    """Of what is taken: from where it comes, when, and in which lane."""
    taken = _taken(selection, studies)
    for prior in expected.taken:
        for choice in taken.get(prior.study, ())[:1]:
            asked, found = _asked_course(prior, site), _course(choice, site)
            for what in asked:
                if asked[what] not in {None, found[what]}:
                    yield f"“{prior.study}” should be {what} {asked[what]}; it is {what} {found[what]}"


def _asked_course(prior: cases.ExpectedPrior, site: Config) -> dict[str, str | None]:
    return {
        "from": prior.archive,
        "fetched from": _asked_time(prior.fetch_from, site),
        "ready by": _asked_time(prior.ready_by, site),
        "in lane": None if prior.priority is None else prior.priority.name.lower(),
        "in mode": prior.mode and prior.mode.value,
    }


def _course(choice: model.Choice, site: Config) -> dict[str, str]:
    return {
        "from": choice.archives[0],
        "fetched from": _local(choice.start_at, site),
        "ready by": _local(choice.deadline, site),
        "in lane": choice.lane.name.lower(),
        "in mode": (rules.Mode.OBSERVE if choice.observe else rules.Mode.ACTIVE).value,
    }


def _asked_time(moment: datetime | None, site: Config) -> str | None:
    return None if moment is None else _local(_instant(moment, site), site)


def _local(moment: datetime, site: Config) -> str:
    return f"{moment.astimezone(site.time_zone):%Y-%m-%d %H:%M}"


def _wrong_reasons(
    expected: cases.Expectation, selection: select.Selection, studies: Mapping[str, cases.GivenStudy]
) -> Iterator[str]:
    """A study that is taken although it should be left is told of already."""
    reasons = {_name(candidate.study, studies): candidate.reasons for candidate in selection.candidates}
    taken = _taken(selection, studies)
    for left in expected.left_alone:
        said = reasons.get(left.study, ())
        if left.because is None or left.study in taken:
            continue
        if not any(left.because.matches(why.because) for why in said):
            words = "; ".join(map(_why, said)) or "no rule looks at it"
            yield f"“{left.study}” should be left because “{left.because}”; {words}"


def _taken(
    selection: select.Selection, studies: Mapping[str, cases.GivenStudy]
) -> dict[str, list[model.Choice]]:
    taken: dict[str, list[model.Choice]] = {}
    for choice in selection.choices:
        taken.setdefault(_name(choice.study, studies), []).append(choice)
    return taken


def _said(selection: select.Selection, studies: Mapping[str, cases.GivenStudy]) -> dict[str, str]:
    """Study → why it is left."""
    said = dict.fromkeys((given.name for given in studies.values()), "no rule looks at it")
    for candidate in selection.candidates:
        if candidate.reasons:
            said[_name(candidate.study, studies)] = "; ".join(map(_why, candidate.reasons))
    return said


def _name(study: model.Study, studies: Mapping[str, cases.GivenStudy]) -> str:
    return studies[study.study_instance_uid].name


def _why(reason: model.Reason) -> str:
    where = "/".join(part for part in (reason.rule, reason.prior_class) if part)
    place = f" ({reason.place})" if reason.place else ""
    return f"{where}{place}: {reason.because}" if where else reason.because
