"""Cutting text into segments and fields, where senders lost or added line ends."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefetch.intake.header import Delimiters, escape
from prefetch.intake.hl7 import fields, segments
from prefetch.intake.hl7.segments import Segment

USUAL = Delimiters()
MSH = "MSH|^~\\&|RIS|HOSP|||20260302||ORM^O01|M1|P|2.3"


def cut(*lines: str, end: str = "\r") -> list[str]:
    """Cut these lines, and write the segments that come out again."""
    return ["|".join(segment.fields) for segment in segments.cut(end.join(lines), USUAL)]


def test_fields_are_numbered_as_in_the_standard() -> None:
    """MSH-9 is field 9 though its separator is MSH-1; a field beyond the last is empty."""
    msh, pid = segments.cut(f"{MSH}\rPID|1||4711", USUAL)
    assert (msh.field(2), msh.field(9), pid.field(3), pid.field(99)) == ("^~\\&", "ORM^O01", "4711", "")


@pytest.mark.parametrize("end", ["\r", "\n", "\r\n", "\r\r\n", "\r\n\r\n"])
def test_any_line_end_ends_a_segment(end: str) -> None:
    """Carriage return, line feed, both, and empty lines between: the same segments."""
    assert cut(MSH, "PID|1||4711", "PV1|1|O", "", end=end) == [MSH, "PID|1||4711", "PV1|1|O"]


def test_line_end_inside_a_field_stays_in_the_field() -> None:
    """What does not begin like a segment goes on with the one before."""
    assert cut(MSH, "OBR|1|7||CT^CT of", "the thorax|R", "NTE|1||x", "", "and more") == [
        MSH,
        "OBR|1|7||CT^CT of\nthe thorax|R",
        "NTE|1||x\nand more",
    ]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("PV1|1|O|||VORC|NW|77|", ["PV1|1|O|||V", "ORC|NW|77|"]),
        ("PV1|1|O|||ORC|CA|77", ["PV1|1|O|||", "ORC|CA|77"]),
        ("OBR|1|7||CT^CT||xZDS|1.2.3^^A", ["OBR|1|7||CT^CT||x", "ZDS|1.2.3^^A"]),
        (f"{MSH}PID|1||4711||Example^Ada", [MSH, "PID|1||4711||Example^Ada"]),
        ("ORC|NW|7OBR|1|7||CT", ["ORC|NW|7", "OBR|1|7||CT"]),
        ("PID|1||47||A^B|||FMRG|48", ["PID|1||47||A^B|||F", "MRG|48"]),
        ("ORC|NW|7TQ1|1||||||20260302", ["ORC|NW|7", "TQ1|1||||||20260302"]),
        ("RGS|1|AAIS|1|A|CT^CT", ["RGS|1|A", "AIS|1|A|CT^CT"]),
    ],
)
def test_lost_line_end_is_found_again(line: str, expected: list[str]) -> None:
    """A segment glued to the one before is told by how it begins."""
    assert cut(line) == expected


@pytest.mark.parametrize(
    "line",
    [
        "PID|1||4711||Example^Ada||19700101|F|||||||||MSH|12345|",
        "PID|1||4711||Orc^Ada",
        "NTE|1||see ORC|NW|7 of yesterday",
        "OBR|1|7||CT^CT ORC guided",
        "ORC|NW|ORC|ORC",
    ],
)
def test_segment_names_in_text_are_text(line: str) -> None:
    """A religion called MSH and a note that names a segment are no segments."""
    assert cut(line) == [line]


def test_batch_is_cut_into_its_messages() -> None:
    """Each MSH begins a message; headers and trailers of file and batch belong to none."""
    cut = segments.cut(f"FHS|^~\\&|A\rBHS|^~\\&|A\r{MSH}\rPID|1\r{MSH}\rPID|2\rBTS|2\rFTS|1", USUAL)
    names = [[segment.name for segment in message] for message in segments.messages(cut)]
    assert names == [["MSH", "PID"], ["MSH", "PID"]]


def test_other_separators_cut_as_well() -> None:
    """Nothing in the cutting knows the usual separator."""
    found = segments.cut("MSH#*~\\&#A\rPV1#1#O#ORC#NW#7", Delimiters(field="#", component="*"))
    assert [segment.name for segment in found] == ["MSH", "PV1", "ORC"]


@given(st.text(max_size=300))
def test_cutting_loses_no_field(text: str) -> None:
    """Any text: every segment has a name and its fields, and nothing is raised."""
    for segment in segments.cut(f"{MSH}\r{text}", USUAL):
        assert isinstance(segment, Segment)
        assert segment.name == segment.fields[0].strip()[:3]


# --- fields ------------------------------------------------------------------------------------------

NAMES = ("PID_3", "PID_5", "PID_7", "PID_8", "OBR_4", "OBR_27", "ORC_7", "SCH_11", "IPC_1", "TQ1_7", "ZDS_1")


def components(text: str, name: str = "PID_3") -> list[list[tuple[str, ...]]]:
    """Repetitions, components and subcomponents of a field."""
    return [list(repetition.components) for repetition in fields.read_field(text, name, USUAL)]


def test_repetitions_components_subcomponents() -> None:
    """A field is taken apart down to its subcomponents."""
    assert components("47^^^HOSP&1.2&ISO^MR~48") == [
        [("47",), ("",), ("",), ("HOSP", "1.2", "ISO"), ("MR",)],
        [("48",)],
    ]


def test_places_that_do_not_exist_are_empty() -> None:
    """Asking beyond the last component or subcomponent gives nothing."""
    (repetition,) = fields.read_field("a^b&c", "PID_3", USUAL)
    assert (repetition.component(2, 2), repetition.component(2, 3), repetition.component(9)) == ("c", "", "")
    assert repetition.whole(9) == ()


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        (r"CT \T\ MR", "CT & MR"),
        (r"a\F\b\S\c\R\d\E\e", r"a|b^c~d\e"),
        (r"\H\urgent\N\ ", "urgent"),
        (r"first\.br\second", "first second"),
        (r"a\.sp+2\b", "a b"),
        (r"M\XC3BC\ller", "Müller"),
        (r"M\XFC\ller", "Müller"),
        ("M\0", "M"),
        ("M\\X00\\", "M"),
        (r"C:\Temp\x", r"C:\Temp\x"),
        ("\\", "\\"),
    ],
)
def test_escapes_are_resolved(sent: str, expected: str) -> None:
    """Escape sequences become what they stand for (HL7 v2.5.1 2.7); what is none stays."""
    assert fields.unescape(sent, USUAL).strip() == expected


@given(st.text(max_size=60))
@example("\r\n|^&~\\")
def test_escaping_and_unescaping_is_the_identity(text: str) -> None:
    """Any text that we escape reads back as it was."""
    assert fields.unescape(escape(text, USUAL), USUAL) == text.replace("\0", "")


parts = st.lists(
    st.sampled_from(["", "a", "b&c", '""', "007", "x y", "20260302", "&z", r"\T\x"]), min_size=1, max_size=12
)


@given(parts, st.sampled_from(NAMES))
def test_every_component_keeps_its_place(said: list[str], name: str) -> None:
    """However far a field goes beyond its data type, the nth component is the nth between delimiters."""
    (repetition,) = fields.read_field("^".join(["k", *said]), name, USUAL)
    expected = [
        fields.unescape(fields.parts_of(part, name, place, USUAL)[0], USUAL)
        for place, part in enumerate(said, 2)
    ]
    assert [repetition.component(place) for place in range(2, len(said) + 2)] == expected


@given(st.text(max_size=80), st.sampled_from([*NAMES, "ZZZ_9", "OBR_99"]))
def test_any_field_is_read(text: str, name: str) -> None:
    """No text in any field is too odd to be taken apart."""
    for repetition in fields.read_field(text, name, USUAL):
        assert repetition.component(1) is not None


@pytest.mark.parametrize(
    ("name", "sent", "component", "read"),
    [
        ("OBR_4", "CTTAP^CT HEAD & NECK^L", 2, "CT HEAD & NECK"),
        ("OBR_4", "CTTAP^CT HEAD &amp; NECK^L", 2, "CT HEAD & NECK"),
        ("OBR_4", "CT HEAD & NECK", 1, "CT HEAD & NECK"),
        ("OBR_44", "X^Ankle &lt; 2 views&gt;", 2, "Ankle < 2 views>"),
        ("OBR_31", "^Pain & swelling", 2, "Pain & swelling"),
        ("OBR_13", "fever & cough", 1, "fever & cough"),
        ("PID_3", "4711^^^HOSP&1.2.3&ISO", 4, "HOSP"),
        ("PID_5", "van der Muster&van der&Muster^Anna", 1, "van der Muster"),
    ],
)
def test_an_ampersand_is_text_where_the_data_type_has_no_parts(
    name: str, sent: str, component: int, read: str
) -> None:
    """And a delimiter where it has some: in an authority, or in a family name."""
    (repetition,) = fields.read_field(sent, name, USUAL)
    assert read == repetition.component(component)


@pytest.mark.parametrize(
    ("codec", "sent", "read"),
    [
        ("iso8859_2", "Ji\\X0159\\\\X00ED\\", "Jiří"),
        ("iso8859_2", "Ji\\XF8\\\\XED\\", "Jiří"),
        ("utf_8", "M\\XC3BC\\ller", "Müller"),
        ("utf_8", "M\\XFC\\ller", "Müller"),
        ("cp1252", "one\\X0D\\two", "one\rtwo"),
        ("utf_8", "a\\X07\\b", "ab"),
    ],
)
def test_an_escape_of_bytes_is_read_in_the_messages_own_character_set(
    codec: str, sent: str, read: str
) -> None:
    """Four digits that are no text of it are one letter; no control character comes out of it."""
    assert read == fields.unescape(sent, replace(USUAL, codec=codec))


@pytest.mark.parametrize("note", ["PID", "PID|", "PID||||", " PID "])
def test_a_line_of_a_note_that_reads_pid_begins_no_patient(note: str) -> None:
    """What follows it is still the patient's."""
    text = f"MSH|^~\\&|A\rPID|1||4711\rOBR|1||||||||||||see\r{note}\rORC|NW|P2\r"
    (message,) = segments.messages(segments.cut(text, USUAL))
    assert ["4711"] == [segment.field(3) for segment in message if segment.name == "PID"]
