"""Loads the rules of a directory: files by the alphabet, every mistake in any of them at once."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from prefetch import errors, yamlfile, yamltree
from prefetch.fieldpath import FieldPath
from prefetch.rules import places
from prefetch.rules.rule import Rule, RuleFile


@dataclass(frozen=True, slots=True)
class RuleSet:
    """The rules of a site: files by the alphabet, rules as they stand in them."""

    rules: tuple[Rule, ...] = ()

    @property
    def in_turn(self) -> tuple[Rule, ...]:
        """The rules as they are looked at: fallbacks come last."""
        return tuple(sorted(self.rules, key=lambda rule: rule.fallback))

    @property
    def watched(self) -> frozenset[FieldPath]:
        """The places in messages that any rule asks for."""
        return frozenset(places.watched(value for rule in self.rules for value in rule.asks_for))


@dataclass(frozen=True, slots=True)
class Source:
    """A rule together with its place in its file, to say something about it."""

    rule: Rule
    document: yamltree.Document
    where: yamltree.Where

    def problem(self, *where: str | int, message: str, severity: str = "error") -> errors.Problem:
        """Something to say about a value of this rule."""
        return self.document.problem((*self.where, *where), message, severity=severity)


def load(directory: Path) -> RuleSet:
    """Load the rules of a directory; raises `ConfigurationError` with the mistakes of all its files."""
    _, sources, problems = read(directory)
    if problems:
        raise errors.ConfigurationError(problems)
    return RuleSet(tuple(source.rule for source in sources))


def read(directory: Path) -> tuple[list[Path], list[Source], list[errors.Problem]]:
    """Read a directory: its files by the alphabet, the rules in those that can be read, and all mistakes."""
    files = yamlfile.files(directory)
    sources: list[Source] = []
    problems: list[errors.Problem] = []
    for file in files:
        loaded, document = yamlfile.try_load(file, RuleFile)
        problems += document.problems
        for position, rule in enumerate(loaded.rules if loaded else ()):
            sources.append(Source(rule, document, ("rules", position)))
    return files, sources, [*problems, *_same_names(sources)]


def _same_names(sources: Iterable[Source]) -> Iterable[errors.Problem]:
    first: dict[str, str] = {}
    for source in sources:
        name = source.rule.name
        if name in first:
            yield source.problem("name", message=f"another rule has the name {name}: {first[name]}")
        first.setdefault(name, source.rule.place)
