"""A number counts only within its namespace, and never against a stronger difference."""

from __future__ import annotations

import itertools

import pytest

from prefetch.model import OrderStatus
from prefetch.store.database import Database
from tests.contract.test_life_of_an_exam import tell

ANNA = "PID|1||4711^^^HOSP||Muster^Anna||19700101|F"
BERTA = "PID|1||4712^^^HOSP||Beispiel^Berta||19810202|F"


def order(
    minute: int,
    *,
    control: str = "NW",
    patient: str = ANNA,
    placer: str = "REQ1",
    filler: str = "",
    accession: str = "",
    study: str = "",
    procedure: str = "CTCHEST^CT Chest",
    modality: str = "CT",
) -> str:
    """An order message; what is left out is not said."""
    zds = f"ZDS|{study}\r" if study else ""
    return (
        f"MSH|^~\\&|RIS|H|||2026030208{minute:02}00||ORM^O01|{minute}|P|2.3\r{patient}\r"
        f"ORC|{control}|{placer}|{filler}||||^^^202603031000\r"
        f"OBR|1|{placer}|{filler}|{procedure}||||||||||||||{accession}||||||{modality}\r{zds}"
    )


CT = {"accession": "A1", "study": "1.2.3.1", "procedure": "CTCHEST^CT Chest", "modality": "CT"}
MR = {"accession": "A2", "study": "1.2.3.2", "procedure": "MRHEAD^MR Head", "modality": "MR"}
TELLING = ("accession", "study")


@pytest.mark.parametrize(
    "telling", [subset for size in (1, 2) for subset in itertools.combinations(TELLING, size)] + [()]
)
def test_one_request_with_two_exams_keeps_both(database: Database, telling: tuple[str, ...]) -> None:
    """Told apart by any number of their own, or failing all by code and modality; a cancel ends one."""
    kept = {name for name in TELLING if name in telling}
    ct, mr = (
        {name: value for name, value in exam.items() if name not in TELLING or name in kept}
        for exam in (CT, MR)
    )
    orders = tell(database, order(0, **ct), order(1, **mr))
    assert ["CT", "MR"] == [each.modality for each in orders]
    if telling:
        after = tell(database, order(2, control="CA", **mr))
        assert [OrderStatus.SCHEDULED, OrderStatus.CANCELLED] == [each.status for each in after]


@pytest.mark.parametrize("field", ["placer", "accession"])
def test_the_same_number_of_two_issuers_is_two_orders(database: Database, field: str) -> None:
    """And of one issuer one, also where a later message names none."""
    usual = {"placer": "REQ1" if field == "accession" else "", "filler": ""}
    if field == "accession":
        usual["placer"] = ""
    ward, practice = ({**usual, field: f"1001^{issuer}"} for issuer in ("WARD", "PRACTICE"))
    orders = tell(database, order(0, **ward), order(1, patient=BERTA, **practice))
    assert ["4711", "4712"] == [each.patient.patient_id for each in orders]
    assert 2 == len(tell(database, order(2, **ward), order(3, patient=BERTA, **practice)))


@pytest.mark.parametrize("number", ["placer", "filler", "accession"])
def test_a_new_order_for_somebody_else_replaces_none(database: Database, number: str) -> None:
    """Whatever number they share: both stand."""
    numbers = {"placer": "", "filler": "", number: "X1"}
    orders = tell(database, order(0, **numbers), order(1, patient=BERTA, **numbers))
    assert ["4711", "4712"] == [each.patient.patient_id for each in orders]


def siu(minute: int, trigger: str, appointment: str, start: str) -> str:
    """A booking of one order by an appointment of its own."""
    return (
        f"MSH|^~\\&|SCHED|H|||2026030208{minute:02}00||SIU^{trigger}|{minute}|P|2.5\r"
        f"SCH||{appointment}|||||||||^^^{start}{'|' * 15}P17\r{ANNA}\r"
        f"RGS|1\rAIS|1||CTCHEST^CT Chest|{start}\r"
    )


@pytest.mark.parametrize(
    ("ended", "status"), [("AP1", OrderStatus.SCHEDULED), ("AP2", OrderStatus.CANCELLED)]
)
def test_the_cancel_of_an_appointment_ends_that_appointment(
    database: Database, ended: str, status: OrderStatus
) -> None:
    """An exam that has another by now stands."""
    (booked,) = tell(
        database,
        siu(0, "S12", "AP1", "202603031000"),
        siu(1, "S12", "AP2", "202603041100"),
        siu(2, "S15", ended, "202603031000"),
    )
    assert status == booked.status


def test_a_booking_without_any_number_is_known_by_patient_service_and_day(database: Database) -> None:
    """A repetition makes no second exam, and another day is another."""

    def bare(minute: int, start: str) -> str:
        return (
            f"MSH|^~\\&|SCHED|H|||2026030208{minute:02}00||SIU^S12|{minute}|P|2.4\r"
            f"SCH|||||||||||^^^{start}\r{ANNA}\rRGS|1\rAIS|1||MRANG^MR Angiography|{start}\r"
        )

    assert 1 == len(tell(database, bare(0, "202603031000"), bare(1, "202603031030")))
    assert 2 == len(tell(database, bare(2, "202603041030")))


def test_a_clock_that_writes_twelve_hours_is_not_believed_against_the_order_of_arrival(
    database: Database,
) -> None:
    """Its cancel of the afternoon is not older than its booking of the forenoon."""
    (booked,) = tell(database, order(50, filler="F1"))
    early = order(10, filler="F1", control="CA").replace("20260302081000", "20260302011000")
    (ended,) = tell(database, early, heard_after=60)
    assert (OrderStatus.SCHEDULED, OrderStatus.CANCELLED) == (booked.status, ended.status)
