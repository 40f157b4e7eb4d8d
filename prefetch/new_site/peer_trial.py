"""Tries the peers of a new site, all at once: C-ECHO, and C-FIND for one patient."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass

from prefetch.dimse import association, echo
from prefetch.dimse.peer import Peer, Timeouts
from prefetch.model import FindResult, Outcome
from prefetch.new_site.description import NewPeer
from prefetch.runtime.tasks import run_together

_TIMEOUTS = Timeouts(connect=4.0, acse=5.0, idle=5.0, find_total=8.0)
"""A person waits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """How one peer behaved."""

    kind: str
    peer: NewPeer
    reachable: bool
    """Whether it accepted an association."""
    finds: bool = False
    """Whether it offers C-FIND."""
    findings: str
    """What it did, in words."""
    advice: str = ""
    """What to do about it; empty where all is well."""


async def try_peers(
    peers: list[tuple[str, NewPeer]],
    *,
    calling_ae_title: str,
    patient_id: str | None,
    report: Callable[[Trial], None],
) -> list[Trial]:
    """Try all peers in parallel, a few seconds each; `report` hears of each as soon as it is known."""

    async def attempt(kind: str, peer: NewPeer) -> Trial:
        trial = await _try_peer(kind, peer, calling_ae_title=calling_ae_title, patient_id=patient_id)
        report(trial)
        return trial

    return await run_together(attempt(kind, peer) for kind, peer in peers)


async def _try_peer(kind: str, peer: NewPeer, *, calling_ae_title: str, patient_id: str | None) -> Trial:
    if peer.host is None or peer.port is None:
        return Trial(kind=kind, peer=peer, reachable=True, findings="has no address: not tried")
    remote = Peer(
        name=peer.name,
        ae_title=peer.ae_title,
        host=peer.host,
        port=peer.port,
        calling_ae_title=calling_ae_title,
        timeouts=_TIMEOUTS,
        send_issuer=False,
    )
    async with association.RemoteAE(remote) as ae:
        answer = await ae.echo()
        result = await ae.find_studies(patient_id=patient_id or _nobody()) if answer.find else None
    return read_trial(kind, peer, answer, result, calling_ae_title=calling_ae_title, patient_id=patient_id)


def _nobody() -> str:
    """A patient ID that nobody has."""
    return f"NOBODY-{uuid.uuid4().hex[:16].upper()}"


def read_trial(
    kind: str,
    peer: NewPeer,
    answer: echo.EchoResult,
    result: FindResult | None,
    *,
    calling_ae_title: str,
    patient_id: str | None,
) -> Trial:
    """Put a trial into words; PURE."""
    if not answer.reachable:
        problem = answer.problem or "no association"
        advice = _advice(problem, peer, calling_ae_title)
        return Trial(kind=kind, peer=peer, reachable=False, findings=problem, advice=advice)
    offers = [name for name, offered in (("C-FIND", answer.find), ("C-MOVE", answer.move)) if offered]
    findings = [f"answers in {answer.milliseconds:.0f} ms" if answer.verified else answer.problem or ""]
    findings += [" and ".join(offers) if offers else "neither C-FIND nor C-MOVE"]
    advice = _missing_service(kind, answer, calling_ae_title)
    if result is not None:
        words, more = _read_find(kind, result, patient_id)
        findings.append(words)
        advice = " ".join(filter(None, (advice, more)))
    return Trial(
        kind=kind,
        peer=peer,
        reachable=True,
        finds=answer.find,
        findings="; ".join(findings),
        advice=advice,
    )


def _advice(problem: str, peer: NewPeer, calling_ae_title: str) -> str:
    if "calling AE Title" in problem:
        return f"Register {calling_ae_title} there, with the address of this machine."
    if "called AE Title" in problem:
        return f"It is not called {peer.ae_title}: look up its AE title, upper and lower case matter."
    if "rejected" in problem:
        return f"Look into its log; perhaps {calling_ae_title} must be registered there."
    return "Does it run, are host and port right, and does no firewall stand between?"


def _missing_service(kind: str, answer: echo.EchoResult, calling_ae_title: str) -> str:
    missing = [name for name, offered in (("C-FIND", answer.find), ("C-MOVE", answer.move)) if not offered]
    if kind == "archive" and missing:
        return f"An archive must offer {' and '.join(missing)}: allow {calling_ae_title} to use it."
    if kind == "workstation" and not answer.find:
        return "It cannot be asked what has arrived: `verify: counters` is written for it."
    return ""


def _read_find(kind: str, result: FindResult, patient_id: str | None) -> tuple[str, str]:
    """What a C-FIND for a patient says, and what to do about it."""
    if result.outcome is not Outcome.SUCCESS:
        return f"C-FIND failed: {result.because}", "Look into its log."
    number = len(result.studies)
    studies = "no study" if not number else "1 study" if number == 1 else f"{number} studies"
    if patient_id is None:
        advice = "It answers to an ID that nobody has: tell its vendor." if number else ""
        return "a query works" if not number else f"{studies} of a patient that does not exist", advice
    advice = (
        "" if number or kind == "workstation" else "Is the ID written so there, zeros and prefix included?"
    )
    return f"{studies} of {patient_id}", advice
