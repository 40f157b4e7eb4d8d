"""Patients: which ID became which by a merge, and what a person decided about a study in quarantine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, select

from prefetch import model
from prefetch.store.dialects import upsert
from prefetch.store.tables import patient_alias, verdicts

_MOST_MERGES = 20
"""Longer chains of merges are a loop in what the feed said."""


def record_merge(c: Connection, *, prior: model.Patient, surviving: model.Patient, at: datetime) -> None:
    """Remember that an ID lives on as another (HL7 v2.5.1 3.3.40)."""
    key = {"prior_patient_id": prior.patient_id or "", "prior_issuer": prior.issuer_of_patient_id or ""}
    becomes = {"patient_id": surviving.patient_id, "issuer_of_patient_id": surviving.issuer_of_patient_id}
    upsert(c, patient_alias, [{**key, **becomes, "merged_at": at}])


def surviving_id(c: Connection, patient_id: str, issuer: str | None) -> tuple[str, str | None]:
    """Give the ID and issuer under which a patient lives on, after however many merges; his own if none."""
    seen = {(patient_id, issuer)}
    for _ in range(_MOST_MERGES):
        query = select(patient_alias.c.patient_id, patient_alias.c.issuer_of_patient_id).where(
            patient_alias.c.prior_patient_id == patient_id, patient_alias.c.prior_issuer == (issuer or "")
        )
        row = c.execute(query).one_or_none()
        if row is None or tuple(row) in seen:
            break
        patient_id, issuer = row
        seen.add((patient_id, issuer))
    return patient_id, issuer


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
    said = {"verdict": verdict, "decided_by": by, "decided_at": at}
    upsert(c, verdicts, [{"study_instance_uid": study_instance_uid, **_key(patient), **said}])


def verdicts_about(c: Connection, patient: model.Patient) -> dict[str, model.Verdict]:
    """Give what was decided of this patient's studies, by Study Instance UID."""
    key = _key(patient)
    query = select(verdicts.c.study_instance_uid, verdicts.c.verdict).where(
        verdicts.c.patient_id == key["patient_id"], verdicts.c.issuer == key["issuer"]
    )
    return {row.study_instance_uid: row.verdict for row in c.execute(query)}


def _key(patient: model.Patient) -> dict[str, str]:
    return {"patient_id": patient.patient_id or "", "issuer": patient.issuer_of_patient_id or ""}
