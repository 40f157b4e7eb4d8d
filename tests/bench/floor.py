"""The floor: the same DICOM technique in a minimal program, without store, rules, deadlines or verification.

Started as a program of its own (`python -m tests.bench.floor`), so that it shares its interpreter with
nobody; it reads patient IDs, fetches all their studies, and prints what it took.
"""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Annotated

import typer
from pydicom import Dataset
from pydicom.uid import ExplicitVRLittleEndian, ImplicitVRLittleEndian
from pynetdicom import AE, _config, evt
from pynetdicom.association import Association
from pynetdicom.presentation import build_context

from prefetch.dimse import reactor, wire
from tests.bench import trial

FIND = "1.2.840.10008.5.1.4.1.2.2.1"
MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
PENDING = (0xFF00, 0xFF01)


def fetch(task: trial.Trial) -> trial.Score:
    """Run the program over all patients."""
    return _run(task, lists=False)


def fetch_lists(task: trial.Trial) -> trial.Score:
    """The same with one C-MOVE a patient, which names all studies."""
    return _run(task, lists=True)


def _run(task: trial.Trial, *, lists: bool) -> trial.Score:
    command = [sys.executable, "-m", "tests.bench.floor", task.archive.host, str(task.archive.port)]
    command += [task.archive.ae_title, task.workstation.ae_title, "--parallel", str(task.parallel)]
    ended = subprocess.run(
        [*command, "--lists"] if lists else command,
        input="".join(f"{patient.patient_id}\n" for patient in task.patients),
        cwd=Path(__file__).parents[2],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=trial.PATIENCE,
    )
    return trial.Score(**json.loads(ended.stdout))


def main(
    host: str,
    port: int,
    archive: str,
    workstation: str,
    *,
    parallel: Annotated[int, typer.Option()] = 4,
    lists: Annotated[bool, typer.Option("--lists")] = False,
) -> None:
    """Fetch all studies of the patients whose IDs come on standard input."""
    _config.LOG_RESPONSE_IDENTIFIERS = _config.LOG_REQUEST_IDENTIFIERS = False
    _config.LOG_HANDLER_LEVEL = "none"
    waiting: queue.SimpleQueue[str] = queue.SimpleQueue()
    for line in sys.stdin:
        waiting.put(line.strip())

    def work() -> None:
        association = _associate(host, port, archive)
        while True:
            try:
                patient_id = waiting.get_nowait()
            except queue.Empty:
                association.release()
                return
            studies = _find(association, patient_id)
            for some in [studies] if lists else [[study] for study in studies]:
                _move(association, some, workstation)

    began, cpu = time.monotonic(), time.process_time()
    workers = [threading.Thread(target=work) for _ in range(parallel)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    typer.echo(json.dumps({"seconds": time.monotonic() - began, "cpu": time.process_time() - cpu}))


def _associate(host: str, port: int, archive: str) -> Association:
    entity = AE("FLOOR")
    contexts = [
        build_context(each, [ImplicitVRLittleEndian, ExplicitVRLittleEndian]) for each in (FIND, MOVE)
    ]
    association = entity.associate(
        host,
        port,
        contexts=contexts,
        ae_title=archive,
        evt_handlers=[*wire.fast_handlers(), (evt.EVT_ESTABLISHED, reactor.leave_responses)],
    )
    if not association.is_established:
        raise SystemExit("the archive does not take an association")
    return association


def _find(association: Association, patient_id: str) -> list[str]:
    query = Dataset()
    query.QueryRetrieveLevel = "STUDY"
    query.PatientID = patient_id
    for keyword in ("StudyInstanceUID", "StudyDate", "ModalitiesInStudy", "NumberOfStudyRelatedInstances"):
        setattr(query, keyword, "")
    return [
        str(answer.StudyInstanceUID)
        for response, answer in association.send_c_find(query, FIND)
        if answer is not None and response.Status in PENDING
    ]


def _move(association: Association, studies: list[str], workstation: str) -> None:
    identifier = Dataset()
    identifier.QueryRetrieveLevel = "STUDY"
    identifier.StudyInstanceUID = studies
    for _ in association.send_c_move(identifier, workstation, MOVE):
        pass


if __name__ == "__main__":
    typer.run(main)
