"""Which acknowledgement a sender gets (HL7 v2.5.1 2.9.2, 2.9.3, table 0155)."""

from __future__ import annotations

import pytest

from prefetch.intake import acknowledging, header
from prefetch.intake.acknowledging import Mode
from prefetch.intake.header import AcknowledgmentCode

CODES = (AcknowledgmentCode.ACCEPTED, AcknowledgmentCode.ERROR, AcknowledgmentCode.REJECTED)


def answers(accept: str, application: str, mode: Mode = Mode.ENHANCED) -> list[str | None]:
    """What is answered to a message that was accepted, not stored, and rejected."""
    read = header.read_header(f"MSH|^~\\&|A|B|C|D|||ORM^O01|1|P|2.5.1|||{accept}|{application}\r".encode())
    return [acknowledging.answer(mode, read, code) for code in CODES]


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [
        ("", "", ["AA", "AE", "AR"]),
        ("AL", "", ["CA", "CE", "CR"]),
        ("AL", "NE", ["CA", "CE", "CR"]),
        ("AL", "AL", ["CA", "CE", "CR"]),
        ("ER", "NE", [None, "CE", "CR"]),
        ("SU", "NE", ["CA", None, None]),
        ("NE", "NE", [None, None, None]),
        ("NE", "AL", ["AA", "AE", "AR"]),
        ("", "AL", ["AA", "AE", "AR"]),
        ("NE", "ER", [None, "AE", "AR"]),
        ("NE", "SU", ["AA", None, None]),
        ("ER", "AL", ["AA", "CE", "CR"]),
        ("al", "never", ["CA", "CE", "CR"]),
        ("??", "", ["CA", "CE", "CR"]),
    ],
)
def test_enhanced_mode_answers_what_is_asked_for(
    accept: str, application: str, expected: list[str | None]
) -> None:
    """MSH-15 first, then MSH-16, never both; a code that is none of the table's asks always."""
    assert expected == answers(accept, application)


@pytest.mark.parametrize(("accept", "application"), [("AL", "AL"), ("NE", "NE"), ("ER", "SU")])
def test_original_mode_answers_always(accept: str, application: str) -> None:
    """Many senders fill the two fields and wait for AA all the same."""
    assert ["AA", "AE", "AR"] == answers(accept, application, Mode.ORIGINAL)


def test_what_has_no_header_is_rejected_in_either_mode() -> None:
    """It asks for nothing that could be read."""
    assert acknowledging.answer(Mode.ENHANCED, None, AcknowledgmentCode.REJECTED) == "AR"
