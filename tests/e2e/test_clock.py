"""The machine's clock is set under a running daemon: it is told, and everything goes on by the new time."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from tests import peers
from tests.e2e.hospital import BRUNO, Hospital

pytestmark = pytest.mark.peers

_SOURCE = Path(__file__).with_name("set_clock.c")


class MachineClock:
    """The wall clock of a daemon that is started in its environment; all else goes by the machine's."""

    def __init__(self, directory: Path) -> None:
        compiler = peers.installed("/usr/bin/cc")
        library, self._file = directory / "set_clock.so", directory / "clock"
        command = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(_SOURCE), "-ldl"]
        subprocess.run(command, check=True)
        self.set_by(0)
        self.environment = {**os.environ, "LD_PRELOAD": str(library), "CLOCK_SET_BY": str(self._file)}

    def set_by(self, seconds: int) -> None:
        """Set it so many seconds after the true time; before it if negative."""
        new = self._file.with_suffix(".new")
        new.write_text(str(seconds))
        new.rename(self._file)


@pytest.mark.parametrize("seconds", [-3600, 1800], ids=["an hour back", "half an hour on"])
def test_clock_that_is_set_stops_nothing(hospital: Hospital, seconds: int) -> None:
    """What is booked after it is planned, moved and verified; the step stands in the log."""
    clock = MachineClock(hospital.directory)
    hospital.environment = clock.environment
    hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    hospital.study(archive)
    hospital.study(archive, patient=BRUNO)
    hospital.open()
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    clock.set_by(seconds)
    hospital.await_that(lambda: hospital.said("clock_stepped"), "the daemon to notice")
    (step,) = hospital.said("clock_stepped")
    assert abs(seconds - step["seconds"]) < 60
    hospital.book(hospital.exam("A2", patient=BRUNO))
    hospital.await_ready("A2")
    assert hospital.close() == 0
