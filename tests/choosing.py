"""Builders for the tests of choosing: a site, an order, rules and studies with defaults."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

from ruamel.yaml import YAML

from prefetch import rules, yamlfile
from prefetch.config import Config
from prefetch.model import Order, OrderStatus, Patient, Study
from prefetch.planning.exam import Exam
from prefetch.relevance import comparison

NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
EXAM = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)
"""10 o'clock in Berlin."""


def site(directory: Path, more: str = "") -> Config:
    """Two archives, two workstations, priors to the first of them."""
    archives = ("main", "offsite")
    rooms = ("room-1", "room-2")
    said = f"""
time_zone: Europe/Berlin
archives: {{{", ".join(f"{name}: {{ae_title: {name}, host: h, port: 104}}" for name in archives)}}}
workstations: {{{", ".join(f"{name}: {{ae_title: {name}, verify: counters}}" for name in rooms)}}}
"""
    if "planning:" not in more:
        said += "planning: {to: room-1}\n"
    file = directory / "prefetch.yaml"
    file.write_text(said + more)
    return yamlfile.load(file, Config)


def rule_set(directory: Path, *said: str) -> rules.RuleSet:
    """Rules, each a line of YAML."""
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "a.yaml").write_text("rules:\n" + "".join(f"- {one}\n" for one in said))
    return rules.load(directory / "rules")


def condition(said: str) -> rules.Condition:
    """A `when`, from YAML."""
    return rules.Condition.model_validate(_texts(YAML(typ="safe").load(said)))


def prior_class(said: str) -> rules.PriorClass:
    """A class of priors, from YAML."""
    return rules.PriorClass.model_validate(_texts(YAML(typ="safe").load(said)))


def _texts(value: Any) -> Any:
    """All scalars as texts, as a file gives them."""
    if isinstance(value, dict):
        return {key: _texts(one) for key, one in value.items()}
    return [_texts(one) for one in value] if isinstance(value, list) else str(value)


def order(**said: Any) -> Order:
    """An order for a CT of the chest tomorrow at ten."""
    usual: dict[str, Any] = {
        "id": 1,
        "version": 1,
        "status": OrderStatus.SCHEDULED,
        "patient": Patient(patient_id="4711"),
        "source": "ris",
        "accession_number": "A1",
        "modality": "CT",
        "procedure_description": "CT chest",
        "scheduled_start": EXAM,
        "created_at": NOW,
        "changed_at": NOW,
    }
    return Order(**(usual | said))


def exam(of: Order | None = None) -> Exam:
    """An order as rules in Berlin see it."""
    return Exam.of(
        of or order(),
        now=NOW,
        zone=ZoneInfo("Europe/Berlin"),
        relevance=comparison.usual(),
        unknown_births=("19000101",),
    )


def study(uid: str, day: str | None = "2025-06-01", **said: Any) -> Study:
    """A CT of the chest with a hundred instances in the main archive."""
    usual: dict[str, Any] = {
        "study_instance_uid": uid,
        "archive": "main",
        "study_date": date.fromisoformat(day) if day else None,
        "description": "CT chest",
        "modalities": ("CT",),
        "instances": 100,
    }
    return Study(**(usual | said))
