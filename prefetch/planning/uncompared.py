"""PURE: which archives' studies could not be compared with the order by birth date, and for want of what."""

from __future__ import annotations

from collections.abc import Iterable

from prefetch import model
from prefetch.planning import draft, identity


def find_uncompared(
    patient: model.Patient, answers: Iterable[draft.Answer], policy: identity.Policy
) -> dict[str, str]:
    """Give archive → why, for each whose studies could none of them be compared by birth date."""
    because = (
        "its studies say no birth date"
        if identity.says_birth_date(patient, policy)
        else "no birth date in the order"
    )
    return {
        answer.archive: because
        for answer in answers
        if answer.studies
        and not any(identity.can_compare_birth_date(patient, study, policy) for study in answer.studies)
    }
