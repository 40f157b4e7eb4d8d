"""Patients: which ID became which by a merge, which others a PIX manager knows, and what a person decided."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection, and_, bindparam, delete, false, or_, select

from prefetch import model
from prefetch.store import documents
from prefetch.store.dialects import upsert
from prefetch.store.prepared import Prepared
from prefetch.store.tables import cross_references, patient_alias, verdicts

_MOST_MERGES = 20
"""Longer chains of merges, or more IDs that became one, are a loop or a mistake in what the feed said."""


def record_merge(c: Connection, *, prior: model.PatientId, surviving: model.PatientId, at: datetime) -> None:
    """Remember that an ID lives on as another (HL7 v2.5.1 3.3.40).

    Where the survivor was itself merged into the one that now ends, the later word counts: no loop is kept.
    """
    was = patient_alias.c
    if any(_key(one) == _key(prior) for one in _lives_on(c, surviving)):
        c.execute(
            delete(patient_alias).where(
                was.prior_patient_id == surviving.patient_id, was.prior_issuer == _issuer(surviving)
            )
        )
    key = {"prior_patient_id": prior.patient_id, "prior_issuer": _issuer(prior)}
    becomes = {"patient_id": surviving.patient_id, "issuer_of_patient_id": surviving.issuer_of_patient_id}
    upsert(c, patient_alias, [{**key, **becomes, "merged_at": at}])


def surviving_id(c: Connection, one: model.PatientId) -> model.PatientId:
    """Give the ID under which a patient lives on, after however many merges; his own if none."""
    return _lives_on(c, one)[-1]


def _lives_on(c: Connection, one: model.PatientId) -> list[model.PatientId]:
    """Give an ID and what it became, merge by merge."""
    chain = [one]
    for _ in range(_MOST_MERGES):
        row = _BECAME.row(c, {"patient": chain[-1].patient_id, "issuer": _issuer(chain[-1])})
        if row is None:
            break
        became, issuer = row["patient_id"], row["issuer_of_patient_id"] or None
        chain.append(replace(one, patient_id=became, issuer_of_patient_id=issuer))
    return chain


_BECAME = Prepared(
    select(patient_alias.c.patient_id, patient_alias.c.issuer_of_patient_id).where(
        patient_alias.c.prior_patient_id == bindparam("patient"),
        patient_alias.c.prior_issuer == bindparam("issuer"),
    )
)


def merged_ids(c: Connection, one: model.PatientId) -> tuple[model.PatientId, ...]:
    """Give the IDs that became this one, directly or by way of others; the newest merge first."""
    found: dict[tuple[str, str], model.PatientId] = {}
    ahead = [one]
    while ahead and len(found) < _MOST_MERGES:
        for prior in _merged_into(c, ahead.pop(0)):
            if _key(prior) != _key(one) and _key(prior) not in found:
                found[_key(prior)] = prior
                ahead.append(prior)
    return tuple(found.values())[:_MOST_MERGES]


def _merged_into(c: Connection, one: model.PatientId) -> list[model.PatientId]:
    asked = {"patient": one.patient_id, "issuer": one.issuer_of_patient_id or None}
    return [
        model.PatientId(patient_id=row["prior_patient_id"], issuer_of_patient_id=row["prior_issuer"] or None)
        for row in _BECAME_THIS.rows(c, asked)
    ]


_BECAME_THIS = Prepared(
    select(patient_alias.c.prior_patient_id, patient_alias.c.prior_issuer)
    .where(
        patient_alias.c.patient_id == bindparam("patient"),
        patient_alias.c.issuer_of_patient_id.is_not_distinct_from(bindparam("issuer")),
    )
    .order_by(patient_alias.c.merged_at.desc())
    .limit(_MOST_MERGES)
)


def give_verdict(
    c: Connection,
    *,
    study_instance_uid: str,
    patient: model.Patient,
    verdict: model.Verdict,
    by: str,
    at: datetime,
) -> None:
    """Write what a person decided of a study for a patient; later plans go by it."""
    whose = {"patient_id": patient.patient_id or "", "issuer": patient.issuer_of_patient_id or ""}
    said = {"verdict": verdict, "decided_by": by, "decided_at": at}
    upsert(c, verdicts, [{"study_instance_uid": study_instance_uid, **whose, **said}])


def verdicts_about(c: Connection, ids: Iterable[model.PatientId]) -> dict[str, model.Verdict]:
    """Give what was decided of a patient's studies under any of these IDs, by Study Instance UID."""
    about = (and_(verdicts.c.patient_id == one.patient_id, verdicts.c.issuer == _issuer(one)) for one in ids)
    query = (
        select(verdicts.c.study_instance_uid, verdicts.c.verdict)
        .where(or_(false(), *about))
        .order_by(verdicts.c.decided_at)
    )
    return {row.study_instance_uid: row.verdict for row in c.execute(query)}


def keep_cross_references(
    c: Connection, one: model.PatientId, ids: tuple[model.PatientId, ...], *, at: datetime
) -> None:
    """Keep what the PIX manager says of an ID."""
    row = {"patient_id": one.patient_id, "issuer": _issuer(one), "asked_at": at}
    upsert(c, cross_references, [{**row, "ids": documents.write_patient_ids(ids)}])


@dataclass(frozen=True, slots=True, kw_only=True)
class Referred:
    """What the PIX manager last said of an ID, and when."""

    asked_at: datetime
    ids: tuple[model.PatientId, ...]


def cross_references_of(c: Connection, one: model.PatientId) -> Referred | None:
    """Give what the PIX manager last said of an ID, however old."""
    known = cross_references.c
    query = select(known.asked_at, known.ids).where(
        known.patient_id == one.patient_id, known.issuer == _issuer(one)
    )
    row = c.execute(query).one_or_none()
    ids = None if row is None else documents.readable(documents.read_patient_ids, row.ids)
    return None if row is None or ids is None else Referred(asked_at=row.asked_at, ids=ids)


def _issuer(one: model.PatientId) -> str:
    return one.issuer_of_patient_id or ""


def _key(one: model.PatientId) -> tuple[str, str]:
    return one.patient_id, _issuer(one)
