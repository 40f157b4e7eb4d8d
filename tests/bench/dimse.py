"""What a query and a move cost us, beside dcmtk's own programs: `python -m tests.bench.dimse`.

Prints milliseconds (medians) against Orthanc and dcmqrscp on loopback, each holding 20 studies of the patient
who is asked for; asserts nothing.
"""

from __future__ import annotations

import asyncio
import statistics
import subprocess
import tempfile
import threading
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

import typer

from prefetch.dimse import identifier, peer
from prefetch.dimse.association import RemoteAE
from tests import peers
from tests.studies import WrittenStudy, write_study

STUDIES = 20


def main() -> None:
    """Measure both archives, as Debian ships them and without Nagle's algorithm."""
    for as_shipped in (True, False):
        typer.echo("as shipped:" if as_shipped else "with TCP_NODELAY=1 in the environment of the peers:")
        with tempfile.TemporaryDirectory() as name:
            directory = Path(name)
            studies = [write_study(directory, description=f"CT {number}") for number in range(STUDIES)]
            with peers.Storescp(ae_title="READ1", directory=directory, as_shipped=as_shipped) as workstation:
                for make in (peers.Orthanc, peers.Dcmqrscp):
                    archive = make(
                        ae_title=make.__name__.upper(),
                        directory=directory,
                        knows=[workstation],
                        as_shipped=as_shipped,
                    )
                    with archive:
                        archive.load(path for study in studies for path in study.paths)
                        asyncio.run(measure(archive, studies))


async def measure(archive: peers.Server, studies: list[WrittenStudy]) -> None:
    """Measure one archive."""
    to = peer.Peer(
        name="archive",
        ae_title=archive.ae_title,
        host=archive.host,
        port=archive.port,
        calling_ae_title="PREFETCH",
    )

    async def find_anew() -> None:
        async with RemoteAE(to) as fresh:
            await fresh.find_studies(patient_id="P1")

    show(archive, "C-FIND, findscu", await rounds(lambda _: findscu(archive)))
    show(archive, "C-FIND, new association", await rounds(lambda _: find_anew()))
    async with RemoteAE(to) as remote:
        await remote.echo()
        show(
            archive, "C-FIND, same association", await rounds(lambda _: remote.find_studies(patient_id="P1"))
        )
        cpu = time.process_time()
        for _ in range(STUDIES):
            await remote.find_studies(patient_id="P1")
        show(archive, "  our own CPU for it", (time.process_time() - cpu) * 1000 / STUDIES)
        show(archive, "C-MOVE of 2 images", await rounds(lambda number: move(remote, studies[number])))
        moving = asyncio.ensure_future(move(remote, studies[0]))
        archive.freeze()
        await asyncio.sleep(0.1)
        began = time.perf_counter()
        remote.interrupt_all()
        await moving
        show(archive, "interruption of a C-MOVE", (time.perf_counter() - began) * 1000)
        archive.thaw()
    show(archive, "threads left after close", threading.active_count() - 1)


async def rounds(call: Callable[[int], Awaitable[object]]) -> float:
    """The median of so many calls, in milliseconds."""
    times = []
    for number in range(STUDIES):
        began = time.perf_counter()
        await call(number)
        times.append((time.perf_counter() - began) * 1000)
    return statistics.median(times)


async def move(remote: RemoteAE, study: WrittenStudy) -> None:
    """Have one study moved."""
    await remote.move_studies(study_instance_uids=[study.study_instance_uid], destination_ae_title="READ1")


async def findscu(archive: peers.Server) -> None:
    """Ask with dcmtk's program, as a script would."""
    returned = (key for key in identifier.STUDY_RETURN_KEYS if key != "PatientID")
    keys = [
        part for key in ("QueryRetrieveLevel=STUDY", "PatientID=P1", *returned) for part in ("--key", key)
    ]
    process = await asyncio.create_subprocess_exec(
        peers.installed("/usr/bin/findscu"),
        *("--study", "--aetitle", "PREFETCH", "--call", archive.ae_title),
        *(part for key in keys for part in ("--key", key)),
        *(archive.host, str(archive.port)),
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    if await process.wait() != 0:
        raise RuntimeError("findscu failed")


def show(archive: peers.Server, what: str, figure: float) -> None:
    """Print one row."""
    typer.echo(f"{archive.ae_title:10} {what:28} {figure:8.1f}")


if __name__ == "__main__":
    main()
