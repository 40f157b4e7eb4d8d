"""The verb `test`: rule tests in YAML, run with the code that plans."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from prefetch import config as configuration
from prefetch import errors, rules
from prefetch.cli import terms
from prefetch.proof import cases, trial


def test(
    directory: Annotated[
        Path | None,
        typer.Argument(
            help="Directory of the tests; else `tests` in the directory of the rules.", metavar="DIR"
        ),
    ] = None,
    *,
    config: terms.ConfigOption = None,
    rules_directory: Annotated[
        Path | None,
        typer.Option("--rules", help="Test these rules instead of those in force.", metavar="DIR"),
    ] = None,
    json: terms.JsonOption = False,
) -> None:
    """Run rule tests: given an order and studies, expect these priors; without a configuration too."""
    try:
        site = _site(config, directory, rules_directory)
        rule_set = rules.load(rules_directory) if rules_directory else site.rule_set
        where = directory or (rules_directory or site.rules) / "tests"
        read = cases.read(where)
    except errors.ConfigurationError as error:
        terms.stop(terms.Exit.WRONG_USE, f"{error}\n{len(error.problems)} mistakes; nothing was tested")
    if not read.cases:
        terms.stop(terms.Exit.WRONG_USE, f"there are no tests: no *.yaml in {where}")
    outcomes = [trial.run(case, rule_set, site) for case in read.cases]
    for outcome in outcomes:
        terms.print_json(_row(outcome)) if json else _print(outcome)
    _sum(outcomes, rule_set)
    if not all(outcome.passed for outcome in outcomes):
        raise typer.Exit(terms.Exit.NO)


def _site(config: Path | None, directory: Path | None, rules_directory: Path | None) -> configuration.Config:
    """The site's configuration; where there is none, one with an archive and a workstation of no name."""
    path = terms.place_of(config)
    if config is not None or path.is_file():
        return terms.load_site(config)
    if rules_directory is None and directory is None:
        terms.stop(
            terms.Exit.WRONG_USE, f"{path} is not a file; name it with --config, or a directory to test"
        )
    terms.say("configuration: none; one archive, one workstation, UTC")
    return configuration.made_up(rules_directory or (directory or Path()).resolve().parent)


def _row(outcome: trial.Outcome) -> dict[str, object]:
    return {
        "test": outcome.case.name,
        "place": outcome.case.place,
        "passed": outcome.passed,
        "failures": outcome.failures,
        "rules": outcome.matched,
    }


def _print(outcome: trial.Outcome) -> None:
    terms.echo(f"{'ok    ' if outcome.passed else 'FAILED'}  {outcome.case.name}")
    for failure in outcome.failures:
        terms.echo(f"        {outcome.case.place}: {failure}")


def _sum(outcomes: Sequence[trial.Outcome], rule_set: rules.RuleSet) -> None:
    failed = sum(not outcome.passed for outcome in outcomes)
    terms.say(f"{len(outcomes)} tests, {failed or 'none'} failed")
    tried = {name for outcome in outcomes for name in outcome.matched}
    untried = [rule.name for rule in rule_set.rules if rule.enabled and rule.name not in tried]
    if untried:
        terms.say(f"rules that no test tries: {', '.join(untried)}")
