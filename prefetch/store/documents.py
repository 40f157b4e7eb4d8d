"""Plans, studies, IDs and sayings as JSON documents and back; what has its default is left out."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

from pydantic import TypeAdapter

from prefetch import model

T = TypeVar("T")

UNREADABLE = (KeyError, TypeError, ValueError)
"""What reading a row raises whose documents are no documents of ours: somebody wrote into the database."""

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


def read_list(document: Any) -> list[Any]:
    """Give the members of a list; raises `TypeError` for all else."""
    if not isinstance(document, list):
        raise TypeError(f"no list: {type(document).__name__}")
    return document


def read_texts(document: Any) -> tuple[str, ...]:
    """Give the members of a list of texts; raises `TypeError` for all else."""
    members = read_list(document)
    if not all(isinstance(member, str) for member in members):
        raise TypeError("a list of other things than texts")
    return tuple(members)


def readable(read: Callable[[Any], T], document: Any) -> T | None:
    """Give what a document says; None where it is none of ours."""
    try:
        return read(document)
    except UNREADABLE:
        return None


def parse(text: str | bytes) -> Any:
    """Give the document of a text; None where it is none, so that the other rows of an answer are read."""
    try:
        return json.loads(text)
    except ValueError:
        return None
