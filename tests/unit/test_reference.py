"""The manual and the schema say what the models say."""

from __future__ import annotations

import json
import runpy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prefetch import yamlfile
from prefetch.cli import reference
from prefetch.proof.cases import CaseFile
from prefetch.rules import RuleFile
from prefetch.settings import Config
from tests import models

ROOT = Path(__file__).parents[2]
GENERATED: dict[Path, str] = dict(runpy.run_path(str(ROOT / "docs" / "generate.py"))["files"]())


@pytest.mark.parametrize("file", GENERATED, ids=lambda file: file.name)
def test_what_is_generated_is_up_to_date(file: Path) -> None:
    """After a change to a model run `python docs/generate.py`."""
    assert GENERATED[file] == file.read_text(encoding="utf-8")


@pytest.mark.parametrize(("which", "model"), [("config", Config), ("rules", RuleFile), ("tests", CaseFile)])
def test_the_schema_has_every_key(which: str, model: type[yamlfile.Model]) -> None:
    """With its description, and nothing else is allowed."""
    schema = json.loads(reference.schema(which))
    for one in models.every_model(model):
        said = schema if one is model else schema["$defs"][one.__name__]
        assert set(yamlfile.key_fields(one)) == set(said["properties"])
        assert said["additionalProperties"] is False
        for key in said["properties"].values():
            inner = schema["$defs"].get(key.get("$ref", "").rpartition("/")[2], {})
            assert key.get("description") or inner["description"]
            assert key["examples"]


@pytest.mark.parametrize("which", ["config", "rules", "tests"])
def test_the_schema_names_only_what_it_has(which: str) -> None:
    """Every reference leads somewhere, and no key may be null."""
    schema = json.loads(reference.schema(which))
    for node in nodes(schema):
        assert node.get("type") != "null"
        if "$ref" in node:
            assert node["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def nodes(node: Any) -> Iterator[dict[str, Any]]:
    """Every mapping in a schema."""
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from nodes(inner)


def test_a_text_may_be_any_scalar_in_an_editor() -> None:
    """`00123` is a number to it, and a code to us."""
    code = json.loads(reference.schema("rules"))["$defs"]["Condition"]["properties"]["procedure_code"]
    assert ["string", "number", "boolean"] == code["anyOf"][0]["type"]


def test_the_schema_shows_defaults_as_a_file_says_them() -> None:
    """A duration with its unit, and none where nothing said is the default."""
    schema = json.loads(reference.schema("config"))
    planning = schema["$defs"]["Planning"]["properties"]
    assert ("15m", "24h before exam", "08:00") == tuple(
        planning[key]["default"] for key in ("replan_before", "fetch_from", "start_of_day")
    )
    assert "default" not in planning["to"]


def test_defaults_of_whole_sections_are_written_out() -> None:
    """As one line of YAML."""
    default = Config.model_fields["retention"].default
    assert "{history: 180d, messages: 30d}" == reference.in_yaml(default)


@pytest.mark.parametrize("page", ["configuration.md", "rules.md"])
def test_the_examples_of_the_manual_are_right(page: str, tmp_path: Path) -> None:
    """What stands in a block of YAML is read without a mistake."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    model: type[yamlfile.Model] = Config if page == "configuration.md" else RuleFile
    blocks = [part.partition("```")[0] for part in text.split("```yaml\n")[1:]]
    assert blocks
    for block in blocks:
        (tmp_path / "block.yaml").write_text(block, encoding="utf-8")
        assert yamlfile.load(tmp_path / "block.yaml", model) is not None
