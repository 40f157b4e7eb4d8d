"""A remote AE as the site describes it: where it is, how patient we are with it, what it can do."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field

from prefetch import fingerprint


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeouts:
    """How long each wait may take, in seconds. Pending responses reset `idle`, never a total."""

    connect: float = 10.0
    acse: float = 30.0
    """For the answer to an association request or release, and for the rest of a PDU that has begun."""
    idle: float = 60.0
    """Between two responses to a C-FIND or C-ECHO."""
    find_total: float = 300.0
    move_idle: float = 600.0
    """Between two responses to a C-MOVE; an archive that sends no Pending is silent for the whole move."""
    move_total: float = 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """How TLS is spoken with a peer."""

    context: ssl.SSLContext
    name: str
    """What its certificate must say: the host where nothing else is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """When a peer that fails again and again is left alone, and for how many seconds; doubled each time."""

    after: int
    first: float
    longest: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """A remote AE that we ask: an archive, a workstation that answers C-FIND, or a worklist."""

    name: str
    ae_title: str
    host: str
    port: int
    calling_ae_title: str
    max_associations: int = 4
    """All that we open to it at the same time."""
    timeouts: Timeouts = field(default_factory=Timeouts)
    send_issuer: bool = True
    """Whether Issuer of Patient ID is a matching key; some archives match nothing by one that they lack."""
    codes: bool = False
    """Whether it is asked what codes its studies bear."""
    character_set: str = ""
    """Specific Character Set of our queries, and of answers that do not say theirs; empty is ASCII."""
    answer_limit: int = 2000
    """Answers to one query that are kept; at one more the query is cancelled."""
    most_answers: int | None = None
    """Answers that it gives to one query at most; None where nobody knows of a limit."""
    rest: Rest | None = None
    """None for a peer that is asked however often it has failed."""
    tls: Tls | None = None
    """None for a peer that speaks none."""
    is_destination: bool = False
    """Whether it is a workstation, which receives whatever it lets us ask."""
    is_worklist: bool = False
    """Whether it is asked for its worklist, and for nothing else."""

    @property
    def address(self) -> str:
        """Who it is: at another address it is another."""
        return f"{self.ae_title}@{self.host}:{self.port}"

    @property
    def asked_as(self) -> str:
        """The fingerprint of what makes its answer to the same keys another one."""
        return fingerprint.fingerprint(
            self.calling_ae_title,
            self.send_issuer,
            self.codes,
            self.character_set,
            self.answer_limit,
            self.most_answers,
        )
