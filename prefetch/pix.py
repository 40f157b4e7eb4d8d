"""The PIX manager as prefetch.yaml says it: who cross-references patient IDs (IHE ITI-9), if anybody does."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated

from pydantic import Field, PlainValidator, WithJsonSchema

from prefetch import patients
from prefetch.model import PatientId
from prefetch.peers import ClientTls, Host, Port
from prefetch.rules import Text
from prefetch.spans import Duration
from prefetch.yamlfile import Model, NotEmpty

_DELIMITERS = frozenset("|^~\\&")


def _read_authority(said: object) -> str:
    text = said.strip() if isinstance(said, str) else ""
    if not re.fullmatch(r"[^|^~\\&\s]*(&[0-9A-Za-z.-]+&[A-Za-z0-9]+)?", text) or not text:
        raise ValueError(f"“{said}” is no assigning authority; write HOSP, HOSP&1.2.3&ISO or &1.2.3&ISO")
    return text


def _read_name(said: object) -> str:
    text = said if isinstance(said, str) else ""
    if not text.isprintable() or set(text) & _DELIMITERS:
        raise ValueError(f"“{said}” cannot stand in MSH: it holds a delimiter of HL7")
    return text


Authority = Annotated[str, PlainValidator(_read_authority), WithJsonSchema({"type": "string"})]
Name = Annotated[str, PlainValidator(_read_name), WithJsonSchema({"type": "string"})]


class PixManager(Model):
    """A PIX manager: it is asked by QBP^Q23 over MLLP which other IDs a patient has (IHE ITI-9)."""

    host: Host = Field(examples=["mpi.example.org"])
    """Its host name or address."""
    port: Port = Field(examples=["3600"])
    """Its port."""
    domains: Annotated[dict[Text, Authority], NotEmpty()] = Field(
        examples=["{HOSP: HOSP&1.2.276.0.76.3.1.64&ISO, CLINIC: CLINIC&1.2.276.0.76.3.1.65&ISO}"]
    )
    """The domains of interest: assigning authority as orders and archives here say it → as the PIX manager
    writes it. It is asked about IDs of these, and believed about no other."""
    sending_application: Name = Field(default="PREFETCH", examples=["PREFETCH"])
    """What we call ourselves (MSH-3)."""
    sending_facility: Name = Field(default="", examples=["NORTHGATE"])
    """Where we are (MSH-4)."""
    receiving_application: Name = Field(default="", examples=["PAT_IDENTITY_X_REF_MGR"])
    """What it calls itself (MSH-5)."""
    receiving_facility: Name = Field(default="", examples=["NORTHGATE"])
    """Where it is (MSH-6)."""
    timeout: Duration = Field(default=timedelta(seconds=5), examples=["5s"])
    """For a whole question, from the connection to the last byte. A plan waits no longer than that."""
    keep: Duration = Field(default=timedelta(hours=1), examples=["1h"])
    """Its answer about a patient serves for so long before it is asked again."""
    rest: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """After it failed to answer it is left alone for so long; plans go on with the IDs that are known."""
    tls: ClientTls | None = Field(default=None, examples=["{ca: tls/hospital-ca.pem}"])
    """TLS to it. Left out: none."""

    def knows(self, one: PatientId) -> bool:
        """Whether an ID is of a domain of interest, and can be written in a message."""
        plain = one.patient_id.isprintable() and not set(one.patient_id) & _DELIMITERS
        return plain and patients.namespace(one.issuer_of_patient_id) in self.domains
