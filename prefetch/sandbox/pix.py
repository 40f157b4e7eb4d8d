"""A PIX manager of the sandbox: answers QBP^Q23 about people who were never born, with faults by name.

    with PatientIndex(people=[[PatientId(...), PatientId(...)]]) as manager:
        manager.misbehave("silence")

Written for the question that we ask, apart from the code that asks it.
"""

from __future__ import annotations

import socketserver
import ssl
import threading
from collections.abc import Callable, Iterable, Sequence
from typing import Self

from prefetch.model import PatientId

_START, _END = b"\x0b", b"\x1c\x0d"
_CHUNK = 65_536

Reply = dict[str, str]
"""Segment → the segment, of an answer in the making."""
Fault = Callable[[Reply], Reply | bytes | None]
"""What becomes of an answer: another one, raw bytes, or none at all."""


def _other_control_id(reply: Reply) -> Reply:
    return reply | {"MSA": "MSA|AA|SOMEBODYELSES"}


def _other_patient(reply: Reply) -> Reply:
    return reply | {"QPD": "QPD|IHE PIX Query||SOMEBODY^^^HOSP"}


def _two_patients(reply: Reply) -> Reply:
    return reply | {"PID": f"{reply['PID']}\r{reply['PID']}"}


def _error(reply: Reply) -> Reply:
    said = {"MSA": reply["MSA"].replace("|AA|", "|AE|"), "ERR": "ERR|||207|E||||The index is being built"}
    return reply | said | {"QAK": reply["QAK"].replace("|OK", "|AE"), "PID": ""}


def _rejection(reply: Reply) -> Reply:
    return {
        "MSH": reply["MSH"].replace("RSP^K23^RSP_K23", "ACK"),
        "MSA": reply["MSA"].replace("|AA|", "|AR|") + "|Not for us",
    }


def _unknown(reply: Reply) -> Reply:
    said = {"MSA": reply["MSA"].replace("|AA|", "|AE|"), "ERR": "ERR||QPD^1^3^1^1|204|E||||Unknown key"}
    return reply | said | {"QAK": reply["QAK"].replace("|OK", "|AE"), "PID": ""}


FAULTS: dict[str, Fault] = {
    "silence": lambda _: None,
    "closes": lambda _: b"",
    "garbage": lambda _: _START + b"HTTP/1.1 400 Bad Request" + _END,
    "half": lambda reply: _START + _wire(reply)[:40],
    "endless": lambda _: _START + b"MSH|^~\\&|" + b"x" * 1_200_000 + _END,
    "other control ID": _other_control_id,
    "other patient": _other_patient,
    "two patients": _two_patients,
    "error": _error,
    "rejection": _rejection,
    "unknown ID": _unknown,
}
"""By name: what a PIX manager may do to whoever asks it."""


class PatientIndex:
    """Listens on a free port of loopback; knows which IDs are one person's."""

    def __init__(
        self, *, people: Iterable[Sequence[PatientId]] = (), tls: ssl.SSLContext | None = None
    ) -> None:
        self.people = [tuple(ids) for ids in people]
        self.asked: list[str] = []
        """The questions, as they came."""
        self._fault: Fault | None = None
        self._stopping = threading.Event()
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.manager = self
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self.port: int = self._server.server_address[1]

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        self._server.shutdown()
        self._server.server_close()

    def misbehave(self, fault: str) -> None:
        """From now on with this fault."""
        self._fault = FAULTS[fault]

    def behave(self) -> None:
        """From now on without."""
        self._fault = None

    def answer(self, question: str) -> bytes | None:
        """The answer to a question as it goes out; None for none."""
        self.asked.append(question)
        segments = {line[:3]: line for line in question.split("\r") if line}
        reply = _reply(segments, self.people)
        said = self._fault(reply) if self._fault else reply
        return said if isinstance(said, bytes | None) else _START + _wire(said) + _END

    def keep_waiting(self) -> None:
        """Say nothing until the end."""
        self._stopping.wait()


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    manager: PatientIndex

    def handle_error(self, *_: object) -> None:
        """Leave a client alone that has gone."""


class _Handler(socketserver.BaseRequestHandler):
    server: _Server

    def handle(self) -> None:
        data = b""
        while _END not in data:
            more = self.request.recv(_CHUNK)
            if not more:
                return
            data += more
        answer = self.server.manager.answer(data.lstrip(_START).split(_END)[0].decode())
        if answer is None:
            self.server.manager.keep_waiting()
        else:
            self.request.sendall(answer)


def _reply(question: dict[str, str], people: Iterable[Sequence[PatientId]]) -> Reply:
    """RSP^K23 to a question (IHE ITI TF-2 3.9.4.2)."""
    msh, qpd = question["MSH"].split("|"), question["QPD"].split("|")
    name, patient_id = qpd[2], qpd[3].split("^")[0]
    authority = qpd[3].split("^")[3]
    domains = [repetition.split("^")[3] for repetition in "~".join(qpd[4:]).split("~") if repetition]
    asked = (patient_id, authority.split("&")[0])
    others = [
        one
        for ids in people
        if asked in {(each.patient_id, each.issuer_of_patient_id) for each in ids}
        for one in ids
        if (one.patient_id, one.issuer_of_patient_id) != asked
    ]
    cx = [
        f"{one.patient_id}^^^{domain}^PI"
        for one in others
        for domain in domains
        if domain.split("&")[0] == one.issuer_of_patient_id
    ]
    header = [
        "MSH",
        "^~\\&",
        msh[4],
        msh[5],
        msh[2],
        msh[3],
        msh[6],
        "",
        "RSP^K23^RSP_K23",
        f"A{name}",
        "P",
        "2.5",
    ]
    return {
        "MSH": "|".join(header),
        "MSA": f"MSA|AA|{msh[9]}",
        "QAK": f"QAK|{name}|{'OK' if cx else 'NF'}",
        "QPD": question["QPD"],
        "PID": f"PID|||{'~'.join(cx)}||^^^^^^S" if cx else "",
    }


_SEQUENCE = ("MSH", "MSA", "ERR", "QAK", "QPD", "PID")


def _wire(reply: Reply) -> bytes:
    return "".join(f"{reply[name]}\r" for name in _SEQUENCE if reply.get(name)).encode()
