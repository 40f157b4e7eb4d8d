"""The message header and its acknowledgement: any message can be answered."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake import header
from prefetch.intake.header import AcknowledgmentCode, Delimiters
from prefetch.model import Priority

NOW = datetime(2026, 3, 2, 8, 15, 30, tzinfo=UTC)
USUAL = rb"MSH|^~\&|RIS|HOSP^1.2.3^ISO|PREFETCH|NIGHT|20260302081500||ORM^O01^ORM_O01|M1|P|2.5.1"


def read(raw: bytes) -> header.Header:
    """The header of a message that has one."""
    found = header.read_header(raw)
    assert found is not None
    return found


def acknowledgement(
    raw: bytes, code: AcknowledgmentCode = AcknowledgmentCode.ACCEPTED, text: str = ""
) -> list[str]:
    """The lines of the acknowledgement of a message."""
    found = header.read_header(raw)
    answer = header.acknowledge(found, code, text, now=NOW, control_id="A1")
    return answer.decode(found.codec if found else "ascii").split("\r")


def test_fields_are_read_as_sent() -> None:
    """Every field that is asked for later stands in the header as it was sent."""
    found = read(USUAL + b"||||||UNICODE UTF-8|EN\rPID|1\r")
    assert (found.sending_facility, found.control_id, found.version) == ("HOSP^1.2.3^ISO", "M1", "2.5.1")
    assert (found.type_and_trigger, found.message_time) == ("ORM^O01", "20260302081500")
    assert (found.processing_id, found.charset, found.language) == ("P", "UNICODE UTF-8", "EN")


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"\xef\xbb\xbf" + USUAL, "ORM^O01"),
        (b"\r\n " + USUAL, "ORM^O01"),
        (b"FHS|^~\\&|X\rBHS|^~\\&|X\r" + USUAL, "ORM^O01"),
        (b"MSH|^~\\&|||||||ORM|||", "ORM"),
        (b"MSH|^~\\&|||||||ORM_O01", "ORM^O01"),
        (b"MSH|^~\\&|||||||ORM_O01^ORM_O01", "ORM^O01"),
        (b"MSH|^~\\&|||||||ADT A04", "ADT^A04"),
        (b"MSH|^~\\&|||||||orm-o01", "ORM^O01"),
        (b"MSH|^~\\&|||||||siu^s12", "SIU^S12"),
        (b"MSH|^~\\&|||||||", ""),
        (b"MSH#*~\\&#RIS#######", ""),
        (b"MSH#*~\\&#RIS######ADT*A40#7##", "ADT^A40"),
        (b"MSH||RIS||||||ORM^O01|7", "ORM^O01"),
    ],
)
def test_headers_as_senders_write_them(raw: bytes, expected: str) -> None:
    """Byte-order marks, batches, bare types, other or missing delimiters: the type is read all the same."""
    assert read(raw).type_and_trigger == expected


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"MSH",
        b"MSH|",
        b"MSHA^~",
        b"MSH ^~ ",
        b"PID|1||4711",
        b"FHS|^~\\&|X\rPID|1",
        b"<xml/>",
        b"\x00\xff",
    ],
)
def test_what_is_no_header(raw: bytes) -> None:
    """Without an MSH and its separator there is no header."""
    assert header.read_header(raw) is None


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("^~\\&", Delimiters()),
        ("", Delimiters()),
        ("^~", Delimiters()),
        ("^~&", Delimiters()),
        ("^~\\\\&", Delimiters()),
        ("^~\\&#", Delimiters()),
        ("*!/@", Delimiters(component="*", repetition="!", escape="/", subcomponent="@")),
        ("^~\\`", Delimiters(subcomponent="`")),
    ],
)
def test_delimiters_are_mended(sent: str, expected: Delimiters) -> None:
    """Shortened, doubled and spoilt encoding characters are taken for what their sender uses."""
    assert header.read_delimiters("|", sent) == expected


def test_facility_in_shift_jis_does_not_shift_the_fields() -> None:
    """A second byte that looks like a separator (ポ is 83 7C) is part of its character."""
    found = read("MSH|^~\\&|HIS|ポプラ病院|||20260302||ADT^A08|M7|P|2.5".encode("cp932"))
    assert (found.sending_facility, found.control_id) == ("ポプラ病院", "M7")


def test_acknowledgement_swaps_the_parties_and_echoes_the_control_id() -> None:
    """The sender finds itself in MSH-5/6 and its control ID in MSA-2 (HL7 v2.5.1 2.9.2)."""
    assert acknowledgement(USUAL) == [
        "MSH|^~\\&|PREFETCH|NIGHT|RIS|HOSP^1.2.3^ISO|20260302081530+0000||ACK^O01|A1|P|2.5.1",
        "MSA|AA|M1",
        "",
    ]


@pytest.mark.parametrize("codec", ["utf_16_le", "utf_16_be"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_message_in_16_bits_is_answered_in_16_bits(mark: str, codec: str) -> None:
    """Whoever frames UTF-16 reads it too; the rest of the header is what it would be in 8 bits."""
    raw = f"{mark}MSH|^~\\&|RIS|Klinik Köln|PACS||20260302||ADT^A08|M9|P|2.3\rPV1|1|E".encode(codec)
    found = read(raw)
    assert (found.sending_facility, found.control_id, found.codec) == ("Klinik Köln", "M9", codec)
    assert acknowledgement(raw)[1] == "MSA|AA|M9"
    assert header.glance(raw).priority is Priority.STAT


def test_refusal_says_why() -> None:
    """The reason stands in MSA-3 and ERR-8, escaped."""
    _, msa, err, _ = acknowledgement(USUAL, AcknowledgmentCode.ERROR, "disk | full")
    assert msa == "MSA|AE|M1|disk \\F\\ full"
    assert err == "ERR|||207^Application internal error^HL70357|E||||disk \\F\\ full"


def test_message_without_header_is_answered_too() -> None:
    """What has no MSH gets an acknowledgement in the usual delimiters, with an empty MSA-2."""
    msh, msa, _, _ = acknowledgement(b"junk", AcknowledgmentCode.REJECTED, "no MSH")
    assert msh == "MSH|^~\\&|PREFETCH||||20260302081530+0000||ACK|A1|P|2.5.1"
    assert msa == "MSA|AR||no MSH"


def test_acknowledgement_speaks_like_the_message() -> None:
    """Delimiters, version and character set of the answer are the message's own."""
    raw = "MSH#*!/@#RIS#Köln#PACS##20260302##ADT*A08#M9#T#2.3######8859/1".encode("latin-1")
    assert acknowledgement(raw, AcknowledgmentCode.REJECTED, "a#b")[:2] == [
        "MSH#*!/@#PACS##RIS#Köln#20260302081530+0000##ACK*A08#A1#T#2.3######8859/1",
        "MSA#AR#M9#a/F/b",
    ]


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"MSH|^~\\&|||||||OMI^O23", True),
        (b"MSH|^~\\&|||||||ORM", True),
        (b"MSH|^~\\&|||||||SIU^S12", True),
        (b"MSH|^~\\&|||||||SIU^S27", False),
        (b"MSH|^~\\&|||||||ADT^A40", True),
        (b"MSH|^~\\&|||||||ADT", True),
        (b"MSH|^~\\&|||||||ADT^A02", False),
        (b"MSH|^~\\&|||||||ORU^R01", False),
        (b"MSH|^~\\&|||||||", False),
    ],
)
def test_interest_is_known_by_type(raw: bytes, expected: bool) -> None:
    """Whether a message is parsed at all is decided by MSH-9 alone."""
    assert header.is_of_interest(read(raw)) is expected


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (b"ORC|NW|1|||||^^^^^S", Priority.STAT),
        (b"ORC|NW|1\rTQ1|||||||||STAT", Priority.STAT),
        (b"OBR|1|||CT|R\rOBR|2|||CT|A", Priority.HIGH),
        (b"OBR|1" + b"|" * 26 + b"^^^^^S", Priority.STAT),
        (b"PV1|1|E\rORC|NW|1|||||^^^^^R", Priority.STAT),
        (b"PV1|1|O\rORC|NW|1", Priority.ROUTINE),
        (b"", Priority.ROUTINE),
    ],
)
def test_priority_is_seen_without_parsing(segments: bytes, expected: Priority) -> None:
    """The most urgent of what the raw bytes say decides how soon a message is read."""
    assert header.glance(USUAL + b"\r" + segments + b"\r").priority == expected


@pytest.mark.parametrize(
    ("segments", "expected"),
    [
        (b"ORC|NW|P1^RIS|F1^RIS", "F1"),
        (b"ORC|NW|P1", "P1"),
        (b"OBR|1||F2", "F2"),
        (b"SCH|A1|B1", "B1"),
        (b"PID|||4711", None),
    ],
)
def test_order_number_is_seen_without_parsing(segments: bytes, expected: str | None) -> None:
    """Messages of one order are known as such before they are read."""
    assert header.glance(USUAL + b"\n" + segments).order_number == expected


@given(st.binary(max_size=200).map(lambda tail: b"MSH" + tail) | st.binary(max_size=200))
def test_any_bytes_can_be_answered(raw: bytes) -> None:
    """Whatever comes: no exception, and an acknowledgement that is a header and an MSA."""
    found = header.read_header(raw)
    answer = header.acknowledge(found, AcknowledgmentCode.ACCEPTED, now=NOW, control_id="A1")
    assert answer.startswith(b"MSH")
    assert b"\rMSA" in answer
    assert header.glance(raw).priority in Priority
