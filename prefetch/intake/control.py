"""PURE: what kind of thing a message says, as tables: order control, order status, SIU and ADT triggers.

Knows codes only; `hl7` looks up the fields. A first message may well be a status change (some senders book
with SC), so every change is an upsert and none of these tables asks what came before.
"""

from __future__ import annotations

from dataclasses import dataclass

from prefetch.model import Action, OrderStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Effect:
    """What a code asks for; `status` is None where it leaves the exam's status alone."""

    action: Action
    status: OrderStatus | None = None
    creates: bool = True
    """Whether it makes an order that is not known yet."""
    moves: bool = False
    """Whether ID lists or accounts move between patients: no merge, but a reason to look whose images."""


_NEW = Effect(action=Action.NEW)
_CHANGE = Effect(action=Action.CHANGE)
_CANCEL = Effect(action=Action.CANCEL)
_NUMBER_ASSIGNED = Effect(action=Action.CHANGE, creates=False)
_MERGE = Effect(action=Action.MERGE)
_IGNORE = Effect(action=Action.IGNORE)
_MOVE = Effect(action=Action.IGNORE, moves=True)
_HOLD = Effect(action=Action.CHANGE, status=OrderStatus.ON_HOLD)
_RESUME = Effect(action=Action.CHANGE, status=OrderStatus.SCHEDULED)

# HL7 v2.5.1 table 0119, v2.8 table 0119. A replacement is two orders: RP or RU ends the old one, RO is new.
ORDER_CONTROL: dict[str, Effect] = {
    **dict.fromkeys(("NW", "SN", "PA", "CH", "RO"), _NEW),
    **dict.fromkeys(("XO", "XX", "XR", "SC"), _CHANGE),
    "NA": _NUMBER_ASSIGNED,
    **dict.fromkeys(("CA", "DC", "OC", "OD", "CR", "DR", "UA", "RP", "RQ", "RU"), _CANCEL),
    **dict.fromkeys(("HD", "OH", "HR"), _HOLD),
    **dict.fromkeys(("RL", "OE", "OR"), _RESUME),
    # PR: earlier results sent along inside an order. The rest asks for nothing, or says that something
    # could not be done.
    **dict.fromkeys(("PR", "RE", "OK", "DE", "SS", "SR", "CN", "LI", "RR", "PY", "MC"), _IGNORE),
    **dict.fromkeys(("UC", "UD", "UF", "UH", "UM", "UN", "UR", "UX", "AF", "DF", "FU"), _IGNORE),
}

# HL7 v2.5.1 table 0038 (ORC-5), table 0278 (SCH-25), and the words that senders write.
STATUS: dict[str, Effect] = {
    **dict.fromkeys(("SC", "SCHEDULED", "BOOKED", "PENDING", "OVERBOOK"), _RESUME),
    **dict.fromkeys(("HD", "HOLD", "ON HOLD"), _HOLD),
    **dict.fromkeys(
        (
            *("CA", "DC", "RP", "CANCEL", "CANCELLED", "CANCELED", "DISCONTINUED", "DELETED"),
            *("NOSHOW", "NO SHOW"),
            *("STORNIERT", "ABGESAGT", "CANCELADO", "CANCELADA", "ANULADO", "ANULADA", "ANNULLATO"),
            *("ANNULÉ", "ANNULÉE", "GEANNULEERD"),
        ),
        _CANCEL,
    ),
    **dict.fromkeys(
        ("IP", "A", "IN PROGRESS", "INPROGRESS", "IN PROCESS", "STARTED", "BEGUN"),
        Effect(action=Action.CHANGE, status=OrderStatus.IN_PROGRESS),
    ),
    **dict.fromkeys(
        ("CM", "COMPLETE", "COMPLETED", "ENDED", "DONE", "FINISHED", "FINAL", "FINALIZED"),
        Effect(action=Action.CHANGE, status=OrderStatus.COMPLETED),
    ),
}

SERVICE_ENDS = frozenset({"S20", "S21", "S22"})
"""What takes a service out of an appointment that goes on with others (HL7 v2.5.1 10.3.9 to 10.3.11)."""

# HL7 v2.5.1 10.3.
APPOINTMENT: dict[str, Effect] = {
    "S12": _NEW,
    **dict.fromkeys(("S13", "S14", "S18", "S19", "S20", "S21", "S22"), _CHANGE),
    **dict.fromkeys(("S15", "S16", "S17", "S26"), _CANCEL),
    **dict.fromkeys(("S23", "S24"), _IGNORE),
}

# HL7 v2.5.1 3.3. Links (A24, A37), account and visit merges (A41, A45) and moves (A43, A44) re-key nothing.
PATIENT: dict[str, Effect] = {
    **dict.fromkeys(("A01", "A04", "A05", "A28"), _NEW),
    **dict.fromkeys(("A08", "A31"), _CHANGE),
    **dict.fromkeys(("A18", "A30", "A34", "A36", "A39", "A40", "A47"), _MERGE),
    **dict.fromkeys(("A03", "A11", "A38", "A24", "A37", "A41", "A45"), _IGNORE),
    **dict.fromkeys(("A43", "A44"), _MOVE),
}

ORDERS = frozenset({"ORM", "OMI", "OMG"})
"""Message types that carry orders, whatever their trigger."""


def order_effect(order_control: str, order_status: str) -> Effect:
    """What ORC-1 and ORC-5 ask for; an unknown code is a change.

    An order without ORC-1 is new, but where its status says that it goes on or ends. Where ORC-5 is empty a
    status may stand in ORC-1.
    """
    code = order_control.strip().upper()
    told = _by_status(order_status if is_status(order_status) or code in ORDER_CONTROL else order_control)
    if not code:
        return _NEW if told in {_CHANGE, _RESUME} else told
    effect = ORDER_CONTROL.get(code, _CHANGE)
    return told if effect is _CHANGE else effect


def status_decides(order_control: str, order_status: str) -> bool:
    """Whether what an order asks for is read in ORC-5, and not in ORC-1."""
    return is_status(order_status) and ORDER_CONTROL.get(order_control.strip().upper(), _CHANGE) is _CHANGE


def appointment_effect(trigger: str, filler_status: str) -> Effect:
    """What an SIU's trigger asks for; SCH-25 may refine a change, never contradict the trigger."""
    effect = APPOINTMENT.get(trigger, _CHANGE)
    return _by_status(filler_status) if effect is _CHANGE else effect


def is_status(word: str) -> bool:
    """Whether a word says how far an exam is."""
    return _plain(word) in STATUS


def _by_status(status: str) -> Effect:
    return STATUS.get(_plain(status), _CHANGE)


def _plain(status: str) -> str:
    """`Exam_No-Show` is `NO SHOW`."""
    words = status.upper().replace("_", " ").replace("-", " ").split()
    return " ".join(words[1:] if words[:1] in _OF_WHAT and words[1:] else words)


_OF_WHAT = (["EXAM"], ["ORDER"], ["APPOINTMENT"])
