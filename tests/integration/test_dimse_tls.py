"""DICOM over TLS (PS3.15 B): Orthanc, dcmtk's storescp and peers that are not what they should be."""

from __future__ import annotations

import asyncio
import shutil
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

import pytest
from typer.testing import CliRunner

from prefetch import certificates, model
from prefetch.cli.program import program
from prefetch.dimse import echo, peer, status, wire
from prefetch.dimse.association import RemoteAE
from prefetch.model import Outcome
from tests import peers
from tests.authorities import NOW, Authority, Issued
from tests.scripted import ScriptedScp

DAY = timedelta(days=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    """The hospital's."""
    return Authority.found(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def ours(authority: Authority) -> Issued:
    """What we show."""
    return authority.issue("prefetch")


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory, authority: Authority) -> Iterator[peers.Orthanc]:
    """An archive that lets in only who shows a certificate."""
    shown = authority.issue("orthanc")
    settings = {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(shown.certificate),
        "DicomTlsPrivateKey": str(shown.key),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomTlsRemoteCertificateRequired": True,
    }
    directory = tmp_path_factory.mktemp("orthanc")
    with peers.Orthanc(ae_title="ARCHIVE", directory=directory, settings=settings) as archive:
        yield archive


def tls(authority: Authority, shown: Issued | None = None, name: str = "127.0.0.1") -> peer.Tls:
    """What is said of a peer."""
    files = (str(shown.certificate), str(shown.key)) if shown else (None, None)
    context = certificates.make_client_context(ca=str(authority.file), certificate=files[0], key=files[1])
    return peer.Tls(context=context, name=name)


def peer_at(port: int, how: peer.Tls | None, ae_title: str = "ARCHIVE") -> peer.Peer:
    """A peer that is not waited for long."""
    waits = peer.Timeouts(connect=2, acse=2, idle=5)
    return peer.Peer(
        name="archive",
        ae_title=ae_title,
        host="127.0.0.1",
        port=port,
        calling_ae_title="PREFETCH",
        timeouts=waits,
        tls=how,
    )


def ask(to: peer.Peer) -> echo.EchoResult:
    """Whether it is there."""

    async def main() -> echo.EchoResult:
        async with RemoteAE(to) as remote:
            return await remote.echo()

    return asyncio.run(main())


def find(to: peer.Peer, times: int = 1) -> list[model.FindResult]:
    """What it holds of a patient."""

    async def main() -> list[model.FindResult]:
        async with RemoteAE(to) as remote:
            return [await remote.find_studies(patient_id="P1") for _ in range(times)]

    return asyncio.run(main())


def test_orthanc_with_mutual_tls(orthanc: peers.Orthanc, authority: Authority, ours: Issued) -> None:
    """Queries and echo, over one association and over new ones."""
    to = peer_at(orthanc.port, tls(authority, ours))
    assert ask(to).reachable
    assert [Outcome.SUCCESS] * 20 == [result.outcome for result in find(to, 20)]


def test_echo_and_check_go_by_what_the_site_says(
    orthanc: peers.Orthanc, tmp_path: Path, authority: Authority, ours: Issued
) -> None:
    """Paths from the directory of the file; a file that is missing is named with its place."""
    for file in (authority.file, ours.certificate, ours.key):
        shutil.copy(file, tmp_path)
    site = tmp_path / "prefetch.yaml"
    shown = f"ca: {authority.file.name}, certificate: {ours.certificate.name}, key: {ours.key.name}"
    said = f"""
time_zone: Europe/Berlin
archives: {{main: {{ae_title: ARCHIVE, host: localhost, port: {orthanc.port}, tls: {{{shown}}}}}}}
workstations: {{room: {{ae_title: ROOM, verify: counters}}}}
planning: {{to: room}}
"""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text("rules: [{name: all, priors: [{}]}]\n")
    site.write_text(said)
    answered = CliRunner().invoke(program, ["echo", "main", "--json", "--config", str(site)])
    assert '"reachable": true' in answered.output
    authority_here = tmp_path / authority.file.name
    authority_here.unlink()
    refused = CliRunner().invoke(program, ["check", "--config", str(site)])
    assert "archives.main.tls.ca" in refused.output
    assert "cannot be read" in refused.output


def test_without_a_certificate_of_ours(orthanc: peers.Orthanc, authority: Authority) -> None:
    """TLS 1.3 tells us only after the handshake that we should have shown one."""
    answer = ask(peer_at(orthanc.port, tls(authority)))
    assert not answer.reachable
    assert "tls.certificate and tls.key" in str(answer.problem)


@pytest.mark.parametrize(
    ("name", "says"),
    [("localhost", None), ("pacs.example.org", "write the name that stands in its certificate")],
)
def test_the_name_in_its_certificate(
    orthanc: peers.Orthanc, authority: Authority, ours: Issued, name: str, says: str | None
) -> None:
    """It may be another than the host's, where that is said."""
    answer = ask(peer_at(orthanc.port, tls(authority, ours, name)))
    assert (says is None) == answer.reachable
    assert says is None or says in str(answer.problem)


def test_another_authority(orthanc: peers.Orthanc, tmp_path: Path, ours: Issued) -> None:
    """Whoever shows a certificate of nobody we know is told nothing."""
    other = Authority.found(tmp_path, "other")
    (result,) = find(peer_at(orthanc.port, tls(other, ours)))
    assert (Outcome.PERMANENT, True) == (result.outcome, result.unwell)
    assert "name the authority that its certificate is of in tls.ca" in result.because


def test_an_expired_certificate(tmp_path: Path, authority: Authority) -> None:
    """Its owner has to do something."""
    old = authority.issue("old", since=NOW - 9 * DAY, until=NOW - DAY)
    with storescp(tmp_path, old) as port:
        answer = ask(peer_at(port, tls(authority), "STORE"))
    assert "certificate has expired; it needs a new certificate" in str(answer.problem)


def test_storescp(tmp_path: Path, authority: Authority) -> None:
    """A workstation of dcmtk."""
    with storescp(tmp_path, authority.issue("storescp")) as port:
        assert ask(peer_at(port, tls(authority), "STORE")).verified


def test_a_peer_that_speaks_no_tls(authority: Authority) -> None:
    """It says garbage, or hangs up; neither keeps anybody."""
    with ScriptedScp() as scp:
        answer = ask(peer_at(scp.port, tls(authority), "SCRIPTED"))
    assert "is TLS spoken at this port" in str(answer.problem)


def test_a_peer_that_never_ends_the_handshake(authority: Authority) -> None:
    """It ends with the time for a connection."""
    with socket.create_server(("127.0.0.1", 0)) as mute:
        answer = ask(peer_at(mute.getsockname()[1], tls(authority)))
    assert "is TLS spoken at this port" in str(answer.problem)


def test_a_call_is_cancelled_amid_a_handshake(authority: Authority) -> None:
    """Its thread ends at once; no time of the peer has to pass."""

    async def main(port: int) -> None:
        waits = peer.Timeouts(connect=3600, acse=3600, idle=3600)
        to = peer.Peer(
            name="mute",
            ae_title="MUTE",
            host="127.0.0.1",
            port=port,
            calling_ae_title="PREFETCH",
            timeouts=waits,
            tls=tls(authority),
        )
        async with RemoteAE(to) as remote:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(0.5):
                    await remote.echo()

    with socket.create_server(("127.0.0.1", 0)) as mute:
        asyncio.run(main(mute.getsockname()[1]))


def test_half_a_record_keeps_nobody(authority: Authority) -> None:
    """A record in two parts is read as one; where the second never comes the wait for a response ends."""
    waits = peer.Timeouts(connect=3600, acse=3600, idle=3600)
    with ScriptedScp() as scp, Halves(scp.port, authority.issue("halves")) as halves:
        to = replace(peer_at(halves.port, tls(authority), "SCRIPTED"), timeouts=waits)
        association = wire.associate(to)
        assert not isinstance(association, status.Verdict)
        try:
            assert [True] * 3 == [echo.echo(association, of=to).verified for _ in range(3)]
            halves.stuck = True
            hurried = replace(to, timeouts=replace(waits, idle=1))
            assert not echo.echo(association, of=hurried).verified
        finally:
            wire.discard(association)


class Halves:
    """Speaks TLS before a plain peer, and sends each record in two parts with a pause between them."""

    def __init__(self, behind: int, shown: Issued) -> None:
        self._behind = behind
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(shown.certificate, shown.key)
        self._door = socket.create_server(("127.0.0.1", 0))
        self.port = self._door.getsockname()[1]
        self.stuck = False
        """Whether second parts are kept back."""
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._serve)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._door.close()

    def _serve(self) -> None:
        """One connection: TLS in memory, so that its records can be cut."""
        incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        there = self._context.wrap_bio(incoming, outgoing, server_side=True)
        client, _ = self._door.accept()
        with client, socket.create_connection(("127.0.0.1", self._behind)) as behind:
            client.settimeout(0.02)
            behind.settimeout(0.02)
            shaken = False
            while not self._over.is_set():
                incoming.write(_some(client))
                try:
                    if not shaken:
                        there.do_handshake()
                        shaken = True
                    behind.sendall(there.read(65_536))
                except ssl.SSLWantReadError:
                    pass
                except (ssl.SSLError, OSError):
                    return
                if shaken and (said := _some(behind)):
                    there.write(said)
                sent = outgoing.read()
                client.sendall(sent[: len(sent) // 2])
                if not self.stuck:
                    self._over.wait(0.05)
                    client.sendall(sent[len(sent) // 2 :])


def _some(connection: socket.socket) -> bytes:
    try:
        return connection.recv(65_536)
    except TimeoutError:
        return b""


class storescp:  # noqa: N801 (named as the program)
    """dcmtk's storescp with TLS, until the end; gives its port."""

    def __init__(self, directory: Path, shown: Issued) -> None:
        self._port = peers.free_port()
        self._command: list[Any] = [
            peers.installed("/usr/bin/storescp"),
            *("-od", directory, "+tls", shown.key, shown.certificate, "-ic", "-aet", "STORE"),
            str(self._port),
        ]

    def __enter__(self) -> int:
        self._process = subprocess.Popen(self._command)
        while not peers.answers(self._port):
            assert self._process.poll() is None
        return self._port

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait()
