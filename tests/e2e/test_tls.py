"""DICOM over mutual TLS with the worklist, the archives and the workstation: the exam is ready by it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests import peers, worklists
from tests.authorities import Authority
from tests.e2e.hospital import Hospital, holds_exactly, soon
from tests.tunnel import Tunnel

pytestmark = pytest.mark.peers

ZONE = ZoneInfo("Europe/Berlin")
OURS = {"ca": "ca.pem", "certificate": "ours.pem", "key": "ours.key"}


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The hospital's own; what we show was issued by it."""
    founded = Authority.found(tmp_path)
    founded.issue("ours")
    return founded


def orthanc_with_tls(authority: Authority, name: str) -> dict[str, Any]:
    """Settings of an Orthanc that lets in only who shows a certificate."""
    shown = authority.issue(name)
    return {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(shown.certificate),
        "DicomTlsPrivateKey": str(shown.key),
        "DicomTlsTrustedCertificates": str(authority.file),
        "DicomTlsRemoteCertificateRequired": True,
    }


@pytest.fixture
def before() -> Iterator[ExitStack]:
    """Tunnels before peers that speak no TLS themselves; they end with the test."""
    with ExitStack() as tunnels:
        yield tunnels


def test_worklist_queries_moves_and_the_look_at_the_workstation(
    hospital: Hospital, authority: Authority, before: ExitStack, tmp_path: Path
) -> None:
    """Orthanc speaks TLS itself, as archive and as worklist; before dcmqrscp a tunnel does."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Orthanc, "MAIN", settings=orthanc_with_tls(authority, "main"))
    offsite = hospital.archive(peers.Dcmqrscp, "OFFSITE")
    priors = [
        hospital.study(main, study_date="20240105"),
        hospital.study(offsite, study_date="20210105"),
    ]
    tunnels = {
        server: before.enter_context(Tunnel(server, authority, authority.issue(server.ae_title)))
        for server in (workstation, offsite)
    }
    settings = orthanc_with_tls(authority, "ris")
    ris = before.enter_context(peers.OrthancWorklist(ae_title="RIS", directory=tmp_path, settings=settings))
    worklists.put(ris, "A1", start=soon().astimezone(ZONE).replace(tzinfo=None))
    called = {"ae_title": ris.ae_title, "host": ris.host, "port": ris.port}
    hospital.open(
        archives={"main": {"tls": OURS}, "offsite": {"tls": OURS, "port": tunnels[offsite].port}},
        workstations={"read1": {"tls": OURS, "port": tunnels[workstation].port}},
        worklists={"mwl": called | {"interval": "1s", "ahead": "30d", "tls": OURS}},
    )
    hospital.await_ready("A1")
    assert holds_exactly(workstation, *priors)
    assert {hospital.retrieve("A1", prior)["verified_by"] for prior in priors} == {"query"}
    assert all(tunnel.callers for tunnel in tunnels.values())


def test_reload_shows_renewed_certificates(
    hospital: Hospital, authority: Authority, before: ExitStack, tmp_path: Path
) -> None:
    """To archives and workstations from the next association on; one without its key refuses the reload."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    hospital.study(archive)
    tunnels = {
        name: before.enter_context(Tunnel(server, authority, authority.issue(name)))
        for name, server in (("main", archive), ("read1", workstation))
    }
    hospital.open(
        archives={"main": {"tls": OURS, "port": tunnels["main"].port}},
        workstations={"read1": {"tls": OURS, "port": tunnels["read1"].port}},
    )
    shown = [(tmp_path / "ours.pem").read_text().replace("\r", "")]
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")

    shutil.copy(authority.issue("another").key, tmp_path / "ours.key")
    hospital.reload()
    (refused,) = hospital.said("configuration_refused")
    assert "archives.main.tls.key" in refused["problems"][0]
    shown.append(authority.issue("ours").certificate.read_text().replace("\r", ""))
    hospital.reload()
    assert hospital.said("configuration_loaded")

    everywhere = tunnels.values()
    hospital.await_that(
        lambda: not any(each.is_called for each in everywhere), "what was open to be released"
    )
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    assert {name: list(dict.fromkeys(tunnel.callers)) for name, tunnel in tunnels.items()} == {
        "main": shown,
        "read1": shown,
    }
