"""The made-up hospital's archives and workstations, listening on loopback, and a configuration for them."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path
from typing import Self

from prefetch.sandbox import hospital
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.morning import Morning
from prefetch.sandbox.workstation import Workstation

AE_TITLES = {hospital.MAIN: "MAIN", hospital.OFFSITE: "OFFSITE"}


class Premises:
    """Two archives, and a workstation for each room where exams are read."""

    def __init__(self, morning: Morning) -> None:
        self.morning = morning
        rooms = sorted(set(morning.hospital.rooms.values()))
        self.workstations = {ae_title: Workstation(ae_title=ae_title) for ae_title in rooms}
        self.archives = {
            name: Archive(ae_title=ae_title, holdings=Holdings(morning.held_by(name)))
            for name, ae_title in AE_TITLES.items()
        }
        self._open = ExitStack()

    def __enter__(self) -> Self:
        for workstation in self.workstations.values():
            self._open.enter_context(workstation)
        for archive in self.archives.values():
            archive.knows |= {ae_title: (ws.host, ws.port) for ae_title, ws in self.workstations.items()}
            self._open.enter_context(archive)
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def configuration(self, *, listener_port: int, store: Path, rules: Path, time_zone: str) -> str:
        """A `prefetch.yaml` for this hospital, in the words of an administrator."""
        rooms = self.morning.hospital.rooms
        lines = [
            "# The hospital in a box of `prefetch demo`.",
            "version: 1",
            "ae_title: PREFETCH",
            f"time_zone: {time_zone}",
            f"store: sqlite:///{store}",
            f"rules: {rules}",
            "",
            "listeners:",
            "  ris:",
            f"    port: {listener_port}",
            "",
            "archives:",
        ]
        for name, archive in self.archives.items():
            lines += [
                f"  {name}:",
                f"    ae_title: {archive.ae_title}",
                f"    host: {archive.host}",
                f"    port: {archive.port}",
            ]
        lines += ["", "workstations:"]
        for ae_title, workstation in self.workstations.items():
            lines += [
                f"  {room_name(ae_title)}:",
                f"    ae_title: {ae_title}",
                f"    host: {workstation.host}",
                f"    port: {workstation.port}",
                "    settle: 1s",
            ]
        lines += ["", "planning:", "  to:", "    by: modality", "    map:"]
        lines += [f"      {modality}: {room_name(ae_title)}" for modality, ae_title in rooms.items()]
        return "\n".join(lines) + "\n"


def room_name(ae_title: str) -> str:
    """How `prefetch.yaml` calls a workstation: READING1 is reading-room-1."""
    return f"reading-room-{ae_title.removeprefix('READING')}"
