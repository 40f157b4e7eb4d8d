"""Certificates and keys: where they lie, what is wrong with them, and the TLS context made of them.

A key is a file that the service may read, or a credential that systemd hands to it. What is in it is never
logged: a flaw names what is wrong, and nothing of the content.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from prefetch import errors

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes

CREDENTIAL = "credential:"
"""Before the name of a systemd credential (systemd.exec(5), LoadCredential=)."""

EXPIRES_SOON = timedelta(days=30)

VERSIONS = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """The files of one TLS server, each a path or `credential:NAME`."""

    certificate: str
    """With those of the authorities between it and the root behind it, if there are any (PEM)."""
    key: str
    key_password: str | None = None
    """The file that holds the password of the key."""
    client_ca: str | None = None
    minimum_version: str = "1.2"


@dataclass(frozen=True, slots=True)
class Flaw:
    """What is wrong with one of the files."""

    which: str
    """Its name in `Files`."""
    message: str
    severity: str = "error"


class NotHereError(errors.CertificateError):
    """A credential of the service, asked for by somebody else."""


def from_directory(said: Mapping[str, str | None], directory: Path) -> dict[str, str]:
    """Paths that were written from a directory, as absolute ones; what is left out or a credential is not."""
    return {
        name: str(directory / text)
        for name, text in said.items()
        if text is not None and not text.startswith(CREDENTIAL)
    }


# --- reading -----------------------------------------------------------------------------------------


def locate(said: str, environment: Mapping[str, str] = os.environ) -> Path:
    """The file that is meant."""
    if not said.startswith(CREDENTIAL):
        return Path(said)
    directory = environment.get("CREDENTIALS_DIRECTORY")
    if directory is None:
        raise NotHereError(
            "is a credential that systemd hands to the service alone: it cannot be looked at here"
        )
    return Path(directory) / said.removeprefix(CREDENTIAL)


def _read(said: str) -> bytes:
    try:
        return locate(said).read_bytes()
    except OSError as error:
        raise errors.CertificateError(f"cannot be read: {error.strerror}") from error


def _read_certificates(said: str) -> list[x509.Certificate]:
    from cryptography import x509  # noqa: PLC0415 (only who has TLS pays for its import)

    try:
        return x509.load_pem_x509_certificates(_read(said))
    except ValueError as error:
        raise errors.CertificateError("holds no certificate in PEM form") from error


def _read_key(said: str, password: bytes | None) -> PrivateKeyTypes:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key  # noqa: PLC0415 (as above)

    try:
        return load_pem_private_key(_read(said), password)
    except TypeError as error:
        words = (
            "is encrypted: name the file of its password as key_password, or write it without one"
            if password is None
            else "is not encrypted, and key_password opens nothing"
        )
        raise errors.CertificateError(words) from error
    except ValueError as error:
        words = "holds no private key in PEM form" if password is None else "does not open with key_password"
        raise errors.CertificateError(words) from error


def _read_password(said: str | None) -> bytes | None:
    return None if said is None else _read(said).rstrip(b"\r\n")


# --- examining ---------------------------------------------------------------------------------------


def find_flaws(files: Files, now: datetime) -> list[Flaw]:
    """Everything that keeps these files from being used, or will soon."""
    examination = _Examination(now)
    examination.pair(files.certificate, files.key, files.key_password)
    if files.client_ca is not None:
        examination.certificates("client_ca", files.client_ca)
    examination.try_out("certificate", partial(make_context, files))
    return examination.flaws


def find_client_flaws(
    *, ca: str | None, certificate: str | None, key: str | None, now: datetime
) -> list[Flaw]:
    """The same of the files of a client.

    A certificate that is past its time is told and used all the same: one peer that may refuse it must not
    keep us from all others. Among many authorities some may be past theirs.
    """
    examination = _Examination(now, untimely="warning")
    if certificate and key:
        examination.pair(certificate, key)
    if ca is not None:
        examination.authorities("ca", ca)
    trying = partial(make_client_context, ca=ca, certificate=certificate, key=key)
    examination.try_out("ca" if ca else "certificate", trying)
    return examination.flaws


class _Examination:
    """Collects the flaws of one set of files."""

    def __init__(self, now: datetime, *, untimely: str = "error") -> None:
        self._now = now
        self._untimely = untimely
        """How severe it is that a certificate is not in its time."""
        self.flaws: list[Flaw] = []
        self.hopeless = False
        """Whether a file cannot be used, or not be looked at."""

    def find(self, which: str, message: str, severity: str = "error") -> None:
        """Note a flaw."""
        self.hopeless = self.hopeless or severity == "error"
        self.flaws.append(Flaw(which, message, severity))

    def pair(self, certificate: str, key: str, key_password: str | None = None) -> None:
        """Read a certificate and its key, and see whether they are of each other."""
        certificates = self.certificates("certificate", certificate)
        its_key = self._key(key, key_password)
        if certificates and its_key and certificates[0].public_key() != its_key.public_key():
            self.find("key", "is not the key of the certificate")

    def certificates(self, which: str, said: str) -> list[x509.Certificate]:
        """Read a file of certificates, and look at the time of each."""
        found = self.authorities(which, said)
        for certificate in found:
            self._judge_time(which, certificate)
        return found

    def authorities(self, which: str, said: str) -> list[x509.Certificate]:
        """Read a file of certificates."""
        try:
            return _read_certificates(said)
        except errors.CertificateError as error:
            self._refuse(which, error)
            return []

    def _key(self, said: str, its_password: str | None) -> PrivateKeyTypes | None:
        """Read the key, and see who else may."""
        try:
            password = _read_password(its_password)
        except errors.CertificateError as error:
            self._refuse("key_password", error)
            return None
        try:
            key = _read_key(said, password)
        except errors.CertificateError as error:
            self._refuse("key", error)
            return None
        if locate(said).stat().st_mode & 0o004:
            message = "may be read by everybody on this machine: chmod o-r"
            self.find("key", message, severity="warning")
        return key

    def try_out(self, which: str, make: Callable[[], ssl.SSLContext]) -> None:
        """Whatever else OpenSSL does not take: a key too short for its security level, for one."""
        if self.hopeless:
            return
        try:
            make()
        except errors.CertificateError as error:
            self.find(which, f"is refused by OpenSSL: {error.__cause__}")

    def _refuse(self, which: str, error: errors.CertificateError) -> None:
        self.find(which, str(error), "warning" if isinstance(error, NotHereError) else "error")
        self.hopeless = True

    def _judge_time(self, which: str, certificate: x509.Certificate) -> None:
        name = certificate.subject.rfc4514_string()
        begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
        if end <= self._now:
            self.find(which, f"expired on {end:%Y-%m-%d} ({name})", self._untimely)
        elif begin > self._now:
            self.find(which, f"is not valid before {begin:%Y-%m-%d} ({name})", self._untimely)
        elif end - self._now < EXPIRES_SOON:
            self.find(which, f"expires on {end:%Y-%m-%d} ({name})", severity="warning")


# --- using -------------------------------------------------------------------------------------------


def make_context(files: Files) -> ssl.SSLContext:
    """The server's side of TLS; where there is a `client_ca`, only clients with its certificates are met."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = VERSIONS[files.minimum_version]
    try:
        password = _read_password(files.key_password)
        # An encrypted key without a password would otherwise be asked for on the terminal.
        context.load_cert_chain(
            locate(files.certificate), locate(files.key), password=password or _no_password
        )
        if files.client_ca is not None:
            context.load_verify_locations(locate(files.client_ca))
            context.verify_mode = ssl.CERT_REQUIRED
    except NotHereError as error:
        raise errors.CertificateError(f"a key or certificate {error}") from error
    except OSError as error:  # ssl.SSLError is one
        raise errors.CertificateError(f"{files.certificate} and its key cannot be used: {error}") from error
    return context


def make_client_context(*, ca: str | None, certificate: str | None, key: str | None) -> ssl.SSLContext:
    """The client's side of TLS: it meets only servers that these authorities vouch for, by name."""
    try:
        context = ssl.create_default_context(cafile=str(locate(ca)) if ca else None)
        context.minimum_version = VERSIONS["1.2"]
        if certificate and key:
            context.load_cert_chain(locate(certificate), locate(key), password=_no_password)
    except NotHereError as error:
        raise NotHereError(f"a key or certificate {error}") from error
    except OSError as error:  # ssl.SSLError is one
        files = ", ".join(filter(None, (ca, certificate, key)))
        raise errors.CertificateError(f"{files} cannot be used: {error}") from error
    return context


def _no_password() -> bytes:
    return b""
