"""PURE: what became of an operation or an association, in the standard's words.

Knows no socket. `None` as a status is the empty data set that pynetdicom hands out after a timeout, an abort
or a response that makes no sense; whoever waited says in `lost` which it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from prefetch.model import Outcome

SUCCESS = 0x0000
CANCEL = 0xFE00
KEYS_UNSUPPORTED = 0xFF01
PENDING = frozenset({0xFF00, KEYS_UNSUPPORTED})
"""0xFF01: some optional keys were not supported (PS3.4 C.4.1.1.4): a match all the same."""
NOT_AUTHORIZED = 0x0124
OUT_OF_RESOURCES = 0xA700
UNKNOWN_MOVE_DESTINATION = 0xA801


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What became of it, and why in words for the administrator."""

    outcome: Outcome
    because: str
    tries: int | None = None
    """How many attempts it is worth; None where patience alone says so."""
    unwell: bool = False
    """It speaks of the peer and not of what was asked, and counts for its rest (`breaker`)."""
    rejected: bool = False
    """An association was rejected: nothing was asked of the peer."""
    crowded: bool = False
    """An association was rejected for the time being: the peer has as many as it wants."""
    refused: bool = False
    """The peer does not let us in, or not ask this, or broke off before any answer: it may not know us."""


# PS3.7 Annex C: statuses that any operation may end with. Those that a new association or a second try may
# mend are transient; those that speak of what we asked or who we are stay as they are.
_GENERAL: Mapping[int, tuple[Outcome, str]] = {
    0x0105: (Outcome.PERMANENT, "No such attribute"),
    0x0106: (Outcome.PERMANENT, "Invalid attribute value"),
    0x0110: (Outcome.TRANSIENT, "Processing failure"),
    0x0112: (Outcome.PERMANENT, "No such SOP Instance"),
    0x0115: (Outcome.PERMANENT, "Invalid argument value"),
    0x0117: (Outcome.PERMANENT, "Invalid SOP Instance"),
    0x0118: (Outcome.PERMANENT, "No such SOP Class"),
    0x0120: (Outcome.PERMANENT, "Missing attribute"),
    0x0121: (Outcome.PERMANENT, "Missing attribute value"),
    0x0122: (Outcome.PERMANENT, "Refused: SOP Class not supported"),
    NOT_AUTHORIZED: (Outcome.PERMANENT, "Refused: Not authorized; is our AE Title registered there?"),
    0x0210: (Outcome.TRANSIENT, "Duplicate invocation"),
    0x0211: (Outcome.TRANSIENT, "Unrecognized operation"),
    0x0212: (Outcome.TRANSIENT, "Mistyped argument"),
    0x0213: (Outcome.TRANSIENT, "Resource limitation"),
    CANCEL: (Outcome.TRANSIENT, "Cancelled by the peer"),
}

_FIND: Mapping[int, tuple[Outcome, str]] = {  # PS3.4 Table C.4-1
    **_GENERAL,
    0xA700: (Outcome.TRANSIENT, "Refused: Out of resources"),
    0xA900: (Outcome.PERMANENT, "Identifier does not match SOP Class"),
    0xB001: (Outcome.PARTIAL, "Matching reached response limit"),
}

_MOVE: Mapping[int, tuple[Outcome, str]] = {  # PS3.4 Table C.4-2
    **_GENERAL,
    0xA700: (Outcome.TRANSIENT, "Refused: Out of resources"),
    0xA701: (Outcome.TRANSIENT, "Refused: Out of resources – Unable to calculate number of matches"),
    0xA702: (Outcome.TRANSIENT, "Refused: Out of resources – Unable to perform sub-operations"),
    UNKNOWN_MOVE_DESTINATION: (Outcome.UNKNOWN_DESTINATION, "Refused: Move Destination unknown"),
    0xA900: (Outcome.PERMANENT, "Identifier does not match SOP Class"),
    0xB000: (Outcome.WARNING, "Sub-operations complete – One or more failures or warnings"),
    0xAA00: (Outcome.PERMANENT, "None of the frames requested were found in the SOP Instance"),
    0xAA01: (Outcome.PERMANENT, "Unable to create new object for this SOP Class"),
    0xAA02: (Outcome.PERMANENT, "Unable to extract frames"),
    0xAA03: (Outcome.PERMANENT, "Time-based request received for a non-time-based original SOP Instance"),
    0xAA04: (Outcome.PERMANENT, "Invalid request"),
}

UNABLE = frozenset({0x0110, *range(0xC000, 0xD000)})
"""Processing failure, and Unable to Process: says nothing, and often cures itself."""
PERHAPS_THE_DESTINATION = UNABLE | {0xA702}
"""Nothing could be sent: it may be the destination that is down, or full, or does not want it."""
OUT_OF_STEP = frozenset({0x0210, 0x0211, 0x0212})
"""It speaks of the association: the next try has a new one."""
_FEW, _ONCE_MORE = 3, 2


def _tries(status: int) -> int | None:
    """How many attempts a status is worth: few where it says nothing, one more where nobody knows it."""
    if status in UNABLE:
        return _FEW
    return _ONCE_MORE if status in OUT_OF_STEP or status not in _MOVE else None


_CLASSES: tuple[tuple[range, Outcome, str], ...] = (  # PS3.7 C.1 to C.4, where no table names the status
    (range(0x0001, 0x0002), Outcome.WARNING, "Warning: Requested optional attributes are not supported"),
    (range(0x0107, 0x0108), Outcome.WARNING, "Warning: Attribute list error"),
    (range(0x0116, 0x0117), Outcome.WARNING, "Warning: Attribute value out of range"),
    (range(0xB000, 0xC000), Outcome.WARNING, "Warning"),
    (range(0x0100, 0x0300), Outcome.TRANSIENT, "Failure"),
    (range(0xA000, 0xB000), Outcome.TRANSIENT, "Failure"),
    (range(0xC000, 0xD000), Outcome.TRANSIENT, "Unable to process"),
    (range(0xFF00, 0xFF02), Outcome.TRANSIENT, "Ended while pending"),
    (range(0x10000), Outcome.TRANSIENT, "Not a status of the standard"),
)


def classify_find(
    status: int | None, *, comment: str | None = None, lost: str = "no response came"
) -> Verdict:
    """Judge the last response to a C-FIND (PS3.4 C.4.1.1.4). A find that was lost may be asked again."""
    if status is None:
        return Verdict(outcome=Outcome.TRANSIENT, because=lost)
    if status == SUCCESS:
        return Verdict(outcome=Outcome.SUCCESS, because="Success")
    outcome, meaning = _look_up(_FIND, status)
    return Verdict(outcome=outcome, because=_words(status, meaning, comment))


def classify_move(
    status: int | None,
    *,
    completed: int | None = None,
    failed: int | None = None,
    warning: int | None = None,
    failed_sop_instance_uids: int = 0,
    comment: str | None = None,
    lost: str = "no response came",
) -> Verdict:
    """Judge the last response to a C-MOVE (PS3.4 C.4.2.1.5) by its status and by its counts.

    Counts are `None` where they were not sent; `failed_sop_instance_uids` is how many were listed. A status
    alone is no proof: archives answer Success with every sub-operation failed, or with nothing sent at all.
    A move that was lost may have sent anything.
    """
    if status is None:
        return Verdict(outcome=Outcome.UNKNOWN, because=lost)
    if status in PENDING:
        return Verdict(outcome=Outcome.UNKNOWN, because=_words(status, "Ended while pending", comment))
    outcome, meaning = (Outcome.SUCCESS, "Success") if status == SUCCESS else _look_up(_MOVE, status)
    if outcome in {Outcome.SUCCESS, Outcome.WARNING}:
        refused = max(failed or 0, failed_sop_instance_uids)
        outcome, counted = _judge_counts(outcome, completed, refused, warning)
        meaning = f"{meaning}; {counted}"
    tries = _tries(status) if outcome is Outcome.TRANSIENT else None
    return Verdict(outcome=outcome, because=_words(status, meaning, comment), tries=tries)


def _judge_counts(
    outcome: Outcome, completed: int | None, refused: int, warning: int | None
) -> tuple[Outcome, str]:
    """What the counts of a Success or a Warning say, and whether the status can be believed."""
    coerced = warning or 0
    sent = (completed or 0) + coerced
    if refused and not sent:
        return Outcome.PARTIAL, f"all {refused} sub-operations failed"
    if refused:
        return Outcome.PARTIAL, f"{refused} of {sent + refused} sub-operations failed"
    if sent and coerced:
        return Outcome.WARNING, f"{sent} sent, {coerced} of them with a warning"
    if sent and outcome is Outcome.SUCCESS:
        return Outcome.SUCCESS, f"{sent} sent"
    if outcome is Outcome.WARNING:  # 0xB000 is "one or more failures or warnings", and none was counted
        return Outcome.PARTIAL, "which sub-operations failed was not said"
    counted = "nothing was sent" if completed is not None else "what was sent was not said"
    return Outcome.SUSPECT, counted


# PS3.8 Table 9-21: (source, reason) → what may be done about it.
_REJECTIONS: Mapping[tuple[int, int], str] = {
    (1, 1): "no reason given",
    (1, 2): "application context name not supported",
    (1, 3): "calling AE Title not recognized",
    (1, 7): "called AE Title not recognized",
    (2, 1): "no reason given",
    (2, 2): "protocol version not supported",
    (3, 1): "temporary congestion",
    (3, 2): "local limit exceeded",
}
_REJECTED_TRANSIENT = 2
_RESULTS = frozenset({1, _REJECTED_TRANSIENT})
_CONGESTION = frozenset({(3, 1), (3, 2)})
"""Mended by waiting, even where an archive calls it permanent."""


def is_known_rejection(result: int | None, source: int, reason: int) -> bool:
    """Whether PS3.8 9.3.4 knows such an A-ASSOCIATE-RJ."""
    return result in _RESULTS and (source, reason) in _REJECTIONS


def classify_rejection(result: int | None, source: int | None, reason: int | None) -> Verdict:
    """Judge an A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    key = (source or 0, reason or 0)
    transient = result == _REJECTED_TRANSIENT or key in _CONGESTION
    unknown = f"result {result}, source {source}, reason {reason}, which DICOM does not know"
    words = _REJECTIONS[key] if is_known_rejection(result, *key) else unknown
    return Verdict(
        outcome=Outcome.TRANSIENT if transient else Outcome.PERMANENT,
        because=f"association rejected ({'transient' if transient else 'permanent'}): {words}",
        unwell=not transient,
        rejected=True,
        crowded=transient,
        refused=not transient,
    )


def _look_up(table: Mapping[int, tuple[Outcome, str]], status: int) -> tuple[Outcome, str]:
    if status in table:
        return table[status]
    return next((outcome, words) for statuses, outcome, words in _CLASSES if status in statuses)


def _words(status: int, meaning: str, comment: str | None) -> str:
    said = f" ({comment})" if comment else ""
    return f"0x{status:04X} {meaning}{said}"
