"""Where a message departs from the standard, in words for its sender."""

from __future__ import annotations

import pytest

from prefetch.intake import hl7

GOOD = (
    "MSH|^~\\&|RIS|HOSP|PREFETCH|NIGHT|20260302081500||OMG^O19^OMG_O19|M1|P|2.5.1\r"
    "PID|1||4711^^^HOSP^MR||Example^Ada||19610403|F\rPV1|1|O|RAD\rORC|NW|P1^HIS\r"
    "TQ1|1||||||20260302090000\rOBR|1|P1^HIS||CTTH^CT Thorax\r"
)


def test_message_after_the_standard_has_no_deviation() -> None:
    """A message that keeps to the standard is not blamed for anything."""
    assert hl7.deviations(GOOD.encode()) == []


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"hello", "no MSH segment"),
        (GOOD.replace("\r", "\r\n").encode(), "line feed"),
        (b"\xef\xbb\xbf" + GOOD.encode(), "byte-order mark"),
        (GOOD.replace("|M1|", "||").encode(), "no message control ID"),
        (GOOD.replace("|20260302081500|", "|tomorrow|").encode(), "MSH-7: tomorrow is no time"),
        (GOOD.replace("^~\\&", "^~").encode(), "MSH-2: ^~ is read as ^~\\&"),
        (
            GOOD.replace("2.5.1", "2.9").encode(),
            "version 2.9, for which there is no profile: checked as 2.8.2",
        ),
        (GOOD.replace("2.5.1", "").encode(), "version not given, for which there is no profile"),
        (GOOD.replace("Ada", "Zoë").encode("latin-1"), "MSH-18: says nothing, the text reads as cp1252"),
        (GOOD.replace("\rORC", "ORC").encode(), "ORC: the line end before it is lost"),
        (GOOD.replace("||Example^Ada|", "|||").encode(), "PID_5"),
        (GOOD.replace("^OMG_O19", "^OMG_X99").encode(), "no structure"),
    ],
)
def test_deviations_are_named(raw: bytes, expected: str) -> None:
    """Each departure is told, and that a version without a profile was checked as another is told too."""
    assert any(expected in deviation for deviation in hl7.deviations(raw)), hl7.deviations(raw)


def test_a_field_whose_data_type_the_profile_leaves_open_is_no_deviation() -> None:
    """What hl7apy says of one tells nobody anything: None in place of None."""
    said = GOOD.replace("2.5.1", "2.9").replace("CTTH^CT Thorax", "CTTH^CT Thorax" + "|" * 15 + "RP^1")
    assert not [one for one in hl7.deviations(said.encode()) if "None" in one]
