"""The store in trouble under a running daemon: AE to the sender, nothing lost, and on without a hand."""

from __future__ import annotations

import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest

from prefetch.sandbox import ris
from tests import peers
from tests.e2e.hospital import ANYTHING, BRUNO, Hospital, holds_exactly
from tests.e2e.witnesses import VERBOSE, moves_asked
from tests.postgresql import PostgreSQL

pytestmark = pytest.mark.peers

MANY = 5000
"""More messages than what the write-ahead log has still room for on a disk that is full."""


class SmallDisk:
    """A file system of its own that can be filled to the last byte."""

    words = "the disk is full"

    def __init__(self, directory: Path, until: ExitStack) -> None:
        self._disk = directory / "disk"
        self._disk.mkdir()
        done = subprocess.run(
            ["/usr/bin/mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(self._disk)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            pytest.skip("may not mount a file system")
        until.callback(subprocess.run, ["/usr/bin/umount", "--lazy", str(self._disk)], check=True)
        self.url = f"sqlite:///{self._disk / 'prefetch.db'}"

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Fill it, and make room again."""
        ballast = self._disk / "ballast"
        with ballast.open("wb", buffering=0) as file, suppress(OSError):
            while file.write(bytes(4096)):
                pass
        yield
        ballast.unlink()


class BackedUpFile:
    """A SQLite file that another program holds locked for longer than we wait."""

    words = "holds it locked"

    def __init__(self, directory: Path, _until: ExitStack) -> None:
        self._file = directory / "prefetch.db"
        self.url = f"sqlite:///{self._file}"

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """Hold the lock, and let it go."""
        other = sqlite3.connect(self._file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")
        other.close()


class Server:
    """A PostgreSQL that is stopped and started again."""

    words = "database"

    def __init__(self, _directory: Path, until: ExitStack) -> None:
        self._server = until.enter_context(PostgreSQL())
        self.url = self._server.create("prefetch")

    @contextmanager
    def trouble(self) -> Iterator[None]:
        """End it, and start it again."""
        self._server.stop()
        yield
        self._server.start()


@pytest.mark.parametrize("kind", [SmallDisk, BackedUpFile, Server])
def test_store_that_is_away_for_a_while(
    hospital: Hospital, kind: type[SmallDisk | BackedUpFile | Server]
) -> None:
    """The sender hears AE and why; when the trouble is over the same message is taken, and all goes on."""
    with ExitStack() as until:
        store = kind(hospital.directory, until)
        workstation = hospital.workstation(peers.Orthanc)
        archive = hospital.archive(peers.Dcmqrscp, options=VERBOSE)
        priors = [hospital.study(archive), hospital.study(archive, patient=BRUNO)]
        hospital.open(store=store.url)
        hospital.book(hospital.exam("A1"))
        hospital.await_ready("A1")
        with store.trouble():
            assert store.words in refusal(hospital)
        hospital.book(hospital.exam("A2", patient=BRUNO))
        hospital.await_ready("A2")
        assert moves_asked(archive) == [prior.study_instance_uid for prior in priors]
        assert holds_exactly(workstation, *priors)
        assert hospital.close() == 0


def test_a_reload_while_the_store_is_away_reaches_the_exams_when_it_is_back(hospital: Hospital) -> None:
    """The rules are in force at once; that known exams are to be planned by them is not forgotten."""
    with ExitStack() as until:
        store = BackedUpFile(hospital.directory, until)
        workstation = hospital.workstation(peers.Storescp)
        archive = hospital.archive(peers.Dcmqrscp)
        prior = hospital.study(archive)
        hospital.open(store=store.url, rules=ANYTHING.replace("priors", "when: {modality: US}\n    priors"))
        hospital.book(hospital.exam("A1"))
        hospital.await_order("A1", readiness="nothing to fetch")
        with store.trouble():
            hospital.reload(rules=ANYTHING)
        (loaded,) = hospital.said("configuration_loaded")
        assert loaded["exams_planned_anew"] is None
        hospital.await_ready("A1")
        assert holds_exactly(workstation, prior)


def refusal(hospital: Hospital) -> str:
    """What the daemon says to the first message that it does not take."""
    messages = (hospital.message(hospital.exam("B1")) for _ in range(MANY))
    with pytest.raises(ris.NotAcknowledgedError, match=r"^AE: not stored, send again: ") as told:
        hospital.send(*messages)
    return str(told.value)


@pytest.fixture
def disk(hospital: Hospital) -> Iterator[Path]:
    """An ext4 file system of its own."""
    image, disk = hospital.directory / "image", hospital.directory / "disk"
    disk.mkdir()
    with image.open("wb") as file:
        file.truncate(32 << 20)
    made = f"/usr/sbin/mkfs.ext4 -q {image} && /usr/bin/mount -o loop {image} {disk}"
    if subprocess.run(["/bin/sh", "-c", made], capture_output=True, check=False).returncode:
        pytest.skip("may not mount a file system")
    yield disk
    subprocess.run(["/usr/bin/umount", "--lazy", disk], check=True)


def test_disk_that_gives_up_needs_a_hand(hospital: Hospital, disk: Path) -> None:
    """After an error ext4 takes no writes: AE and why, each time; the daemon lives, and ends when told."""
    hospital.workstation(peers.Storescp)
    hospital.archive(peers.Dcmqrscp)
    hospital.open(store=f"sqlite:///{disk / 'prefetch.db'}")
    hospital.book(hospital.exam("A1"))
    hospital.await_order("A1", readiness="nothing to fetch")
    subprocess.run(["/usr/bin/mount", "-o", "remount,abort", disk], check=True)
    for _ in range(2):
        assert "the disk reports an error; look into the system's log" in refusal(hospital)
    assert hospital.close() == 3
