"""The rules that a hospital starts with, and the examples beside them: proven by their own tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from types import UnionType
from typing import Any, Union, get_args, get_origin

import pytest
from pydantic import BaseModel

from prefetch import config, errors, rules
from prefetch.proof import cases, trial

DIRECTORY = Path(__file__).parents[2] / "rules"
EXAMPLES = DIRECTORY / "examples"
RULES = {directory: rules.load(directory) for directory in (DIRECTORY, EXAMPLES)}
FILES = [file for directory in RULES for file in sorted(directory.glob("*.yaml"))]
CASES = [(directory, case) for directory in RULES for case in cases.read(directory / "tests").cases]


@pytest.mark.parametrize("rule", RULES[DIRECTORY].rules, ids=lambda rule: rule.name)
def test_a_starter_rule_says_why_and_names_nothing_of_a_site(rule: rules.Rule) -> None:
    """It works wherever it is copied to."""
    assert rule.why
    assert ((), None, ()) == (rule.archives, rule.destinations, rule.feeds)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_a_file_of_rules_is_completed_by_editors(file: Path) -> None:
    """Its first line names the schema."""
    where = "schema.json" if file.parent == DIRECTORY else "../schema.json"
    assert file.read_text(encoding="utf-8").startswith(f"# yaml-language-server: $schema={where}\n")


@pytest.mark.parametrize(("directory", "case"), CASES, ids=lambda one: getattr(one, "name", ""))
def test_the_rules_keep_what_their_tests_promise(directory: Path, case: cases.Case) -> None:
    """What `prefetch test --rules rules` runs."""
    site = config.made_up(directory)
    assert () == trial.run(case, RULES[directory], site).failures


@pytest.mark.parametrize("directory", RULES, ids=lambda directory: directory.name)
def test_every_rule_is_tried_by_a_test(directory: Path) -> None:
    """None is shipped unproven, but for one that is switched off."""
    site = config.made_up(directory)
    tried = {
        name
        for where, case in CASES
        if where == directory
        for name in trial.run(case, RULES[directory], site).matched
    }
    assert set() == {rule.name for rule in RULES[directory].rules if rule.enabled} - tried


@pytest.mark.parametrize("directory", RULES, ids=lambda directory: directory.name)
def test_nothing_in_them_is_suspicious(tmp_path: Path, directory: Path) -> None:
    """`prefetch check` warns of none."""
    file = tmp_path / "prefetch.yaml"
    file.write_text(
        f"time_zone: Europe/Berlin\nrules: {directory}\n"
        "listeners: {ris: {}}\n"
        "archives:\n"
        "  main-archive: {ae_title: MAIN, host: main.example.org, port: 104}\n"
        "  offsite: {ae_title: OFFSITE, host: offsite.example.org, port: 104}\n"
        "workstations:\n"
        "  reading-room-1: {ae_title: READ1, verify: counters}\n"
        "  reading-room-2: {ae_title: READ2, verify: counters}\n"
        "planning: {to: [reading-room-1, reading-room-2]}\n"
    )
    found: list[errors.Problem] = list(config.examine(file).problems)
    assert [] == [str(problem) for problem in found]


# --- an example for every key ---------------------------------------------------------------------------


def _models(of: Any) -> Iterator[type[BaseModel]]:
    """The models that a field's type names."""
    if isinstance(of, type) and issubclass(of, BaseModel):
        yield of
    elif get_origin(of) in {Union, UnionType} or get_args(of):
        for part in get_args(of):
            yield from _models(part)


def _keys(model: type[BaseModel], seen: set[type[BaseModel]]) -> Iterator[str]:
    """Every key that a block of this model and all inside it may have."""
    if model in seen:
        return
    seen.add(model)
    for name, field in model.model_fields.items():
        if name != "place":
            yield f"{model.__name__}.{field.alias or name}"
        for inner in _models(field.annotation):
            yield from _keys(inner, seen)


def _used(block: BaseModel) -> Iterator[str]:
    """The keys that are written in a block and in all inside it, under every model that it is of."""
    for name in block.model_fields_set:
        for model in type(block).__mro__:
            if issubclass(model, BaseModel) and name in model.model_fields:
                yield f"{model.__name__}.{model.model_fields[name].alias or name}"
        yield from _inside(getattr(block, name))


def _inside(value: Any) -> Iterator[str]:
    if isinstance(value, BaseModel):
        yield from _used(value)
    for one in value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else ():
        yield from _inside(one)


def test_every_key_of_the_rule_language_has_an_example() -> None:
    """In the library or beside it, where its test shows what it does."""
    used = {key for loaded in RULES.values() for rule in loaded.rules for key in _used(rule)}
    assert set() == set(_keys(rules.Rule, set())) - used
