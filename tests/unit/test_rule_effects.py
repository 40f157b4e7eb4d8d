"""Each key of the rule language changes something: take it away, and a rule test fails.

The rules in tests/data/effects are read once as they are, and once for each key without that key. Where no
rule test beside them notices, the key has no test of its effect, and whoever added it writes one.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from prefetch import config, rules, yamlfile, yamltree
from prefetch.proof import cases, trial
from prefetch.rules import RuleFile
from tests import models

EFFECTS = Path(__file__).parents[1] / "data" / "effects"

Where = tuple[str | int, ...]

WITHOUT_EFFECT = {
    "Rule.name": "without it there is no rule",
    "Rule.why": "for those who come after",
    "RuleFile.version": "of the format",
    "RuleFile.rules": "without it there is no rule",
    "Rule.priors": "without it there is no rule, or one that only stops",
    "Lookup.by": "without it there is no look-up",
    "Lookup.map": "without it there is no look-up",
}
"""Keys of which a rule test could not say what they do, and why."""


def written(value: Any, of: list[type[BaseModel]], where: Where = ()) -> Iterator[tuple[str, Where]]:
    """Every key that is written in a file, as `Model.key`, and where."""
    if isinstance(value, list):
        for position, one in enumerate(value):
            yield from written(one, of, (*where, position))
    if not isinstance(value, dict):
        return
    fitting = [model for model in of if value.keys() <= yamlfile.key_fields(model).keys()]
    for key, inner in value.items():
        for model in fitting:
            field = yamlfile.key_fields(model)[key]
            yield f"{model.__name__}.{key}", (*where, key)
            yield from written(inner, list(yamlfile.models_in(field.annotation)), (*where, key))
        if not fitting:
            yield from written(inner, of, (*where, key))


def without(value: Any, where: Where) -> Any:
    """A file without one key; a block that says nothing more goes with it."""
    less = deepcopy(value)
    blocks = [less]
    for step in where[:-1]:
        blocks.append(blocks[-1][step])
    for block, step in zip(reversed(blocks), reversed(where), strict=True):
        del block[step]
        if block:
            break
    return less


def read(said: Any) -> tuple[rules.Rule, ...] | None:
    """The rules of a file; None where they are none."""
    try:
        return RuleFile.model_validate(said).rules
    except ValidationError:
        return None


SITE = config.made_up(EFFECTS.parent)
FILES = {file: yamltree.read(file).value for file in yamlfile.files(EFFECTS)}
PLACES = {file: list(written(said, [RuleFile])) for file, said in FILES.items()}
TESTS = {
    file: [case for case in cases.read(EFFECTS / "tests").cases if Path(case.place).stem == file.stem]
    for file in FILES
}


def is_noticed(file: Path, where: Where) -> bool:
    """Whether a rule test beside the file fails where the key is missing."""
    less = read(without(FILES[file], where))
    return less is not None and not holds(file, less)


def holds(file: Path, said: tuple[rules.Rule, ...]) -> bool:
    """Whether all rule tests beside a file hold of its rules."""
    return all(trial.run(case, rules.RuleSet(said), SITE).passed for case in TESTS[file])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_as_they_are_the_rules_keep_their_tests(file: Path) -> None:
    """Else nothing would be shown by what fails."""
    said = read(FILES[file])
    assert said is not None
    outcomes = [trial.run(case, rules.RuleSet(said), SITE) for case in TESTS[file]]
    assert [] == [failure for outcome in outcomes for failure in outcome.failures]


@pytest.mark.parametrize("key", sorted(models.every_key(RuleFile) - WITHOUT_EFFECT.keys()))
def test_every_key_has_a_test_of_its_effect(key: str) -> None:
    """Take it away, and a rule test fails."""
    places = [(file, where) for file, found in PLACES.items() for name, where in found if name == key]
    assert any(is_noticed(file, where) for file, where in places)
