"""Of several times in a message that of the exam is taken."""

from __future__ import annotations

import pytest

from prefetch.intake import hl7

WRITTEN = "20261201213000"


def start(orc: str = "", obr36: str = "", tq1: str = "") -> str | None:
    """The start that is read of an order with these times."""
    segments = [
        f"MSH|^~\\&|RIS|H|||{WRITTEN}||ORM^O01|1|P|2.3",
        "PID|1||4711^^^H||Muster^Anna",
        f"ORC|NW|P1|F1||||^^^{orc}",
        *([f"TQ1|1||||||{tq1}"] if tq1 else []),
        f"OBR|1|P1|F1|CT^CT Chest{'|' * 32}{obr36}",
    ]
    reading = hl7.read_message("\r".join(segments).encode())
    return reading.events[0].scheduled_start


@pytest.mark.parametrize(
    ("orc", "obr36", "expected"),
    [
        ("202612050900", "202612061000", "2026-12-05T09:00"),
        ("202611290800", "202612101000", "2026-12-10T10:00"),
        ("202611290800", "202611281000", "2026-11-29T08:00"),
        ("202611290800", "", "2026-11-29T08:00"),
        ("20261205", "202612051015", "2026-12-05T10:15"),
        ("20261205", "202612061015", "2026-12-05"),
        ("202612010800", "202612101000", "2026-12-01T08:00"),
    ],
)
def test_the_first_place_is_believed_unless_a_later_one_is_better(
    orc: str, obr36: str, expected: str
) -> None:
    """A day that is past yields to one to come, and a day to a time on it."""
    assert expected == start(orc=orc, obr36=obr36)


def test_the_minute_in_which_a_message_was_written_is_no_exam() -> None:
    """It stands in many places, and more exact than the day that was booked."""
    assert "2026-12-01" == start(orc="20261201", obr36=WRITTEN)
