"""Whether a peer is there and what it offers us: C-ECHO and the accepted presentation contexts (PS3.4 A)."""

from __future__ import annotations

import time
from dataclasses import dataclass

from pynetdicom.association import Association

from prefetch.dimse import exchange, peer, status, wire


@dataclass(frozen=True, slots=True, kw_only=True)
class EchoResult:
    """What an association and a C-ECHO told of a peer."""

    reachable: bool
    """Whether it accepted an association."""
    refused: bool = False
    """Whether it rejected the association for good."""
    verified: bool = False
    """Whether it answered C-ECHO with Success."""
    find: bool = False
    """Whether it offers C-FIND, under Study Root or Patient Root."""
    move: bool = False
    """Whether it offers C-MOVE, under Study Root or Patient Root."""
    roots: tuple[str, ...] = ()
    """The roots under which it is queried: Study, Patient."""
    worklist: bool = False
    """Whether it offers the Modality Worklist."""
    problem: str | None = None
    milliseconds: float = 0.0
    """Of the C-ECHO alone."""


_FIND_ROOTS = {wire.FIND: "Study Root", wire.PATIENT_ROOT_FIND: "Patient Root"}


def echo(association: Association, *, of: peer.Peer) -> EchoResult:
    """Send a C-ECHO where it is offered, and see which contexts were accepted."""
    began = time.monotonic()
    problem = _verify(association, of) if wire.accepts(association, wire.ECHO) else "C-ECHO is not offered"
    return EchoResult(
        reachable=True,
        verified=problem is None,
        find=not wire.offered(association).isdisjoint(_FIND_ROOTS),
        move=not wire.offered(association).isdisjoint((wire.MOVE, wire.PATIENT_ROOT_MOVE)),
        roots=tuple(name for uid, name in _FIND_ROOTS.items() if wire.accepts(association, uid)),
        worklist=wire.accepts(association, wire.WORKLIST),
        problem=problem,
        milliseconds=(time.monotonic() - began) * 1000,
    )


def _verify(association: Association, of: peer.Peer) -> str | None:
    """What is wrong with the answer to a C-ECHO, or None."""
    association.dimse_timeout = of.timeouts.idle
    began = time.monotonic()
    try:
        response = association.send_c_echo()
    except RuntimeError:  # pynetdicom: the association has gone since it was opened
        return exchange.LOST
    if "Status" not in response:
        silent = time.monotonic() - began >= of.timeouts.idle
        return f"no answer to C-ECHO within {of.timeouts.idle:g} s" if silent else exchange.LOST
    if response.Status != status.SUCCESS:
        return f"C-ECHO was answered with 0x{response.Status:04X}"
    return None
