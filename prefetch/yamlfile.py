"""YAML files into models, every mistake at its place: `file:line:column: path: message`.

Knows how a pydantic error reads in the administrator's words, and nothing of what a file means. All mistakes
of a file are found at once, each with what would have been right.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    PrivateAttr,
    ValidationError,
    WithJsonSchema,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, core_schema

from prefetch import errors, yamltree

# --- models ----------------------------------------------------------------------------------------


class Model(BaseModel):
    """What a file may say: these keys and no others; nothing changes after loading."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)


class PlacedModel(Model):
    """A model that knows where in its file it stands."""

    _place: str = PrivateAttr("")

    @cached_property
    def place(self) -> str:
        """`file:line`, or nothing where it came from no file."""
        return self._place

    @cached_property
    def said(self) -> tuple[str, ...]:
        """The fields that say something, in their order; most blocks say two or three of twenty."""
        return tuple(name for name in type(self).model_fields if getattr(self, name))

    @model_validator(mode="wrap")
    @classmethod
    def _remember_place(cls, said: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        model = handler(said)
        if isinstance(said, yamltree.Keys):
            model._place = said.place  # noqa: SLF001 (its own attribute: a validator is a class method)
        return model


class OneOrMany:
    """Marks a tuple for which a file may give a single value as well as a list."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Make a single value a list of one."""
        return core_schema.no_info_before_validator_function(_as_list, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Allow both in the schema."""
        many = handler(core)
        return {"anyOf": [many["items"], many]}


class NotEmpty:
    """Marks a list or a mapping in which something must stand."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        """Refuse what is empty, before its items are looked at."""
        return core_schema.no_info_before_validator_function(_refuse_empty, handler(source))

    def __get_pydantic_json_schema__(self, core: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """Say so in the schema."""
        schema = handler(core)
        return schema | {"minItems" if schema["type"] == "array" else "minProperties": 1}


def _as_list(said: object) -> object:
    return said if isinstance(said, list | tuple) else [said]


def _refuse_empty(said: object) -> object:
    if isinstance(said, list | tuple | dict) and not said:
        raise ValueError("must not be empty")
    return said


def one_line(said: object) -> str:
    """A text without blanks around it or in a row; refuses what is none."""
    if isinstance(said, str):
        return " ".join(said.split())
    raise ValueError(f"expected a text, found {shape(said)}")


def text_like(pattern: str) -> WithJsonSchema:
    """Tells editors what a text must look like as a whole."""
    return WithJsonSchema({"type": "string", "pattern": f"^{pattern}$"})


AnyModel = TypeVar("AnyModel", bound=BaseModel)


# --- loading ---------------------------------------------------------------------------------------


def files(directory: Path) -> list[Path]:
    """The YAML files of a directory, by the alphabet; hidden ones are left out."""
    return sorted(file for file in directory.glob("[!.]*") if file.suffix in {".yaml", ".yml"})


def load(file: Path, model: type[AnyModel]) -> AnyModel:
    """Read a file as the model; raises `ConfigurationError` with all its mistakes."""
    loaded, document = try_load(file, model)
    if loaded is None:
        raise errors.ConfigurationError(document.problems)
    return loaded


def try_load(file: Path, model: type[AnyModel]) -> tuple[AnyModel | None, yamltree.Document]:
    """Read a file as the model, or give None and the document whose `problems` say why not.

    So the mistakes of several files come together before anything is refused.
    """
    document = yamltree.read(file)
    if document.value is None:
        return None, document
    try:
        loaded = model.model_validate(document.value)
    except ValidationError as error:
        problems = [_explain(detail, document, model) for detail in error.errors()]
        document.problems += sorted(problems, key=lambda problem: (problem.line, problem.column))
        return None, document
    return (None if document.problems else loaded), document


# --- pydantic's errors in the administrator's words ------------------------------------------------


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A suggestion to end a message with: the nearest known word, and all of them."""
    words = list(known)
    near = nearest(word, words)
    return f"{f'did you mean {near}? ' if near else ''}possible: {', '.join(words)}"


def nearest(word: str, known: Iterable[str]) -> str | None:
    """The known word that looks most like this one, if any does."""
    folded = {one.casefold(): one for one in known}
    near = difflib.get_close_matches(word.casefold(), folded, n=1)
    near += [one for one in folded if one.startswith(word.casefold()) or word.casefold().startswith(one)]
    return folded[near[0]] if near else None


def _explain(detail: ErrorDetails, document: yamltree.Document, model: type[BaseModel]) -> errors.Problem:
    where = tuple(step for step in detail["loc"] if not _is_tag(step))
    if detail["type"] == "extra_forbidden":
        message = f"unknown key; {did_you_mean(str(where[-1]), _keys_of(model, where[:-1]))}"
        return document.problem(where, message, at_key=True)
    words = _WORDS.get(detail["type"])
    return document.problem(where, words(detail) if words else detail["msg"])


def _is_tag(step: str | int) -> bool:
    """Whether a step of pydantic's is not one of the file: a tag `<…>` of a union, `[key]` of a mapping."""
    return isinstance(step, str) and step.startswith(("<", "["))


def shape(said: object) -> str:
    """What was found, in a sentence that says what was expected."""
    if isinstance(said, dict):
        return "keys and values"
    return "a list" if isinstance(said, list | tuple) else f"“{said}”"


def _expected(what: str) -> Callable[[ErrorDetails], str]:
    return lambda detail: f"expected {what}, found {shape(detail['input'])}"


def _one_of(detail: ErrorDetails) -> str:
    possible = re.findall(r"'([^']*)'", detail["ctx"]["expected"])
    return f"{shape(detail['input'])} is not possible; {did_you_mean(str(detail['input']), possible)}"


def _more_than(detail: ErrorDetails) -> str:
    return f"must be more than {detail['ctx']['gt']:g}, found {detail['input']}"


def _at_least(detail: ErrorDetails) -> str:
    return f"must be at least {detail['ctx']['ge']}, found {detail['input']}"


def _at_most(detail: ErrorDetails) -> str:
    return f"must be at most {detail['ctx']['le']}, found {detail['input']}"


_WORDS: dict[str, Callable[[ErrorDetails], str]] = {
    "missing": lambda _: "is required",
    "value_error": lambda detail: str(detail["ctx"]["error"]),
    "string_type": _expected("a text"),
    "path_type": _expected("a text"),
    "int_parsing": _expected("a whole number"),
    "int_type": _expected("a whole number"),
    "float_parsing": _expected("a number"),
    "float_type": _expected("a number"),
    "finite_number": _expected("a number"),
    "bool_parsing": _expected("true or false"),
    "bool_type": _expected("true or false"),
    "tuple_type": _expected("a list"),
    "dict_type": _expected("keys and values"),
    "model_type": _expected("keys and values"),
    "enum": _one_of,
    "literal_error": _one_of,
    "greater_than": _more_than,
    "greater_than_equal": _at_least,
    "less_than_equal": _at_most,
}
"""pydantic's error type → a sentence."""


def _keys_of(model: type[BaseModel], where: yamltree.Where) -> list[str]:
    """The keys that the file may have at a place."""
    here = [model]
    for step in where:
        fields = {name: info for one in here for name, info in key_fields(one).items()}
        if step in fields:
            here = list(models_in(fields[str(step)].annotation))
    return [key for one in here for key in key_fields(one)]


def key_fields(model: type[BaseModel]) -> dict[str, Any]:
    """A model's fields by the keys that a file has for them."""
    return {info.alias or name: info for name, info in model.model_fields.items()}


def models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    """The models that a field may hold, however they are wrapped."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from models_in(argument)
