"""`prefetch read`: what the daemon reads in HL7 files; needs no daemon, and no configuration."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from prefetch import model
from prefetch.cli import terms
from prefetch.intake import batch, hl7
from prefetch.senders import Sender
from prefetch.values.visible_text import make_visible

Files = Annotated[
    list[str], typer.Argument(metavar="FILE…", help="HL7 files, framed or not; - is standard input.")
]
MappingOption = Annotated[
    bool, typer.Option("--mapping", help="Show for each value which field of the message it came from.")
]
StrictOption = Annotated[
    bool, typer.Option("--strict", help="Validate, and list where each message departs from the standard.")
]
ConfigOption = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="FILE",
        help="Read as the senders of this prefetch.yaml write. Left out: $PREFETCH_CONFIG, else "
        "/etc/prefetch/prefetch.yaml, else as most senders write.",
    ),
]
ListenerOption = Annotated[
    str, typer.Option("--listener", metavar="NAME", help="As if the messages had come in by this listener.")
]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shown:
    """One message as it is shown."""

    file: str
    reading: hl7.Reading
    deviations: list[str] | None
    """None where nobody asked."""
    mapping: bool


def read(
    files: Files,
    *,
    config: ConfigOption = None,
    listener: ListenerOption = "",
    as_json: terms.JsonOption = False,
    mapping: MappingOption = False,
    strict: StrictOption = False,
) -> None:
    """Show what is read in HL7 files, message by message; needs no daemon, and no configuration."""
    senders = hl7.Senders(_known_senders(config))
    unreadable = deviating = False
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
            deviations = hl7.deviations(raw) if strict else None
            deviating = deviating or bool(deviations)
            reading = hl7.read_message(raw, senders=senders, listener=listener)
            shown = _Shown(file=name, reading=reading, deviations=deviations, mapping=mapping)
            if as_json:
                terms.echo(json.dumps(_row(shown), ensure_ascii=False))
            else:
                _print(shown)
    if unreadable:
        terms.stop(terms.Exit.WRONG_USE)
    if deviating:
        terms.stop(terms.Exit.NO)


def _known_senders(given: Path | None) -> Mapping[str, Sender]:
    """The site's senders; none where nobody named a configuration and none lies where one belongs."""
    if given is None and not terms.place_of(None).is_file():
        return {}
    return terms.load_site(given).senders


def _contents(name: str) -> bytes:
    return sys.stdin.buffer.read() if name == "-" else Path(name).read_bytes()


def show(reading: hl7.Reading, title: str, *, mapping: bool = False) -> None:
    """Print what is read in one message."""
    _print(_Shown(file=title, reading=reading, deviations=None, mapping=mapping))


def _print(shown: _Shown) -> None:
    console = terms.SafeConsole(soft_wrap=True, highlight=False)
    reading = shown.reading
    said = reading.message_type or "no HL7 message"
    control_id = reading.header.control_id if reading.header else ""
    console.print(f"{shown.file}: {said} {control_id} → {reading.acknowledgement}", style="bold")
    if shown.mapping and reading.sender:
        console.print(f"  read as the sender {reading.sender} writes")
    if reading.problem:
        console.print(f"  not understood: {reading.problem}", style="red")
    elif not reading.events:
        console.print("  of no interest: acknowledged, and not parsed")
    for event, origins in zip(reading.events, reading.origins, strict=True):
        console.print(_table(event, origins if shown.mapping else {}))
    for deviation in shown.deviations or ():
        console.print(f"  deviates: {deviation}", style="yellow")


def _table(event: model.OrderEvent, origins: dict[str, str]) -> Table:
    table = Table(box=None, pad_edge=True, show_header=False)
    for name, value in _values(event):
        table.add_row(
            name.replace("_", " "), Text(make_visible(value)), Text(origins.get(name, ""), style="dim")
        )
    return table


def _values(event: model.OrderEvent) -> Iterator[tuple[str, str]]:
    """What an event says, in the order of the model."""
    for field in fields(event):
        value = getattr(event, field.name)
        if value and isinstance(value, str | frozenset):
            yield field.name, ", ".join(sorted(value)) if isinstance(value, frozenset) else str(value)


def _row(shown: _Shown) -> dict[str, Any]:
    said = {"file": shown.file} | row(shown.reading, mapping=shown.mapping)
    return said if shown.deviations is None else said | {"deviations": shown.deviations}


def row(reading: hl7.Reading, *, mapping: bool = False) -> dict[str, Any]:
    """What is read in one message, as --json prints it; the keys are a contract."""
    said: dict[str, Any] = {
        "control_id": reading.header.control_id if reading.header else None,
        "message_type": reading.message_type or None,
        "acknowledgement": reading.acknowledgement.value,
        "events": [hl7.to_json(event) for event in reading.events],
        "problem": reading.problem,
    }
    if mapping:
        said |= {"sender": reading.sender, "mapping": list(reading.origins)}
    return said
