"""The verb `echo`: who answers, what they offer, and which archive knows which workstation."""

from __future__ import annotations

import asyncio
from contextlib import closing
from typing import TYPE_CHECKING, Annotated, Any

import typer

from prefetch import errors
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Config

_COLUMNS = {
    "peer": "peer",
    "ae_title": "AE title",
    "address": "address",
    "answers": "answers",
    "offers": "offers",
    "models": "models",
    "milliseconds": "ms",
    "knows": "knows",
    "learnt": "learnt",
    "problem": "problem",
}


def echo(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PEER]...", help="Worklists, archives and workstations; all if none."),
    ] = None,
    *,
    config: terms.ConfigOption = None,
    json: terms.JsonOption = False,
) -> None:
    """Ask each peer by C-ECHO, and each archive whether it knows each workstation; nothing is sent.

    Beside it stands what the daemons that run have learnt of its manners, where their store can be read.
    """
    site = terms.load_site(config)
    peers = [
        *(("worklist", name) for name in site.worklists),
        *(("archive", name) for name in site.archives),
        *(("workstation", name) for name in site.workstations),
    ]
    known = [name for _, name in peers]
    unknown = [name for name in names or () if name not in known]
    if unknown:
        terms.stop(terms.Exit.WRONG_USE, f"no peer is called {unknown[0]!r}; there are: {', '.join(known)}")
    known_of = _learnt(site)
    rows = [
        row | {"learnt": known_of.get(row["peer"], [])}
        for row in asyncio.run(_ask_all(site, [peer for peer in peers if not names or peer[1] in names]))
    ]
    if json:
        terms.print_lines(rows)
    else:
        terms.print_table(map(_line, rows), _COLUMNS)
    if any(row["reachable"] is False for row in rows):
        terms.stop(terms.Exit.COULD_NOT_ASK)
    if any(row["problem"] for row in rows):
        terms.stop(terms.Exit.NO)


def _learnt(site: Config) -> dict[str, list[str]]:
    """What the daemons have learnt of their peers; a site is tried before it has a store, too."""
    from prefetch.store import database, nodes  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    try:
        with closing(database.Database.open(site.store)) as store, store.snapshot() as connection:
            return nodes.learnt(connection)
    except errors.StoreError as error:
        terms.say(f"what a daemon has learnt of its peers is not known: {error}")
        return {}


async def _ask_all(site: Config, peers: list[tuple[str, str]]) -> list[dict[str, Any]]:
    async with asyncio.TaskGroup() as group:
        asking = [group.create_task(_ask(site, kind, name)) for kind, name in peers]
    return [task.result() for task in asking]


_NEEDED = {
    "worklist": ("Modality Worklist",),
    "archive": ("C-FIND", "C-MOVE"),
    "workstation": ("C-FIND",),
}
"""Kind of peer → the services without which it is of no use."""


async def _ask(site: Config, kind: str, name: str) -> dict[str, Any]:
    from prefetch import dialling  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.dimse import association  # noqa: PLC0415 (the same)

    dial = {"worklist": dialling.worklist, "archive": dialling.archive, "workstation": dialling.workstation}
    remote = dial[kind](site, name)
    if remote is None:
        return _silent(site, name)
    async with association.RemoteAE(remote) as ae:
        answer = await ae.echo()
        knows = {}
        if kind == "archive" and answer.reachable:
            knows = {
                workstation: await ae.knows_destination(said.ae_title)
                for workstation, said in site.workstations.items()
            }
    offers = {
        "C-ECHO": answer.verified,
        "C-FIND": answer.find,
        "C-MOVE": answer.move,
        "Modality Worklist": answer.worklist,
    }
    missing = [
        f"does not offer {service}" for service in _NEEDED[kind] if answer.reachable and not offers[service]
    ]
    strangers = [
        f"does not know {workstation} ({site.workstations[workstation].ae_title}): {introduction.because}"
        for workstation, introduction in knows.items()
        if introduction.acquaintance.value == "unknown"
    ]
    return {
        "peer": name,
        "kind": kind,
        "ae_title": remote.ae_title,
        "host": remote.host,
        "port": remote.port,
        "reachable": answer.reachable,
        "offers": [service for service, offered in offers.items() if offered],
        "models": list(answer.roots),
        "milliseconds": round(answer.milliseconds, 1),
        "knows": {workstation: each.acquaintance.value for workstation, each in knows.items()},
        "problem": answer.problem or "; ".join((*missing, *strangers)) or None,
    }


def _silent(site: Config, name: str) -> dict[str, Any]:
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
        "knows": {},
        "problem": None,
    }


def _line(row: dict[str, Any]) -> dict[str, Any]:
    answers = {True: "yes", False: "no", None: "not asked (verify: counters)"}[row["reachable"]]
    return row | {
        "address": "" if row["host"] is None else f"{row['host']}:{row['port']}",
        "answers": answers,
        "offers": ", ".join(row["offers"]),
        "models": ", ".join(row["models"]),
        "knows": ", ".join(f"{name}: {word}" for name, word in row["knows"].items()),
        "learnt": "; ".join(row["learnt"]),
    }
