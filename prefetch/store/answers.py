"""What an archive said of a patient, and when: kept, so that nobody asks twice and rules can be replayed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, bindparam, insert, select, update

from prefetch import model
from prefetch.store import documents
from prefetch.store.prepared import Prepared
from prefetch.store.tables import answers


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an archive said, and when it last did."""

    asked_at: datetime
    result: model.FindResult
    asked_as: str = ""
    """The fingerprint of the settings that it was asked by."""


def save_answer(
    c: Connection,
    archive: str,
    patient_id: str,
    issuer: str | None,
    result: model.FindResult,
    *,
    address: str,
    asked_as: str,
    asked_at: datetime,
) -> None:
    """Keep an answer; one that says what the last one said makes that one last longer.

    `address` is whose answer it is, `asked_as` the fingerprint of the settings that it was asked by.
    """
    studies = documents.write_studies(result.studies)
    last = _LAST.row(c, _about(archive, patient_id, issuer))
    said = {"outcome": result.outcome, "status": result.status, "because": result.because}
    said |= {"address": address, "asked_as": asked_as}
    measured = {"asked_at": asked_at, "milliseconds": result.milliseconds}
    if last and last["studies"] == studies and all(last[name] == value for name, value in said.items()):
        c.execute(update(answers).where(answers.c.id == last["id"]).values(measured))
        return
    patient = _about(archive, patient_id, issuer)
    _ADD.run(c, {"first_asked_at": asked_at, "studies": studies, **patient, **said, **measured})


def save_series(
    c: Connection,
    archive: str,
    patient_id: str,
    issuer: str | None,
    series: Mapping[str, tuple[model.Series, ...]],
) -> None:
    """Keep with the last answer about a patient the series of some of its studies, by their UIDs."""
    last = _LAST.row(c, _about(archive, patient_id, issuer))
    if last is None:
        return
    known = documents.readable(documents.read_studies, last["studies"])
    if known is None:
        return
    told = tuple(
        study.with_series(series[study.study_instance_uid]) if study.study_instance_uid in series else study
        for study in known
    )
    studies = documents.write_studies(told)
    c.execute(update(answers).where(answers.c.id == last["id"]).values(studies=studies))


def latest_answer(
    c: Connection, archive: str, patient_id: str, issuer: str | None, *, address: str
) -> Answer | None:
    """Give the last whole answer about a patient, however old, of the archive that is at this address."""
    row = _LAST_WHOLE.row(c, {**_about(archive, patient_id, issuer), "address": address})
    studies = None if row is None else documents.readable(documents.read_studies, row["studies"])
    if row is None or studies is None:
        return None
    result = model.FindResult(
        outcome=row["outcome"],
        studies=studies,
        status=row["status"],
        because=row["because"],
        milliseconds=row["milliseconds"],
    )
    return Answer(asked_at=row["asked_at"], result=result, asked_as=row["asked_as"])


def _about(archive: str, patient_id: str, issuer: str | None) -> dict[str, object]:
    return {"archive": archive, "patient_id": patient_id, "issuer": issuer or ""}


_OF_PATIENT = (
    select(answers)
    .where(*(answers.c[name] == bindparam(name) for name in ("archive", "patient_id", "issuer")))
    .order_by(answers.c.asked_at.desc(), answers.c.id.desc())
    .limit(1)
)
"""What an archive said of a patient, the newest."""
_LAST = Prepared(_OF_PATIENT)
_LAST_WHOLE = Prepared(
    _OF_PATIENT.where(answers.c.outcome == model.Outcome.SUCCESS, answers.c.address == bindparam("address"))
)
_ADD = Prepared(insert(answers))
