"""`prefetch echo --patient`: what each archive answers to one patient under each way of asking.

Names are not shown: what matters is whether there are studies, whose ID they name and whether a birth date
comes with them.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from prefetch import errors, model
from prefetch.cli import terms
from prefetch.runtime.tasks import run_together

if TYPE_CHECKING:
    from prefetch.config import Archive, Config
    from prefetch.planning.keys import Keys

Row = dict[str, Any]

_COLUMNS = {
    "mark": "",
    "patient_id": "ID",
    "issuer": "issuer",
    "root": "root",
    "found": "studies",
    "named": "issuers named",
    "born": "birth dates",
    "ms": "ms",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One way of asking for a patient's studies."""

    patient_id: str
    issuer_of_patient_id: str | None
    root: str
    """Study Root or Patient Root."""
    form: str
    """Whose form the ID has: as sent, or the archive's own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Result:
    way: Way
    result: model.FindResult


def show(site: Config, names: Sequence[str], patient_id: str, issuer: str | None, *, json: bool) -> None:
    """Ask each archive in every way, print what came, and end the command by it."""
    patient = model.PatientId(patient_id=patient_id, issuer_of_patient_id=issuer)
    _refuse_unsafe(site, names, patient)
    rows = [row for rows in asyncio.run(_ask_all(site, names, patient)) for row in rows]
    if json:
        terms.print_lines(rows)
    else:
        for name in names:
            _print(name, [row for row in rows if row["peer"] == name])
    if any(row["studies"] is None for row in rows):
        terms.stop(terms.Exit.COULD_NOT_ASK)
    if any(row["problem"] for row in rows):
        terms.stop(terms.Exit.NO)


def _refuse_unsafe(site: Config, names: Sequence[str], patient: model.PatientId) -> None:
    """End the command for an ID that no archive is ever asked for."""
    from prefetch.dimse import identifier  # noqa: PLC0415 (DICOM is imported only by who speaks it)

    for name in names:
        try:
            identifier.refuse_unsafe(
                patient_id=patient.patient_id,
                issuer_of_patient_id=patient.issuer_of_patient_id,
                character_set=site.archives[name].character_set,
            )
        except errors.UnsafeKeyError as error:
            terms.stop(terms.Exit.WRONG_USE, f"{name} is not asked: {error}")


async def _ask_all(site: Config, names: Sequence[str], patient: model.PatientId) -> list[list[Row]]:
    return await run_together(_ask(site, name, patient) for name in names)


async def _ask(site: Config, name: str, patient: model.PatientId) -> list[Row]:
    """Ask one archive in every way that it offers."""
    from prefetch import dialling  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.dimse import association, permission, wire  # noqa: PLC0415 (the same)
    from prefetch.planning import keys  # noqa: PLC0415 (the same)

    uids = {"Study Root": wire.FIND, "Patient Root": wire.PATIENT_ROOT_FIND}
    chosen = keys.keys_for([patient], site.archives[name])
    remote = replace(dialling.archive(site, name), rest=None)
    async with association.RemoteAE(remote, log=permission.SILENT) as ae:
        offered = (await ae.echo()).roots or ("Study Root",)
        results = [
            _Result(
                way=way,
                result=await ae.find_studies_under(
                    uids[way.root],
                    patient_id=way.patient_id,
                    issuer_of_patient_id=way.issuer_of_patient_id,
                ),
            )
            for way in ways(patient, chosen, offered)
        ]
    used = _used(site.archives[name], chosen, offered, results)
    return [
        _row(name, attempt, is_used=attempt is used)
        | _conclusion(name, site.archives[name], chosen, results, used)
        for attempt in results
    ]


def ways(patient: model.PatientId, chosen: Keys, roots: Sequence[str]) -> list[Way]:
    """List the ways: as sent and in the archive's form, with the issuer and without, under each root."""
    issuer = patient.issuer_of_patient_id
    forms = [(key.patient_id, key.issuer_of_patient_id, "the archive's own") for key in chosen.asked]
    forms.append((patient.patient_id, issuer.split("&")[0].strip() if issuer else None, "as sent"))
    made: dict[tuple[str, str | None, str], Way] = {}
    for patient_id, issuer_of_patient_id, form in forms:
        for sent in dict.fromkeys((issuer_of_patient_id or None, None)):
            for root in roots:
                way = Way(patient_id=patient_id, issuer_of_patient_id=sent, root=root, form=form)
                made.setdefault((patient_id, sent, root), way)
    return list(made.values())


def _used(
    archive: Archive, chosen: Keys, offered: Sequence[str], results: Sequence[_Result]
) -> _Result | None:
    """The way in which the daemon asks; None where it does not ask for this ID."""
    if not chosen.asked:
        return None
    key = chosen.asked[0]
    by_way = {
        (attempt.way.patient_id, attempt.way.issuer_of_patient_id, attempt.way.root): attempt
        for attempt in results
    }
    with_issuer = by_way[key.patient_id, key.issuer_of_patient_id or None, offered[0]]
    alone = by_way[key.patient_id, None, offered[0]]
    if archive.send_issuer == "auto":
        return with_issuer if with_issuer.result.studies else alone
    return with_issuer if archive.send_issuer == "true" else alone


def _row(name: str, asked: _Result, *, is_used: bool) -> Row:
    """One way and its answer as `--json` prints it; the keys are a contract."""
    way, result = asked.way, asked.result
    issuers = Counter(study.issuer_of_patient_id for study in result.studies if study.issuer_of_patient_id)
    return {
        "peer": name,
        "patient_id": way.patient_id,
        "issuer_of_patient_id": way.issuer_of_patient_id,
        "form": way.form,
        "root": way.root,
        "outcome": result.outcome.value,
        "studies": len(result.studies) if result.has_answered else None,
        "issuers": dict(issuers),
        "with_birth_date": sum(study.birth_date is not None for study in result.studies),
        "milliseconds": round(result.milliseconds, 1),
        "because": result.because,
        "used": is_used,
    }


def _conclusion(
    name: str, archive: Archive, chosen: Keys, results: Sequence[_Result], used: _Result | None
) -> Row:
    """Say which way the daemon uses and why, and what is wrong with it."""
    if used is None:
        return {"reason": f"the daemon does not ask {name}: {'; '.join(chosen.left_out)}", "problem": None}
    way = used.way
    issuer = way.issuer_of_patient_id
    keyed = chosen.asked[0].issuer_of_patient_id
    asks = f"with issuer {issuer}" if issuer else "by the ID alone"
    if keyed and archive.send_issuer == "auto":
        reason = "that finds something" if issuer else f"with issuer {keyed} it finds nothing"
    elif issuer:
        reason = "issuers are always sent to this archive (`send_issuer: true`)"
    elif keyed:
        reason = "issuers are never sent to this archive (`send_issuer: false`)"
    else:
        reason = "no issuer is known of this ID"
    return {
        "reason": f"the daemon asks {name} for {way.patient_id} {asks} under {way.root}: {reason}",
        "problem": _problem(name, results, used) or _foreign(name, keyed, used),
    }


def _problem(name: str, results: Sequence[_Result], used: _Result) -> str | None:
    """Name the way that finds studies where the daemon's finds none, and the key to set."""
    if not used.result.has_answered:
        question = ": is our AE title registered there?" if used.result.refused else ""
        return f"it did not answer{question} ({used.result.because})"
    others = [attempt for attempt in results if attempt.result.studies]
    if used.result.studies or not others:
        return None
    better = max(others, key=lambda other: (len(other.result.studies), *_likeness(other.way, used.way)))
    way = better.way
    found = f"{len(better.result.studies)} studies"
    if way.patient_id != used.way.patient_id:
        return (
            f"that finds nothing, and {way.patient_id} finds {found}: see `archives.{name}.patient_ids`, by "
            "which the ID is written in the archive's form"
        )
    if used.way.issuer_of_patient_id and way.issuer_of_patient_id is None:
        named = {study.issuer_of_patient_id for study in better.result.studies} - {None}
        if named:
            names = ", ".join(sorted(str(issuer) for issuer in named))
            return (
                f"that finds nothing, and the ID alone finds {found}, of issuer {names}: where that is the "
                f"same authority, say so in `archives.{name}.issuers`"
            )
        return (
            f"that finds nothing, and the ID alone finds {found} that name no issuer: "
            f"`archives.{name}.send_issuer: auto` asks so"
        )
    return f"that finds nothing, and {way.root} finds {found}"


def _foreign(name: str, issuer: str | None, used: _Result) -> str | None:
    """Say so where all studies that are found name another issuer than the one that was asked for."""
    named = {study.issuer_of_patient_id for study in used.result.studies}
    if (
        not issuer
        or not named
        or None in named
        or issuer.casefold() in {str(one).casefold() for one in named}
    ):
        return None
    names = ", ".join(sorted(str(one) for one in named))
    return (
        f"all of them are of issuer {names} and count as other patients': where that is the same authority, "
        f"say so in `archives.{name}.issuers`"
    )


def _likeness(way: Way, used: Way) -> tuple[bool, bool, bool]:
    """Rank a way by how little it changes the one that is used."""
    return way.patient_id == used.patient_id, way.root == used.root, way.issuer_of_patient_id is None


# --- for a person ----------------------------------------------------------------------------------


def _print(name: str, rows: Sequence[Row]) -> None:
    terms.print_table(map(_line, rows), _COLUMNS)
    first = rows[0]
    terms.print_blocks([terms.Block(head=name, lines=tuple(_sentences(first, rows)))])
    terms.echo()


def _sentences(first: Row, rows: Sequence[Row]) -> Iterator[tuple[str, str]]:
    yield ">", first["reason"]
    if first["problem"]:
        yield "!", first["problem"]
    reasons = dict.fromkeys(row["because"] for row in rows if row["studies"] is None)
    yield from (("!", reason) for reason in reasons if reason not in (first["problem"] or ""))


def _line(row: Row) -> Row:
    count = row["studies"]
    named = sum(row["issuers"].values())
    return {
        "mark": ">" if row["used"] else "",
        "patient_id": row["patient_id"],
        "issuer": row["issuer_of_patient_id"] or "–",
        "root": row["root"].removesuffix(" Root"),
        "found": "no answer" if count is None else count,
        "named": ", ".join(f"{count} {name}" for name, count in row["issuers"].items())
        + (f", {count - named} none" if count and 0 < named < count else "")
        or ("none" if count else ""),
        "born": f"{row['with_birth_date']} of {count}" if count else "",
        "ms": f"{row['milliseconds']:.0f}",
    }
