"""What is wrong with certificates and keys is found before anybody connects."""

from __future__ import annotations

import dataclasses
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization

from prefetch import certificates, config, errors
from prefetch.certificates import Files, Flaw
from tests.authorities import DAY, NOW, Authority

PASSWORD = b"correct horse"
RULE = "rules: [{name: all, priors: [{newest: 1}]}]\n"
SITE = """\
time_zone: UTC
listeners:
  ris:
    tls:
      certificate: listener.pem
      key: {key}
archives: {{main: {{ae_title: MAIN, host: 127.0.0.1, port: 104}}}}
workstations: {{room-1: {{ae_title: R1, verify: counters}}}}
"""


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The hospital's own."""
    return Authority.found(tmp_path)


@pytest.fixture
def files(authority: Authority) -> Files:
    """Everything as it should be."""
    issued = authority.issue("listener")
    return Files(certificate=str(issued.certificate), key=str(issued.key), client_ca=str(authority.file))


def lock(key: Path, password: bytes = PASSWORD) -> None:
    """Encrypt a key where it lies."""
    read = serialization.load_pem_private_key(key.read_bytes(), None)
    form = serialization.PrivateFormat.PKCS8
    locked = serialization.BestAvailableEncryption(password)
    key.write_bytes(read.private_bytes(serialization.Encoding.PEM, form, locked))


def flaws(files: Files, **otherwise: Any) -> list[Flaw]:
    """What is wrong with these."""
    return certificates.find_flaws(dataclasses.replace(files, **otherwise), NOW)


def test_good_files_have_no_flaw(files: Files) -> None:
    """And a context can be made of them, that asks for a client's certificate."""
    assert [] == flaws(files)
    assert certificates.make_context(files).verify_mode is ssl.CERT_REQUIRED


def test_without_an_authority_no_client_is_asked(files: Files) -> None:
    """Plain TLS: the client alone looks at a certificate."""
    context = certificates.make_context(dataclasses.replace(files, client_ca=None))
    assert context.verify_mode is ssl.CERT_NONE


@pytest.mark.parametrize(("said", "version"), [("1.2", "TLSv1_2"), ("1.3", "TLSv1_3")])
def test_the_oldest_version_is_the_one_that_was_said(files: Files, said: str, version: str) -> None:
    """Nothing older is spoken."""
    context = certificates.make_context(dataclasses.replace(files, minimum_version=said))
    assert version == context.minimum_version.name


@pytest.mark.parametrize("which", ["certificate", "key", "client_ca", "key_password"])
def test_a_file_that_is_not_there_is_named(files: Files, which: str, tmp_path: Path) -> None:
    """Each of them."""
    assert [Flaw(which, "cannot be read: No such file or directory")] == flaws(
        files, **{which: str(tmp_path / "no")}
    )


@pytest.mark.parametrize(
    ("which", "message"),
    [
        ("certificate", "holds no certificate in PEM form"),
        ("client_ca", "holds no certificate in PEM form"),
        ("key", "holds no private key in PEM form"),
    ],
)
def test_a_file_of_another_kind_is_told(files: Files, which: str, message: str, tmp_path: Path) -> None:
    """A DER file, or a text."""
    other = tmp_path / "other"
    other.write_text("no PEM")
    assert Flaw(which, message) in flaws(files, **{which: str(other)})


@pytest.mark.parametrize(
    ("days", "severity", "words"),
    [
        ((-9, -1), "error", "expired on "),
        ((1, 9), "error", "is not valid before "),
        ((-1, 9), "warning", "expires on "),
    ],
    ids=["expired", "not yet", "soon"],
)
def test_a_certificate_has_its_time(
    authority: Authority, files: Files, days: tuple[int, int], severity: str, words: str
) -> None:
    """Run out or not yet begun is an error, a month before its end a warning."""
    issued = authority.issue("other", since=NOW + days[0] * DAY, until=NOW + days[1] * DAY)
    (flaw,) = flaws(files, certificate=str(issued.certificate), key=str(issued.key))
    assert ("certificate", severity) == (flaw.which, flaw.severity)
    assert flaw.message.startswith(words)


def test_the_key_of_another_certificate_is_told(authority: Authority, files: Files) -> None:
    """A renewed certificate with the old key is a common slip."""
    assert [Flaw("key", "is not the key of the certificate")] == flaws(
        files, key=str(authority.issue("other").key)
    )


def test_a_key_that_everybody_may_read_is_told(files: Files) -> None:
    """It is used all the same: this is a warning."""
    Path(files.key).chmod(0o644)
    (flaw,) = flaws(files)
    assert ("key", "warning") == (flaw.which, flaw.severity)


def test_what_a_client_shows_has_its_time_and_its_key(authority: Authority, files: Files) -> None:
    """One that is past its time is told, and keeps nobody from other peers; authorities may be past it."""
    old, other = authority.issue("old", until=NOW - DAY), authority.issue("other")

    def found(ca: Path, certificate: Path | str, key: Path | str) -> list[tuple[str, str]]:
        said = {"ca": str(ca), "certificate": str(certificate), "key": str(key)}
        return [(flaw.which, flaw.severity) for flaw in certificates.find_client_flaws(**said, now=NOW)]

    assert [] == found(authority.file, files.certificate, files.key)
    assert [] == found(old.certificate, files.certificate, files.key)
    assert [("certificate", "warning")] == found(authority.file, old.certificate, old.key)
    assert [("key", "error")] == found(authority.file, files.certificate, other.key)
    assert [("ca", "error")] == found(other.key, files.certificate, files.key)


def test_an_encrypted_key_opens_with_its_password(files: Files, tmp_path: Path) -> None:
    """The password is in a file of its own; a line end behind it is none of it."""
    lock(Path(files.key))
    (tmp_path / "password").write_bytes(PASSWORD + b"\n")
    opened = dataclasses.replace(files, key_password=str(tmp_path / "password"))
    assert [] == flaws(opened)
    certificates.make_context(opened)


@pytest.mark.parametrize(
    ("password", "message"),
    [
        (
            None,
            "is encrypted: name the file of its password as key_password, or write it without one",
        ),
        ("wrong", "does not open with key_password"),
    ],
)
def test_an_encrypted_key_is_never_asked_for(
    files: Files, tmp_path: Path, password: str | None, message: str
) -> None:
    """No password, or the wrong one, is a flaw and no question at a terminal."""
    lock(Path(files.key))
    (tmp_path / "password").write_text(password or "")
    said = str(tmp_path / "password") if password else None
    assert [Flaw("key", message)] == flaws(files, key_password=said)
    with pytest.raises(errors.CertificateError):
        certificates.make_context(dataclasses.replace(files, key_password=said))


def test_a_password_for_a_key_without_one_is_told(files: Files, tmp_path: Path) -> None:
    """Somebody expects the key to be encrypted, and it is not."""
    (tmp_path / "password").write_bytes(PASSWORD)
    found = flaws(files, key_password=str(tmp_path / "password"))
    assert [Flaw("key", "is not encrypted, and key_password opens nothing")] == found


def test_a_credential_lies_where_systemd_put_it(files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    """`credential:NAME` is a file of $CREDENTIALS_DIRECTORY."""
    key = Path(files.key)
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(key.parent))
    assert [] == flaws(files, key=f"credential:{key.name}")


def write(directory: Path, key: str = "listener.key") -> Path:
    """A site with a TLS listener."""
    (directory / "rules").mkdir()
    (directory / "rules" / "a.yaml").write_text(RULE)
    (directory / "prefetch.yaml").write_text(SITE.format(key=key))
    return directory / "prefetch.yaml"


def problems(file: Path) -> list[str]:
    """What is said of a site."""
    return [str(one).removeprefix(f"{file.parent}/") for one in config.examine(file).problems]


def test_a_flaw_is_told_where_the_file_is_named(tmp_path: Path, authority: Authority) -> None:
    """As `file:line:column: path: message`, like any other mistake."""
    authority.issue("listener", until=NOW - DAY / 2)
    (found,) = problems(write(tmp_path))
    place = f"prefetch.yaml:5:20: listeners.ris.tls.certificate: {tmp_path}/listener.pem expired on "
    assert found.startswith(place)


def test_paths_begin_at_the_directory_of_the_file(tmp_path: Path, authority: Authority) -> None:
    """As `rules` does."""
    authority.issue("listener")
    tls = config.load(write(tmp_path)).listeners["ris"].tls
    assert tls is not None
    assert str(tmp_path / "listener.key") == tls.key


def test_a_credential_cannot_be_looked_at_by_hand(tmp_path: Path, authority: Authority) -> None:
    """`prefetch check` by an administrator warns; the service, which has the credential, looks at it."""
    authority.issue("listener")
    file = write(tmp_path, key="credential:listener-key")
    (found,) = problems(file)
    place = "prefetch.yaml:6:12: listeners.ris.tls.key: warning: credential:listener-key is a credential"
    assert found.startswith(place)


def test_what_a_key_holds_is_never_said(files: Files, tmp_path: Path) -> None:
    """No flaw and no error quotes the file or the password."""
    text = "-----BEGIN PRIVATE KEY-----\nc2VjcmV0\n-----END PRIVATE KEY-----\n"
    (tmp_path / "bad.key").write_text(text)
    broken = dataclasses.replace(files, key=str(tmp_path / "bad.key"))
    said: list[Callable[[], object]] = [lambda: flaws(broken), lambda: certificates.make_context(broken)]
    assert "c2VjcmV0" not in str(said[0]())
    with pytest.raises(errors.CertificateError) as raised:
        said[1]()
    assert "c2VjcmV0" not in str(raised.value)
