"""One run of the whole table: what the daemon did with each lie, as its operator can see it."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from prefetch import model
from prefetch.sandbox import faults, studies
from prefetch.sandbox.messages import Booking
from tests.lies.cases import CASES, Case
from tests.lies.premises import Premises, Row

PATIENCE = 300.0
"""Seconds within which every lie must have come to its end."""
LOOK_AGAIN = 0.5
HONEST = "an honest archive"
READING = "a workstation"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """What came of a lie; names and numbers that differ from run to run are taken out."""

    find: str
    moves: tuple[str, ...]
    states: tuple[str, ...]
    readiness: str
    timers: frozenset[str]
    log: tuple[str, ...]
    """The lines of the log about it, each once."""
    says: tuple[str, ...]
    """The problems that `explain` shows."""
    leaves: tuple[str, ...]
    """Why studies were left out of distrust, as `explain` says it."""
    trouble: tuple[str, ...]
    """The lines of `status` about it."""
    honest: str
    """State of the prior that an honest archive has of the same patient."""


def observe(cases: Mapping[str, Case] = CASES, *, seed: int | None = None) -> dict[str, Observation]:
    """Let every archive lie at once, side by side, and wait until each lie has come to its end."""
    with (
        tempfile.TemporaryDirectory(prefix="lies-") as directory,
        Premises(Path(directory), seed=seed) as premises,
    ):
        _prepare(premises, cases)
        premises.open()
        premises.book(_booking(key, number) for number, key in enumerate(cases))
        return _watch(premises, cases)


# --- before ----------------------------------------------------------------------------------------


def _prepare(premises: Premises, cases: Mapping[str, Case]) -> None:
    premises.workstation(READING)
    for key, case in cases.items():
        if case.at_workstation:
            premises.workstation(key, key)
    patients = [_patient(key, number) for number, key in enumerate(cases)]
    premises.archive(HONEST, holds=[_study(patient, "honest", 0) for patient in patients])
    stranger = _patient("stranger", len(cases))
    for patient, (key, case) in zip(patients, cases.items(), strict=True):
        held = [_study(patient, key, number, instances=case.instances) for number in range(case.studies)]
        newer = _study(stranger, key, -1)
        lies = () if case.at_workstation else (key, faults.takes(move=case.move_takes))
        premises.archive(key, *lies, holds=[*held, newer], configured=case.archive)
    for number, (key, case) in enumerate(cases.items()):
        premises.rule(
            code=f"CODE{number}",
            archives=[key, HONEST],
            workstation=key if case.at_workstation else READING,
            newest=case.studies + 1,
        )


def _patient(key: str, number: int) -> model.Patient:
    return model.Patient(
        patient_id=f"P{number}",
        name=f"Müster^{key.title().replace('-', '')}",
        birth_date=f"19{50 + number % 50}0304",
        sex="F",
    )


def _study(patient: model.Patient, key: str, number: int, *, instances: int = 3) -> studies.Study:
    return studies.Study(
        patient=patient,
        study_instance_uid=studies.made_up_uid(patient.patient_id, key, number),
        study_date=date(2024, 5, 1) - timedelta(days=number),
        description="CT Thorax",
        series=[studies.Series(modality="CT", instances=instances)],
    )


def _booking(key: str, number: int) -> Booking:
    return Booking(
        patient=_patient(key, number),
        accession_number=_accession_number(number),
        procedure_code=f"CODE{number}",
        procedure_description="CT Chest",
        modality="CT",
        station_ae_title="CT1",
        scheduled_start=datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2),
    )


def _accession_number(number: int) -> str:
    return f"ACC{number}"


# --- meanwhile -------------------------------------------------------------------------------------


def _watch(premises: Premises, cases: Mapping[str, Case]) -> dict[str, Observation]:
    """What came of each lie: as its case says, or what there was when it was no use to wait any longer."""
    ended: dict[str, Observation] = {}
    before: dict[str, Observation] = {}
    deadline = time.monotonic() + PATIENCE
    while len(ended) < len(cases):
        premises.daemon.require_alive()
        late, trouble = time.monotonic() > deadline, premises.trouble()
        for number, (key, case) in enumerate(cases.items()):
            if key in ended:
                continue
            now = _observe(premises, key, number, trouble)
            # Seen twice: a line of the log comes a moment after what it tells of.
            if late or (_is(now, case) and now == before.get(key)):
                ended[key] = now
            before[key] = now
        time.sleep(LOOK_AGAIN)
    return {key: ended[key] for key in cases}


def _is(now: Observation, case: Case) -> bool:
    """Whether a lie has come to its end, and the operator been told."""
    told = all(any(part in word for word in words) for part, words in _told(now, case) if part)
    return told and (case.find, case.moves, case.states, case.readiness, case.honest, case.timers) == (
        now.find,
        now.moves,
        now.states,
        now.readiness,
        now.honest,
        now.timers,
    )


def _told(now: Observation, case: Case) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (case.says, now.says), (case.trouble, now.trouble)


# --- afterwards ------------------------------------------------------------------------------------


def _observe(premises: Premises, key: str, number: int, trouble: Sequence[str]) -> Observation:
    story = premises.story(_accession_number(number)) or _UNKNOWN
    name, clean = premises.names[key], premises.anonymous
    theirs = [row for row in story["retrieves"] if row["archive"] == name]
    honest = [row["state"] for row in story["retrieves"] if row["archive"] == premises.names[HONEST]]
    numbers = {row["retrieve"] for row in theirs}
    lines = [line for line in premises.said() if _is_about(line, name, numbers)]
    problems = (story["problem"], *(row["problem"] for row in theirs))
    return Observation(
        find=_last(line["outcome"] for line in lines if line["event"] == "archive_asked"),
        moves=_once(line["outcome"] for line in lines if line["event"] == "move_finished"),
        states=tuple(sorted(row["state"] for row in theirs)),
        readiness=story["order"].get("readiness", ""),
        honest=_last(honest),
        timers=frozenset(_timers(lines)),
        log=tuple(dict.fromkeys(clean(_line(line)) for line in sorted(lines, key=_stage))),
        says=tuple(dict.fromkeys(clean(each) for each in problems if each)),
        leaves=tuple(dict.fromkeys(clean(each) for each in _left(story) if each.startswith(name))),
        trouble=tuple(clean(each) for each in trouble if name in each),
    )


def _left(story: Row) -> Iterator[str]:
    for candidate in story["candidates"]:
        if candidate["decision"] == "left":
            yield from (reason["because"] for reason in candidate["reasons"])


_UNKNOWN: Row = {"order": {}, "retrieves": [], "candidates": [], "problem": None}
_STAGES = ("archive_asked", "associations_limited", "move_finished")


def _stage(line: Row) -> int:
    """Sort by stage: priors of one exam do not wait for each other."""
    return _STAGES.index(line["event"]) if line["event"] in _STAGES else len(_STAGES)


_FIELDS = ("outcome", "status", "completed", "failed", "next", "verified_by", "because")
_ABOUT_RETRIEVES = {"retrieve_incomplete", "retrieve_partial"}
"""Not `retrieve_verified`: a plan that is made again may find the prior there first."""


def _is_about(line: Row, archive: str, retrieves: set[int]) -> bool:
    if line.get("event") in _ABOUT_RETRIEVES:
        return line["retrieve_id"] in retrieves
    return archive in (line.get("archive"), line.get("peer"))


def _line(line: Row) -> str:
    said = " ".join(f"{name}={_quoted(line[name])}" for name in _FIELDS if line.get(name) is not None)
    return f"{line['level']}: {line['event']} {said}"


def _quoted(value: object) -> str:
    return f'"{value}"' if isinstance(value, str) and " " in value else str(value)


_WAITS = (
    ("archive_asked", "did not answer the association request", "timeouts.acse"),
    ("archive_asked", "no response for", "timeouts.idle"),
    ("archive_asked", "no end of it within", "timeouts.find_total"),
    ("move_finished", "no response for", "timeouts.move_idle"),
    ("move_finished", "no end of it within", "timeouts.move_total"),
)
"""Event, what it says, and the key of prefetch.yaml that ended the wait."""


def _timers(lines: Iterable[Row]) -> Iterator[str]:
    """Which waits ended by themselves, read from what the log says of them."""
    for line in lines:
        because, event = str(line.get("because", "")), line["event"]
        yield from (timer for name, says, timer in _WAITS if name == event and says in because)
        if event == "archive_asked" and line["outcome"] == "transient":
            yield "planning.retry"
            if "rests until" in because:
                yield "archives.rest"
        if event == "move_finished" and line["next"] == "retry":
            yield "retrieval.park" if line["outcome"] == "unknown destination" else "retrieval.retry"
        if event == "retrieve_incomplete":
            yield "retrieval.check_again" if line["level"] == "info" else "retrieval.retry"


def _once(values: Iterable[str]) -> tuple[str, ...]:
    """Without what only repeats the one before."""
    return tuple(value for value, _ in itertools.groupby(values))


def _last(values: Iterable[str]) -> str:
    return next(reversed(list(values)), "")
