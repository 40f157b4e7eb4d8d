"""The verb `explain`: the whole story of one order, for whoever asks why a prior did or did not come."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.text import Text
from rich.tree import Tree

from prefetch import model, provenance, readiness, timing
from prefetch.cli import exams, order_trouble, terms
from prefetch.cli import status as status_verb
from prefetch.model import Decision
from prefetch.values.visible_text import make_visible

if TYPE_CHECKING:
    from prefetch.config import Footing
    from prefetch.store.database import Connection

_STYLES = {
    Decision.TAKEN: "green",
    Decision.PRESENT: "green",
    Decision.COOLING: "green",
    Decision.OBSERVED: "cyan",
    Decision.QUARANTINED: "bold red",
    Decision.LEFT: "dim",
}
_WORDS = {Decision.OBSERVED: "would move", Decision.PRESENT: "already there"}


def explain(
    order: Annotated[
        str, typer.Argument(metavar="ORDER", help="Accession, placer or filler number, or # and ours.")
    ],
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
) -> None:
    """Tell all about one order: messages, rules, queries, every candidate and why, moves, verification."""
    site = terms.load_footing(config)
    with terms.looking(site) as connection:
        exam, wanted, happened = _read(connection, terms.the_order(connection, order).id)
        troubles = status_verb.find_trouble(connection, site, timing.now())
    words = order_trouble.words_about(exam, troubles)
    if json:
        terms.print_json(_story(exam, wanted, happened) | {"trouble": words})
    else:
        terms.SafeConsole().print(_tree(exam, wanted, happened, site, words))


Wanted = list[tuple[model.Want, model.Retrieve]]


def _read(connection: Connection, order_id: int) -> tuple[readiness.Exam, Wanted, list[model.Happening]]:
    from prefetch.store import exams as exam_rows  # noqa: PLC0415 (SQLAlchemy costs start-up time)
    from prefetch.store import history, retrieves  # noqa: PLC0415 (the same)

    exam = exam_rows.get_exam(connection, order_id)
    return exam, retrieves.retrieves_of_order(connection, order_id), history.story(connection, order_id)


def _text(text: str, style: str = "") -> Text:
    """Give text in which nothing acts, in a style."""
    return Text(make_visible(text), style=style)


def _story(exam: readiness.Exam, wanted: Wanted, happened: list[model.Happening]) -> dict[str, Any]:
    plan = exam.plan
    return {
        "order": exams.row(exam, timing.now()),
        "said": {name: _words(exam.order.sayings, name) for name in provenance.holding(exam.order.sayings)},
        "worklist": exam.order.worklist,
        "planned_at": plan.made_at if plan else None,
        "problem": plan.problem if plan else None,
        "patient_ids": [_known_id(known) for known in plan.patient_ids] if plan else [],
        "rules": [_reason(reason) for reason in plan.rules] if plan else [],
        "queries": [_query(consulted) for consulted in plan.consulted] if plan else [],
        "candidates": [_candidate(candidate) for candidate in plan.candidates] if plan else [],
        "retrieves": [_wanted(want, retrieve) for want, retrieve in wanted],
        "history": [
            {"at": each.at, "what": each.what, "retrieve": each.retrieve_id, **each.detail}
            for each in happened
        ],
    }


def _words(sayings: provenance.Sayings, name: str) -> list[dict[str, Any]]:
    """Each source's last word on a field, that which holds first."""
    holds = provenance.latest(sayings, name)
    spoken = sorted((each for each in sayings if name in each.said), key=lambda each: each is not holds)
    return [
        {"source": each.source, "at": each.at, "value": each.said[name], "holds": each is holds}
        for each in spoken
    ]


def _reason(reason: model.Reason) -> dict[str, Any]:
    return {
        "rule": reason.rule,
        "class": reason.prior_class,
        "because": reason.because,
        "place": reason.place,
    }


def _known_id(known: model.KnownId) -> dict[str, Any]:
    return {
        "patient_id": known.id.patient_id,
        "issuer_of_patient_id": known.id.issuer_of_patient_id,
        "because": known.because,
    }


def _query(consulted: model.Consulted) -> dict[str, Any]:
    return {
        "archive": consulted.archive,
        "patient_id": consulted.patient_id,
        "issuer_of_patient_id": consulted.issuer_of_patient_id,
        "study_instance_uid": consulted.study_instance_uid,
        "asked_at": consulted.asked_at,
        "outcome": consulted.outcome.value,
        "answers": consulted.answers,
        "because": consulted.because,
    }


def _candidate(candidate: model.Candidate) -> dict[str, Any]:
    study = candidate.study
    return {
        "study_instance_uid": study.study_instance_uid,
        "decision": candidate.decision.value,
        "archive": study.archive,
        "destination": candidate.destination,
        "study_date": study.study_date,
        "modalities": study.modalities,
        "description": study.description,
        "procedure_codes": study.procedure_codes,
        "anatomic_regions": study.anatomic_regions,
        "body_part": study.body_part,
        "instances": study.instances,
        "grade": candidate.relevance and candidate.relevance.grade,
        "grade_because": candidate.relevance and candidate.relevance.because,
        "reasons": [_reason(reason) for reason in candidate.reasons],
    }


def _wanted(want: model.Want, retrieve: model.Retrieve) -> dict[str, Any]:
    return {
        "retrieve": retrieve.id,
        "state": retrieve.state.value,
        "study_instance_uid": retrieve.study_instance_uid,
        "archive": retrieve.archive,
        "destination": retrieve.destination,
        "rule": want.rule,
        "class": want.prior_class,
        "withdrawn": want.withdrawn,
        "attempts": retrieve.attempts,
        "arrived_instances": retrieve.arrived_instances,
        "expected_instances": retrieve.expected_instances,
        "verified_by": None if retrieve.verified_by is None else retrieve.verified_by.value,
        "verified_at": retrieve.verified_at,
        "start_at": retrieve.start_at,
        "closes_at": retrieve.closes_at,
        "deadline": retrieve.deadline,
        "problem": retrieve.problem,
    }


# --- for a person ----------------------------------------------------------------------------------


def _tree(
    exam: readiness.Exam,
    wanted: Wanted,
    happened: list[model.Happening],
    site: Footing,
    trouble: list[str],
) -> Tree:
    order, zone = exam.order, site.time_zone
    word = readiness.judge(exam, timing.now()).value
    tree = Tree(
        Text.assemble(
            (f"{order.name}", "bold"),
            f"  {order.modality or '?'} {order.procedure_description or order.procedure_code or ''}",
            f"  {terms.local(order.scheduled_start, zone) or 'no time yet'}  ",
            (word, "bold"),
        )
    )
    for line in trouble:
        tree.add(_text(f"! {line}", style="red"))
    _branch(tree, "who said what", _of_sayings(order.sayings, site))
    _branch(tree, "rules", map(_of_rule, _acting_first(exam.plan.rules)) if exam.plan else ())
    if exam.plan:
        if exam.plan.problem:
            tree.add(_text(f"problem: {exam.plan.problem}", style="red"))
        known = [_text(f"{each.id.name}: {each.because}") for each in exam.plan.patient_ids]
        _branch(tree, "patient IDs", known)
        _branch(tree, "archives asked", [_of_query(each, site) for each in exam.plan.consulted])
        _branch(tree, "candidates", [_of_candidate(each) for each in exam.plan.candidates])
    _branch(tree, "retrieves", [_of_retrieve(want, retrieve, site) for want, retrieve in wanted])
    _branch(tree, "what happened", [_of_happening(each, site) for each in happened])
    return tree


def _branch(tree: Tree, name: str, lines: Iterable[Text]) -> None:
    branch = tree.add(_text(name, style="bold"))
    for line in lines:
        branch.add(line)


_NEVER_SHOWN = frozenset({"patient_name", "birth_date", "ordered"})
"""Fields whose value a terminal need not show, and the word that an order was placed."""


def _of_sayings(sayings: provenance.Sayings, site: Footing) -> Iterator[Text]:
    """A line each time that a source spoke and its word holds, and one for each word that was overtaken."""
    holding = provenance.holding(sayings)
    for saying in sayings:
        held = {name: value for name, value in saying.said.items() if holding[name] is saying}
        overtaken = {name: value for name, value in saying.said.items() if name not in held}
        who = f"{saying.source} ({terms.local(saying.at, site.time_zone)})"
        if held:
            yield _text(f"{who}: {_fields(held)}")
        if overtaken:
            yield _text(f"{who}, overtaken: {_fields(overtaken)}", style="dim")


def _fields(said: Mapping[str, str | None]) -> str:
    shown = {name: value for name, value in said.items() if name not in _NEVER_SHOWN}
    return ", ".join(f"{name.replace('_', ' ')} {value or 'deleted'}" for name, value in shown.items())


def _acting_first(rules: Iterable[model.Reason]) -> list[model.Reason]:
    return sorted(rules, key=lambda reason: not reason.is_match)


def _of_rule(reason: model.Reason) -> Text:
    style = "" if reason.is_match else "dim"
    return _text(f"{reason.rule}: {reason.because}{_place(reason)}", style=style)


def _place(reason: model.Reason) -> str:
    return f"  [{reason.place}]" if reason.place else ""


def _of_query(each: model.Consulted, site: Footing) -> Text:
    asked_for = each.patient_id or each.study_instance_uid
    if asked_for is None:
        return _text(f"{each.archive}: {each.because}", style="dim")
    issuer = f" ({each.issuer_of_patient_id})" if each.issuer_of_patient_id else ""
    return _text(
        f"{each.archive}: {asked_for}{issuer}: {each.answers} studies, {each.outcome.value} "
        f"({terms.local(each.asked_at, site.time_zone)}){': ' + each.because if each.because else ''}"
    )


def _of_candidate(candidate: model.Candidate) -> Text:
    study = candidate.study
    word = _WORDS.get(candidate.decision, candidate.decision.value)
    line = Text.assemble(
        (f"{word:<13} ", _STYLES[candidate.decision]),
        f"{study.study_date or 'no date'}  {'/'.join(study.modalities) or '?':<5} {study.description or ''}",
        (_codes(study), "dim"),
        (f"  {study.archive}" + (f" → {candidate.destination}" if candidate.destination else ""), "dim"),
    )
    if candidate.relevance:
        graded = f"relevance {candidate.relevance.grade}: {candidate.relevance.because}"
        line.append(f"\n{'':<14}{graded}", style="dim")
    for reason in candidate.reasons:
        who = ": ".join(
            filter(None, ("/".join(filter(None, (reason.rule, reason.prior_class))), reason.because))
        )
        line.append(f"\n{'':<14}{who}{_place(reason)}", style="dim")
    return line


def _codes(study: model.Study) -> str:
    """What an archive says of a study in codes."""
    said = (*study.procedure_codes, *study.anatomic_regions, *filter(None, [study.body_part]))
    return f" [{', '.join(said)}]" if said else ""


def _of_retrieve(want: model.Want, retrieve: model.Retrieve, site: Footing) -> Text:
    count = f"{retrieve.arrived_instances if retrieve.arrived_instances is not None else '?'}"
    expected = retrieve.expected_instances if retrieve.expected_instances is not None else "?"
    line = _text(
        f"{retrieve.id} {'withdrawn' if want.withdrawn else retrieve.state.value}: "
        f"{retrieve.study_instance_uid}  {retrieve.archive} → {retrieve.destination}, "
        f"{count} of {expected} instances, {retrieve.attempts} moves"
    )
    if retrieve.verified_by is not None:
        line.append(
            f", verified by {retrieve.verified_by.value} {terms.local(retrieve.verified_at, site.time_zone)}"
        )
    if retrieve.problem:
        line.append(f"\n{retrieve.problem}", style="red")
    return line


def _of_happening(happening: model.Happening, site: Footing) -> Text:
    detail = ", ".join(
        f"{name}: {value}" for name, value in happening.detail.items() if value not in {None, ""}
    )
    which = f" {happening.retrieve_id}" if happening.retrieve_id else ""
    return _text(f"{terms.local(happening.at, site.time_zone)}  {happening.what}{which}  {detail}")
