"""The competitor that a site may have already: Orthanc, told by its REST API to query and retrieve."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from tests import peers
from tests.bench import trial


def fetch(task: trial.Trial) -> trial.Score:
    """Have an Orthanc between archive and workstation fetch all patients, so many at a time."""
    between = peers.Orthanc(
        ae_title="BETWEEN",
        directory=task.directory,
        knows=[task.archive],
        as_shipped=True,
        settings={"ConcurrentJobs": task.parallel},
    )
    with between, trial.cpu_meter(between.process_id) as cpu:
        began = time.monotonic()
        with ThreadPoolExecutor(task.parallel) as workers:
            for _ in workers.map(
                lambda patient: _fetch_one(between, task, patient.patient_id), task.patients
            ):
                pass
        seconds = time.monotonic() - began
    return trial.Score(seconds=seconds, cpu=cpu[0])


def _fetch_one(between: peers.Orthanc, task: trial.Trial, patient_id: str | None) -> None:
    """Query for a patient, then retrieve all answers: Orthanc issues a C-MOVE for each."""
    query = {"Level": "Study", "Query": {"PatientID": patient_id}}
    asked = _post(between, f"/modalities/{task.archive.ae_title}/query", query)
    move = {"TargetAet": task.workstation.ae_title, "Synchronous": True}
    _post(between, f"/queries/{asked['ID']}/retrieve", move)


def _post(between: peers.Orthanc, path: str, body: object) -> Any:
    return between.rest("POST", path, json.dumps(body).encode())
