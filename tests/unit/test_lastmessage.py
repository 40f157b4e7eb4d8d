"""What is kept of an order's messages, and looking values up in it."""

from __future__ import annotations

import pytest

from prefetch import lastmessage
from prefetch.fieldpath import FieldPath
from prefetch.intake import hl7

ORDER = """MSH|^~\\&|RIS|WEST|||20260301080000||ORM^O01|M1|P|2.3.1
PID|1||4711^^^HOSP~88^^^OLD||Muster^Anna||19700101|F
NK1|1|Muster^Otto
PV1|1|I|ICU^3^12&B
ORC|NW|P1|F1
OBR|1|P1|F1|CTHD^CT head^L||||||||||||||||||||CT
ZXX|a\\S\\b||""|x~y^z|||7
ORC|NW|P2|F2
OBR|2|P2|F2|MRHD^MR head^L||||||||||||||||||||MR
"""


def kept(text: str = ORDER, number: int = 0) -> lastmessage.Segments:
    """What is kept of a message's order."""
    return hl7.read_message(text.replace("\n", "\r").encode()).events[number].segments


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("OBR-24", ("CT",)),
        ("OBR-4.2", ("CT head",)),
        ("PID-3", ("4711", "88")),
        ("PID-3.4", ("HOSP", "OLD")),
        ("PV1-3.2", ("3",)),
        ("PV1-3.3.2", ("B",)),
        ("PV1-3.3.3", ()),
        ("ZXX-1", ("a^b",)),
        ("ZXX-3", ()),
        ("ZXX-4", ("x", "y")),
        ("ZXX-4.2", ("z",)),
        ("ZXX-7", ("7",)),
        ("ZXX-9", ()),
        ("ZZZ-1", ()),
        ("MSH-4", ("WEST",)),
        ("MSH-9.2", ("O01",)),
        ("NK1-2", ()),
    ],
)
def test_any_place_in_a_message_is_kept(path: str, values: tuple[str, ...]) -> None:
    """All repetitions, escapes resolved; what the sender nulled is not said, and relatives are left out."""
    assert values == lastmessage.values(kept(), FieldPath.parse(path))


def test_an_order_keeps_its_own_segments() -> None:
    """Of two in one message; the patient's are both's."""
    second = kept(number=1)
    found = [lastmessage.values(second, FieldPath.parse(path)) for path in ("OBR-24", "PID-8", "ZXX-7")]
    assert [("MR",), ("F",), ()] == found


def test_other_separators_mean_the_same() -> None:
    """Rules know nothing of them."""
    other = ORDER.replace("^", "$").replace("~", "#").replace("&", "%").replace("MSH|$#", "MSH|$#")
    found = [lastmessage.values(kept(other), FieldPath.parse(path)) for path in ("PID-3.4", "PV1-3.3.2")]
    assert [("HOSP", "OLD"), ("B",)] == found


def test_a_later_message_replaces_the_segments_that_it_has() -> None:
    """A change without a PID leaves what was said of the patient."""
    change = "MSH|^~\\&|RIS||||20260301090000||ORM^O01|M2|P|2.3.1\nORC|XO|P1|F1\nOBR|1|P1|F1|CTCH\n"
    known, said = kept(), kept(change)
    found = {
        newer: [
            lastmessage.values(lastmessage.merge(known, said, newer=newer), FieldPath.parse(path))
            for path in ("PID-8", "OBR-4", "OBR-24")
        ]
        for newer in (True, False)
    }
    assert {True: [("F",), ("CTCH",), ()], False: [("F",), ("CTHD",), ("CT",)]} == found


def test_what_is_kept_has_a_bound() -> None:
    """However long a message is."""
    long = ORDER + "".join(f"OBX|{n}|TX|||{'x' * 2000}\n" for n in range(300))
    segments = kept(long, 1)
    assert lastmessage.MOST_SEGMENTS == len(segments)
    longest = max(len(field) for segment in segments for field in segment if isinstance(field, str))
    assert lastmessage.MOST_LETTERS == longest
