"""PURE: which acknowledgement a sender gets, by the mode of its listener (HL7 v2.5.1 2.9.2 and 2.9.3).

A message is acknowledged when it is stored and before it is understood. That is what both modes call
accepting it: AA in the original mode, CA in the enhanced one.
"""

from __future__ import annotations

from enum import StrEnum

from prefetch.intake.header import AcknowledgmentCode, Header

_ACCEPT = AcknowledgmentCode.ACCEPTED

# HL7 table 0155: whether it asks for an answer to a message that was accepted, and to one that was not.
_CONDITIONS = {"AL": (True, True), "SU": (True, False), "ER": (False, True), "NE": (False, False)}

_COMMIT = {
    AcknowledgmentCode.ACCEPTED: AcknowledgmentCode.COMMIT_ACCEPTED,
    AcknowledgmentCode.ERROR: AcknowledgmentCode.COMMIT_ERROR,
    AcknowledgmentCode.REJECTED: AcknowledgmentCode.COMMIT_REJECTED,
}


class Mode(StrEnum):
    """Whether a listener heeds MSH-15 and MSH-16."""

    ORIGINAL = "original"
    ENHANCED = "enhanced"


def answer(mode: Mode, header: Header | None, code: AcknowledgmentCode) -> AcknowledgmentCode | None:
    """The code to answer with; None where the sender asked for no answer.

    One message gets one answer at most: where both fields ask, it is the commit acknowledgement (MSH-15).
    """
    if mode is Mode.ORIGINAL or header is None:
        return code
    accept, application = header.accept_acknowledgment, header.application_acknowledgment
    if not accept and not application:  # 2.9.2: neither is valued, so it is the original mode
        return code
    if _asks(accept, code):
        return _COMMIT[code]
    return code if _asks(application, code) else None


def _asks(condition: str, code: AcknowledgmentCode) -> bool:
    if not condition:
        return False
    accepted, refused = _CONDITIONS.get(condition.upper(), _CONDITIONS["AL"])
    return accepted if code is _ACCEPT else refused
