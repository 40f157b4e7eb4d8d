"""Asking a worklist: for what is of interest, and by number for an item that was absent."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from dataclasses import replace
from datetime import datetime, tzinfo
from itertools import product

from prefetch import config, errors, modalities, model
from prefetch.intake.worklist import difference, reading
from prefetch.intake.worklist.difference import Fate, Interest, Known
from prefetch.intake.worklist.reading import Item
from prefetch.model import Outcome

Ask = Callable[[model.WorklistKeys], Awaitable[model.WorklistAnswer]]
"""Asks one worklist; raises `UnsafeKeyError` for a key never sent."""


def interest_in(said: config.Worklist, *, at: datetime, zone: tzinfo) -> Interest:
    """What is of interest now: the date window goes by the site's days."""
    local = at.astimezone(zone)
    return Interest(
        first_day=(local - said.back).date(),
        last_day=(local + said.ahead).date(),
        stations=frozenset(said.stations),
        modalities=frozenset(said.modalities),
    )


async def ask_all(ask: Ask, said: config.Worklist, interest: Interest) -> model.WorklistAnswer:
    """Ask for each station and modality by itself: the standard has no lists there, and peers no one way."""
    terms = [term for name in said.modalities for term in sorted(modalities.members(name))]
    answers = [
        await _ask(
            ask,
            model.WorklistKeys(
                first_day=interest.first_day,
                last_day=interest.last_day,
                station_ae_title=station,
                modality=modality,
            ),
        )
        for station, modality in product(said.stations or (None,), terms or (None,))
    ]
    worst = next((answer for answer in answers if answer.outcome is not Outcome.SUCCESS), answers[0])
    items = tuple(item for answer in answers for item in answer.items)
    return replace(worst, items=items, milliseconds=sum(answer.milliseconds for answer in answers))


async def ask_for(ask: Ask, one: Known) -> tuple[Fate, tuple[Item, ...]]:
    """Ask for an item by one number after the other until an answer can be believed; gives what it found."""
    for keys, was_asked_for in _numbers(one.item):
        answer = await _ask(ask, keys)
        fate = difference.judge(one, answer, asked_for=was_asked_for)
        if fate is not Fate.UNSURE:
            return fate, answer.items
    return Fate.UNSURE, ()


def _numbers(item: Item) -> Iterator[tuple[model.WorklistKeys, Callable[[Item], bool]]]:
    """The numbers that an item may be asked for by, with how to tell that the key was honoured.

    Only the Patient ID is a required key (PS3.4 Table K.6-1); it comes last, for it may have been corrected.
    """
    step = reading.step_of(item)
    numbers = {
        "accession_number": (item.get("AccessionNumber"), lambda each: each.get("AccessionNumber")),
        "study_instance_uid": (item.get("StudyInstanceUID"), lambda each: each.get("StudyInstanceUID")),
        "scheduled_procedure_step_id": (
            step.get("ScheduledProcedureStepID"),
            lambda each: reading.step_of(each).get("ScheduledProcedureStepID"),
        ),
        "patient_id": (item.get("PatientID"), lambda each: each.get("PatientID")),
    }
    for key, (number, read) in numbers.items():
        if number:
            yield model.WorklistKeys(**{key: number}), _says(read, number)


def _says(read: Callable[[Item], object], number: str) -> Callable[[Item], bool]:
    return lambda item: read(item) == number


async def _ask(ask: Ask, keys: model.WorklistKeys) -> model.WorklistAnswer:
    try:
        return await ask(keys)
    except errors.UnsafeKeyError as error:
        return model.WorklistAnswer(outcome=Outcome.PERMANENT, because=str(error))
