"""The verbs `check` and `schema`: what is wrong in the administrator's files, and what they may say."""

from __future__ import annotations

import json as jsonlib
import socket
from collections.abc import Iterable, Sequence
from contextlib import closing
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from prefetch import config as configuration
from prefetch import errors, reloading, strangers, timing
from prefetch.cli import reference, terms
from prefetch.domain import trouble
from prefetch.errors import Problem


class Kind(StrEnum):
    """A kind of file."""

    CONFIG = "config"
    RULES = "rules"
    TESTS = "tests"


def check(
    *,
    config: terms.ConfigOption = None,
    rules_directory: Annotated[
        Path | None,
        typer.Option("--rules", help="Check these rules instead of those in force.", metavar="DIR"),
    ] = None,
    reload: Annotated[
        bool,
        typer.Option("--reload", help="Ask as well what a reload cannot change of the daemon that runs."),
    ] = False,
    json: terms.JsonOption = False,
) -> None:
    """Check the configuration and its rules: every error with its place, and what is suspicious."""
    path = terms.config_path(config)
    if not path.is_file():
        terms.stop(terms.Exit.WRONG_USE, f"{path} is not a file; name the configuration with --config")
    report = configuration.examine(path, rules_directory=rules_directory)
    problems = [*report.problems, *_strangers(report)]
    for problem in problems:
        terms.echo(_line(problem) if json else str(problem))
    terms.say(_sum(report, problems))
    if report.config is None:
        raise typer.Exit(terms.Exit.NO)
    if reload:
        _ask_what_waits(report.config, as_json=json)


def _ask_what_waits(files: configuration.Config, *, as_json: bool) -> None:
    """Tell what of the files waits for a restart; ends the command with 1 where anything does."""
    sentences = _waits_for_restart(files)
    for key, sentence in sentences.items():
        terms.echo(jsonlib.dumps({"waits_for_restart": key, "message": sentence}) if as_json else sentence)
    if sentences:
        terms.stop(
            terms.Exit.NO, f"{_count(len(sentences), 'change')} left for a restart; a reload takes all else"
        )
    terms.say("a reload puts all of it in force")


def _waits_for_restart(files: configuration.Config) -> dict[str, str]:
    """Compare the files with what the daemons of this machine were started with, or else those of any."""
    from prefetch.store import nodes  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    now = timing.now()
    with terms.looking(files) as connection:
        alive = [node for node in nodes.list_nodes(connection) if now - node.seen_at < trouble.UNHEARD]
    here = [node for node in alive if node.owner.startswith(f"{socket.gethostname()}:")]
    if not alive:
        terms.stop(
            terms.Exit.COULD_NOT_ASK,
            f"no daemon is running on {files.store}: a start puts all of the files in force",
        )
    in_files = reloading.at_start(files)
    return {
        key: sentence
        for node in here or alive
        for key, sentence in reloading.waits_for_restart(node.at_start, in_files).items()
    }


def _line(problem: Problem) -> str:
    said = {
        "file": str(problem.file),
        "line": problem.line,
        "column": problem.column,
        "path": problem.path,
        "severity": problem.severity,
        "message": problem.message,
    }
    return jsonlib.dumps(said, ensure_ascii=False)


def _strangers(report: configuration.Report) -> Iterable[Problem]:
    """Names that no order of the store has; nothing is said where there is no store, or none that answers."""
    if report.config is None or report.site is None:
        return ()
    from prefetch.store import database, orders  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    try:
        with closing(database.Database.open(report.config.store)) as store, store.snapshot() as connection:
            seen = orders.seen_values(connection)
    except errors.StoreError:
        return ()
    codes = report.config.comparison.procedure_codes
    return strangers.find_strangers(report.site, seen, codes) if seen else ()


def _sum(report: configuration.Report, problems: Sequence[Problem]) -> str:
    """One line that counts: what was found, or what is there where nothing was."""
    mistakes = sum(problem.severity == "error" for problem in problems)
    found = [_count(mistakes, "error"), _count(len(problems) - mistakes, "warning")]
    files = _count(len(report.files), "file")
    if report.config is None:
        return f"{_list(found)} in {files}"
    site = report.config
    there = [
        _count(len(site.rule_set.rules), "rule"),
        _count(len(site.archives), "archive"),
        _count(len(site.workstations), "workstation"),
    ]
    return f"{_list(there)} in {files}: {_list(found)}"


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else f"no {what}s"


def _list(words: Iterable[str]) -> str:
    *others, last = words
    return f"{', '.join(others)} and {last}"


def schema(
    which: Annotated[
        Kind, typer.Argument(help="Of prefetch.yaml, of a file of rules, or of rule tests.")
    ] = Kind.RULES,
) -> None:
    """Print the JSON Schema by which editors complete and check as you type."""
    typer.echo(reference.schema(which.value), nl=False)
