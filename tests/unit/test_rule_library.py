"""The rules that a hospital starts with: what they are, and what they leave alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefetch import rules
from prefetch.planning import matching
from tests.choosing import NOW, order, site

DIRECTORY = Path(__file__).parents[2] / "rules"
RULES = rules.load(DIRECTORY)


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.name)
def test_a_starter_rule_says_why_and_names_nothing_of_a_site(rule: rules.Rule) -> None:
    """It works wherever it is copied to."""
    assert rule.why
    assert ((), None) == (rule.archives, rule.destinations)


@pytest.mark.parametrize("file", sorted(DIRECTORY.glob("*.yaml")), ids=lambda file: file.name)
def test_a_starter_file_is_completed_by_editors(file: Path) -> None:
    """Its first line names the schema beside it."""
    assert file.read_text(encoding="utf-8").startswith("# yaml-language-server: $schema=schema.json\n")


@pytest.mark.parametrize(
    ("modality", "description"),
    [("BMD", "Hip and spine"), ("OT", "Bone densitometry hip and spine"), ("IO", "Bitewing"), ("PX", "OPG")],
)
def test_nothing_is_fetched_for_teeth_and_bone_density(
    tmp_path: Path, modality: str, description: str
) -> None:
    """Not even by the rule for all that no other rule knows."""
    of = order(modality=modality, procedure_description=description)
    matched = [
        match for match in matching.match_rules(RULES, of, site=site(tmp_path), now=NOW) if match.matched
    ]
    assert [()] == [match.rule.priors for match in matched]
