"""Every error of the product, one sentence each; a class says whose fault it is and whether waiting helps."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


class PrefetchError(Exception):
    """Something that the caller cannot continue with; the message says what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One mistake in a file that an administrator wrote, and where it stands (line and column from 1)."""

    file: Path
    line: int
    column: int
    path: str
    message: str
    severity: str = "error"

    def __str__(self) -> str:
        """Read as `file:line:column: path: message`."""
        warning = "" if self.severity == "error" else f"{self.severity}: "
        path = f"{self.path}: " if self.path else ""
        return f"{self.file}:{self.line}:{self.column}: {path}{warning}{self.message}"


class ConfigurationError(PrefetchError):
    """The administrator's files say something that cannot be; all the places are listed at once."""

    def __init__(self, problems: list[Problem]) -> None:
        super().__init__("\n".join(str(problem) for problem in problems))
        self.problems = problems


class CertificateError(PrefetchError):
    """A certificate, a key or its password cannot be used; the message says which and why."""


class StoreError(PrefetchError):
    """The database did not do what was asked."""


class StoreUnavailableError(StoreError):
    """The database is away, full, locked or read-only; the same call may succeed later."""


class StoreRefusedError(StoreError):
    """The database must not be used as it is: newer schema, network file system, corrupted, in use."""


class IllegalTransitionError(StoreError):
    """A state was asked for that cannot follow the present one: our own fault."""


class UnreadableMessageError(PrefetchError):
    """A message of the feed that could not be understood; it goes to the dead letters with this reason."""


class PeerError(PrefetchError):
    """A DICOM or HL7 peer did not do what was asked."""


class UnsafeKeyError(PeerError):
    """A matching key that is empty or holds a wildcard would find other people's studies; it is not sent."""


class CrossReferenceError(PeerError):
    """The PIX manager is away, or answers what is no answer to our question; the next plan asks again."""


class NotFoundError(PrefetchError):
    """What the operator named is not known here."""
