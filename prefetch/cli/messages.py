"""`prefetch read`: what the daemon reads in HL7 files; needs no configuration and no daemon."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from prefetch import model
from prefetch.cli import terms
from prefetch.intake import batch, hl7

Files = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="HL7 files, framed or not; - is standard input.")
]
MappingOption = Annotated[
    bool, typer.Option("--mapping", help="Show for each value which field of the message it came from.")
]


def read(files: Files, *, as_json: terms.JsonOption = False, mapping: MappingOption = False) -> None:
    """Show what is read in HL7 files, message by message."""
    unreadable = False
    for name in files:
        try:
            messages = batch.split(_contents(name))
        except OSError as error:
            terms.say(f"{name}: {error.strerror}")
            unreadable = True
            continue
        if not messages:
            terms.say(f"{name}: empty")
        for raw in messages:
            _show(name, hl7.read_message(raw), as_json=as_json, mapping=mapping)
    if unreadable:
        terms.stop(terms.Exit.WRONG_USE)


def _contents(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def _show(name: str, reading: hl7.Reading, *, as_json: bool, mapping: bool) -> None:
    if as_json:
        typer.echo(json.dumps(_row(name, reading, mapping=mapping), ensure_ascii=False))
        return
    console = Console(soft_wrap=True, highlight=False)
    said = reading.message_type or "no HL7 message"
    control_id = reading.header.control_id if reading.header else ""
    console.print(f"{name}: {said} {control_id} → {reading.acknowledgement}", style="bold", markup=False)
    if reading.problem:
        console.print(f"  not understood: {reading.problem}", style="red", markup=False)
    elif not reading.events:
        console.print("  of no interest: acknowledged, and not parsed")
    for event, origins in zip(reading.events, reading.origins, strict=True):
        console.print(_table(event, origins, mapping=mapping))


def _table(event: model.OrderEvent, origins: dict[str, str], *, mapping: bool) -> Table:
    table = Table(box=None, pad_edge=False, show_header=False, padding=(0, 2, 0, 2))
    for name, value in _values(event):
        table.add_row(name.replace("_", " "), value, origins.get(name, "") if mapping else "")
    return table


def _values(event: model.OrderEvent) -> Iterator[tuple[str, str]]:
    """What an event says, in the order of the model."""
    for field in fields(event):
        value = getattr(event, field.name)
        if value:
            yield field.name, ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _row(name: str, reading: hl7.Reading, *, mapping: bool) -> dict[str, Any]:
    row: dict[str, Any] = {
        "file": name,
        "control_id": reading.header.control_id if reading.header else None,
        "message_type": reading.message_type or None,
        "acknowledgement": reading.acknowledgement.value,
        "events": [hl7.to_json(event) for event in reading.events],
        "problem": reading.problem,
    }
    return row | {"mapping": list(reading.origins)} if mapping else row
