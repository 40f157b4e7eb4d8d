"""Whether what a rule asks for holds, and why."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.model import Order, Patient, Priority
from prefetch.planning import candidates, conditions
from prefetch.planning.exam import compare
from prefetch.planning.findings import Finding
from prefetch.rules import Condition
from tests.choosing import condition, exam, order, prior_class, study

YES, NO, UNSAID = True, False, None
SILENT = {"modality": None, "procedure_description": None}
"""An order that says nothing of what is to be done."""


def born(day: str) -> dict[str, Any]:
    """An order for who was born on a day."""
    return {"patient": Patient(birth_date=day)}


def said_by(**segments: list[Any]) -> dict[str, Any]:
    """An order whose message has these segments."""
    return {"segments": [[name, *fields] for name, fields in segments.items()]}


def at(day: int, hour: int) -> dict[str, Any]:
    """An order for an hour of a day in March, in UTC."""
    return {"scheduled_start": datetime(2026, 3, day, hour, tzinfo=UTC)}


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
        ("modality: CT", {"modality": None}, YES, "the order's modality is CT"),
        (
            "modality: XR",
            {"modality": "", "procedure_description": "X-ray hand"},
            YES,
            "the order's modality is XR",
        ),
        ("modality: CT", SILENT, UNSAID, "the order's modality is not said"),
        ("region: [chest, neck]", {}, YES, "the order's region is chest"),
        ("region: head", {}, NO, "the order's region is chest, not head"),
        (
            "region: [pelvis]",
            {"procedure_description": "CT abdomen and pelvis"},
            YES,
            "the order's region is abdomen, pelvis",
        ),
        ("region: chest", SILENT, UNSAID, "the order's region is not said"),
        ("side: left", {"procedure_description": "X-ray left hand"}, YES, "the order's side is left"),
        (
            "side: [left, both]",
            {"procedure_description": "MR right knee"},
            NO,
            "the order's side is right, not left or both",
        ),
        ("side: left", {}, UNSAID, "the order's side is not said"),
        (
            "facet: [obstetric, vessels]",
            {"procedure_description": "US obstetric"},
            YES,
            "the order's facet is obstetric",
        ),
        (
            "facet: vessels",
            {"procedure_description": "CT angiography leg"},
            YES,
            "the order's facet is vessels",
        ),
        (
            "facet: dental",
            {"procedure_description": "CT adrenal incidentaloma"},
            NO,
            "the order's facet is none, not dental",
        ),
        (
            "not: {facet: dental}",
            {"procedure_description": "CT leg"},
            YES,
            "the order's facet is none, not dental",
        ),
        ("not: {facet: dental}", SILENT, UNSAID, "the order's facet is not said"),
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
        ("age: {at_least: 18y}", born("20080302"), YES, "the patient is at least 18y on the day of the exam"),
        (
            "age: {at_least: 18y}",
            born("20080303"),
            NO,
            "the patient is not at least 18y on the day of the exam",
        ),
        ("age: {under: 6mo}", born("20250903"), YES, "the patient is under 6mo on the day of the exam"),
        ("age: {under: 6mo}", born("20250902"), NO, "the patient is not under 6mo on the day of the exam"),
        (
            "age: {at_least: 18y, under: 65y}",
            born("1980"),
            YES,
            "the patient is at least 18y; under 65y on the day of the exam",
        ),
        (
            "age: {at_least: 18y}",
            born("2008"),
            UNSAID,
            "the patient may or may not be at least 18y on the day of the exam",
        ),
        (
            "age: {at_least: 18y}",
            born("200803"),
            UNSAID,
            "the patient may or may not be at least 18y on the day of the exam",
        ),
        ("age: {at_least: 18y}", born("200802"), YES, "the patient is at least 18y on the day of the exam"),
        ("age: {under: 18y}", born("19000101"), UNSAID, "the patient's age is not known"),
        ("age: {under: 18y}", born("20089999"), UNSAID, "the patient's age is not known"),
        ("age: {under: 18y}", {}, UNSAID, "the patient's age is not known"),
        ("sex: f", {"patient": Patient(sex="F")}, YES, "the order's sex is F"),
        ("sex: [F]", {"patient": Patient(sex="M")}, NO, "the order's sex is M, not F"),
        ("sex: F", {"patient": Patient(sex="U")}, UNSAID, "the order's sex is not said"),
        ("feed: [RIS, other]", {}, YES, "the order's feed is ris"),
        ("feed: other", {}, NO, "the order's feed is ris, not other"),
        ("time_of_day: '07:00-17:00'", {}, YES, "the order's time of day is 10:00"),
        ("time_of_day: '07:00-10:00'", {}, NO, "the order's time of day is 10:00, not 07:00-10:00"),
        ("time_of_day: ['22:00-06:00', '20:00-24:00']", at(3, 4), YES, "the order's time of day is 05:00"),
        (
            "time_of_day: '07:00-17:00'",
            {"scheduled_start": None},
            UNSAID,
            "the order's time of day is not said",
        ),
        ("weekday: mon-fri", {}, YES, "the order's weekday is mon"),
        ("weekday: [tue, sat-sun]", {}, NO, "the order's weekday is mon, not tue or sat-sun"),
        ("weekday: sat-mon", {}, YES, "the order's weekday is mon"),
        ("weekday: tue", at(2, 23), YES, "the order's weekday is tue"),
        ("weekday: mon", {"scheduled_start": None}, UNSAID, "the order's weekday is not said"),
        ("referring_unit: '*onco*'", said_by(ORC=["NW"]), UNSAID, "the order's referring unit is not said"),
        (
            "referring_unit: onc",
            said_by(ORC=[*[""] * 16, [["ONC", "Oncology"]]]),
            YES,
            "the order's referring unit is ONC, Oncology",
        ),
        (
            "referring_unit: ward 3",
            said_by(PV1=[*[""] * 9, "Ward 3"]),
            YES,
            "the order's referring unit is “Ward 3”",
        ),
        (
            "referring_unit: onc",
            {"worklist": {"RequestingService": "CARD"}},
            NO,
            "the order's referring unit is CARD, not onc",
        ),
        (
            "referring_physician: miller",
            said_by(PV1=[*[""] * 7, [["D08", "Miller"]]]),
            YES,
            "the order's referring physician is D08, Miller",
        ),
        ("hl7: {OBR-24: [MR, CT]}", said_by(OBR=[*[""] * 23, "CT"]), YES, "OBR-24.1 of the message is CT"),
        ("hl7: {ZXX-1: A*}", said_by(ZXX=[["B", "C"]]), NO, "ZXX-1.1 of the message is B, C, not A*"),
        ("hl7: {ZXX-1: {like: [A*, C]}}", said_by(ZXX=[["B", "C"]]), YES, "ZXX-1.1 of the message is B, C"),
        ("hl7: {ZXX-1: A}", {}, UNSAID, "ZXX-1.1 of the message is not said"),
        ("hl7: {ZXX-1: {exists: true}}", said_by(ZXX=["B"]), YES, "ZXX-1.1 of the message is said"),
        ("hl7: {ZXX-1: {exists: true}}", {}, NO, "ZXX-1.1 of the message is not said"),
        ("hl7: {ZXX-1: {exists: false}}", {}, YES, "ZXX-1.1 of the message is not said"),
        (
            "hl7: {ZXX-1: {at_least: 5, at_most: 7.5}}",
            said_by(ZXX=["7.5"]),
            YES,
            "ZXX-1.1 of the message is 7.5",
        ),
        (
            "hl7: {ZXX-1: {at_least: 5, at_most: 7}}",
            said_by(ZXX=["7.01"]),
            NO,
            "ZXX-1.1 of the message is 7.01, not at least 5 and at most 7",
        ),
        (
            "hl7: {ZXX-1: {at_least: 5}}",
            said_by(ZXX=["many"]),
            UNSAID,
            "ZXX-1.1 of the message is many, which is no number",
        ),
        ("hl7: {ZXX-1: {at_least: 5}}", {}, UNSAID, "ZXX-1.1 of the message is not said"),
        (
            "worklist: {PatientWeight: {at_least: 120}}",
            {"worklist": {"PatientWeight": "130"}},
            YES,
            "PatientWeight of the worklist is 130",
        ),
        (
            "worklist: {PatientState: 'contagious*'}",
            {"worklist": {"PatientState": "well"}},
            NO,
            "PatientState of the worklist is well, not contagious*",
        ),
        ("worklist: {PatientState: x}", {}, UNSAID, "PatientState of the worklist is not said"),
        ("exists: ZXX-1", said_by(ZXX=["B"]), YES, "the order's ZXX-1 is said"),
        ("exists: worklist.PatientState", {}, NO, "the order's worklist.PatientState is not said"),
        ("exists: location", {"location": "ICU"}, YES, "the order's location is said"),
        ("exists: [modality, location]", {}, NO, "the order's location is not said"),
        ("not: {exists: [location]}", {}, YES, "the order's location is not said"),
        ("exists: region", SILENT, NO, "the order's region is not said"),
        ("exists: age", born("19000101"), NO, "the order's age is not said"),
    ],
)
def test_a_condition_on_the_order(asked: str, said: dict[str, Any], holds: bool | None, because: str) -> None:
    """Each key has its effect, and each answer its words; what is not said never holds."""
    assert Finding(holds, because) == conditions.order_matches(condition(asked), exam(order(**said)))


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
    assert holds is conditions.order_matches(condition(asked), exam(order(location=None))).holds


def test_reasons_name_what_decided() -> None:
    """One that does not hold is told, those that do are not."""
    asked = condition("all: [{modality: CT}, {priority: stat}, {patient_class: E}]")
    found = conditions.order_matches(asked, exam(order(patient_class="I")))
    because = "the order's priority is routine, not stat; the order's patient class is I, not E"
    assert Finding(False, because) == found


def block(**said: Any) -> Condition:
    """A block with these keys."""
    return Condition.model_construct({"modality"}, **said)


leaves = st.sampled_from(
    [
        condition(said)
        for said in (
            "modality: CT",
            "modality: MR",
            "location: ICU",
            "region: chest",
            "side: left",
            "facet: obstetric",
            "age: {under: 18y}",
            "sex: F",
            "time_of_day: '07:00-17:00'",
            "weekday: sat-sun",
            "hl7: {ZXX-1: A*}",
            "hl7: {ZXX-1: {at_least: 5}}",
            "worklist: {PatientState: A}",
            "referring_unit: A",
        )
    ]
)
trees = st.recursive(
    leaves,
    lambda inner: (
        st.lists(inner, min_size=1, max_size=3).map(lambda several: block(every=tuple(several)))
        | st.lists(inner, min_size=1, max_size=3).map(lambda several: block(some=tuple(several)))
        | inner.map(lambda one: block(none=one))
    ),
    max_leaves=8,
)


values = st.fixed_dictionaries(
    {
        "location": st.sampled_from(["ICU", "WARD"]),
        "procedure": st.sampled_from([("CT", "CT chest"), ("MR", "MR left knee"), ("US", "US obstetric")]),
        "born": st.sampled_from(["19700101", "20200101"]),
        "sex": st.sampled_from("FM"),
        "start": st.sampled_from([at(2, 9), at(7, 22)]),
        "segments": st.sampled_from([said_by(ZXX=["A"]), said_by(ZXX=["7"]), said_by(ORC=[*[""] * 16, "A"])]),
        "worklist": st.sampled_from(
            [{"worklist": {"PatientState": "A"}}, {"worklist": {"RequestingService": "B"}}]
        ),
    }
)


def order_saying(said: dict[str, Any]) -> Order:
    """An order that says these things and no others."""
    modality, description = said.get("procedure", (None, None))
    return order(
        location=said.get("location"),
        modality=modality,
        procedure_description=description,
        patient=Patient(birth_date=said.get("born"), sex=said.get("sex")),
        **said.get("start", {"scheduled_start": None}),
        **said.get("segments", {}),
        **said.get("worklist", {}),
    )


@given(
    trees,
    values,
    st.sets(st.sampled_from(["location", "procedure", "born", "sex", "start", "segments", "worklist"])),
)
def test_what_is_missing_never_makes_any_rule_match_more(
    asked: Condition, said: dict[str, Any], missing: set[str]
) -> None:
    """A condition that holds without a value holds with whatever value comes.

    The worklist stands in for what the message does not say: where the message is missing, so is that.
    """
    missing |= {"worklist"} if "segments" in missing else set()
    less = {name: value for name, value in said.items() if name not in missing}
    silent = conditions.order_matches(asked, exam(order_saying(less))).holds
    assert silent is None or silent is conditions.order_matches(asked, exam(order_saying(said))).holds


@pytest.mark.parametrize(
    ("asked", "of_order", "because"),
    [
        ("{modality: same}", {"modality": None}, "the order's modality is not said, so none is the same"),
        ("{region: same}", {}, "the order names no region, so none is the same"),
        ("{side: same}", {}, "the order names no side, so none is the same"),
        ("{procedure_code: same}", {}, "the order's procedure code is not said, so none is the same"),
        ("{modality: US, side: same}", {}, None),
        ("{modality: CT, description: '*head*', side: same}", {}, None),
    ],
)
def test_an_exclusion_of_the_same_as_an_order_that_does_not_say_it_excludes_what_it_might(
    asked: str, of_order: dict[str, Any], because: str | None
) -> None:
    """An order that says less chooses no more; what is surely not excluded stays."""
    unsaid: dict[str, Any] = {"procedure_description": None, "procedure_code": None}
    said = {"description": "CT knee left", "procedure_codes": ("K1",)}
    found = fits(f"exclude: {asked}", said, **unsaid, **of_order)
    excluded = Finding(NO, f"excluded: perhaps, as {because}")
    assert found == (excluded if because else Finding(YES, "not excluded"))


def fits(asked: str, said: dict[str, Any] | None = None, **of_order: Any) -> Finding:
    """What is found of a study."""
    beside = exam(order(**of_order))
    compared = compare(beside, study("1", **(said or {})))
    (found,) = candidates.Beside(beside, [compared]).of(prior_class(asked))
    return found


@pytest.mark.parametrize(
    ("asked", "said", "holds", "because"),
    [
        ("{}", {}, YES, "any study"),
        ("modality: CT", {"modalities": ("CT", "SR")}, YES, "modality is CT\\SR"),
        ("modality: [PT, MR]", {}, NO, "modality is CT, not MR or PT"),
        ("modality: XR", {"modalities": ("CR",)}, YES, "modality is CR"),
        ("modality: CT", {"modalities": ()}, UNSAID, "the archive does not say the modalities"),
        ("{modality: same}", {}, YES, "modality is CT"),
        ("{modality: same}", {"modalities": ("MR",)}, NO, "modality is MR, not CT"),
        ("modality: [same, MR]", {"modalities": ("MR",)}, YES, "modality is MR"),
        ("description: '*chest*'", {}, YES, "the study description is “CT chest”"),
        (
            "description: ['*head*', skull]",
            {},
            NO,
            "the study description is “CT chest”, not *head* or skull",
        ),
        ("description: '*head*'", {"description": None}, UNSAID, "the study description is not said"),
        ("{region: same}", {}, YES, "the study's region is chest"),
        ("region: [same, neck]", {"description": "MR neck"}, YES, "the study's region is neck"),
        ("{region: same}", {"description": "CT head"}, NO, "the study's region is head, not chest"),
        ("region: chest", {"description": "CT"}, UNSAID, "the study's region is not said"),
        ("side: left", {"description": "MR left knee"}, YES, "the side is left"),
        ("side: left", {"description": "MR both knees"}, YES, "the side is both"),
        ("side: left", {"description": "MR right knee"}, NO, "the side is right, not left"),
        ("side: [same, left]", {"description": "MR left knee"}, YES, "the side is left"),
        ("side: left", {}, UNSAID, "the study names no side"),
        ("facet: guidance", {"description": "CT guided biopsy"}, YES, "the study's facet is guidance"),
        ("facet: guidance", {"description": "CT chest"}, NO, "the study's facet is none, not guidance"),
        ("facet: guidance", {"description": None}, UNSAID, "the study's facet is not said"),
        (
            "side: same",
            {"description": "MR left knee"},
            UNSAID,
            "the order names no side, so none is the same",
        ),
        ("procedure_code: 'CT*'", {"procedure_codes": ("CTCH",)}, YES, "the study's procedure code is CTCH"),
        (
            "procedure_code: MR",
            {"procedure_codes": ("CTCH",)},
            NO,
            "the study's procedure code is CTCH, not MR",
        ),
        ("procedure_code: 'CT*'", {}, UNSAID, "the study's procedure code is not said"),
        (
            "procedure_code: same",
            {"procedure_codes": ("A",)},
            UNSAID,
            "the order's procedure code is not said, so none is the same",
        ),
        ("institution: '*uni*'", {"institution": "University"}, YES, "the institution is University"),
        ("institution: '*uni*'", {"institution": "Elsewhere"}, NO, "the institution is Elsewhere, not *uni*"),
        ("institution: '*uni*'", {}, UNSAID, "the institution is not said"),
        ("relevance: must", {}, YES, "must: the same description"),
        (
            "relevance: useful",
            {"description": "CT head"},
            NO,
            "not relevant: head for chest: another region; asked for is useful",
        ),
        ("not_before: 2025-06-01", {}, YES, "of 2025-06-01, not before 2025-06-01"),
        ("not_before: 2025-06-02", {}, NO, "of 2025-06-01, before 2025-06-02"),
        ("not_before: 9mo before exam", {}, NO, "of 2025-06-01, before 9mo before exam"),
        ("not_after: 6mo before exam", {}, YES, "of 2025-06-01, not after 6mo before exam"),
        ("not_after: 2025-05-31", {}, NO, "of 2025-06-01, after 2025-05-31"),
        ("not_after: 2025-05-31", {"day": None}, UNSAID, "the study has no date"),
        ("not_before: 2025-05-31", {"day": None}, UNSAID, "the study has no date"),
        ("exclude: {region: head}", {"description": "CT head"}, NO, "excluded: the study's region is head"),
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
    unsaid = fits("modality: same", **SILENT)
    assert Finding(None, "the order's modality is not said, so none is the same") == unsaid
    assert fits("modality: [same, CT]", **SILENT).holds


@pytest.mark.parametrize("asked", ["region: same", "side: same"])
def test_without_the_orders_own_none_is_the_same(asked: str) -> None:
    """Neither region nor side; what is named besides still counts."""
    assert fits(asked, {"description": "MR left knee"}, **SILENT).holds is None
    besides = asked.replace("same", "[same, knee]" if "region" in asked else "[same, left]")
    assert fits(besides, {"description": "MR left knee"}, **SILENT).holds
    assert fits(besides, {"description": "MR right hand"}, **SILENT).holds is None


@pytest.mark.parametrize(
    ("codes", "holds"), [(("A", "C*"), YES), (("CTCH",), NO), ((), UNSAID), (("MR1",), YES)]
)
def test_the_same_procedure_code_is_the_orders_own(codes: tuple[str, ...], holds: bool | None) -> None:
    """Letter by letter, whatever stands in it; what is listed besides is a pattern."""
    asked = "procedure_code: [same, 'MR?']"
    assert holds == fits(asked, {"procedure_codes": codes}, procedure_code="C*").holds


def test_codes_tell_what_words_do_not() -> None:
    """A study's codes and regions are read beside its description, and grade it."""
    named = {"description": "Exam 4711", "anatomic_regions": ("51185008",)}
    assert fits("region: chest", named).holds
    assert fits("region: chest", {"description": "Exam 4711", "body_part": "CHEST"}).holds
    same = {"description": "Exam 4711", "procedure_codes": ("A1",)}
    assert "the same procedure code A1" in fits("relevance: must", same, procedure_code="A1").because


def test_the_orders_modality_may_come_from_its_description() -> None:
    """Many feeds send none."""
    assert fits(
        "modality: same", {"modalities": ("DX",)}, modality=None, procedure_description="X-ray chest"
    ).holds
