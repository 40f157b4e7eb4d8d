"""What a message says: orders, bookings, patients, as their senders write them."""

from __future__ import annotations

from typing import Any

import pytest

from prefetch.intake import hl7
from prefetch.model import Action, OrderEvent, OrderStatus

PID = "PID|1||4711^^^NORTHGATE^MR||Example^Ada^B||19610403|F"
PV1 = "PV1|1|O|RAD^R1"
ORC = "ORC|NW|P77^HIS|F77^RIS|||||||"
OBR = "OBR|1|P77^HIS|F77^RIS|CTTH^CT Thorax^L||||||||||||||A77|RP77|SPS77||||CT"


def message(*segments: str, kind: str = "ORM^O01", version: str = "2.3.1", rest: str = "") -> bytes:
    """A message of this kind, sent at 08:15 on 2 March 2026."""
    msh = f"MSH|^~\\&|RIS|NORTHGATE|PREFETCH||20260302081500||{kind}|M1|P|{version}{rest}"
    return "\r".join((msh, *segments, "")).encode()


def read(*segments: str, **header: str) -> list[OrderEvent]:
    """The events of such a message, which is wholly understood."""
    reading = hl7.read_message(message(*segments, **header))
    assert reading.problem is None
    return list(reading.events)


def one(*segments: str, **header: str) -> OrderEvent:
    """The only event of such a message."""
    (event,) = read(*segments, **header)
    return event


# --- orders ------------------------------------------------------------------------------------------


def test_order_with_all_that_an_ris_writes() -> None:
    """An ORM^O01 after IHE RAD-4 gives one new order with every field in its place."""
    event = one(
        PID,
        PV1,
        "ORC|NW|P77^HIS|F77^RIS||||^^^20260302093000^^S",
        "OBR|1|P77^HIS|F77^RIS|CTTH^CT Thorax^L||||||||||||||A77|RP77|SPS77||||CT",
        "ZDS|1.2.840.77^^Application^DICOM",
    )
    assert event == OrderEvent(
        action=Action.NEW,
        patient_id="4711",
        issuer_of_patient_id="NORTHGATE",
        patient_name="Example^Ada^B",
        birth_date="19610403",
        sex="F",
        accession_number="A77",
        placer_order_number="P77",
        filler_order_number="F77",
        placer_issuer="HIS",
        filler_issuer="RIS",
        requested_procedure_id="RP77",
        scheduled_procedure_step_id="SPS77",
        procedure_code="CTTH",
        procedure_description="CT Thorax",
        modality="CT",
        scheduled_start="2026-03-02T09:30:00",
        location="RAD",
        patient_class="O",
        priority="S",
        study_instance_uid="1.2.840.77",
        message_time="2026-03-02T08:15:00",
    )


def test_imaging_order_with_ipc() -> None:
    """An OMI^O23 has accession, modality, step, study and station in IPC, time and priority in TQ1."""
    event = one(
        PID,
        "ORC|NW|P77|F77",
        "TQ1|1||||||20260302093000+0100||R",
        "OBR|1|P77|F77|CTTH^CT Thorax^L",
        "IPC|A77|RP77|1.2.840.77|SPS77|CT|CTTH^CT Thorax^L|CT room 1|Basement|CT1~CT2",
        kind="OMI^O23^OMI_O23",
        version="2.5.1",
    )
    assert (event.accession_number, event.modality, event.study_instance_uid) == ("A77", "CT", "1.2.840.77")
    assert (event.station_ae_title, event.station_name) == ("CT1", "CT room 1")
    assert (event.scheduled_start, event.priority) == ("2026-03-02T09:30:00+01:00", "R")


@pytest.mark.parametrize(
    ("order_control", "order_status", "action", "status"),
    [
        ("NW", "", Action.NEW, None),
        ("", "", Action.NEW, None),
        ("", "SC", Action.NEW, None),
        ("", "CM", Action.CHANGE, OrderStatus.COMPLETED),
        ("", "CA", Action.CANCEL, None),
        ("RO", "", Action.NEW, None),
        ("XO", "", Action.CHANGE, None),
        ("nw ", "", Action.NEW, None),
        ("QQ", "", Action.CHANGE, None),
        ("CA", "", Action.CANCEL, None),
        ("DC", "IP", Action.CANCEL, None),
        ("RP", "", Action.CANCEL, None),
        ("HD", "", Action.CHANGE, OrderStatus.ON_HOLD),
        ("RL", "", Action.CHANGE, OrderStatus.SCHEDULED),
        ("SC", "SC", Action.CHANGE, OrderStatus.SCHEDULED),
        ("SC", "CM", Action.CHANGE, OrderStatus.COMPLETED),
        ("SC", "IP", Action.CHANGE, OrderStatus.IN_PROGRESS),
        ("SC", "CA", Action.CANCEL, None),
        ("XO", "HD", Action.CHANGE, OrderStatus.ON_HOLD),
        ("SC", "Completed", Action.CHANGE, OrderStatus.COMPLETED),
        ("SC", "Exam Cancelled", Action.CANCEL, None),
        ("SC", "NO-SHOW", Action.CANCEL, None),
        ("CM", "", Action.CHANGE, OrderStatus.COMPLETED),
        ("Cancel", "", Action.CANCEL, None),
        ("CM", "SC", Action.CHANGE, OrderStatus.SCHEDULED),
        ("UX", "", Action.IGNORE, None),
        ("PR", "", Action.IGNORE, None),
    ],
)
def test_order_control_says_what_is_asked(
    order_control: str, order_status: str, action: Action, status: OrderStatus | None
) -> None:
    """ORC-1 decides (HL7 table 0119); where it says that something changed, ORC-5 says what."""
    event = one(PID, f"ORC|{order_control}|P77|||{order_status}", OBR)
    assert (event.action, event.status) == (action, status)


def test_a_number_that_is_assigned_makes_no_order() -> None:
    """ORC-1 NA brings the filler's number to an order that is known (HL7 v2.5.1 4.5.1.1)."""
    event = one(PID, "ORC|NA|P77^HIS|F77^RIS", OBR)
    assert (Action.CHANGE, False, "F77") == (event.action, event.creates, event.filler_order_number)


def test_exam_of_tomorrow_is_not_in_progress() -> None:
    """A booking that arrives as SC with "in process" is scheduled while its time is still to come."""
    event = one(PID, "ORC|SC|P77|||IP||^^^20260303093000", OBR)
    assert event.status is OrderStatus.SCHEDULED


def test_two_orders_in_one_message_are_two_events() -> None:
    """A CT of the head and an MR of the brain in one ORM each have their own numbers and procedure."""
    events = read(
        PID,
        "ORC|NW|P1|||||^^^20260302090000",
        "OBR|1|P1||CTHEAD^CT head||||||||||||||A1||||||CT",
        "ORC|NW|P2|||||^^^20260302100000",
        "OBR|2|P2||MRBRAIN^MR brain||||||||||||||A2||||||MR",
        "ZDS|1.2.3",
    )
    assert [(e.placer_order_number, e.accession_number, e.modality) for e in events] == [
        ("P1", "A1", "CT"),
        ("P2", "A2", "MR"),
    ]
    assert [e.study_instance_uid for e in events] == [None, "1.2.3"]
    assert {e.patient_id for e in events} == {"4711"}


def test_further_procedures_under_one_order_control() -> None:
    """An OBR without an ORC of its own stands under the last one, with its own number where it has one."""
    events = read(PID, "ORC|XO|P1", "OBR|1|P1||A^CT head", "OBR|2|P2||B^CT neck", "OBR|3|||C^CT chest")
    assert [(e.action, e.placer_order_number, e.procedure_code) for e in events] == [
        (Action.CHANGE, "P1", "A"),
        (Action.CHANGE, "P2", "B"),
        (Action.CHANGE, "P1", "C"),
    ]


def test_replacement_cancels_the_old_order_and_brings_the_new() -> None:
    """RP and the RO that follows are two events (HL7 v2.5.1 4.5.1.1)."""
    events = read(PID, "ORC|RP|P1", "OBR|1|P1||A^CT head", "ORC|RO|P2", "OBR|1|P2||B^MR head")
    assert [(e.action, e.placer_order_number) for e in events] == [(Action.CANCEL, "P1"), (Action.NEW, "P2")]


def test_results_sent_along_are_no_orders() -> None:
    """Earlier results inside an order (PR), with the patient repeated, make no event."""
    events = read(PID, "ORC|NW|P1", "OBR|1|P1||A^CT head", PID, "ORC|PR|OLD", "OBR|1|OLD||B^MR head")
    assert [e.placer_order_number for e in events] == ["P1"]


def test_two_patients_in_one_message_are_kept_apart() -> None:
    """An order belongs to the PID before it."""
    events = read(PID, ORC, OBR, "PID|2||4812||Sample^Ben", "ORC|NW|P8", "OBR|1|P8||B^MR head")
    assert [(e.patient_id, e.placer_order_number) for e in events] == [("4711", "P77"), ("4812", "P8")]


def test_steps_of_one_imaging_order() -> None:
    """Several IPC are several steps; one more protocol code of the same step is not."""
    events = read(
        PID,
        "ORC|NW|P1",
        "OBR|1|P1||A^CT and MR head",
        "IPC|A1|RP1|1.2.1|S1|CT|P^a",
        "IPC|A1|RP1|1.2.1|S1|CT|P^b",
        "IPC|A2|RP2|1.2.2|S2|MR|P^c",
        kind="OMI^O23",
    )
    assert [(e.scheduled_procedure_step_id, e.modality) for e in events] == [("S1", "CT"), ("S2", "MR")]
    assert {e.procedure_code for e in events} == {"A"}


def test_cancel_without_a_patient_is_matched_by_its_number() -> None:
    """A cancel that names only its order is a cancel."""
    event = one("ORC|CA|P77|F77")
    assert (event.action, event.placer_order_number, event.patient_id) == (Action.CANCEL, "P77", None)


def test_order_after_its_detail() -> None:
    """An ORC that follows the OBR it belongs to makes no second order."""
    event = one(PID, "OBR|1|P1||A^CT head", "ORC|CA|P1")
    assert (event.action, event.procedure_code) == (Action.CANCEL, "A")


# --- where the values stand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (("ORC|NW|P|||||^^^20260302090000", "TQ1|||||||20260302100000", "OBR|1|P||A"), "2026-03-02T10:00:00"),
        (("ORC|NW|P|||||^^^20260302090000", "OBR|1|P||A|||20260302110000"), "2026-03-02T09:00:00"),
        (("ORC|NW|P", "OBR|1|P||A" + "|" * 23 + "^^^20260302120000"), "2026-03-02T12:00:00"),
        (("ORC|NW|P", "OBR|1|P||A" + "|" * 32 + "202603021300"), "2026-03-02T13:00"),
        (("ORC|NW|P", "OBR|1|P||A|||20260302110000"), "2026-03-02T11:00:00"),
        (("ORC|NW|P", "OBR|1|P||A|||20260302080000"), None),
        (("ORC|NW|P", "OBR|1|P||A||20260303"), "2026-03-03"),
        (("ORC|NW|P", "TQ1||||||||20260302150000|R", "OBR|1|P||A"), "2026-03-02T15:00:00"),
        (("ORC|NW|P|||||^^^soon", "OBR|1|P||A"), None),
    ],
)
def test_scheduled_time_is_looked_for_in_order(segments: tuple[str, ...], expected: str | None) -> None:
    """TQ1-7, ORC-7.4, OBR-27.4, OBR-36, then what is to come in OBR-6 and OBR-7; a past time is none."""
    assert one(PID, *segments).scheduled_start == expected


@pytest.mark.parametrize(
    ("obr", "code", "description"),
    [
        ("OBR|1|P||A^CT head", "A", "CT head"),
        ("OBR|1|P||^ELBOW LEFT^L", None, "ELBOW LEFT"),
        ("OBR|1|P||^^^^CT ABDOMEN", None, "CT ABDOMEN"),
        ("OBR|1|P||^^^CTABD^CT ABDOMEN^L", "CTABD", "CT ABDOMEN"),
        ("OBR|1|P||0401^1^PELVIS AND HIP", "0401", "PELVIS AND HIP"),
        ("OBR|1|P||Chest, two views", None, "Chest, two views"),
        ("OBR|1|P||RTG", "RTG", None),
        (r"OBR|1|P||A^Neck \T\ chest", "A", "Neck & chest"),
        ("OBR|1|P||A^CT head" + "|" * 40 + "B^CT brain", "B", "CT brain"),
    ],
)
def test_procedure_as_senders_write_it(obr: str, code: str | None, description: str | None) -> None:
    """Code and words are found where one stands in the other's place; OBR-44 goes before OBR-4."""
    event = one(PID, "ORC|NW|P", obr)
    assert (event.procedure_code, event.procedure_description) == (code, description)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("CT", "CT"), ("NMR", "MR"), ("mri", "MR"), ("B999", None), ("Praxis", None), ("CT^Computed", "CT")],
)
def test_modality_is_a_modality_or_nothing(sent: str, expected: str | None) -> None:
    """OBR-24 may be a section or a place: only a modality is one, under the names that senders use."""
    assert one(PID, ORC, "OBR|1|P77||A" + "|" * 20 + sent).modality == expected


def test_explicit_null_deletes_and_silence_does_not() -> None:
    """Two quotation marks clear a field; an empty field and a missing one say nothing (HL7 v2.5.1 2.5.3)."""
    event = one('PID|1||4711||Example^Ada||""|', 'ORC|XO|P77|||||^^^""', 'OBR|1|P77||""')
    assert event.cleared == {"birth_date", "scheduled_start", "procedure_code", "procedure_description"}
    assert (event.birth_date, event.sex) == (None, None)


def test_null_in_one_place_does_not_clear_what_another_place_has() -> None:
    """Nulls before a value elsewhere are how some senders write, not a wish to delete."""
    event = one(PID, 'ORC|NW|P77|||||""', "OBR|1|P77||A^B" + "|" * 23 + '""^""^""^20260302120000^""^R')
    assert (event.scheduled_start, event.priority) == ("2026-03-02T12:00:00", "R")
    assert event.cleared == frozenset()


def test_every_value_knows_its_place() -> None:
    """Each value of an event names the field that it came from."""
    (origins,) = hl7.read_message(message(PID, ORC, OBR)).origins
    assert origins["patient_id"] == "PID-3"
    assert (origins["accession_number"], origins["procedure_description"]) == ("OBR-18.1", "OBR-4.2")
    assert origins["message_time"] == "MSH-7"


@pytest.mark.parametrize(
    ("segments", "kind", "place"),
    [
        ((PID, ORC, OBR), "ORM^O01", "ORC-1"),
        ((PID, "ORC|SC|P77|||CA", OBR), "ORM^O01", "ORC-5"),
        ((PID, "ORC|CA|P77|||IP", OBR), "ORM^O01", "ORC-1"),
        ((PID, OBR), "ORM^O01", ""),
        (("SCH|1|2", PID), "SIU^S15", "MSH-9.2"),
        ((PID, "MRG|9"), "ADT^A40", "MSH-9.2"),
    ],
)
def test_what_is_asked_for_has_its_place_too(segments: tuple[str, ...], kind: str, place: str) -> None:
    """That an order is cancelled may stand in its status, or in the trigger of the message."""
    (origins,) = hl7.read_message(message(*segments, kind=kind)).origins
    assert origins["action"] == place


# --- patients ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("pid", "patient_id", "issuer"),
    [
        ("PID|||1^^^HOSP^MR", "1", "HOSP"),
        ("PID|||9^^^STATE^SS~1^^^HOSP^PI", "1", "HOSP"),
        ("PID|||9^^^HOSP^AN~1", "1", None),
        ("PID|||1^^^HOSP&1.2.3&ISO^MR", "1", "HOSP"),
        ("PID|||1^^^&1.2.3&ISO^MR", "1", "&1.2.3&ISO"),
        ("PID|||null^^^FMP^PN~1^^^^PI", "1", None),
        ("PID||1932", "1932", None),
        ('PID|||""', None, None),
        ("PID|||0012", "0012", None),
        ("PID|||1^^^HOSP^MR~2^^^HOSP^MR", "1", "HOSP"),
    ],
)
def test_patient_id_is_chosen_by_what_it_is(pid: str, patient_id: str | None, issuer: str | None) -> None:
    """A hospital's ID goes before one of a state or an account wherever it stands; `null` is none."""
    event = one(pid, ORC, OBR)
    assert (event.patient_id, event.issuer_of_patient_id) == (patient_id, issuer)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("Example^Ada^B^^Dr.^^L", "Example^Ada^B"),
        ("Maiden^Ada^^^^^M~Example^Ada^^^^^L", "Example^Ada"),
        ("Example^Ada^^^^^D~Other^Ada^^^^^L", "Example^Ada"),
        ("van Example&van&Example^Ada", "van Example^Ada"),
        ("例^花子^^^^^L^I~レイ^ハナコ^^^^^L^P", "例^花子"),
        ("Example^^", "Example"),
        ("Nick^Ada^^^^^N", "Nick^Ada"),
        ('""', None),
    ],
)
def test_name_is_the_legal_one(sent: str, expected: str | None) -> None:
    """Family, given and middle name of the first that is no alias, maiden name or nickname."""
    assert one(f"PID|||1||{sent}", ORC, OBR).patient_name == expected


@pytest.mark.parametrize(
    ("trigger", "action"),
    [
        ("A01", Action.NEW),
        ("A04", Action.NEW),
        ("A05", Action.NEW),
        ("A08", Action.CHANGE),
        ("A31", Action.CHANGE),
        ("A03", Action.IGNORE),
        ("A24", Action.IGNORE),
        ("A41", Action.IGNORE),
    ],
)
def test_patient_messages_by_their_table(trigger: str, action: Action) -> None:
    """Admissions and changes tell of a patient; links and account merges re-key nothing."""
    event = one(f"EVN|{trigger}", PID, "PV1|1|E", kind=f"ADT^{trigger}")
    assert (event.action, event.patient_id, event.patient_class) == (action, "4711", "E")
    assert not event.identifies_an_order


def test_trigger_may_stand_in_evn_alone() -> None:
    """With `ADT` alone in MSH-9 the event segment says what happened."""
    assert one("EVN|A08", PID, kind="ADT").action is Action.CHANGE


def merges(*segments: str, trigger: str = "A40") -> list[tuple[str | None, ...]]:
    """The surviving and prior IDs with their issuers that a merge names."""
    events = read("EVN|A40", *segments, kind=f"ADT^{trigger}")
    assert {event.action for event in events} == {Action.MERGE}
    return [
        (e.patient_id, e.issuer_of_patient_id, e.prior_patient_id, e.prior_issuer_of_patient_id)
        for e in events
    ]


@pytest.mark.parametrize("trigger", ["A18", "A34", "A36", "A39", "A40"])
def test_merge(trigger: str) -> None:
    """PID has the survivor, MRG the ID that ends."""
    assert merges("PID|||1^^^H^MR", "MRG|2^^^H^MR", trigger=trigger) == [("1", "H", "2", "H")]


def test_several_merges_in_one_message() -> None:
    """Every PID and MRG pair is a merge, and so is every repetition of MRG-1."""
    pairs = merges("PID|||1^^^H", "MRG|2^^^H~3^^^H", "PID|||5^^^H", "MRG|6^^^H")
    assert [(pair[0], pair[2]) for pair in pairs] == [("1", "2"), ("1", "3"), ("5", "6")]


def test_merge_pairs_ids_of_one_authority() -> None:
    """IDs are paired within their authority; `null`, insurance and state numbers are no merge."""
    assert merges(
        "PID|||null^^^F^PN~A^^^X^MR~B^^^Y^MR~S1^^^GOV^SS", "MRG|D^^^Y^MR~C^^^X^MR~null^^^F^PN~S2^^^GOV^SS"
    ) == [("A", "X", "C", "X"), ("B", "Y", "D", "Y")]


@pytest.mark.parametrize(
    ("pid", "mrg"),
    [
        ("PID|||A^^^X&1.2.3&ISO^MR", "MRG|B^^^&1.2.3&ISO^MR"),
        ("PID|||A^^^&1.2.3&ISO^MR", "MRG|B^^^X&1.2.3&ISO^MR"),
    ],
)
def test_an_authority_that_a_merge_names_once_is_known_by_that_name(pid: str, mrg: str) -> None:
    """Where one side has its universal ID alone."""
    assert merges(pid, mrg) == [("A", "X", "B", "X")]


def test_leading_zeros_belong_to_an_id() -> None:
    """`09` and `9` are two IDs."""
    assert merges("PID|||9", "MRG|09") == [("9", None, "09", None)]


def test_id_changed_across_authorities() -> None:
    """An A47 may end one authority's ID and begin another's."""
    assert merges("PID|||1^^^NEW^MR", "MRG|1^^^OLD^MR", trigger="A47") == [("1", "NEW", "1", "OLD")]


@pytest.mark.parametrize(
    ("segments", "problem"),
    [
        (("PID|||1^^^H",), "no prior patient ID"),
        (("PID|||1^^^H", "MRG|"), "no prior patient ID"),
        (("PID|1", "MRG|2"), "no patient ID"),
        (("PID|||1^^^H", "MRG|1^^^H"), "into itself"),
    ],
)
def test_half_a_merge_is_said_to_be_one(segments: tuple[str, ...], problem: str) -> None:
    """A merge that lacks one side is shown with what it has, and with what it lacks."""
    reading = hl7.read_message(message(*segments, kind="ADT^A40"))
    assert problem in (reading.problem or "")
    assert [event.action for event in reading.events] == [Action.MERGE]


# --- appointments ------------------------------------------------------------------------------------

SCH = "SCH|PA1^HIS|FA1^RIS|||||ROUTINE||||^^^20260302090000^20260302093000"


@pytest.mark.parametrize(
    ("trigger", "filler_status", "action", "status"),
    [
        ("S12", "Booked", Action.NEW, None),
        ("S13", "", Action.CHANGE, None),
        ("S14", "Complete", Action.CHANGE, OrderStatus.COMPLETED),
        ("S14", "Cancelled", Action.CANCEL, None),
        ("S14", "|Cancelled", Action.CANCEL, None),
        ("S15", "Booked", Action.CANCEL, None),
        ("S17", "", Action.CANCEL, None),
        ("S20", "", Action.CHANGE, None),
        ("S23", "", Action.IGNORE, None),
        ("S26", "Noshow", Action.CANCEL, None),
    ],
)
def test_appointment_triggers(
    trigger: str, filler_status: str, action: Action, status: OrderStatus | None
) -> None:
    """The trigger decides; SCH-25 refines a change and contradicts nothing."""
    event = one(SCH + "|" * 14 + filler_status, PID, "AIS|1||CTTH^CT Thorax", kind=f"SIU^{trigger}")
    assert (event.action, event.status) == (action, status)


def test_a_status_that_slipped_is_no_number() -> None:
    """SCH-26 may hold what belongs in SCH-25; the booking keeps its own number."""
    event = one(SCH + "|" * 15 + "Cancelled", PID, kind="SIU^S15")
    assert (event.placer_order_number, event.procedure_code) == ("PA1", None)


@pytest.mark.parametrize("trigger", ["S15", "S17", "S26"])
def test_why_a_booking_was_cancelled_is_not_what_was_booked(trigger: str) -> None:
    """SCH-6 of a cancel."""
    event = one("SCH|1|2||||NOSHOW^Patient did not come|CANCELLED", PID, kind=f"SIU^{trigger}")
    assert (event.procedure_code, event.procedure_description) == (None, None)


def test_booking() -> None:
    """A booking names its appointment, which stands for the order number where it names none."""
    event = one(
        SCH, PID, "RGS|1", "AIS|1|A|CTTH^CT Thorax^L|20260302091500", "AIL|1||CT1^Room 1", kind="SIU^S12"
    )
    assert (event.placer_appointment_id, event.filler_appointment_id) == ("PA1", "FA1")
    assert (event.placer_order_number, event.filler_order_number) == ("PA1", "FA1")
    assert (event.procedure_code, event.scheduled_start) == ("CTTH", "2026-03-02T09:15:00")
    assert event.location == "CT1"


def test_booking_with_its_order_number() -> None:
    """SCH-26 and SCH-27 name the order itself."""
    event = one(SCH + "|" * 15 + "P77|F77", PID, "AIS|1||CTTH", kind="SIU^S12")
    assert (event.placer_order_number, event.filler_order_number) == ("P77", "F77")
    assert event.placer_appointment_id == "PA1"


def test_imaging_service_among_others() -> None:
    """Of a blood test and a chest film in one booking only the film is an exam."""
    event = one(
        SCH,
        PID,
        "RGS|1",
        "AIS|1||58410-2^Blood count^LN",
        "AIL|1||LAB1",
        "RGS|2",
        "AIG|1||XR2^X-Ray room",
        "AIS|1||42272-5^Chest PA and lateral^LN",
        "AIL|1||DIAG",
        "RGS|3",
        "AIL|1||OPD",
        kind="SIU^S12",
    )
    assert (event.procedure_code, event.location, event.station_name) == ("42272-5", "DIAG", "X-Ray room")


def test_services_that_cannot_be_told_apart_are_all_read() -> None:
    """Where none of several services is plainly imaging, each may be."""
    events = read(SCH, PID, "RGS|1", "AIS|1||A7^Procedure A", "AIS|2||B7^Procedure B", kind="SIU^S12")
    assert [event.procedure_code for event in events] == ["A7", "B7"]


@pytest.mark.parametrize(
    ("sch", "code", "description"),
    [
        ("SCH|1|2|||||ROUTINE|MG^Mammography", "MG", "Mammography"),
        ("SCH|1|2|||||CHECKUP|NORMAL", None, None),
        ("SCH|1|2||||||Consultation, Dr. Sample", None, "Consultation, Dr. Sample"),
    ],
)
def test_booking_without_a_service(sch: str, code: str | None, description: str | None) -> None:
    """Without AIS the appointment's reason or type may say what is to be done; how it was booked does not."""
    event = one(sch, PID, kind="SIU^S12")
    assert (event.procedure_code, event.procedure_description) == (code, description)


# --- where else things stand -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("A77", "A77"),
        ("A77^RIS^1.2.3^ISO", "A77"),
        ("ED^1^2", None),
        ("CT1^^^MAIN HOSPITAL^^^^^CT", None),
    ],
)
def test_a_location_is_no_accession_number(sent: str, expected: str | None) -> None:
    """OBR-18 holds a number, with its authority here and there; point of care, room and bed are none."""
    assert one(PID, ORC, OBR.replace("A77", sent)).accession_number == expected


def test_an_imaging_step_says_what_the_order_does_not() -> None:
    """Without OBR-4 the step's protocol (IPC-6) is what is to be done."""
    event = one(PID, ORC, "IPC|A1|R1|1.2.3|S1|MR|MRB^MR brain", kind="OMI^O23")
    assert (event.procedure_code, event.procedure_description) == ("MRB", "MR brain")


@pytest.mark.parametrize(
    ("segment", "expected"),
    [
        ("ZDS|1|1.2.840.77", "1.2.840.77"),
        ("OBX|1|HD|110180^Study Instance UID^DCM||1.2.840.77", "1.2.840.77"),
        ("OBX|1|ST|STUDY_UID^Study Instance UID||1.2.840.77^^Application^DICOM", "1.2.840.77"),
        ("OBX|1|ST|PRIOR^Study Instance UID of prior||1.2.840.77", None),
        ("OBX|1|ST|113014^DICOM Study^DCM||1.2.840.77", None),
        ("OBX|1|ST|SOFTWARE^Version||1.2.840.77", None),
    ],
)
def test_the_study_of_an_order_may_stand_in_an_observation(segment: str, expected: str | None) -> None:
    """Where OBX-3 says that it is this one's; one that is named for comparison is not."""
    assert one(PID, ORC, OBR, segment).study_instance_uid == expected


def test_several_studies_in_observations_are_none_of_its_own() -> None:
    """They are to be compared with; the same one said twice is one."""
    one_of_them, another = (f"OBX|{nth}|HD|110180^Study Instance UID^DCM||1.2.840.{nth}" for nth in (1, 2))
    assert one(PID, ORC, OBR, one_of_them, another).study_instance_uid is None
    assert one(PID, ORC, OBR, one_of_them, one_of_them).study_instance_uid == "1.2.840.1"


# --- what is not understood --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("raw", "acknowledgement", "problem"),
    [
        (b"", "AR", "no MSH segment"),
        (b"hello", "AR", "no MSH segment"),
        (b"\0\0" + message(PID, ORC, OBR).decode().encode("utf-16-le"), "AR", "have the sender write UTF-8"),
        (message(PID), "AA", "neither ORC nor OBR"),
        (message("EVN|A08", kind="ADT^A08"), "AA", "no PID"),
        (message(PID, "ORC|NW", "OBR|1|||A^CT"), "AA", "no order, accession or appointment number"),
    ],
)
def test_problem_is_told_in_words(raw: bytes, acknowledgement: str, problem: str) -> None:
    """What cannot be understood says why."""
    reading = hl7.read_message(raw)
    assert reading.acknowledgement.value == acknowledgement
    assert problem in (reading.problem or "")


def test_message_of_no_interest_is_not_a_problem() -> None:
    """A result is acknowledged, gives no event, and nothing is wrong with it."""
    reading = hl7.read_message(message(PID, OBR, "OBX|1", kind="ORU^R01"))
    assert (reading.acknowledgement.value, reading.events, reading.problem) == ("AA", (), None)
    assert reading.message_type == "ORU^R01"


def test_batch_in_one_frame_is_read_message_by_message() -> None:
    """Every message of a batch gives its events, each under its own header; results among them give none."""
    batch = b"".join(
        (
            b"FHS|^~\\&|RIS\rBHS|^~\\&|RIS\r",
            message(PID, kind="ORU^R01"),
            message(PID, ORC, OBR),
            message("EVN|A08", PID, kind="ADT^A08"),
            b"BTS|3\rFTS|1\r",
        )
    )
    assert [event.action for event in hl7.read_message(batch).events] == [Action.NEW, Action.CHANGE]


def test_events_have_a_plain_form() -> None:
    """What `prefetch read --json` prints has every field that a message can say, under its name."""
    plain: dict[str, Any] = hl7.to_json(one(PID, ORC, OBR))
    assert (plain["action"], plain["patient_id"], plain["cleared"]) == ("new", "4711", [])
    assert [*plain, "worklist", "segments"] == list(OrderEvent.__dataclass_fields__)


@pytest.mark.parametrize(
    "before", [b"\xef\xbb\xbf", b"\xff\xfe", b"\xff" * 40, b"\0\0", b"\x0b\x0b", b" \r\n"]
)
def test_marks_before_a_message_hide_nothing_of_it(before: bytes) -> None:
    """Byte-order marks, doubled framing and blanks: whatever its header is read through, the rest is too."""
    assert (
        hl7.read_message(message(PID, ORC, OBR)).events
        == hl7.read_message(before + message(PID, ORC, OBR)).events
    )
