"""What the worst archives cost the daemon: `python -m tests.bench.worst_peers`.

Each kind answers beside an honest archive; then all of them at once. One exam asks all archives, another one
the honest archive alone. The figures are of the daemon's own process: memory at its highest (VmHWM of
proc(5)) and seconds of the processor, until every bad archive was listened to for as long as the daemon
listens; seconds until each exam had the honest archive's prior, and until SIGTERM was heeded.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from tests import peers
from tests.e2e.hospital import BRUNO, Hospital
from tests.scripted import HOST, Conversation, ScriptedScp

BOUND = 300.0
"""Megabytes that the daemon may have at its highest, whatever one peer does."""

_ITEM = b"\xfe\xff\x00\xe0\0\0\0\0"
_CODES = 0x0008_1032
_DESCRIPTION = 0x0008_1030
_UNDEFINED = 0xFFFF_FFFF
_OPEN = b"\x08\0\x32\x10\xff\xff\xff\xff\xfe\xff\x00\xe0\xff\xff\xff\xff"
_CLOSE = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
_JUST_TAKEN = 2**18 - 200
"""Bytes of an answer that is still decoded."""


def element(tag: int, value: bytes) -> bytes:
    """One element in Implicit VR Little Endian."""
    head = (tag >> 16).to_bytes(2, "little") + (tag & 0xFFFF).to_bytes(2, "little")
    return head + len(value).to_bytes(4, "little") + value


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """How an archive answers: so many answers, each with this before its Study Instance UID."""

    answers: int
    filling: Callable[[], bytes]


def _tiny() -> bytes:
    return b"".join(element(0x0009_1000 + number, b"") for number in range(_JUST_TAKEN // 8))


def _coded() -> bytes:
    item = element(0x0008_0100, b"CODE") + element(0x0008_0102, b"99X ")
    return element(_CODES, (b"\xfe\xff\x00\xe0" + len(item).to_bytes(4, "little") + item) * 300_000)


KINDS: dict[str, Kind] = {
    "60 answers of 10 MB of text": Kind(answers=60, filling=lambda: element(_DESCRIPTION, b"x" * 10_000_000)),
    "1,900 answers of 60 kB": Kind(answers=1_900, filling=lambda: element(_DESCRIPTION, b"x" * 60_000)),
    "2 million empty items": Kind(answers=1, filling=lambda: element(_CODES, _ITEM * 2_000_000)),
    "300,000 items with codes": Kind(answers=1, filling=_coded),
    "4,000 items in each answer": Kind(answers=2_000, filling=lambda: element(_CODES, _ITEM * 4_000)),
    "sequences 8,000 deep": Kind(answers=250, filling=lambda: _OPEN * 8_000 + _CLOSE * 8_000),
    "32,000 tiny elements in each": Kind(answers=300, filling=_tiny),
}
DRIP = "an A-ASSOCIATE-AC byte by byte"


class BadArchive:
    """Answers every C-FIND in one way, and as long as anybody listens."""

    host = HOST

    def __init__(self, ae_title: str, kind: Kind) -> None:
        self.ae_title = ae_title
        self._kind = kind
        self._filling = kind.filling()
        self._scp = ScriptedScp(find=self._answer)

    def __enter__(self) -> Self:
        self._scp.__enter__()
        self.port = self._scp.port
        return self

    def __exit__(self, *_: object) -> None:
        self._scp.__exit__()

    def _answer(self, conversation: Conversation) -> None:
        for number in range(self._kind.answers):
            uid = element(0x0020_000D, f"1.2.{number:04}".encode() + b"\0" * (number > 9_999))
            conversation.respond(0xFF00, self._filling + uid)
            if conversation.over:
                return
        conversation.respond(0x0000)


class Dripping:
    """Answers an association request byte by byte, without an end."""

    host = HOST

    def __init__(self, ae_title: str) -> None:
        self.ae_title = ae_title
        self._over = threading.Event()

    def __enter__(self) -> Self:
        self._door = socket.create_server((HOST, 0))
        self.port = self._door.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._door.close()

    def _serve(self) -> None:
        with contextlib.suppress(OSError):  # closed
            while True:
                client, _ = self._door.accept()
                threading.Thread(target=self._drip, args=(client,), daemon=True).start()

    def _drip(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            client.recv(65_536)
            client.sendall(b"\x02\0\0\1\0\0")  # of 65,536 bytes
            while not self._over.wait(0.5):
                client.sendall(b"\0")


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """What it came to."""

    peak: float
    processor: float
    other: float
    """Seconds until the exam that asks no bad archive was ready."""
    same: float
    """Seconds until the exam that asks them all had its prior."""
    end: float
    status: int | None
    """Exit status after SIGTERM."""


def measure(hospital: Hospital, kinds: Sequence[str]) -> Cost:
    """Ask bad archives of these kinds and an honest one for an exam's priors, with another exam beside it."""
    with ExitStack() as until:
        workstation = hospital.workstation(peers.Storescp)
        honest = hospital.archive(peers.Dcmqrscp, "HONEST", knows=[workstation])
        prior = hospital.study(honest)
        hospital.study(honest, patient=BRUNO)
        for number, kind in enumerate(kinds):
            title = f"BAD{number}"
            bad = Dripping(title) if kind == DRIP else BadArchive(title, KINDS[kind])
            hospital.archives[title.lower()] = until.enter_context(bad)  # type: ignore[assignment]
        hospital.open(rules=_RULES, planning={"retry": {"first": "5m", "longest": "5m"}})
        began = time.monotonic()
        hospital.book(hospital.exam("A1"))
        hospital.await_that(lambda: hospital.order("A1"), "the exam to be known")
        hospital.book(hospital.exam("A2", patient=BRUNO, description="MR Head"))
        hospital.await_ready("A2")
        other = time.monotonic() - began
        hospital.await_retrieve("A1", prior, "verified")
        same = time.monotonic() - began
        for number in range(len(kinds)):
            hospital.await_said("archive_asked", archive=f"bad{number}")
        assert hospital.daemon is not None
        process = hospital.daemon.process_id
        peak, processor = _peak(process), _processor(process)
        asked_to_end = time.monotonic()
        status = hospital.close()
        return Cost(
            peak=peak,
            processor=processor,
            other=other,
            same=same,
            end=time.monotonic() - asked_to_end,
            status=status,
        )


_RULES = """
version: 1
rules:
  - name: from all archives
    when: {modality: CT}
    priors: [{name: earlier study, newest: 3}]
  - name: from the honest archive
    when: {modality: MR}
    from: {archives: [honest]}
    priors: [{name: earlier study}]
"""


def _peak(process: int) -> float:
    lines = Path(f"/proc/{process}/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))


def _processor(process: int) -> float:
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _rows(only: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    yield "none", ()
    for kind in (*KINDS, DRIP):
        if not only or kind in only:
            yield kind, (kind,)
    if not only:
        yield "all of them at once", (*KINDS, DRIP)


def main() -> int:
    """Measure each kind, and all at once; 1 where the bound does not hold."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("kinds", nargs="*", help="only these, by name")
    options = parser.parse_args()
    print("| archive | MB at the highest | processor | another exam | the same exam | SIGTERM |")  # noqa: T201
    print("| --- | --- | --- | --- | --- | --- |")  # noqa: T201
    broken = False
    for name, kinds in _rows(options.kinds):
        with tempfile.TemporaryDirectory(prefix="worst-") as directory, Hospital(Path(directory)) as hospital:
            cost = measure(hospital, kinds)
        broken |= cost.peak > BOUND or cost.status != 0
        seconds = (cost.processor, cost.other, cost.same, cost.end)
        figures = [name, f"{cost.peak:.0f}", *(f"{figure:.1f} s" for figure in seconds)]
        print(f"| {' | '.join(figures)} |", flush=True)  # noqa: T201 (a program)
    return int(broken)


if __name__ == "__main__":
    sys.exit(main())
