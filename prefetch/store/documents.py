"""Plans, studies, IDs and sayings as JSON documents and back; what has its default is left out."""

from __future__ import annotations

from typing import Any

from pydantic import TypeAdapter

from prefetch import model

_PLAN = TypeAdapter(model.Plan)
_PATIENT_IDS = TypeAdapter(tuple[model.PatientId, ...])
_STUDIES = TypeAdapter(tuple[model.Study, ...])
_SAYINGS = TypeAdapter(tuple[model.Saying, ...])


def write_plan(plan: model.Plan) -> Any:
    """Give the document of a plan."""
    return _PLAN.dump_python(plan, mode="json", exclude_defaults=True)


def read_plan(document: Any) -> model.Plan:
    """Give the plan of a document."""
    return _PLAN.validate_python(document)


def parse_plan(text: str) -> model.Plan:
    """Give the plan of a document that was not made into Python's own lists."""
    return _PLAN.validate_json(text)


def write_patient_ids(ids: tuple[model.PatientId, ...]) -> Any:
    """Give the document of a patient's IDs."""
    return _PATIENT_IDS.dump_python(ids, mode="json", exclude_defaults=True)


def read_patient_ids(document: Any) -> tuple[model.PatientId, ...]:
    """Give the IDs of a document."""
    return _PATIENT_IDS.validate_python(document)


def write_studies(studies: tuple[model.Study, ...]) -> Any:
    """Give the document of an archive's answer."""
    return _STUDIES.dump_python(studies, mode="json", exclude_defaults=True)


def read_studies(document: Any) -> tuple[model.Study, ...]:
    """Give the studies of a document."""
    return _STUDIES.validate_python(document)


def parse_studies(text: str) -> tuple[model.Study, ...]:
    """Give the studies of a document that was not made into Python's own lists."""
    return _STUDIES.validate_json(text)


def write_sayings(sayings: tuple[model.Saying, ...]) -> Any:
    """Give the document of what was said of an order."""
    return _SAYINGS.dump_python(sayings, mode="json")


def read_sayings(document: Any) -> tuple[model.Saying, ...]:
    """Give what a document says was said."""
    return _SAYINGS.validate_python(document)
