"""Certificates for tests: a made-up hospital's authority, and files of what it issues (trustme)."""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Self

import trustme

NOW = datetime.now(UTC)
DAY = timedelta(days=1)


@dataclass(frozen=True)
class Issued:
    """A certificate and its key in files."""

    certificate: Path
    key: Path


@dataclass(frozen=True)
class Authority:
    """An authority whose certificate lies in a file, and which issues others."""

    authority: trustme.CA
    directory: Path
    name: str

    @classmethod
    def found(cls, directory: Path, name: str = "ca") -> Self:
        """Make a new one."""
        made = cls(trustme.CA(), directory, name)
        made.authority.cert_pem.write_to_path(made.file)
        return made

    @property
    def file(self) -> Path:
        """Its own certificate."""
        return self.directory / f"{self.name}.pem"

    def issue(self, name: str, *, since: datetime = NOW - DAY, until: datetime = NOW + 365 * DAY) -> Issued:
        """A certificate for 127.0.0.1, good between these."""
        made = self.authority.issue_cert("127.0.0.1", "localhost", not_before=since, not_after=until)
        issued = Issued(self.directory / f"{name}.pem", self.directory / f"{name}.key")
        for number, blob in enumerate(made.cert_chain_pems):
            blob.write_to_path(issued.certificate, append=number > 0)
        made.private_key_pem.write_to_path(issued.key)
        issued.key.chmod(0o600)
        return issued

    def client(self, shown: Issued | None = None) -> ssl.SSLContext:
        """What a client trusts, and shows where it is asked."""
        context = ssl.create_default_context(cafile=str(self.file))
        if shown is not None:
            context.load_cert_chain(shown.certificate, shown.key)
        return context
