"""PURE: what the models say of themselves: JSON Schemas for editors, and tables of keys for the manual.

`prefetch schema` prints the one; docs/generate.py writes both into the repository.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, time, timedelta
from enum import Enum
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic.json_schema import GenerateJsonSchema
from pydantic_core import core_schema
from ruamel.yaml import YAML

from prefetch import rules, spans, yamlfile
from prefetch.proof import cases
from prefetch.settings import Config

FILES: Mapping[str, tuple[type[BaseModel], str]] = {
    "config": (Config, "prefetch.yaml"),
    "rules": (rules.RuleFile, "A file of rules"),
    "tests": (cases.CaseFile, "A file of rule tests"),
}
"""What `prefetch schema` can print: the model, and what its file is."""


# --- JSON Schema -----------------------------------------------------------------------------------


class _Schema(GenerateJsonSchema):
    """As an editor sees a YAML file, not as JSON is exchanged."""

    def nullable_schema(self, schema: core_schema.NullableSchema) -> dict[str, Any]:
        """No key may be empty: one that says nothing is left out."""
        return self.generate_inner(schema["schema"])

    def encode_default(self, dft: Any) -> Any:
        """Defaults as a file would say them."""
        return _load(in_yaml(dft))

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        """A default that stands for “nothing said” is none."""
        generated = super().default_schema(schema)
        if generated.get("default") in (None, "", [], {}):
            generated.pop("default", None)
        return generated


def schema(which: str) -> str:
    """The JSON Schema of a kind of file."""
    model, title = FILES[which]
    generated = _for_editors(model.model_json_schema(schema_generator=_Schema))
    complete = {"$schema": _Schema.schema_dialect, **generated, "title": title}
    # A date in an example is a text here.
    return json.dumps(complete, indent=2, ensure_ascii=False, default=str) + "\n"


def _for_editors(node: Any) -> Any:
    """Without pydantic's titles, with examples as values, and any scalar allowed where a text is read."""
    if isinstance(node, list):
        return [_for_editors(item) for item in node]
    if not isinstance(node, dict):
        return node
    ours = {
        key: _values(value) if key in {"properties", "$defs"} else _for_editors(value)
        for key, value in node.items()
        if key != "title"
    }
    if isinstance(ours.get("examples"), list):
        ours["examples"] = [_load(example) for example in ours["examples"]]
    if ours.get("type") == "string" and not {"enum", "pattern"} & ours.keys():
        ours["type"] = ["string", "number", "boolean"]
    return ours


def _values(named: Mapping[str, Any]) -> dict[str, Any]:
    """The same of a mapping whose keys are names of ours, `title` among them if it were one."""
    return {name: _for_editors(value) for name, value in named.items()}


def _load(text: str) -> Any:
    return YAML(typ="safe", pure=True).load(text)


# --- tables for the manual -------------------------------------------------------------------------


def keys(model: type[BaseModel]) -> str:
    """Every key of a model and of the models in it, as Markdown."""
    return "\n".join(line for block in _blocks(model) for line in _table(*block))


def _blocks(model: type[BaseModel]) -> Iterator[tuple[type[BaseModel], list[str]]]:
    """Each model once, with all the paths where it may stand."""
    paths: dict[type[BaseModel], list[str]] = {model: [""]}
    waiting = [model]
    while waiting:
        here = waiting.pop(0)
        for key, field in yamlfile.key_fields(here).items():
            for inner in yamlfile.models_in(field.annotation):
                if inner not in paths:
                    waiting.append(inner)
                paths.setdefault(inner, []).append(_path(paths[here][0], key, field))
    yield from paths.items()


def _path(prefix: str, key: str, field: FieldInfo) -> str:
    named = ".NAME" if str(field.annotation).startswith("dict[") else ""
    return f"{prefix}.{key}{named}".removeprefix(".")


def _table(model: type[BaseModel], paths: Iterable[str]) -> Iterator[str]:
    heading = ", ".join(f"`{path}`" for path in dict.fromkeys(paths) if path) or "The file"
    yield f"### {heading}\n"
    yield f"{_sentence(model.__doc__)}\n"
    yield "| key | meaning | default | example |"
    yield "| --- | --- | --- | --- |"
    for key, field in yamlfile.key_fields(model).items():
        example = " ".join(f"`{_cell(example)}`" for example in field.examples or ())
        yield f"| `{key}` | {_cell(_sentence(field.description))} | {_default(field)} | {example} |"
    yield ""


def _sentence(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "required"
    default = in_yaml(field.default)
    return f"`{default}`" if default and not isinstance(field.default, BaseModel) else "–"


def in_yaml(value: Any) -> str:
    """A default as a file would say it; nothing where it stands for “nothing said”."""
    if isinstance(value, BaseModel):
        said = {key: in_yaml(getattr(value, name)) for key, name in _names(type(value)).items()}
        return _flow(said)
    if isinstance(value, tuple | list):
        return f"[{', '.join(map(in_yaml, value))}]" if value else ""
    if value is None or value in ("", {}):
        return ""
    for kind, write in _WRITE.items():
        if isinstance(value, kind):
            return write(value)
    return str(value)


def _names(model: type[BaseModel]) -> dict[str, str]:
    return {info.alias or name: name for name, info in model.model_fields.items()}


def _flow(said: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{key}: {text}" for key, text in said.items() if text) + "}"


_WRITE: Mapping[type, Callable[[Any], str]] = {
    bool: lambda value: str(value).lower(),
    Enum: lambda value: str(value.value),
    datetime: lambda value: value.strftime("%Y-%m-%d %H:%M"),
    timedelta: spans.say_duration,
    time: lambda value: value.strftime("%H:%M"),
    Path: str,
}
"""Kind of value → how a file says it."""
