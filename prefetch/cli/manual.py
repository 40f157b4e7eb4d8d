"""PURE: what the command line and the life cycle say of themselves, for the manual."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from prefetch import lifecycle
from prefetch.cli import program
from prefetch.model import RetrieveState

_EVERYWHERE = ("config",)
"""Options that the page describes once for all."""


def verbs() -> str:
    """Every verb with its arguments and options, as Markdown."""
    return "\n".join(line for name in program.VERBS for line in _verb(name, program.command(name)))


def _verb(name: str, command: Any) -> Iterator[str]:
    """A verb, or each verb of a group."""
    if hasattr(command, "commands"):
        for inner, each in command.commands.items():
            yield from _single(f"{name} {inner}", each)
    else:
        yield from _single(name, command)


def _single(name: str, command: Any) -> Iterator[str]:
    arguments = [each for each in command.params if each.param_type_name == "argument"]
    options = [
        each for each in command.params if each.param_type_name == "option" and each.name not in _EVERYWHERE
    ]
    usage = " ".join(["prefetch", name, *(each.metavar or each.name.upper() for each in arguments)])
    yield f"### `{usage}`\n"
    yield f"{' '.join(command.help.split())}\n"
    rows = [(each.metavar or each.name.upper(), each.help) for each in arguments if each.help]
    rows += [(_option(each), each.help) for each in options]
    if rows:
        yield "| | |"
        yield "| --- | --- |"
        yield from (f"| `{_cell(what)}` | {_cell(text or '')} |" for what, text in rows)
        yield ""


def _option(option: Any) -> str:
    names = ", ".join(option.opts)
    return names if option.is_flag else f"{names} {option.metavar or 'TEXT'}"


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _table() -> Iterator[str]:
    """State × step → state, as rows."""
    for state in RetrieveState:
        steps = {step: after for (before, step), after in lifecycle.TRANSITIONS.items() if before is state}
        words = ", ".join(f"{step.value} → **{after.value}**" for step, after in steps.items())
        yield f"| `{state.value}` | {'live' if state in lifecycle.LIVE else 'ended'} | {words or '–'} |"


def _diagram() -> Iterator[str]:
    """The same as a Mermaid state diagram, which forges draw."""
    yield "```mermaid"
    yield "stateDiagram-v2"
    yield "    [*] --> waiting"
    for (before, step), after in lifecycle.TRANSITIONS.items():
        yield f"    {before.value} --> {after.value}: {step.value}"
    yield "```"


def life_of_a_retrieve() -> str:
    """Diagram and table, drawn from the transitions."""
    head = ["", "| state | | what may follow |", "| --- | --- | --- |"]
    return "\n".join([*_diagram(), *head, *_table(), "", ""])
