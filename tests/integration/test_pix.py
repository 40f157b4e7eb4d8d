"""Asking PIX managers over real sockets: one made of hl7apy's server, and ours that errs in every way."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hl7apy import parser
from hl7apy.mllp import AbstractHandler, MLLPServer

from prefetch import certificates, errors
from prefetch.intake import pix
from prefetch.model import PatientId
from prefetch.peers import ClientTls
from prefetch.pix import PixManager
from prefetch.sandbox.pix import PatientIndex
from tests.authorities import Authority

NOW = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
P1 = PatientId(patient_id="P1", issuer_of_patient_id="HOSP")
C9 = PatientId(patient_id="C-9", issuer_of_patient_id="CLINIC")
ELSEWHERE = PatientId(patient_id="77", issuer_of_patient_id="ELSEWHERE")
DOMAINS = {"HOSP": "HOSP&1.2.3&ISO", "CLINIC": "CLINIC&1.2.4&ISO"}


def manager(port: int, **said: Any) -> PixManager:
    """What prefetch.yaml says of a manager at this port."""
    usual = {"host": "127.0.0.1", "port": str(port), "domains": DOMAINS, "timeout": "10s"}
    return PixManager.model_validate(usual | said)


def ask(of: PixManager, one: PatientId = P1, **more: Any) -> list[PatientId]:
    """Ask it."""
    return list(asyncio.run(pix.ask(of, one, tls=more.get("tls"), now=lambda: NOW)))


@pytest.fixture
def ours() -> Iterator[PatientIndex]:
    """Knows that three IDs are one person's."""
    with PatientIndex(people=[[P1, C9, ELSEWHERE]]) as running:
        yield running


class Index(AbstractHandler):  # type: ignore[misc]  # hl7apy has no types
    """Answers as IHE has it, parsed and written by hl7apy."""

    def reply(self) -> str:
        """Give RSP^K23."""
        question = parser.parse_message(self.incoming_message, find_groups=False)
        name = question.qpd.qpd_2.to_er7()
        known = question.qpd.qpd_3.to_er7() == "P1^^^HOSP&1.2.3&ISO"
        pid = "PID|||77^^^&1.2.9&ISO~C-9^^^&1.2.4&ISO^PI~P1^^^HOSP&1.2.3&ISO||^^^^^^S\r" if known else ""
        return (
            "\x0bMSH|^~\\&|MPI||PREFETCH||20260302080000||RSP^K23^RSP_K23|1|P|2.5\r"
            f"MSA|AA|{question.msh.msh_10.to_er7()}\rQAK|{name}|{'OK' if known else 'NF'}\r"
            f"{question.qpd.to_er7()}\r{pid}\x1c\r"
        )


def test_a_manager_made_of_hl7apy_tells_the_other_ids() -> None:
    """Those of the domains of interest, by namespace or universal ID, under the site's names."""
    with MLLPServer("127.0.0.1", 0, {"QBP^Q23^QBP_Q21": (Index,)}) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            of = manager(server.server_address[1])
            assert [C9] == ask(of)
            assert [] == ask(of, PatientId(patient_id="P2", issuer_of_patient_id="HOSP"))
        finally:
            server.shutdown()


def test_the_question_is_ihe_s(ours: PatientIndex) -> None:
    """Who we are and whom we ask, the ID in its domain, and the other domains of interest."""
    of = manager(
        ours.port,
        sending_application="US",
        sending_facility="HERE",
        receiving_application="MPI",
        receiving_facility="THERE",
    )
    assert [C9] == ask(of)
    msh, qpd, rcp = ours.asked[0].rstrip("\r").split("\r")
    name = msh.split("|")[9]
    assert msh.startswith("MSH|^~\\&|US|HERE|MPI|THERE|20260302070000+0000||QBP^Q23^QBP_Q21|")
    assert qpd == f"QPD|IHE PIX Query|{name}|P1^^^HOSP&1.2.3&ISO|^^^CLINIC&1.2.4&ISO"
    assert rcp == "RCP|I"


def test_nothing_known_is_an_answer(ours: PatientIndex) -> None:
    """No cross-reference, or not even the ID."""
    assert [] == ask(manager(ours.port), PatientId(patient_id="P2", issuer_of_patient_id="HOSP"))
    ours.misbehave("unknown ID")
    assert [] == ask(manager(ours.port))


@pytest.mark.parametrize(
    ("fault", "because"),
    [
        ("closes", "it closed the connection without an answer"),
        ("half", "it closed the connection without an answer"),
        ("garbage", "it answers what is no HL7 message"),
        ("endless", "an answer of more than 1000000 bytes"),
        ("other control ID", "it answers another question than ours"),
        ("other patient", "it answers about another patient"),
        ("two patients", "it answers about another patient"),
        ("error", "it answers AE/AE: The index is being built"),
        ("rejection", "it answers AR: Not for us"),
    ],
)
def test_whatever_is_no_answer_to_our_question_is_none(ours: PatientIndex, fault: str, because: str) -> None:
    """The reason is in words for the administrator; the next question is asked afresh."""
    ours.misbehave(fault)
    with pytest.raises(errors.CrossReferenceError) as raised:
        ask(manager(ours.port))
    assert str(raised.value) == because
    ours.behave()
    assert [C9] == ask(manager(ours.port))


def test_silence_costs_the_timeout(ours: PatientIndex) -> None:
    """And no more."""
    ours.misbehave("silence")
    with pytest.raises(errors.CrossReferenceError, match=r"^no answer within 0\.2 s$"):
        ask(manager(ours.port).model_copy(update={"timeout": timedelta(milliseconds=200)}))


def test_nobody_there(ours: PatientIndex) -> None:
    """It is said where was looked."""
    with ours:
        pass
    with pytest.raises(errors.CrossReferenceError, match=rf"^no connection to 127\.0\.0\.1:{ours.port}: "):
        ask(manager(ours.port))


def test_it_may_speak_tls_and_ask_who_we_are(tmp_path: Path) -> None:
    """A manager whose certificate nobody vouches for is told nothing."""
    hospital, stranger = Authority.found(tmp_path, "ca"), Authority.found(tmp_path, "stranger")
    server, client = hospital.issue("mpi"), hospital.issue("prefetch")
    context = certificates.make_context(
        certificates.Files(
            certificate=str(server.certificate), key=str(server.key), client_ca=str(hospital.file)
        )
    )
    shown = {"certificate": str(client.certificate), "key": str(client.key)}
    with PatientIndex(people=[[P1, C9]], tls=context) as running:
        of = manager(running.port, tls={"ca": str(hospital.file), **shown})
        assert of.tls is not None
        assert [C9] == ask(of, tls=of.tls.make_context())
        for said in ({"ca": str(stranger.file), **shown}, {"ca": str(hospital.file)}):
            with pytest.raises(errors.CrossReferenceError):
                ask(of, tls=ClientTls.model_validate(said).make_context())
    assert len(running.asked) == 1
