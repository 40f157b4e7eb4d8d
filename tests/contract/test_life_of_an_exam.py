"""The life of an exam as a RIS tells it in HL7, from message to row."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from prefetch import model, orders
from prefetch.intake import header, hl7, upserts
from prefetch.model import OrderStatus
from prefetch.store import orders as order_rows
from prefetch.store.database import Database

CLOCK = orders.Clock(zone=ZoneInfo("UTC"))
HEARD = datetime(2026, 3, 2, 12, 0, tzinfo=UTC)
PID = "PID|1||4711^^^HOSP||Muster^Anna||19700101|F"


def orm(
    minute: int, control: str = "NW", status: str = "", *, start: str = "202603031000", station: str = "CT1"
) -> str:
    """An order message that was made so many minutes after eight."""
    return (
        f"MSH|^~\\&|RIS|H|||2026030208{minute:02}00||ORM^O01|{minute}|P|2.3\r{PID}\r"
        f"ORC|{control}|P1|F1||{status}||^^^{start}|||||||||||{station}\r"
        "OBR|1|P1|F1|CTCHEST^CT Chest||||||||||||||A1||||||CT\r"
    )


def siu(minute: int, trigger: str = "S12", *, placer: str = "", start: str = "202603031200") -> str:
    """An appointment message with its own numbers, and in SCH-26 the placer's where it has one."""
    appointment = "SCH|PA|FA|||||CTCHEST^CT Chest||||^^^" + start
    return (
        f"MSH|^~\\&|RIS|H|||2026030208{minute:02}00||SIU^{trigger}|{minute}|P|2.5\r"
        f"{appointment}{'|' * 15}{placer}\r{PID}\rRGS|1\rAIS|1||CTCHEST^CT Chest|{start}\r"
    )


def tell(database: Database, *messages: str, heard_after: int = 0) -> list[model.Order]:
    """What these messages leave, heard in this order, all of them so many seconds after `HEARD`."""
    for raw in messages:
        reading = hl7.read_message(raw.encode())
        assert reading.problem is None
        heard_at = HEARD + timedelta(seconds=heard_after)
        origin = upserts.Origin(source="ris", heard_at=heard_at, detail={})
        with database.transaction() as connection:
            applying = upserts.Upserts(connection=connection, origin=origin, clock=CLOCK, now=HEARD)
            for event in reading.events:
                list(applying.apply(event))
    with database.snapshot() as connection:
        return order_rows.list_orders(connection)


@pytest.mark.parametrize(
    ("messages", "status"),
    [
        ([orm(0)], OrderStatus.SCHEDULED),
        ([orm(0, "SC", "SC")], OrderStatus.SCHEDULED),
        ([orm(0), orm(1, "CA")], OrderStatus.CANCELLED),
        ([orm(0), orm(1, "CA"), orm(2, "NW")], OrderStatus.SCHEDULED),
        ([orm(0), orm(1, "HD")], OrderStatus.ON_HOLD),
        ([orm(0), orm(1, "HD"), orm(2, "RL")], OrderStatus.SCHEDULED),
        ([orm(0), orm(1, "SC", "IP", start="202603020700")], OrderStatus.IN_PROGRESS),
        ([orm(0), orm(1, "SC", "CM")], OrderStatus.COMPLETED),
        ([orm(0), orm(1, "SC", "Exam Begun", start="202603020700")], OrderStatus.IN_PROGRESS),
        ([orm(0), orm(1, "SC", "Exam_Ended")], OrderStatus.COMPLETED),
        ([orm(0), orm(1, "XO", "Storniert")], OrderStatus.CANCELLED),
        ([orm(0), orm(1, "SC", "CM"), orm(2, "NW")], OrderStatus.COMPLETED),
        ([siu(0), siu(1, "S26")], OrderStatus.CANCELLED),
        ([siu(0), siu(1, "S15"), siu(2, "S12")], OrderStatus.SCHEDULED),
        ([orm(1, "CA"), orm(0)], OrderStatus.CANCELLED),
        ([orm(2, "NW"), orm(1, "CA"), orm(0)], OrderStatus.SCHEDULED),
        ([orm(3, "SC", "CM"), orm(0), orm(1, "SC", "IP", start="202603020700")], OrderStatus.COMPLETED),
    ],
    ids=[
        "new",
        "status first",
        "cancelled",
        "un-cancelled",
        "on hold",
        "released",
        "in progress",
        "complete",
        "begun, in words",
        "ended, in words",
        "cancelled, in another language",
        "sent again when complete",
        "no-show",
        "booked again",
        "cancel before its order",
        "order that was placed anew before its cancel",
        "complete before all else",
    ],
)
def test_an_exam_is_where_its_messages_say(
    database: Database, messages: list[str], status: OrderStatus
) -> None:
    """Whatever the order in which they come."""
    (order,) = tell(database, *messages)
    assert status is order.status


@pytest.mark.parametrize("start", ["202603051000", "202603030700"], ids=["put off", "brought forward"])
def test_an_exam_is_moved_in_both_directions(database: Database, start: str) -> None:
    """To another time and another station; a late message from before does not move it back."""
    (order,) = tell(database, orm(0), orm(2, "XO", start=start, station="CT2"), orm(1, "XO"))
    moved = datetime.strptime(start, "%Y%m%d%H%M").replace(tzinfo=UTC)
    assert (moved, "CT2") == (order.scheduled_start, order.station_ae_title)


def test_an_appointment_brings_its_order_the_time(database: Database) -> None:
    """It joins by the placer's number; when it is moved, its own numbers are enough."""
    (order,) = tell(database, orm(0, start=""))
    assert order.scheduled_start is None
    (order,) = tell(database, siu(1, placer="P1"))
    assert HEARD + timedelta(hours=24) == order.scheduled_start
    (order,) = tell(database, siu(2, "S13", start="202603041200"))
    assert (HEARD + timedelta(hours=48), "A1") == (order.scheduled_start, order.accession_number)


@pytest.mark.parametrize(
    ("numbers", "further"),
    [
        ("SCH|PA|FA" + "|" * 24 + "P1", ""),
        ("SCH|PA|FA" + "|" * 25 + "F1", ""),
        ("SCH|P1|FA", ""),
        ("SCH|PA|F1", ""),
        ("SCH|PA|FA", "OBR|1|||CTCHEST^CT Chest||||||||||||||A1\r"),
    ],
    ids=["placer number", "filler number", "SCH-1", "SCH-2", "accession number"],
)
def test_an_appointment_joins_its_order_by_any_number(database: Database, numbers: str, further: str) -> None:
    """Whichever of them it names; its time is the order's."""
    booked = siu(1).replace("SCH|PA|FA|||||CTCHEST^CT Chest||||^^^202603031200" + "|" * 15, numbers)
    (order,) = tell(database, orm(0, start=""), booked.replace("RGS|1\r", f"{further}RGS|1\r"))
    assert (HEARD + timedelta(hours=24), "A1") == (order.scheduled_start, order.accession_number)


def ordered(minute: int, control: str, *procedures: str, start: str = "202603031000") -> str:
    """One order with these procedures, and no number but the placer's."""
    obrs = "".join(f"OBR|{nth}|P1||{each}\r" for nth, each in enumerate(procedures, 1))
    return (
        f"MSH|^~\\&|RIS|H|||2026030208{minute:02}00||ORM^O01|{minute}|P|2.3\r{PID}\r"
        f"ORC|{control}|P1|||||^^^{start}\r{obrs}"
    )


def test_procedures_that_share_an_order_number_are_an_exam_each(database: Database) -> None:
    """However often they are sent; a message that names one of them is about that one."""
    found = exams(
        tell(
            database,
            ordered(0, "NW", CT, MR),
            ordered(1, "XO", MR, CT),
            ordered(2, "XO", MR, start="202603041000"),
            ordered(3, "CA", CT),
        )
    )
    expected = ("03 10:00", OrderStatus.CANCELLED), ("04 10:00", OrderStatus.SCHEDULED)
    assert dict(zip(("CTCHEST", "MRHEAD"), expected, strict=True)) == found


@pytest.mark.parametrize("order", list(itertools.permutations(range(2))))
def test_the_cancel_of_an_order_that_names_no_procedure_is_of_all(
    database: Database, order: tuple[int, ...]
) -> None:
    """Whenever it is heard."""
    told = [ordered(0, "NW", CT, MR), ordered(1, "CA")]
    cancelled = ("03 10:00", OrderStatus.CANCELLED)
    assert {"CTCHEST": cancelled, "MRHEAD": cancelled} == exams(tell(database, *(told[nth] for nth in order)))


def test_the_cancel_of_an_order_is_of_all_exams_that_the_filler_made_of_it(database: Database) -> None:
    """The placer knows his own number only; who names the filler's cancels that exam."""
    split = ordered(0, "NW", CT, MR).replace("OBR|1|P1|", "OBR|1|P1|F1").replace("OBR|2|P1|", "OBR|2|P1|F2")
    cancelled, scheduled = OrderStatus.CANCELLED, OrderStatus.SCHEDULED
    one = ordered(1, "CA").replace("ORC|CA|P1|", "ORC|CA|P1|F1")
    found = exams(tell(database, split, one))
    assert {"CTCHEST": cancelled, "MRHEAD": scheduled} == {name: told for name, (_, told) in found.items()}
    found = exams(tell(database, ordered(2, "CA")))
    assert {"CTCHEST": cancelled, "MRHEAD": cancelled} == {name: told for name, (_, told) in found.items()}


def test_an_order_that_gets_a_second_procedure_keeps_the_first(database: Database) -> None:
    """Wherever in the message it stands."""
    found = exams(tell(database, ordered(0, "NW", CT), ordered(1, "XO", MR, CT)))
    assert {"CTCHEST", "MRHEAD"} == found.keys()


CT, MR, US = "CTCHEST^CT Chest", "MRHEAD^MR Head", "USABD^US Abdomen"


def test_a_message_padded_with_nul_is_kept(database: Database) -> None:
    """PostgreSQL has no NUL in a text; what pads a field says nothing."""
    (order,) = tell(database, orm(0).replace("CT Chest", "CT Chest\0").replace("CTCHEST", "CTCHEST\\X00\\"))
    assert ("CTCHEST", "CT Chest") == (order.procedure_code, order.procedure_description)
    read = header.read_header(orm(0).replace("|0|P|", "|0\0|P|").encode())
    assert read is not None
    assert "0" == read.control_id


def booking(minute: int, trigger: str, *services: str, start: str = "202603031200") -> str:
    """An appointment with these services, and no number but its own."""
    booked = "".join(f"RGS|{nth}\rAIS|{nth}||{each}|{start}\r" for nth, each in enumerate(services, 1))
    return (
        f"MSH|^~\\&|RIS|H|||2026030208{minute:02}00||SIU^{trigger}|{minute}|P|2.5\r"
        f"SCH|PA|FA|||||||||^^^{start}\r{PID}\r{booked}"
    )


def exams(found: list[model.Order]) -> dict[str | None, tuple[str, OrderStatus]]:
    """Day and status of each exam, by its procedure."""
    assert len(found) == len({order.procedure_code for order in found})
    return {
        order.procedure_code: (f"{order.scheduled_start:%d %H:%M}", order.status)
        for order in found
        if order.scheduled_start
    }


def test_services_of_a_booking_are_an_exam_each(database: Database) -> None:
    """Though they share its numbers; however often, and in whatever order, they are sent again."""
    found = exams(
        tell(
            database,
            booking(0, "S12", CT, MR),
            booking(0, "S12", CT, MR),
            booking(1, "S14", MR, CT),
            booking(2, "S13", CT, MR, start="202603041200"),
        )
    )
    moved = ("04 12:00", OrderStatus.SCHEDULED)
    assert {"CTCHEST": moved, "MRHEAD": moved} == found


def test_the_same_service_twice_is_two_exams(database: Database) -> None:
    """Told apart by their place among their like."""
    assert len(tell(database, booking(0, "S12", CT, CT), booking(1, "S13", CT, CT))) == 2


def test_a_service_that_is_added_is_one_more_exam(database: Database) -> None:
    """The one that was there stays what it was; a message about one of them is about that one."""
    found = exams(
        tell(
            database,
            booking(0, "S12", CT),
            booking(1, "S18", MR, CT),
            booking(2, "S13", MR, start="202603041200"),
        )
    )
    unmoved, moved = ("03 12:00", OrderStatus.SCHEDULED), ("04 12:00", OrderStatus.SCHEDULED)
    assert {"CTCHEST": unmoved, "MRHEAD": moved} == found


def test_another_procedure_for_the_only_service_is_a_change(database: Database) -> None:
    """And no second exam."""
    found = exams(tell(database, booking(0, "S12", CT), booking(1, "S14", MR)))
    assert {"MRHEAD": ("03 12:00", OrderStatus.SCHEDULED)} == found


@pytest.mark.parametrize("services", [(), (CT,), (MR, CT)])
def test_a_cancelled_booking_cancels_all_its_exams(database: Database, services: tuple[str, ...]) -> None:
    """Whether or not the cancel repeats its services."""
    found = exams(tell(database, booking(0, "S12", CT, MR), booking(1, "S15", *services)))
    cancelled = ("03 12:00", OrderStatus.CANCELLED)
    assert {"CTCHEST": cancelled, "MRHEAD": cancelled} == found


def test_a_cancel_that_names_an_order_too_is_of_the_booking(database: Database) -> None:
    """What its services were not told apart by before."""
    cancel = booking(1, "S15").replace("^^^202603031200", "^^^202603031200" + "|" * 15 + "P9|F9")
    found = exams(tell(database, booking(0, "S12", CT, MR), cancel))
    cancelled = ("03 12:00", OrderStatus.CANCELLED)
    assert {"CTCHEST": cancelled, "MRHEAD": cancelled} == found


@pytest.mark.parametrize("services", [(), (CT,), (MR, CT)])
def test_a_cancel_that_comes_before_its_booking_cancels_all_its_exams(
    database: Database, services: tuple[str, ...]
) -> None:
    """The booking was made before it was cancelled, and is heard of late."""
    found = exams(tell(database, booking(1, "S15", *services), booking(0, "S12", CT, MR)))
    cancelled = ("03 12:00", OrderStatus.CANCELLED)
    assert {"CTCHEST": cancelled, "MRHEAD": cancelled} == found


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_new_time_without_services_is_that_of_all_whenever_it_is_heard(
    database: Database, order: tuple[int, ...]
) -> None:
    """Before its booking, or before a service that is added to it."""
    told = [
        booking(0, "S12", CT, MR),
        booking(1, "S18", CT, MR, US),
        booking(2, "S13", start="202603041200"),
    ]
    moved = ("04 12:00", OrderStatus.SCHEDULED)
    assert {"CTCHEST": moved, "MRHEAD": moved, "USABD": moved} == exams(
        tell(database, *(told[nth] for nth in order))
    )


def test_a_service_that_is_added_after_the_cancel_is_an_exam(database: Database) -> None:
    """Said later than the cancel, it is booked."""
    found = exams(tell(database, booking(0, "S12", CT, MR), booking(1, "S15"), booking(2, "S18", CT, MR, US)))
    assert OrderStatus.SCHEDULED is found["USABD"][1]


def test_a_new_time_of_one_service_is_not_that_of_one_heard_of_late(database: Database) -> None:
    """It names the one that it moves."""
    one = booking(2, "S13", CT, start="202603041200")
    found = exams(tell(database, booking(0, "S12", CT, MR), one, booking(1, "S18", CT, MR, US)))
    assert {"CTCHEST": "04 12:00", "MRHEAD": "03 12:00", "USABD": "03 12:00"} == {
        name: start for name, (start, _) in found.items()
    }


@pytest.mark.parametrize("order", list(itertools.permutations(range(3))))
def test_a_booking_made_anew_after_its_cancel_holds(database: Database, order: tuple[int, ...]) -> None:
    """In whatever order the three are heard; what the new booking leaves out stays cancelled."""
    told = [booking(0, "S12", CT, MR, US), booking(1, "S15"), booking(2, "S12", CT, MR)]
    found = exams(tell(database, *(told[nth] for nth in order)))
    assert {"CTCHEST": OrderStatus.SCHEDULED, "MRHEAD": OrderStatus.SCHEDULED} == {
        name: status for name, (_, status) in found.items() if name != "USABD"
    }
    assert found["USABD"][1] is OrderStatus.CANCELLED


def test_a_service_that_ends_alone_ends_no_other_that_comes_late(database: Database) -> None:
    """Its cancel is not the booking's."""
    ended = booking(2, "S20", MR)
    found = exams(tell(database, booking(1, "S12", CT, MR), ended, booking(0, "S12", CT, MR, US)))
    assert found["USABD"][1] is OrderStatus.SCHEDULED


def test_a_new_time_without_services_is_that_of_all(database: Database) -> None:
    """It speaks of the booking as a whole."""
    found = exams(tell(database, booking(0, "S12", CT, MR), booking(1, "S13", start="202603041200")))
    moved = ("04 12:00", OrderStatus.SCHEDULED)
    assert {"CTCHEST": moved, "MRHEAD": moved} == found


@pytest.mark.parametrize(
    ("trigger", "services"),
    [("S22", (MR,)), ("S20", (MR,)), ("S14", ("D", MR)), ("S22", ("D", MR, "X", CT))],
    ids=["deleted", "cancelled", "action code", "among those that stay"],
)
def test_a_service_that_is_taken_out_is_cancelled_alone(
    database: Database, trigger: str, services: tuple[str, ...]
) -> None:
    """The booking goes on with the others."""
    said = booking(1, trigger, *(each for each in services if len(each) > 1))
    for nth, code in enumerate((each for each in services if len(each) == 1), 1):
        said = said.replace(f"AIS|{nth}||", f"AIS|{nth}|{code}|")
    found = exams(tell(database, booking(0, "S12", CT, MR), said))
    assert {"CTCHEST": OrderStatus.SCHEDULED, "MRHEAD": OrderStatus.CANCELLED} == {
        name: status for name, (_, status) in found.items()
    }


def test_the_only_service_of_a_booking_is_no_exam_less(database: Database) -> None:
    """What ends a booking is its cancel; a message that says that a part ends changes it."""
    found = exams(tell(database, booking(0, "S12", CT), booking(1, "S22", CT)))
    assert {"CTCHEST": ("03 12:00", OrderStatus.SCHEDULED)} == found
