"""PURE: the IDs of a patient: which of them are the same, and what another message makes of them.

A patient has several IDs, each within the domain of who issued it (HL7 v2.5.1 3.4.2.3). Feeds name one or
some of them; what is known grows, until a message says that the order is another patient's.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from prefetch.model import OrderEvent, Patient, PatientId


def namespace(issuer: str | None) -> str | None:
    """The Issuer of Patient ID is the first part of an assigning authority (HL7 v2.5.1 2.A.33)."""
    return issuer.split("&")[0].strip() or None if issuer else None


def same(one: PatientId, other: PatientId) -> bool:
    """Whether two IDs are one: an authority that is not said speaks against none."""
    if one.patient_id != other.patient_id:
        return False
    issuers = {one.issuer_of_patient_id or None, other.issuer_of_patient_id or None} - {None}
    return len(issuers) < 2  # noqa: PLR2004 (one or none)


def unite(ids: Iterable[PatientId]) -> tuple[PatientId, ...]:
    """Each ID once, in the order given."""
    known: list[PatientId] = []
    for one in ids:
        if not any(same(one, other) for other in known):
            known.append(one)
    return tuple(known)


def said_by(event: OrderEvent) -> tuple[PatientId, ...]:
    """The IDs that an event names, the chosen one first."""
    if not event.patient_id:
        return ()
    chosen = PatientId(patient_id=event.patient_id, issuer_of_patient_id=event.issuer_of_patient_id)
    return unite((chosen, *event.other_patient_ids))


def prior_of(event: OrderEvent) -> PatientId | None:
    """The ID that a merge ends; `None` where there is none.

    A merge is within one authority unless it says otherwise; MRG-1 often names none (HL7 v2.5.1 3.3.40).
    """
    if not event.prior_patient_id:
        return None
    issuer = event.prior_issuer_of_patient_id or event.issuer_of_patient_id
    return PatientId(patient_id=event.prior_patient_id, issuer_of_patient_id=issuer)


def are_others(said: Iterable[PatientId], known: Iterable[PatientId]) -> bool:
    """Whether two sets of IDs speak of two people: both have some that count, and none in common.

    Insurance and account numbers do not count: a family may share them.
    """
    ours, theirs = ([one for one in ids if not one.foreign] for ids in (said, known))
    return bool(ours and theirs) and not any(same(one, other) for one in ours for other in theirs)


def identify(patient: Patient, event: OrderEvent) -> Patient:
    """The patient with the IDs that an event names.

    An ID that the patient is known to have stays the second choice that it was: two feeds may each name their
    own. A new choice takes the place of all that its message's authorities had given out before.
    """
    said, known = said_by(event), patient.ids
    if not said:
        return patient
    if not known or are_others(said, known):
        return _with(patient, said)
    if any(same(said[0], one) for one in known):
        return _with(patient, unite((*(_whole(one, said) for one in known), *said)))
    spoken_for = {one.issuer_of_patient_id for one in said}
    kept = (one for one in known if one.issuer_of_patient_id not in spoken_for)
    return _with(patient, unite((*said, *kept)))


def merge(patient: Patient, event: OrderEvent) -> Patient:
    """The patient with the surviving ID in the place of the one that a merge ends."""
    prior, survivor = prior_of(event), next(iter(said_by(event)), None)
    if prior is None or survivor is None:
        return patient
    ids = (survivor if replace(one, foreign=False) == prior else one for one in patient.ids)
    return _with(patient, unite(ids))


def _whole(known: PatientId, said: tuple[PatientId, ...]) -> PatientId:
    """An ID with the authority that either side names."""
    names = (one.issuer_of_patient_id for one in (known, *said) if same(one, known))
    return replace(known, issuer_of_patient_id=next(filter(None, names), None))


def _with(patient: Patient, ids: tuple[PatientId, ...]) -> Patient:
    if not ids:
        return patient
    chosen, *others = ids
    return replace(
        patient,
        patient_id=chosen.patient_id,
        issuer_of_patient_id=chosen.issuer_of_patient_id,
        other_ids=tuple(others),
    )
