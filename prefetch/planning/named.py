"""PURE: studies that an order names by Study Instance UID: which they are, and what became of them.

A class of priors says where an order names them (`named_in`). They are looked for by UID where no answer
about the patient holds them; whose they are is checked as of every other study (`identity`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from itertools import islice

from prefetch import rules
from prefetch.model import Candidate, Decision, Reason, Study
from prefetch.planning import conditions
from prefetch.planning.exam import Exam
from prefetch.planning.findings import alternatives, say

MOST = 20
"""Studies that one order may name in one class; a message that lists a thousand has the first looked for."""

_MOST_READ = 200
_MOST_TOLD = 3
_LONGEST = 64
_UID = r"[0-9]+(\.[0-9]+)+"
"""PS3.5 9.1, but for zeros in front, which some archives gave out."""


def uids(asked: rules.PriorClass, exam: Exam) -> dict[str, str]:
    """Study Instance UID → the place in which the order names it."""
    named = {uid: place for place, uid in reversed(list(_said(asked, exam))) if _is_uid(uid)}
    return dict(list(reversed(named.items()))[:MOST])


def problems(classes: Iterable[rules.PriorClass], exam: Exam) -> list[str]:
    """What is wrong with what the order names, in words."""
    wrong: dict[str, None] = {}
    too_many: list[str] = []
    for one in classes:
        said = {uid: place for place, uid in _said(one, exam)}
        wrong |= dict.fromkeys(
            f"{place} says {say(_short(uid))}, which is no Study Instance UID"
            for uid, place in said.items()
            if not _is_uid(uid)
        )
        if len(said) > MOST:
            places = alternatives(one.named_in)
            too_many.append(f"{places} names more than {MOST} studies; the first are looked for")
    more = len(wrong) - _MOST_TOLD
    told = list(wrong)[:_MOST_TOLD] + ([f"{more} more are none"] if more > 0 else [])
    return [*told, *too_many]


def to_look_for(classes: Iterable[rules.PriorClass], exam: Exam, held: Iterable[Study]) -> tuple[str, ...]:
    """The named studies that are not among those held, each once."""
    known = {study.study_instance_uid for study in held}
    return tuple(dict.fromkeys(uid for one in classes for uid in uids(one, exam) if uid not in known))


def not_found(
    rule: rules.Rule, exam: Exam, held: Iterable[Study], archives: Sequence[str]
) -> Iterator[Candidate]:
    """A candidate for each named study that nobody holds, to say so."""
    known = {study.study_instance_uid for study in held}
    for one in rule.priors:
        for uid, place in uids(one, exam).items():
            if uid not in known:
                because = f"{uid}, named in {place}, is not found in {' or '.join(archives)}"
                reason = Reason(
                    because=because, rule=rule.name, prior_class=one.name, place=one.place or None
                )
                study = Study(study_instance_uid=uid, archive="")
                yield Candidate(study=study, decision=Decision.LEFT, reasons=(reason,))


def _said(asked: rules.PriorClass, exam: Exam) -> Iterator[tuple[str, str]]:
    """Each place, and what it says: a worklist's attribute may hold several, parted by backslashes."""
    texts = ((value, str(said)) for value in asked.named_in for said in conditions.values(value, exam))
    said = ((str(value), uid.strip()) for value, text in texts for uid in text.split("\\") if uid.strip())
    return islice(said, _MOST_READ)


def _is_uid(text: str) -> bool:
    return len(text) <= _LONGEST and re.fullmatch(_UID, text) is not None


def _short(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
