"""Whether what a rule asks for holds, and why."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.model import Priority
from prefetch.planning import conditions
from prefetch.planning.conditions import Exam, Finding
from prefetch.rules import Condition
from tests.choosing import EXAM, condition, order, prior_class, study

YES, NO, UNSAID = True, False, None


@pytest.mark.parametrize(
    ("asked", "said", "holds", "because"),
    [
        ("modality: CT", {}, YES, "the order's modality is CT"),
        ("modality: [PT, ct]", {}, YES, "the order's modality is CT"),
        ("modality: MR", {}, NO, "the order's modality is CT, not MR"),
        ("modality: [MR, US]", {}, NO, "the order's modality is CT, not MR or US"),
        ("modality: XR", {"modality": "DX"}, YES, "the order's modality is DX"),
        ("modality: CR", {"modality": "DX"}, NO, "the order's modality is DX, not CR"),
        ("modality: DXA", {"modality": "BMD"}, YES, "the order's modality is BMD"),
        ("modality: CT", {"modality": None}, UNSAID, "the order's modality is not said"),
        ("modality: CT", {"modality": ""}, UNSAID, "the order's modality is not said"),
        (
            "procedure_code: 'CT*'",
            {"procedure_code": "ctch"},
            YES,
            "the order's procedure code is ctch",
        ),
        (
            "procedure_code: '00123'",
            {"procedure_code": "123"},
            NO,
            "the order's procedure code is 123, not 00123",
        ),
        (
            "procedure_description: '*thorax*'",
            {"procedure_description": "CT Thorax nativ"},
            YES,
            "the order's procedure description is “CT Thorax nativ”",
        ),
        (
            "station_ae_title: [CT1, CT2]",
            {"station_ae_title": "CT3"},
            NO,
            "the order's station AE title is CT3, not CT1 or CT2",
        ),
        ("station_name: 'TOM*'", {"station_name": "TOMO"}, YES, "the order's station name is TOMO"),
        ("location: 'ICU*'", {"location": "icu 3"}, YES, "the order's location is “icu 3”"),
        ("location: 'ICU*'", {}, UNSAID, "the order's location is not said"),
        ("patient_class: [i, O]", {"patient_class": "I"}, YES, "the order's patient class is I"),
        ("patient_class: E", {"patient_class": "I"}, NO, "the order's patient class is I, not E"),
        ("priority: [stat, high]", {"priority": Priority.STAT}, YES, "the order's priority is stat"),
        ("priority: stat", {}, NO, "the order's priority is routine, not stat"),
    ],
)
def test_a_condition_on_the_order(asked: str, said: dict[str, Any], holds: bool | None, because: str) -> None:
    """Each key has its effect, and each answer its words; what is not said never holds."""
    assert Finding(holds, because) == conditions.order_matches(condition(asked), order(**said))


@pytest.mark.parametrize(
    ("asked", "holds"),
    [
        ("{modality: CT, procedure_description: '*chest*'}", YES),
        ("{modality: CT, procedure_description: '*head*'}", NO),
        ("{modality: CT, location: ICU}", UNSAID),
        ("{modality: MR, location: ICU}", NO),
        ("all: [{modality: CT}, {procedure_description: '*chest*'}]", YES),
        ("all: [{modality: CT}, {modality: MR}]", NO),
        ("all: [{modality: CT}, {location: ICU}]", UNSAID),
        ("any: [{modality: MR}, {modality: CT}]", YES),
        ("any: [{location: ICU}, {modality: CT}]", YES),
        ("any: [{location: ICU}, {modality: MR}]", UNSAID),
        ("any: [{modality: US}, {modality: MR}]", NO),
        ("not: {modality: MR}", YES),
        ("not: {modality: CT}", NO),
        ("not: {location: ICU}", UNSAID),
        ("not: {any: [{location: ICU}, {modality: CT}]}", NO),
        ("not: {all: [{location: ICU}, {modality: CT}]}", UNSAID),
        ("not: {not: {location: ICU}}", UNSAID),
        ("{modality: CT, not: {procedure_description: '*head*'}}", YES),
    ],
)
def test_conditions_nest(asked: str, holds: bool | None) -> None:
    """All keys must hold; what is not said stays so under `not`."""
    assert holds is conditions.order_matches(condition(asked), order(location=None)).holds


def test_reasons_name_what_decided() -> None:
    """One that does not hold is told, those that do are not."""
    asked = condition("all: [{modality: CT}, {priority: stat}, {patient_class: E}]")
    found = conditions.order_matches(asked, order(patient_class="I"))
    because = "the order's priority is routine, not stat; the order's patient class is I, not E"
    assert Finding(False, because) == found


def block(**said: Any) -> Condition:
    """A block with these keys."""
    return Condition.model_construct({"modality"}, **said)


leaves = st.sampled_from([condition("modality: CT"), condition("modality: MR"), condition("location: ICU")])
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda several: block(every=tuple(several)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda several: block(some=tuple(several)))
        | inner.map(lambda one: block(none=one))
    ),
    max_leaves=8,
)


@given(trees, st.sampled_from(["ICU", "WARD"]))
def test_what_is_missing_never_makes_any_rule_match_more(asked: Condition, location: str) -> None:
    """A condition that holds without a value holds with whatever value comes."""
    silent = conditions.order_matches(asked, order(location=None)).holds
    assert silent is None or silent is conditions.order_matches(asked, order(location=location)).holds


def fits(asked: str, said: dict[str, Any] | None = None, **of_order: Any) -> Finding:
    """What is found of a study."""
    exam = Exam(order=order(**of_order), at=EXAM)
    return conditions.study_matches(prior_class(asked), study("1", **(said or {})), exam)


@pytest.mark.parametrize(
    ("asked", "said", "holds", "because"),
    [
        ("{}", {}, YES, "any study"),
        ("modality: CT", {"modalities": ("CT", "SR")}, YES, "modality is CT\\SR"),
        ("modality: [PT, MR]", {}, NO, "modality is CT, not MR or PT"),
        ("modality: XR", {"modalities": ("CR",)}, YES, "modality is CR"),
        ("modality: CT", {"modalities": ()}, UNSAID, "the archive does not say the modalities"),
        ("modality: same", {}, YES, "modality is CT"),
        ("modality: same", {"modalities": ("MR",)}, NO, "modality is MR, not CT"),
        ("modality: [same, MR]", {"modalities": ("MR",)}, YES, "modality is MR"),
        ("description: '*chest*'", {}, YES, "the study description is “CT chest”"),
        (
            "description: ['*head*', skull]",
            {},
            NO,
            "the study description is “CT chest”, not *head* or skull",
        ),
        ("description: '*head*'", {"description": None}, UNSAID, "the study description is not said"),
        ("within: 1y", {"day": "2025-03-02"}, YES, "within 1y"),
        ("within: 1y", {"day": "2025-03-01"}, NO, "of 2025-03-01, more than 1y before the exam"),
        ("within: 1y", {"day": None}, UNSAID, "the study has no date"),
        ("exclude: {modality: US}", {}, YES, "not excluded"),
        ("exclude: {modality: CT}", {}, NO, "excluded: modality is CT"),
        ("exclude: {modality: CT, description: '*head*'}", {}, YES, "not excluded"),
        (
            "exclude: [{modality: US}, {description: '*chest*'}]",
            {},
            NO,
            "excluded: the study description is “CT chest”",
        ),
        (
            "exclude: {description: '*biopsy*'}",
            {"description": None},
            YES,
            "not excluded, as the study description is not said",
        ),
        (
            "{modality: CT, within: 5y, exclude: {modality: MR}}",
            {},
            YES,
            "modality is CT; within 5y; not excluded",
        ),
    ],
)
def test_a_condition_on_a_study(asked: str, said: dict[str, Any], holds: bool | None, because: str) -> None:
    """Each key has its effect; what the archive does not say never holds, and excludes nothing."""
    assert Finding(holds, because) == fits(asked, said)


@pytest.mark.parametrize(
    ("own", "modalities", "holds"),
    [
        ("CR", ("DX",), YES),
        ("DX", ("PX",), YES),
        ("CT", ("DX",), NO),
        ("BMD", ("BMD",), YES),
        ("PT", ("CT",), NO),
    ],
)
def test_the_same_modality_is_the_same_kind(own: str, modalities: tuple[str, ...], holds: bool) -> None:
    """A film is a film, computed or digital."""
    assert holds is fits("modality: same", {"modalities": modalities}, modality=own).holds


def test_without_the_orders_modality_none_is_the_same() -> None:
    """But one that is named besides still counts."""
    unsaid = fits("modality: same", modality=None)
    assert Finding(None, "the order's modality is not said, so none is the same") == unsaid
    assert fits("modality: [same, CT]", modality=None).holds
