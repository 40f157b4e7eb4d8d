"""How a sender writes, as prefetch.yaml says it: each key with its effect on a message."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from prefetch.intake import hl7
from prefetch.model import OrderEvent
from prefetch.senders import Fields, Sender

ORDER = (
    "PID|1|X9|4711^^^NORTHGATE&1.2.3&ISO^MR~S-1^^^STATE^SS~0815^^^SOUTH^PI||Example^Ada||19610403|K",
    "PV1|1|AMB|W3^R1^B2^SOUTH",
    "ORC|NW|P77|F77|||||||||||||||CT9",
    "OBR|1|P77|F77|CTTH^CT Thorax^L^71^Thorax nativ^L|||20260302093000|||||||||||A77|RP77|SPS77||||NMR||CITO",
    "NTE|1||Control after six months",
    "ZRI|CR|1.2.840.77|20260303101500^x|Z99^ignored~Z98",
)


def message(
    *segments: str, application: str = "OLDRIS", facility: str = "NORTH", codec: str = "ascii"
) -> bytes:
    """A message of this sender."""
    msh = f"MSH|^~\\&|{application}|{facility}|PREFETCH||20260302081500||ORM^O01|M1|P|2.3.1"
    return "\r".join((msh, *segments, "")).encode(codec)


def read(raw: bytes, came_in_by: str = "ris", /, **said: Any) -> hl7.Reading:
    """What is read in a message when prefetch.yaml says this of its sender."""
    senders = hl7.Senders({"old-ris": Sender.model_validate(said)})
    return hl7.read_message(raw, senders=pickle.loads(pickle.dumps(senders)), listener=came_in_by)  # noqa: S301


def event(*segments: str, **said: Any) -> OrderEvent:
    """The one event of an order of such a sender."""
    (one,) = read(message(*(segments or ORDER)), **said).events
    return one


FIELDS = {
    "accession_number": ("ZRI-4", "Z99"),
    "placer_order_number": ("OBR-19", "RP77"),
    "filler_order_number": ("OBR-20", "SPS77"),
    "placer_appointment_id": ("ORC-2", "P77"),
    "filler_appointment_id": ("ORC-3", "F77"),
    "requested_procedure_id": ("OBR-20", "SPS77"),
    "scheduled_procedure_step_id": ("ZRI-4.2", "ignored"),
    "study_instance_uid": ("ZRI-2", "1.2.840.77"),
    "procedure_code": ("OBR-4.4", "71"),
    "procedure_description": (["ZXX-1", "OBR-4.5"], "Thorax nativ"),
    "modality": ("ZRI-1", "CR"),
    "scheduled_start": ("ZRI-3", "2026-03-03T10:15:00"),
    "station_ae_title": ("ORC-18", "CT9"),
    "station_name": ("ORC-18", "CT9"),
    "location": ("PV1-3.4", "SOUTH"),
    "patient_class": ({"values": {"amb": "O"}}, "O"),
    "priority": ({"from": ["OBR-26"], "values": {"CITO": "S"}}, "S"),
    "birth_date": ("OBR-7", "20260302"),
    "sex": ({"values": {"K": "F"}}, "F"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_is_read_where_the_site_says(name: str) -> None:
    """Every field of `fields` takes its value from the place that is named, and by the words that are."""
    where, expected = FIELDS[name]
    assert expected == getattr(event(fields={name: where}), name)


def test_every_field_that_can_be_mapped_is_tried_here() -> None:
    """A new field in `fields` needs its row."""
    assert set(FIELDS) == set(Fields.model_fields)


def test_places_are_tried_in_order_and_the_usual_ones_where_they_are_named() -> None:
    """What is no modality is passed over; `usual` stands for the places of most senders."""
    assert "MR" == event(fields={"modality": ["PV1-3", "usual"]}).modality
    assert event(fields={"modality": ["PV1-3"]}).modality is None


def test_own_words_go_before_the_usual_aliases() -> None:
    """`NMR` is MR to all; a site may say otherwise, and keeps the other aliases."""
    assert "NM" == event(fields={"modality": {"values": {"nmr": "NM"}}}).modality
    assert "MR" == event(fields={"modality": {"values": {"B999": "CR"}}}).modality


def test_every_value_knows_its_place_in_a_mapping_of_ones_own() -> None:
    """`prefetch read --mapping` names the site's place and the sender."""
    reading = read(message(*ORDER), fields={"accession_number": ["ZRI-4"]})
    assert ("old-ris", "ZRI-4.1") == (reading.sender, reading.origins[0]["accession_number"])


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, ("4711", "NORTHGATE")),
        ({"authorities": ["south"]}, ("0815", "SOUTH")),
        ({"authorities": ["ELSEWHERE", "1.2.3"]}, ("4711", "NORTHGATE")),
        ({"authorities": ["STATE", "SOUTH"]}, ("S-1", "STATE")),
        ({"types": ["PI"]}, ("0815", "SOUTH")),
        ({"authorities": ["ELSEWHERE"]}, ("4711", "NORTHGATE")),
        ({"from": ["PID-2", "PID-3"]}, ("X9", None)),
        ({"from": ["ZPI-1", "PID-3"]}, ("4711", "NORTHGATE")),
    ],
)
def test_the_id_is_chosen_by_authority_and_type(
    said: dict[str, Any], expected: tuple[str, str | None]
) -> None:
    """Authorities first, then types, then a hospital's before an insurer's; never the position alone."""
    one = event(patient_id=said)
    assert expected == (one.patient_id, one.issuer_of_patient_id)


def test_a_merge_follows_the_same_order() -> None:
    """MRG is read by the same authorities; and from another field where the site says so."""
    segments = ("PID|||1^^^A~2^^^B", "MRG|8^^^A~9^^^B|||7")
    raw = message(*segments).replace(b"ORM^O01", b"ADT^A40")
    (by_authority, _) = read(raw, patient_id={"authorities": ["B"]}).events
    assert ("2", "9") == (by_authority.patient_id, by_authority.prior_patient_id)
    (elsewhere,) = read(raw, patient_id={"prior": "MRG-4"}).events
    assert ("1", "7") == (elsewhere.patient_id, elsewhere.prior_patient_id)


@pytest.mark.parametrize(
    ("said", "application", "facility", "listener", "is_taken"),
    [
        ({}, "ANY", "WHERE", "ris", True),
        ({"application": "oldris"}, "OLDRIS", "X", "ris", True),
        ({"application": ["A", "OLD*"]}, "OLDRIS", "X", "ris", True),
        ({"application": "OLDRIS"}, "OLDRIS^1.2.3^ISO", "X", "ris", True),
        ({"application": "OLDRIS"}, "NEWRIS", "X", "ris", False),
        ({"application": "OLDRIS", "facility": "NORTH"}, "OLDRIS", "SOUTH", "ris", False),
        ({"listener": "ris"}, "X", "X", "ris", True),
        ({"listener": ["his", "submit"]}, "X", "X", "ris", False),
    ],
)
def test_a_sender_is_told_by_application_facility_and_listener(
    said: dict[str, Any], application: str, facility: str, listener: str, *, is_taken: bool
) -> None:
    """All that is given must hold: MSH-3 and MSH-4 by name or in full, and the listener."""
    reading = read(message(*ORDER, application=application, facility=facility), listener, **said)
    assert ("old-ris" if is_taken else None) == reading.sender


def test_the_first_sender_that_fits_is_taken() -> None:
    """In the order of the file."""
    senders = hl7.Senders({"a": Sender(listener=("his",)), "b": Sender(), "c": Sender()})
    assert ["a", "b"] == [
        hl7.read_message(message(*ORDER), senders=senders, listener=listener).sender
        for listener in ("his", "ris")
    ]


POLISH = ("PID|1||4711||Żółć^Łucja", *ORDER[1:])


@pytest.mark.parametrize("codec", ["cp1250", "iso8859_2", "utf_8", "cp852"])
def test_a_character_set_counts_where_none_is_declared(codec: str) -> None:
    """A sender that declares none is read as the site says, UTF-8 where it is plainly that."""
    reading = read(message(*POLISH, codec=codec), character_set="CP852" if codec == "cp852" else "CP1250")
    expected = "Żółć^Łucja" if codec != "iso8859_2" else reading.events[0].patient_name
    assert expected == reading.events[0].patient_name


def test_a_declaration_that_the_text_bears_out_is_believed() -> None:
    """MSH-18 goes before the sender's character set; 8859/1 of an engine that was never told does not."""
    declared = message(*POLISH, codec="iso8859_2").replace(b"|2.3.1\r", b"|2.3.1||||||8859/2\r")
    assert "Żółć^Łucja" == read(declared, character_set="CP1251").events[0].patient_name
    wrongly = message(*POLISH, codec="cp1250").replace(b"|2.3.1\r", b"|2.3.1||||||8859/1\r")
    assert "Żółć^Łucja" == read(wrongly, character_set="CP1250").events[0].patient_name


def test_a_sender_in_another_time_zone_says_so_with_its_reading() -> None:
    """Values stay as sent; the zone travels with the reading to where times are placed."""
    reading = read(message(*ORDER), time_zone="Europe/Lisbon")
    assert ("Europe/Lisbon", "2026-03-02T09:30:00") == (
        str(reading.time_zone),
        reading.events[0].scheduled_start,
    )
