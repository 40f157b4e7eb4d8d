"""The store in trouble under a running daemon: AE to the sender, nothing lost, and on without a hand."""

from __future__ import annotations

import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

import pytest

from prefetch.sandbox import ris
from prefetch.sandbox.daemon import DaemonEndedError
from tests import peers
from tests.e2e.hospital import ANNA, ANYTHING, BRUNO, Hospital, holds_exactly
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
        self.end()
        yield
        self.begin()

    def end(self) -> None:
        """End it."""
        self._server.stop()

    def begin(self) -> None:
        """Start it again."""
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


def test_database_that_is_deleted_under_the_daemon(hospital: Hospital) -> None:
    """Nothing is acknowledged into it; put back, it goes on; gone at the next start, none is made."""
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    hospital.study(archive)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    file = hospital.directory / "prefetch.db"
    aside = file.rename(file.with_suffix(".aside"))
    with pytest.raises(ris.NotAcknowledgedError, match="it was deleted while the daemon ran"):
        hospital.book(hospital.exam("A2"))
    hospital.await_that(lambda: hospital.said("store_file_lost"), "the daemon to notice")
    aside.rename(file)
    hospital.await_that(lambda: hospital.said("store_file_found"), "the daemon to find it")
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    assert hospital.close() == 0
    file.unlink()
    with pytest.raises(DaemonEndedError, match="is not there: mount its disk or put it back"):
        hospital.open()


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


MOMENTS = ("archive_asked", "order_planned", "move_finished", "retrieve_verified")
"""Lines of the stages that write: after some of each the store goes away."""


@pytest.mark.timeout(600)
def test_store_that_goes_away_in_the_midst_of_each_stage(hospital: Hospital) -> None:
    """No stage ends the daemon and no claim is left behind: every exam is ready without a restart."""
    with ExitStack() as until:
        server = Server(hospital.directory, until)
        hospital.workstation(peers.Orthanc)
        archive = hospital.archive(peers.Dcmqrscp)
        people = [
            replace(ANNA, patient_id=f"M{number}", name=f"Muster^N{number}") for number in range(4 * EXAMS)
        ]
        for person in people:
            hospital.study(archive, patient=person)
        hospital.open(store=server.url, retrieval={"lease": "10s"})
        for number, moment in enumerate(MOMENTS):
            before = len(hospital.said(moment))
            exams = [
                hospital.exam(f"A{number}-{index}", patient=person)
                for index, person in enumerate(people[number * EXAMS : (number + 1) * EXAMS])
            ]
            for exam in exams:
                hospital.book(exam)
            hospital.await_that(partial(more_said, hospital, moment, before + 2), f"{moment} to be seen")
            with server.trouble():
                pass
            for exam in exams:
                hospital.await_order(exam.accession_number, readiness="ready")
        assert [] == hospital.said("daemon_ready")[1:]
        assert hospital.close() == 0


EXAMS = 5


def more_said(hospital: Hospital, event: str, count: int) -> bool:
    """Whether the daemon has written so many lines of an event."""
    return len(hospital.said(event)) >= count


@pytest.mark.timeout(600)
def test_store_that_is_away_at_start_is_waited_for(hospital: Hospital) -> None:
    """Nothing listens until it is there; then everything does, without a hand."""
    with ExitStack() as until:
        server = Server(hospital.directory, until)
        hospital.workstation(peers.Orthanc)
        archive = hospital.archive(peers.Dcmqrscp)
        hospital.study(archive)
        hospital.configure(store=server.url)
        server_is_back = threading.Timer(3.0, server.begin)
        server.end()
        server_is_back.start()
        hospital.open()
        server_is_back.join()
        assert hospital.said("store_awaited")
        hospital.book(hospital.exam("A1"))
        hospital.await_ready("A1")
        assert hospital.close() == 0
