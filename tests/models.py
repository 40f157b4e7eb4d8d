"""Walks the models of a file: every key that it may have."""

from __future__ import annotations

from pydantic import BaseModel

from prefetch import yamlfile


def every_key(model: type[BaseModel]) -> set[str]:
    """`Model.key` of every key of a model and of the models in it."""
    return {f"{one.__name__}.{key}" for one in every_model(model) for key in yamlfile.key_fields(one)}


def every_model(model: type[BaseModel]) -> list[type[BaseModel]]:
    """A model and all that may stand in it, each once."""
    found = [model]
    for one in found:
        for field in yamlfile.key_fields(one).values():
            found += [inner for inner in yamlfile.models_in(field.annotation) if inner not in found]
    return list(dict.fromkeys(found))
