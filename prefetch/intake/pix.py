"""Asking a PIX manager: QBP^Q23 over MLLP, and what its RSP^K23 says (IHE ITI-9, HL7 v2.5 chapter 5).

One connection a question, bounded by one timeout. An answer is believed only where it is an answer to this
question about this patient; which of its IDs mean anything here, the site's domains of interest say.
"""

from __future__ import annotations

import asyncio
import contextlib
import ssl
import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from hl7apy.core import Message

from prefetch import errors, patients
from prefetch.intake import header, mllp
from prefetch.intake.header import Header
from prefetch.intake.hl7 import fields, patient, segments
from prefetch.intake.hl7.segments import Segment
from prefetch.model import PatientId
from prefetch.pix import PixManager
from prefetch.timing import Now

QUERY_NAME = "IHE PIX Query"
_CHUNK = 65_536
_LONGEST_ANSWER = 1_000_000


async def ask(
    manager: PixManager, one: PatientId, *, tls: ssl.SSLContext | None, now: Now
) -> Sequence[PatientId]:
    """The other IDs of a patient, none where the manager knows none; raises `CrossReferenceError`."""
    name = uuid.uuid4().hex[:20]  # the longest that MSH-10 of 2.5 holds
    question = write_query(manager, one, name=name, now=now())
    seconds = manager.timeout.total_seconds()
    try:
        async with asyncio.timeout(seconds):
            answer = await _exchange(manager, question, tls)
    except TimeoutError as error:
        raise errors.CrossReferenceError(f"no answer within {seconds:g} s") from error
    except OSError as error:  # refused, reset, unknown host, TLS
        words = f"no connection to {manager.host}:{manager.port}: {error}"
        raise errors.CrossReferenceError(words) from error
    return read_answer(answer, manager, one, name=name)


async def _exchange(manager: PixManager, question: bytes, tls: ssl.SSLContext | None) -> bytes:
    reader, writer = await asyncio.open_connection(manager.host, manager.port, ssl=tls)
    try:
        writer.write(mllp.encode(question))
        await writer.drain()
        return await _first_frame(reader)
    finally:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()


async def _first_frame(reader: asyncio.StreamReader) -> bytes:
    decoder = mllp.Decoder(max_message_bytes=_LONGEST_ANSWER)
    while data := await reader.read(_CHUNK):
        for event in decoder.feed(data):
            if isinstance(event, mllp.Frame):
                return event.payload
            if isinstance(event, mllp.Oversized):
                raise errors.CrossReferenceError(f"an answer of more than {_LONGEST_ANSWER} bytes")
    raise errors.CrossReferenceError("it closed the connection without an answer")


# --- the question ----------------------------------------------------------------------------------


def write_query(manager: PixManager, one: PatientId, *, name: str, now: datetime) -> bytes:
    """QBP^Q23: who else is this patient, in the other domains of interest (IHE ITI TF-2 3.9.4.1.2)."""
    message = Message("QBP_Q21", version="2.5")
    message.msh.msh_3, message.msh.msh_4 = manager.sending_application, manager.sending_facility
    message.msh.msh_5, message.msh.msh_6 = manager.receiving_application, manager.receiving_facility
    message.msh.msh_7 = now.strftime("%Y%m%d%H%M%S%z")
    message.msh.msh_9, message.msh.msh_10 = "QBP^Q23^QBP_Q21", name
    message.msh.msh_11, message.msh.msh_12, message.msh.msh_18 = "P", "2.5", "UNICODE UTF-8"
    message.qpd.qpd_1, message.qpd.qpd_2 = QUERY_NAME, name
    own = patients.namespace(one.issuer_of_patient_id) or ""
    message.qpd.qpd_3 = f"{one.patient_id}^^^{manager.domains[own]}"
    for domain, authority in manager.domains.items():
        if domain != own:
            message.qpd.add_field("qpd_4").value = f"^^^{authority}"
    message.rcp.rcp_1 = "I"
    return str(message.to_er7()).encode()


# --- the answer ------------------------------------------------------------------------------------


def read_answer(raw: bytes, manager: PixManager, one: PatientId, *, name: str) -> tuple[PatientId, ...]:
    """The other IDs that an answer names; raises `CrossReferenceError` where it is none to our question."""
    said = header.read_header(raw)
    if said is None:
        raise errors.CrossReferenceError("it answers what is no HL7 message")
    answer = _Answer(said, raw)
    if answer.text("MSA", 2) != name or answer.text("QAK", 1) not in {name, ""}:
        raise errors.CrossReferenceError("it answers another question than ours")
    if answer.says_unknown:
        return ()
    answer.refuse_errors()
    if said.message_type != "RSP":
        words = f"it answers {said.type_and_trigger or 'nothing'} in the place of RSP^K23"
        raise errors.CrossReferenceError(words)
    if answer.text("QPD", 3) not in {one.patient_id, ""} or answer.count("PID") > 1:
        raise errors.CrossReferenceError("it answers about another patient")
    return answer.ids(manager, one)


class _Answer:
    """The segments of an answer, as far as anybody asks for them."""

    def __init__(self, said: Header, raw: bytes) -> None:
        self._header = said
        text = header.decode(raw, said).text
        self._segments = segments.cut(text, said.delimiters)

    def count(self, name: str) -> int:
        """How many segments of this name there are."""
        return len(self._all(name))

    def text(self, name: str, number: int) -> str:
        """The first component of a field; "" where there is none."""
        return next((one.component(1) for one in self._repetitions(name, number)), "")

    @property
    def says_unknown(self) -> bool:
        """Whether it knows of no other ID (QAK-2 NF), or not even of this one (IHE ITI TF-2 3.9.4.2.2.6)."""
        of_the_id = any(one.component(3) == "3" for one in self._repetitions("ERR", 2))
        return self.text("QAK", 2) == "NF" or (self.text("QAK", 2) == "AE" and of_the_id)

    def refuse_errors(self) -> None:
        """Raise what MSA or QAK calls an error, in its own words."""
        codes = [self.text("MSA", 1), self.text("QAK", 2)]
        if codes[0] in {"AA", "CA"} and codes[1] in {"OK", ""}:
            return
        words = (self.text(*place) for place in (("ERR", 8), ("ERR", 7), ("MSA", 3)))
        because = next(filter(None, words), "it does not say why")
        said = "/".join(filter(None, codes)) or "no code"
        raise errors.CrossReferenceError(f"it answers {said}: {because}")

    def ids(self, manager: PixManager, one: PatientId) -> tuple[PatientId, ...]:
        """The IDs in the domains of interest, but for the one that was asked about."""
        authorities = patient.Authorities(called=_names(manager.domains))
        found = patient.read_ids(self._repetitions("PID", 3), authorities=authorities)
        known = (
            PatientId(patient_id=each.id, issuer_of_patient_id=each.issuer)
            for each in found
            if each.issuer in manager.domains and each.id.isprintable()
        )
        return patients.unite(each for each in known if not patients.same(each, one))

    def _all(self, name: str) -> list[Segment]:
        return [segment for segment in self._segments if segment.name == name]

    def _repetitions(self, name: str, number: int) -> list[fields.Repetition]:
        return [
            repetition
            for segment in self._all(name)[:1]
            for repetition in fields.read_field(
                segment.field(number), f"{name}_{number}", self._header.delimiters
            )
        ]


def _names(domains: Mapping[str, str]) -> dict[str, str]:
    """How a domain may be named in an answer, by namespace or universal ID → what it is called here."""
    return {
        part.upper(): name for name, authority in domains.items() for part in authority.split("&")[:2] if part
    }
