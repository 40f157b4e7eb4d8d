"""Whom we speak with, as prefetch.yaml says it: listeners, worklists, archives, workstations."""

from __future__ import annotations

import ipaddress
import re
import ssl
from datetime import timedelta
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BeforeValidator, Field, PlainValidator, WithJsonSchema, model_validator

from prefetch import certificates
from prefetch.domain.issuers import IssuerKey
from prefetch.rules import Count, Modality, Mode, Patterns, Text
from prefetch.spans import Duration, read_duration
from prefetch.yamlfile import Model, OneOrMany, PlacedModel

# --- values ----------------------------------------------------------------------------------------

_AE_TITLE = r"[ -\[\]-~]{1,16}"
"""The Default Character Repertoire without control characters and backslash (PS3.5 6.2, VR AE)."""
_LABEL = r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)"
_HOST_NAME = rf"(?=.{{1,253}}$){_LABEL}(\.{_LABEL})*\.?"  # RFC 1123 2.1, and the underscores of the field


def _read_ae_title(said: object) -> str:
    text = said.strip() if isinstance(said, str) else ""  # leading and trailing blanks mean nothing
    if not re.fullmatch(_AE_TITLE, text):
        raise ValueError(
            f"“{said}” is not an AE title: 1 to 16 characters of ASCII without backslash (DICOM PS3.5 6.2)"
        )
    return text


def _read_host(said: object) -> str:
    text = said.strip() if isinstance(said, str) else ""
    is_name = re.fullmatch(_HOST_NAME, text) and not re.fullmatch(r"[\d.]+", text)
    if not is_name and not _is_address(text):
        raise ValueError(f"“{said}” is neither a host name nor an IP address")
    return text


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


AETitle = Annotated[
    str, PlainValidator(_read_ae_title), WithJsonSchema({"type": "string", "pattern": f"^{_AE_TITLE}$"})
]
Host = Annotated[str, PlainValidator(_read_host), WithJsonSchema({"type": "string"})]
Port = Annotated[int, Field(ge=1, le=65535)]
PortToListen = Annotated[int, Field(ge=0, le=65535)]


def _read_network(said: object) -> Network:
    try:
        return ipaddress.ip_network(str(said).strip())
    except ValueError as error:
        words = "write an address, or a network such as 10.1.0.0/16"
        if "host bits" in str(error):
            words = f"did you mean {ipaddress.ip_network(str(said).strip(), strict=False)}?"
        raise ValueError(f"“{said}” is not a network; {words}") from error


Network = ipaddress.IPv4Network | ipaddress.IPv6Network
AllowedNetwork = Annotated[Network, PlainValidator(_read_network), WithJsonSchema({"type": "string"})]
PerSecond = Annotated[float, Field(gt=0, allow_inf_nan=False)]


def _read_interval(said: object) -> timedelta:
    interval = read_duration(said)
    if interval < timedelta(seconds=1):
        raise ValueError("must be at least 1s")
    return interval


Interval = Annotated[timedelta, PlainValidator(_read_interval), WithJsonSchema({"type": "string"})]


class Verify(StrEnum):
    """On whose word a prior counts as arrived."""

    QUERY = "query"
    """The workstation's own: it is asked by C-FIND."""
    COUNTERS = "counters"
    """The archive's: its counts of completed sub-operations."""


def _read_issuer_key(value: object) -> object:
    """Read the words that YAML has for true and false as well."""
    return _SAME_WORDS.get(value.casefold(), value) if isinstance(value, str) else value


_SAME_WORDS = {
    **dict.fromkeys(("yes", "on", "true"), IssuerKey.TRUE),
    **dict.fromkeys(("no", "off", "false"), IssuerKey.FALSE),
}


class Case(StrEnum):
    """The case that letters of an ID are written in."""

    UPPER = "upper"
    LOWER = "lower"


def _read_key_part(said: object) -> str:
    text = said if isinstance(said, str) else ""
    if not text.strip() or set(text) & set("*?\\") or not text.isprintable():
        raise ValueError(f"“{said}” cannot stand in a patient ID: no blanks alone, and none of * ? \\")
    return text


KeyPart = Annotated[str, PlainValidator(_read_key_part), WithJsonSchema({"type": "string", "minLength": 1})]


class PatientIdForm(Model):
    """How an archive writes patient IDs, where orders write them otherwise; applied from top to bottom."""

    strip_prefix: KeyPart | None = Field(default=None, examples=["H-"])
    """Taken off the front of an order's ID, where it begins so."""
    strip_zeros: bool = Field(default=False, examples=["true"])
    """Whether zeros in front are taken off."""
    pad_to: Annotated[int, Field(ge=1, le=64)] | None = Field(default=None, examples=["10"])
    """An ID of digits is filled up to so many with zeros in front."""
    add_prefix: KeyPart | None = Field(default=None, examples=["GH-"])
    """Put in front of it."""
    case: Case | None = Field(default=None, examples=["upper"])
    """`upper` or `lower`: how its letters are written."""

    @model_validator(mode="after")
    def _does_something(self) -> Self:
        if self.add_prefix is not None and self.add_prefix == self.strip_prefix:
            raise ValueError("strip_prefix takes off what add_prefix puts on: leave both out")
        return self


# --- peers -----------------------------------------------------------------------------------------


class TlsVersion(StrEnum):
    """The oldest version of TLS that is spoken."""

    V1_2 = "1.2"
    V1_3 = "1.3"


class Tls(Model):
    """Certificates and keys, each in a file.

    A path may begin at the directory of this file; `credential:NAME` is what systemd hands to the service
    (`LoadCredential=`).
    """

    certificate: Text = Field(examples=["tls/listener.pem"])
    """Our certificate in PEM form, with those between it and the root behind it."""
    key: Text = Field(examples=["tls/listener.key", "credential:listener-key"])
    """Its private key in PEM form."""
    key_password: Text | None = Field(default=None, examples=["credential:listener-key-password"])
    """The file that holds the password of the key, where it has one."""
    client_ca: Text | None = Field(default=None, examples=["tls/hospital-ca.pem"])
    """Only clients that show a certificate of these authorities are let in. Left out: any client."""
    minimum_version: TlsVersion = Field(default=TlsVersion.V1_2, examples=["1.3"])
    """The oldest version of TLS that is spoken."""

    @property
    def files(self) -> certificates.Files:
        """The same for whoever uses them."""
        return certificates.Files(
            certificate=self.certificate,
            key=self.key,
            key_password=self.key_password,
            client_ca=self.client_ca,
            minimum_version=self.minimum_version.value,
        )

    def from_directory(self, directory: Path) -> Tls:
        """The same with its paths as absolute ones."""
        said = {name: getattr(self, name) for name in ("certificate", "key", "key_password", "client_ca")}
        return self.model_copy(update=certificates.from_directory(said, directory))


class ClientTls(Model):
    """TLS to a peer; a path may begin at the directory of this file."""

    ca: Text | None = Field(default=None, examples=["tls/hospital-ca.pem"])
    """Authorities whose certificates it may show. Left out: those that the machine trusts."""
    certificate: Text | None = Field(default=None, examples=["tls/prefetch.pem"])
    """Our certificate in PEM form, where it asks for one."""
    key: Text | None = Field(default=None, examples=["tls/prefetch.key", "credential:prefetch-key"])
    """Its private key in PEM form."""

    @model_validator(mode="after")
    def _is_whole(self) -> Self:
        if (self.certificate is None) != (self.key is None):
            raise ValueError("certificate and key go together: write both or none")
        return self

    def make_context(self) -> ssl.SSLContext:
        """The context to connect with; raises `CertificateError` for files that cannot be used."""
        return certificates.make_client_context(ca=self.ca, certificate=self.certificate, key=self.key)

    def from_directory(self, directory: Path) -> Self:
        """The same with its paths as absolute ones."""
        said = {name: getattr(self, name) for name in ("ca", "certificate", "key")}
        return self.model_copy(update=certificates.from_directory(said, directory))


class DicomTls(ClientTls):
    """TLS to a DICOM peer (PS3.15 B); a path may begin at the directory of this file."""

    name: Host | None = Field(default=None, examples=["pacs.example.org"])
    """The name that stands in its certificate, where that is not its `host`."""


class AllowedSender(Model):
    """A sender as its messages name it."""

    application: Patterns = Field(default=(), examples=['[RIS, "RIS-*"]'])
    """Sending application (MSH-3); `*` and `?` are wildcards. Left out: any."""
    facility: Patterns = Field(default=(), examples=["HOSP"])
    """Sending facility (MSH-4); `*` and `?` are wildcards. Left out: any."""

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if not self.application and not self.facility:
            raise ValueError("needs application or facility; without either it would allow everybody")
        return self


class Allow(Model):
    """Who may send; a list that is left out allows everybody."""

    networks: Annotated[tuple[AllowedNetwork, ...], OneOrMany()] = Field(
        default=(), examples=["[10.1.0.0/16, 192.168.7.20]"]
    )
    """Networks and addresses from which a connection is taken; any other is closed at once."""
    senders: Annotated[tuple[AllowedSender, ...], OneOrMany()] = Field(
        default=(), examples=["[{application: RIS, facility: HOSP}]"]
    )
    """Senders whose messages are taken; those of others are refused (AR)."""


class Acknowledgement(StrEnum):
    """Whether MSH-15 and MSH-16 are heeded."""

    ORIGINAL = "original"
    ENHANCED = "enhanced"


class Listener(Model):
    """Where a feed sends its HL7 messages (MLLP)."""

    host: Host = Field(default="127.0.0.1", examples=["0.0.0.0"])  # noqa: S104 (an example)
    """Address to listen at: `0.0.0.0` is every network, `127.0.0.1` only this machine."""
    port: PortToListen = Field(default=2575, examples=["2575"])
    """Port to listen at; 0 takes one that is free."""
    max_message_bytes: Annotated[int, Field(ge=1000)] = Field(default=5_000_000, examples=["5000000"])
    """A longer message is refused."""
    max_connections: Count = Field(default=100, examples=["100"])
    """Connections at a time; one more is closed at once."""
    max_connections_per_address: Count = Field(default=50, examples=["50"])
    """The same of one address, so that no sender takes all the places."""
    messages_per_second: PerSecond | None = Field(default=None, examples=["500"])
    """All its connections together are read no faster. Left out: as fast as messages can be stored."""
    messages_per_second_per_connection: PerSecond | None = Field(default=None, examples=["50"])
    """Each connection is read no faster."""
    idle_timeout: Duration = Field(default=timedelta(hours=24), examples=["24h"])
    """A connection that sends nothing for so long is closed."""
    message_timeout: Duration = Field(default=timedelta(seconds=60), examples=["60s"])
    """A message that was begun must be whole after this, and an acknowledgement taken."""
    acknowledgement: Acknowledgement = Field(default=Acknowledgement.ORIGINAL, examples=["enhanced"])
    """`original` answers each message with AA, AE or AR, whatever it asks for. `enhanced` heeds MSH-15 and
    MSH-16: CA, CE, CR, or no answer where the sender wants none."""
    allow: Allow = Field(default=Allow(), examples=["{networks: 10.1.0.0/16}"])
    """Who may send."""
    tls: Tls | None = Field(default=None, examples=["{certificate: tls/ris.pem, key: tls/ris.key}"])
    """TLS, and nothing else, is spoken here. Left out: plain text."""


class Timeouts(Model):
    """How long to wait for a DICOM peer."""

    connect: Duration = Field(default=timedelta(seconds=10), examples=["10s"])
    """For the TCP connection."""
    acse: Duration = Field(default=timedelta(seconds=20), examples=["20s"])
    """For the answer to an association request or release."""
    idle: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """For the next C-FIND response."""
    find_total: Duration = Field(default=timedelta(minutes=2), examples=["2m"])
    """For a whole query, however many answers come in between."""


class Gone(StrEnum):
    """What becomes of an exam whose worklist item has gone."""

    CANCEL = "cancel"
    KEEP = "keep"


class Stale(Model):
    """What follows when an item is no longer answered, or nothing is."""

    absences: Count = Field(default=3, examples=["3"])
    """Whole answers in a row without an item before the worklist is asked for it by its numbers; only where
    that finds nothing either has it gone."""
    then: Gone = Field(default=Gone.CANCEL, examples=["keep"])
    """`cancel` the exam of an item that has gone, or `keep` it until a message cancels it."""
    begun: Duration = Field(default=timedelta(hours=1), examples=["2h"])
    """An item that goes so long before its exam's start, or later, has begun early and is not cancelled:
    many worklists drop what is under way."""
    silent: Duration = Field(default=timedelta(minutes=15), examples=["1h"])
    """`prefetch status` names a worklist that has not answered wholly for so long."""


class Worklist(PlacedModel):
    """A Modality Worklist that is asked again and again."""

    ae_title: AETitle = Field(examples=["RIS"])
    """Its AE Title."""
    host: Host = Field(examples=["ris.example.org"])
    """Its host name or address."""
    port: Port = Field(examples=["104"])
    """Its port."""
    interval: Interval = Field(default=timedelta(minutes=1), examples=["2m"])
    """How often it is asked."""
    stations: Annotated[tuple[AETitle, ...], OneOrMany()] = Field(default=(), examples=["[CT1, MR1]"])
    """Scheduled Station AE Titles of interest, each asked for by itself. Left out: all."""
    modalities: Annotated[tuple[Modality, ...], OneOrMany()] = Field(default=(), examples=["[CT, MR, XR]"])
    """Modalities of interest, each asked for by itself. Left out: all."""
    back: Duration = Field(default=timedelta(), examples=["1d"])
    """The date window begins with the day that was so long ago."""
    ahead: Duration = Field(default=timedelta(days=7), examples=["14d"])
    """The date window ends with the day that will be then."""
    issuer: Text | None = Field(default=None, examples=["HOSP"])
    """Assigning authority of its patient IDs where an item names no Issuer of Patient ID."""
    stale: Stale = Field(default=Stale(), examples=["{absences: 5, then: keep}"])
    """What follows when an item is no longer answered, or nothing is."""
    max_associations: Count = Field(default=1, examples=["1"])
    """Associations that we open to it at a time."""
    answer_limit: Annotated[int, Field(ge=1, le=100_000)] = Field(default=10_000, examples=["10000"])
    """More items than this are not taken from one answer."""
    character_set: Text = Field(default="ISO_IR 100", examples=["ISO_IR 192"])
    """Specific Character Set of the queries, and of items that name none."""
    timeouts: Timeouts = Field(default=Timeouts(), examples=["{idle: 1m}"])
    """How long to wait for it."""
    tls: DicomTls | None = Field(default=None, examples=["{ca: tls/hospital-ca.pem}"])
    """TLS, and nothing else, is spoken with it. Left out: plain DICOM."""


class ArchiveTimeouts(Timeouts):
    """How long to wait for an archive."""

    move_idle: Duration = Field(default=timedelta(minutes=15), examples=["15m"])
    """For the next C-MOVE response. Many archives say nothing until the last image is sent."""
    move_total: Duration = Field(default=timedelta(hours=1), examples=["1h"])
    """For a whole C-MOVE; pending responses do not prolong it."""


class Rest(Model):
    """When a peer that cannot be reached is left alone."""

    after: Count = Field(default=3, examples=["3"])
    """Failures in a row before it rests: no association, no answer in time, out of resources (0xA700)."""
    first: Duration = Field(default=timedelta(seconds=30), examples=["30s"])
    """The first rest. When it is over one call tries; if that fails the next is twice as long."""
    longest: Duration = Field(default=timedelta(minutes=10), examples=["10m"])
    """The longest rest."""


class Archive(PlacedModel):
    """An archive that answers C-FIND and C-MOVE."""

    ae_title: AETitle = Field(examples=["PACS"])
    """Its AE Title."""
    host: Host = Field(examples=["pacs.example.org"])
    """Its host name or address."""
    port: Port = Field(examples=["104"])
    """Its port."""
    mode: Mode = Field(default=Mode.ACTIVE, examples=["observe"])
    """`observe` asks it and never has it move anything."""
    max_associations: Count = Field(default=4, examples=["4"])
    """Associations that we open to it at a time. Moves take one fewer, so that no query waits for them. An
    archive that rejects one more for the time being gets as many as it accepts for the next minute."""
    studies_per_move: Count = Field(default=10, examples=["1"])
    """Small studies of one patient are moved together, up to so many by one C-MOVE and up to 300 instances in
    all. Each is verified by itself, and what was tried in vain is moved alone. `1` moves every study alone;
    an archive that refuses lists of UIDs, or sends only the first, is noticed and treated so for an hour."""
    send_issuer: Annotated[IssuerKey, BeforeValidator(_read_issuer_key)] = Field(
        default=IssuerKey.AUTO, examples=["auto", "false"]
    )
    """Whether Issuer of Patient ID is a matching key. `auto` asks with it, and where nothing is found once
    more by the ID alone; what the archive's studies turn out to name is learned and kept, and shown by
    `prefetch echo`. `false` never sends it, `true` always. Answers are compared with the order all the
    same."""
    codes: bool = Field(default=True, examples=["false"])
    """Whether it is asked for the codes of studies (Procedure Code Sequence, Anatomic Regions, Body Part
    Examined), which tell more of them than words. `false` for an archive that opens a file of each study to
    answer that, and takes too long over it."""
    issuers: dict[Text, Text] = Field(default={}, examples=["{HOSP: GENERAL_HOSPITAL, CLINIC: CLINIC}"])
    """The authorities whose IDs this archive knows: assigning authority as orders say it → Issuer of Patient
    ID as the archive says it. Where any is named, IDs of other authorities are not asked here, and an answer
    with another issuer is another patient's. Left out: every ID is asked, with the issuer it came with."""
    patient_ids: PatientIdForm = Field(default=PatientIdForm(), examples=["{strip_zeros: true}"])
    """How this archive writes patient IDs, where orders write them otherwise."""
    patient_ids_of: dict[Text, PatientIdForm] = Field(
        default={}, examples=["{CLINIC: {pad_to: 10, add_prefix: C-}}"]
    )
    """The same for IDs of these authorities, in the place of `patient_ids`."""
    character_set: Text = Field(default="ISO_IR 100", examples=["ISO_IR 192"])
    """How to read its answers where they name no Specific Character Set."""
    most_answers: Count | None = Field(default=None, examples=["500"])
    """The most answers that it gives to one query, where it has such a limit. As many as that are asked for
    again in parts, by study date. Left out: a number such as 100, 250 or 500 is taken for a limit."""
    rest: Rest = Field(default=Rest(), examples=["{after: 5, first: 1m}"])
    """When it fails again and again it is left alone for a while: its moves wait, plans are made with what it
    answered last, and other archives go on. `prefetch status` says so."""
    timeouts: ArchiveTimeouts = Field(default=ArchiveTimeouts(), examples=["{idle: 2m, move_total: 3h}"])
    """How long to wait for it."""
    tls: DicomTls | None = Field(default=None, examples=["{ca: tls/hospital-ca.pem}"])
    """TLS, and nothing else, is spoken with it. Left out: plain DICOM."""


class Workstation(PlacedModel):
    """A reading workstation, or its cache: a Move Destination."""

    ae_title: AETitle = Field(examples=["READ1"])
    """AE Title that archives know as Move Destination."""
    verify: Verify = Field(default=Verify.QUERY, examples=["counters"])
    """`query` asks it by C-FIND what has arrived, and needs `host` and `port`. `counters`, for one that
    cannot be asked, trusts what the archive counted; such priors are not in the on-time share."""
    host: Host | None = Field(default=None, examples=["10.1.2.3"])
    """Its host name or address, to ask it."""
    port: Port | None = Field(default=None, examples=["11112"])
    """Its port, to ask it."""
    query_ae_title: AETitle | None = Field(default=None, examples=["READ1_QR"])
    """AE Title to ask, where it differs from `ae_title`."""
    max_associations: Count = Field(default=2, examples=["2"])
    """Associations that we open to it at a time."""
    settle: Duration = Field(default=timedelta(), examples=["2s"])
    """How long after a move it is asked. Without it at once, and again some seconds later if need be."""
    rest: Rest = Field(default=Rest(), examples=["{longest: 5m}"])
    """When it can be asked and fails again and again it is left alone for a while: what goes there waits, and
    costs no attempt; what goes elsewhere goes on. `prefetch status` says so."""
    timeouts: Timeouts = Field(default=Timeouts(), examples=["{connect: 5s}"])
    """How long to wait for it."""
    tls: DicomTls | None = Field(default=None, examples=["{ca: tls/hospital-ca.pem}"])
    """TLS, and nothing else, is spoken with it. Left out: plain DICOM."""

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if self.verify is Verify.QUERY and (self.host is None or self.port is None):
            raise ValueError("verify: query needs host and port; without them write verify: counters")
        return self
