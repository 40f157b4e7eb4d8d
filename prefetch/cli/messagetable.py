"""PURE: what the tables of the intake say, for the manual: message types, order control, places of values."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from prefetch.intake import control
from prefetch.intake.control import Effect
from prefetch.intake.hl7 import mapping


def events() -> str:
    """Message types and triggers, and what each asks for."""
    rows = [(f"`{name}`", "any", "by ORC-1, see below") for name in sorted(control.ORDERS)]
    moves = {trigger: effect for trigger, effect in control.PATIENT.items() if effect.moves}
    of_patients = {trigger: effect for trigger, effect in control.PATIENT.items() if trigger not in moves}
    for name, table in (("SIU", control.APPOINTMENT), ("ADT", of_patients)):
        rows += [(f"`{name}`", triggers, effect) for triggers, effect in _by_effect(table)]
    again = "ignore; live orders of the patients that it names are planned again"
    rows += [("`ADT`", triggers, again) for triggers, _ in _by_effect(moves)]
    rows.append(("any other", "", "acknowledged, counted, not parsed"))
    return _table(("message", "trigger", "what it asks for"), rows)


def order_control() -> str:
    """Each code of ORC-1, and what it asks for."""
    rows = [*_by_effect(control.ORDER_CONTROL), ("empty", "new"), ("any other", "change")]
    return _table(("ORC-1", "what it asks for"), rows)


def order_status() -> str:
    """Each code of ORC-5 and SCH-25 that refines a change."""
    return _table(("ORC-5, SCH-25", "what a change then is"), _by_effect(control.STATUS))


def places() -> str:
    """Where each value is looked for."""
    rows = [(f"`{name}`", _listed(name)) for name in mapping.ALL_FIELDS]
    usual = mapping.DEFAULT
    rows += [
        ("`patient_id`", ", ".join(f"{path.segment}-{path.field}" for path in usual.id_fields)),
        ("`prior_patient_id`", ", ".join(f"{path.segment}-{path.field}" for path in usual.prior_id_fields)),
        ("`patient_name`", "PID-5"),
    ]
    return _table(("value", "places, in order"), rows)


def modalities() -> str:
    """What senders write for a modality."""
    meant: dict[str, list[str]] = {}
    for said, term in mapping.ALIASES.items():
        meant.setdefault(term, []).append(f"`{said}`")
    return _table(
        ("modality", "also written"), [(f"`{term}`", ", ".join(said)) for term, said in meant.items()]
    )


def _by_effect(table: Mapping[str, Effect]) -> Iterator[tuple[str, str]]:
    codes: dict[Effect, list[str]] = {}
    for code, effect in table.items():
        codes.setdefault(effect, []).append(f"`{code}`")
    for effect, said in codes.items():
        yield ", ".join(said), _words(effect)


def _words(effect: Effect) -> str:
    status = f", {effect.status.value}" if effect.status else ""
    return effect.action.value + status + ("" if effect.creates else ", creates nothing")


def _listed(name: str) -> str:
    return ", ".join(
        dict.fromkeys(str(place.path).removesuffix(".1") for place in mapping.DEFAULT.places[name])
    )


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines) + "\n\n"
