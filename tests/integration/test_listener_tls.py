"""TLS and mutual TLS at the listener, met by OpenSSL's own client and by peers that misbehave."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import signal
import socket
import ssl
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prefetch import certificates
from prefetch.certificates import Files
from prefetch.intake import mllp
from prefetch.intake.refusals import Cause
from prefetch.sandbox import daemon as daemons
from prefetch.sandbox import ris
from tests import clocks
from tests.authorities import DAY, NOW, Authority, Issued
from tests.integration.test_listener import PATIENCE, door, order, run, until

OPENSSL = "/usr/bin/openssl"
SITE = """\
time_zone: UTC
store: sqlite:///prefetch.db
listeners:
  ris:
    port: 0
    tls: {certificate: listener.pem, key: listener.key, client_ca: ca.pem}
archives: {main: {ae_title: MAIN, host: 127.0.0.1, port: 9}}
workstations: {room-1: {ae_title: R1, verify: counters}}
"""
RULE = "rules: [{name: all, priors: [{newest: 1}]}]\n"


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    """The hospital's own."""
    return Authority.found(tmp_path)


@pytest.fixture
def files(authority: Authority) -> Files:
    """The listener's certificate and key."""
    issued = authority.issue("listener")
    return Files(certificate=str(issued.certificate), key=str(issued.key))


def mutual(files: Files, authority: Authority) -> Files:
    """The same, asking clients for certificates of an authority."""
    return dataclasses.replace(files, client_ca=str(authority.file))


def s_client(port: int, authority: Authority, *more: str) -> list[str]:
    """OpenSSL's client for this port, trusting the authority and nobody else."""
    trust = ["-CAfile", str(authority.file), "-verify_return_error", "-quiet", "-no_ign_eof"]
    return [OPENSSL, "s_client", "-connect", f"127.0.0.1:{port}", *trust, *more]


def show(issued: Issued) -> list[str]:
    """What has OpenSSL's client show a certificate."""
    return ["-cert", str(issued.certificate), "-key", str(issued.key)]


async def ask_openssl(command: list[str], message: bytes) -> bytes:
    """What OpenSSL's client hears when it sends a message; nothing where it is turned away."""
    pipe = asyncio.subprocess.PIPE
    client = await asyncio.create_subprocess_exec(
        *command, stdin=pipe, stdout=pipe, stderr=asyncio.subprocess.DEVNULL
    )
    assert client.stdin
    assert client.stdout
    try:
        client.stdin.write(mllp.encode(message))
        async with asyncio.timeout(PATIENCE):
            return await client.stdout.readuntil(b"\x1c\r")
    except (asyncio.IncompleteReadError, ConnectionError):
        return b""
    finally:
        if client.returncode is None:
            client.kill()
        await client.wait()


@pytest.mark.parametrize("version", ["-tls1_2", "-tls1_3"])
def test_openssl_s_client_is_answered(files: Files, authority: Authority, version: str) -> None:
    """A client that nobody here wrote sends over TLS 1.2 and 1.3, and its message is stored."""

    async def test() -> None:
        async with door(tls=certificates.make_context(files)) as at:
            answer = await ask_openssl(s_client(at.port, authority, version), order("M1"))
            assert b"MSA|AA|M1" in answer
            assert at.store.control_ids == ["M1"]

    run(test())


def test_client_without_a_certificate_is_turned_away(files: Files, authority: Authority) -> None:
    """Mutual TLS: one that the hospital issued is let in; none, or another's, is closed and told."""
    stranger = Authority.found(authority.directory, "stranger")

    async def test() -> None:
        async with door(tls=certificates.make_context(mutual(files, authority))) as at:
            for shown, expected in (
                ([], False),
                (show(stranger.issue("theirs")), False),
                (show(authority.issue("late", until=NOW - DAY / 2)), False),
                (show(authority.issue("ours")), True),
            ):
                answer = await ask_openssl(s_client(at.port, authority, *shown), order("M1"))
                assert expected is (b"MSA|AA|M1" in answer)
            assert at.store.control_ids == ["M1"]
            await until(lambda: at.listener.refused.total() == 3)
            assert set(at.listener.refused) == {Cause.TLS}

    run(test())


def test_older_version_than_the_least_is_refused(files: Files, authority: Authority) -> None:
    """With `minimum_version: 1.3` a client of 1.2 gets no handshake."""

    async def test() -> None:
        strict = dataclasses.replace(files, minimum_version="1.3")
        async with door(tls=certificates.make_context(strict)) as at:
            assert await ask_openssl(s_client(at.port, authority, "-tls1_2"), order("M1")) == b""
            assert b"MSA|AA|M2" in await ask_openssl(s_client(at.port, authority), order("M2"))

    run(test())


def test_plain_text_at_a_tls_port_is_refused(files: Files) -> None:
    """A sender that was not told of TLS is closed, and the log says what it did."""

    async def test() -> None:
        with capture_logs() as lines:
            async with door(tls=certificates.make_context(files)) as at:
                sender = await at.sender()
                await sender.send(order("M1"))
                await sender.closed()
                await until(lambda: at.listener.connections == 0)
                assert at.listener.refused == {Cause.TLS: 1}
                assert at.store.kept == []
        (refused,) = [line for line in lines if line["event"] == "connection_refused"]
        assert refused["because"] == "no TLS handshake: wrong version number"

    run(test())


def test_handshake_that_is_never_finished_does_not_hold_a_place(files: Files, authority: Authority) -> None:
    """Connections in their handshake count as connections, and are given up after its time."""

    async def test() -> None:
        context = certificates.make_context(files)
        async with door(tls=context, max_connections=2, handshake_seconds=300) as at:
            for _ in range(2):
                await at.sender()
            await until(lambda: at.listener.connections == 2)
            assert await (await at.sender()).closed()
            clocks.adjustable().move_on(301)
            await until(lambda: at.listener.connections == 0)
            sender = await at.sender(tls=authority.client())
            assert await sender.ask(order("M1")) == ("AA", "M1")

    run(test())


def test_shutdown_does_not_wait_for_a_handshake(files: Files) -> None:
    """What has not yet said anything is not waited for."""

    async def test() -> None:
        async with door(tls=certificates.make_context(files)) as at:
            await at.sender()
            await until(lambda: at.listener.connections == 1)
            async with asyncio.timeout(PATIENCE):
                await at.listener.close(seconds=10 * PATIENCE)

    run(test())


def test_reader_of_nothing_is_dropped_behind_tls_too(files: Files, authority: Authority) -> None:
    """A client that takes no acknowledgements loses its connection, and the farewell waits for nobody."""

    async def test() -> None:
        async with door(tls=certificates.make_context(files), message_seconds=0.5) as at:
            sender = await at.sender(tls=authority.client())
            sender.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            sender.writer.transport.pause_reading()  # type: ignore[attr-defined]  # (a read transport as well)
            with suppress(ConnectionError):
                while at.listener.connections:
                    await sender.send(*[order("M")] * 100)
            await until(lambda: at.listener.connections == 0)

    run(test())


@pytest.fixture
def daemon(tmp_path: Path, authority: Authority) -> Iterator[daemons.Daemon]:
    """A daemon that asks its senders for certificates."""
    authority.issue("listener")
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULE)
    (tmp_path / "prefetch.yaml").write_text(SITE)
    with daemons.Daemon(configuration=tmp_path / "prefetch.yaml", log=tmp_path / "log") as running:
        yield running


def send(port: int, name: str, context: ssl.SSLContext) -> ris.Acknowledgement:
    """Have the sandbox's RIS send one message."""

    async def exchange() -> ris.Acknowledgement:
        async with ris.Ris(host="127.0.0.1", port=port, tls=context) as sender:
            return await sender.send(order(name).decode())

    return asyncio.run(exchange())


def shown_at(port: int, context: ssl.SSLContext) -> str:
    """The certificate that a port shows."""
    with (
        socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as plain,
        context.wrap_socket(plain, server_hostname="127.0.0.1") as wrapped,
    ):
        return ssl.DER_cert_to_PEM_cert(wrapped.getpeercert(binary_form=True) or b"")


def logged(daemon: daemons.Daemon, event: str, count: int = 1) -> None:
    """Wait until the daemon has said this so many times."""

    async def wait() -> None:
        await until(lambda: [line["event"] for line in daemon.said()].count(event) >= count)

    run(wait())


def test_daemon_with_mutual_tls_takes_a_new_certificate_at_reload(
    daemon: daemons.Daemon, authority: Authority
) -> None:
    """The configuration's files are used; SIGHUP puts renewed ones in force; bad ones change nothing."""
    port = daemon.listener_ports["ris"]
    context = authority.client(authority.issue("ris"))
    assert send(port, "M1", context).code == "AA"

    authority.issue("listener", until=NOW - DAY / 2)
    os.kill(daemon.process_id, signal.SIGHUP)
    logged(daemon, "configuration_refused")
    (refused,) = [line for line in daemon.said() if line["event"] == "configuration_refused"]
    assert "listeners.ris.tls.certificate" in refused["problems"][0]
    assert "expired on" in refused["problems"][0]
    assert send(port, "M2", context).code == "AA"

    renewed = authority.issue("listener")
    os.kill(daemon.process_id, signal.SIGHUP)
    logged(daemon, "configuration_loaded")
    assert shown_at(port, context) == renewed.certificate.read_text().replace("\r", "")
    assert send(port, "M3", context).code == "AA"
