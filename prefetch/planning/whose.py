"""Whose images: all IDs of an order's patient, from the order, from merges, and from the PIX manager.

Knows no archive. Which of the IDs an archive is asked for is decided in `keys`; whether an answer is the
patient's, in `identity`. A PIX manager that is away costs its timeout at most, and the plan says so.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass

from prefetch import model, patients
from prefetch.store import database
from prefetch.store import patients as patient_rows

Refer = Callable[[Sequence[model.PatientId]], Awaitable[model.Referred]]
"""Tells which IDs a patient has beside these."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Whose:
    """All IDs by which the archives may know an order's patient."""

    known: tuple[model.KnownId, ...]
    problem: str | None = None

    @property
    def ids(self) -> tuple[model.PatientId, ...]:
        """The IDs alone, the order's own first."""
        return tuple(one.id for one in self.known)


async def gather_ids(patient: model.Patient, *, store: database.Database, refer: Refer | None) -> Whose:
    """The IDs of a patient, each once, with where each is known from."""
    known = [model.KnownId(id=one, because="the order") for one in patient.ids]
    known += await store.read(merged, patient.ids)
    referred = await refer([one.id for one in known]) if refer else model.Referred()
    known += [model.KnownId(id=one, because=referred.because) for one in referred.ids]
    return Whose(known=_once(known), problem=referred.problem)


def merged(connection: database.Connection, ids: tuple[model.PatientId, ...]) -> list[model.KnownId]:
    """The IDs that a patient has by merges, with which one."""
    found = []
    for one in ids:
        survivor = patient_rows.surviving_id(connection, one)
        if survivor != one:
            found.append(model.KnownId(id=survivor, because=f"{one.name} was merged into it"))
        found += [
            model.KnownId(id=prior, because=f"merged into {survivor.name}")
            for prior in patient_rows.merged_ids(connection, survivor)
        ]
    return found


def _once(known: Iterable[model.KnownId]) -> tuple[model.KnownId, ...]:
    first: list[model.KnownId] = []
    for one in known:
        if not any(patients.same(one.id, other.id) for other in first):
            first.append(one)
    return tuple(first)
