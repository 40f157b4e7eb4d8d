"""The verb `echo`: who answers, what they offer and let us do, and which archive knows which workstation."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch.cli import echo_stored, terms
from prefetch.runtime.tasks import run_together

if TYPE_CHECKING:
    from prefetch import model
    from prefetch.config import Config
    from prefetch.dimse import association, move, peer
    from prefetch.dimse.echo import EchoResult

Row = dict[str, Any]


def echo(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PEER]...", help="Worklists, archives and workstations; all if none."),
    ] = None,
    *,
    config: terms.ConfigOption = None,
    patient: Annotated[
        str | None,
        typer.Option(
            "--patient",
            metavar="ID",
            help="Show instead what each archive answers to this patient under each way of asking.",
        ),
    ] = None,
    issuer: Annotated[
        str | None,
        typer.Option("--issuer", metavar="ISSUER", help="Who issued the patient's ID, as the feed names it."),
    ] = None,
    json: terms.JsonOption = False,
) -> None:
    """Ask each peer by C-ECHO and C-FIND, and each archive whether it knows each workstation.

    Nothing is sent, and the C-FIND is for a patient ID that nobody has. Beside it stands what the daemons
    that run have learnt of a peer, and whether moves have shown that an archive knows a workstation, where
    their store can be read.
    """
    site = terms.load_site(config)
    if patient is not None:
        from prefetch.cli import echo_patient  # noqa: PLC0415 (for this option only)

        echo_patient.show(site, _of_those(site.archives, names, "archive"), patient, issuer, json=json)
        return
    if issuer is not None:
        terms.stop(terms.Exit.WRONG_USE, "--issuer goes with --patient")
    peers = [
        *(("worklist", name) for name in site.worklists),
        *(("archive", name) for name in site.archives),
        *(("workstation", name) for name in site.workstations),
    ]
    chosen = _of_those([name for _, name in peers], names, "peer")
    stored = echo_stored.read(site)
    rows = asyncio.run(_ask_all(site, [peer for peer in peers if peer[1] in chosen], stored))
    if json:
        terms.print_lines(rows)
    else:
        terms.print_blocks(map(_block, rows))
    if any(row["reachable"] is False for row in rows):
        terms.stop(terms.Exit.COULD_NOT_ASK)
    if any(row["problem"] for row in rows):
        terms.stop(terms.Exit.NO)


def _of_those(there: Any, names: list[str] | None, kind: str) -> list[str]:
    """The peers that are meant, all where none is named; ends the command for a name that is none."""
    for name in names or ():
        if name not in there:
            terms.stop(terms.Exit.WRONG_USE, f"no {kind} is called {name!r}; there are: {', '.join(there)}")
    return [name for name in there if not names or name in names]


# --- asking ----------------------------------------------------------------------------------------


async def _ask_all(site: Config, peers: list[tuple[str, str]], stored: echo_stored.Stored) -> list[Row]:
    return await run_together(_ask(site, kind, name, stored) for kind, name in peers)


_NEEDED = {
    "worklist": ("Modality Worklist",),
    "archive": ("C-FIND", "C-MOVE"),
    "workstation": ("C-FIND",),
}
"""Kind of peer → the services without which it is of no use."""
_QUERIED_BY = {kind: services[0] for kind, services in _NEEDED.items()}


async def _ask(site: Config, kind: str, name: str, stored: echo_stored.Stored) -> Row:
    from prefetch import dialling  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.dimse import association, permission  # noqa: PLC0415 (the same)

    dial = {"worklist": dialling.worklist, "archive": dialling.archive, "workstation": dialling.workstation}
    remote = dial[kind](site, name)
    learned = stored.learned.get(name, [])
    if remote is None:
        return _silent(site, name) | {"learnt": learned}
    async with association.RemoteAE(replace(remote, rest=None), log=permission.SILENT) as ae:
        answer = await ae.echo()
        offers = _offers(answer)
        query = await ae.probe_query() if offers[_QUERIED_BY[kind]] else None
        introductions = await _introduce(site, ae) if kind == "archive" and offers["C-MOVE"] else {}
    knows = {
        workstation: echo_stored.knowledge(site, name, workstation, introduction, stored)
        for workstation, introduction in introductions.items()
    }
    refused = _refused(remote, kind, query, introductions)
    missing = [
        f"does not offer {service}" for service in _NEEDED[kind] if answer.reachable and not offers[service]
    ]
    problems = [
        _echo_problem(remote, answer),
        *refused.values(),
        *missing,
        _query_problem(kind, query),
        *(knowledge.problem for knowledge in knows.values()),
    ]
    return {
        "peer": name,
        "kind": kind,
        "ae_title": remote.ae_title,
        "host": remote.host,
        "port": remote.port,
        "reachable": answer.reachable,
        "offers": [service for service, offered in offers.items() if offered and service not in refused],
        "models": list(answer.roots),
        "milliseconds": round(answer.milliseconds, 1),
        "query": _query(query),
        "knows": {workstation: knowledge.word for workstation, knowledge in knows.items()},
        "knows_because": {workstation: knowledge.reason for workstation, knowledge in knows.items()},
        "problem": "; ".join(problem for problem in problems if problem) or None,
        "learnt": learned,
    }


def _offers(answer: EchoResult) -> dict[str, bool]:
    return {
        "C-ECHO": answer.verified,
        "C-FIND": answer.find,
        "C-MOVE": answer.move,
        "Modality Worklist": answer.worklist,
    }


async def _introduce(site: Config, ae: association.RemoteAE) -> dict[str, move.Introduction]:
    return {
        name: await ae.knows_destination(workstation.ae_title)
        for name, workstation in site.workstations.items()
    }


def _echo_problem(remote: peer.Peer, answer: EchoResult) -> str | None:
    """Name what is wrong with the association or the C-ECHO."""
    if not answer.refused:
        return answer.problem
    us, them = remote.calling_ae_title, remote.ae_title
    return f"refuses our associations: is {us} registered there, and {them} its AE title? ({answer.problem})"


def _refused(
    remote: peer.Peer,
    kind: str,
    query: model.FindResult | model.WorklistAnswer | None,
    introductions: Mapping[str, move.Introduction],
) -> dict[str, str]:
    """List what it offers and does not let us do: service → the sentence that says so."""
    from prefetch.dimse import permission, status  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.dimse.turns import Kind  # noqa: PLC0415 (the same)

    refused = {}
    if query is not None and (query.refused or query.status == status.NOT_AUTHORIZED):
        refused[_QUERIED_BY[kind]] = permission.question(remote, Kind.QUERY, query.because)
    for introduction in introductions.values():
        if introduction.refused:
            refused["C-MOVE"] = permission.question(remote, Kind.MOVE, introduction.because)
    return refused


def _query(query: model.FindResult | model.WorklistAnswer | None) -> Row | None:
    """Describe what came of the C-FIND for nobody; None where it could not be asked."""
    if query is None:
        return None
    return {
        "outcome": query.outcome.value,
        "refused": query.refused,
        "answers": _count(query),
        "milliseconds": round(query.milliseconds, 1),
        "because": query.because,
    }


def _count(query: model.FindResult | model.WorklistAnswer) -> int:
    return len(getattr(query, "studies", ()) or getattr(query, "items", ()))


def _query_problem(kind: str, query: model.FindResult | model.WorklistAnswer | None) -> str | None:
    """Name what is wrong with the answer to the C-FIND, where it was let in and answered."""
    if query is None or query.refused:
        return None
    if query.outcome.value not in {"success", "warning"}:
        return f"did not answer our query: {query.because}"
    if kind == "worklist" or not _count(query):  # many worklists heed no key but the date
        return None
    return f"answers {_count(query)} studies to a patient ID that nobody has: it does not heed Patient ID"


def _silent(site: Config, name: str) -> Row:
    """A workstation that is not asked anything: verified by counters."""
    return {
        "peer": name,
        "kind": "workstation",
        "ae_title": site.workstations[name].ae_title,
        "host": None,
        "port": None,
        "reachable": None,
        "offers": [],
        "models": [],
        "milliseconds": None,
        "query": None,
        "knows": {},
        "knows_because": {},
        "problem": None,
    }


# --- for a person ----------------------------------------------------------------------------------


def _block(row: Row) -> terms.Block:
    state = {
        True: "answers",
        False: "DOES NOT ANSWER",
        None: "not asked (verify: counters)",
    }[row["reachable"]]
    refused = row["query"] is not None and row["query"]["refused"]
    if refused:
        state = "REFUSES OUR QUERIES"
    address = "" if row["host"] is None else f" at {row['host']}:{row['port']}"
    head = f"{row['kind']} {row['peer']}: {row['ae_title']}{address}, {state}"
    return terms.Block(head=head, lines=tuple(_details(row)))


def _details(row: Row) -> Iterator[tuple[str, str]]:
    """The lines below a peer's head: a word and what it says."""
    if row["reachable"]:
        yield "offers", ", ".join(row["offers"]) or "nothing"
        if row["models"]:
            yield "models", ", ".join(row["models"])
        yield "C-ECHO", f"{row['milliseconds']:.0f} ms"
    if row["query"] is not None and not row["query"]["refused"]:
        query = row["query"]
        yield "query", f"{query['because']}, for a patient ID that nobody has, {query['milliseconds']:.0f} ms"
    for workstation, word in row["knows"].items():
        reason = row["knows_because"][workstation]
        yield f"knows {workstation}", {"known": f"yes: {reason}", "unknown": "NO"}.get(word, reason)
    for words in row["learnt"]:
        yield "learnt", words
    if row["problem"]:
        yield "!", row["problem"]
