"""A YAML file as text values and the place of each; what YAML itself gets wrong is found here.

A scalar is its source text: `00123` stays `00123` and `no` stays `no`, for the models to convert. Every input
has a bound: bytes, depth, and values after aliases are expanded.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, StringMark
from ruamel.yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from ruamel.yaml.reader import ReaderError

from prefetch import errors

MAX_BYTES = 1_000_000
MAX_DEPTH = 50
MAX_VALUES = 50_000

Where = tuple[str | int, ...]
"""Keys and list positions from the top of a file: `("rules", 0, "when")`."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a file; line and column count from 1."""

    line: int
    column: int


TOP = Mark(1, 1)


class Keys(dict[str, Any]):
    """A mapping of a file, with the `file:line` where it begins."""

    place: str = ""


@dataclass(slots=True)
class Document:
    """A file's values, where each of them stands, and what is wrong with it so far."""

    file: Path
    value: Any = None
    marks: dict[Where, Mark] = field(default_factory=dict)
    key_marks: dict[Where, Mark] = field(default_factory=dict)
    problems: list[errors.Problem] = field(default_factory=list)

    def problem(
        self, where: Iterable[str | int], message: str, *, at_key: bool = False, severity: str = "error"
    ) -> errors.Problem:
        """Something to say about a value of this file, at its place or at its key's."""
        located = self._locate(where)
        mark = (self.key_marks.get(located) if at_key else None) or self._nearest_mark(located)
        path = ".".join(map(str, located))
        return _problem(self.file, mark, message, path=path, severity=severity)

    def _locate(self, where: Iterable[str | int]) -> Where:
        """The steps that the file has: a list of one may be written without its brackets."""
        located: Where = ()
        for step in where:
            if isinstance(step, str) or (*located, step) in self.marks:
                located = (*located, step)
        return located

    def _nearest_mark(self, where: Where) -> Mark:
        while where and where not in self.marks:
            where = where[:-1]
        return self.marks.get(where, TOP)


def read(file: Path) -> Document:
    """Read a file; its mistakes are in `problems`, and `value` is None where nothing could be read."""
    document = Document(file)
    try:
        text = _decode(file)
        node = _compose(file, text)
    except errors.ConfigurationError as error:
        document.problems += error.problems
    else:
        _Converter(document).convert(node)
    return document


def _problem(
    file: Path, mark: Mark, message: str, *, path: str = "", severity: str = "error"
) -> errors.Problem:
    return errors.Problem(
        file=file, line=mark.line, column=mark.column, path=path, message=message, severity=severity
    )


def _refuse(file: Path, mark: Mark, message: str) -> errors.ConfigurationError:
    return errors.ConfigurationError([_problem(file, mark, message)])


# --- bytes to nodes --------------------------------------------------------------------------------


def _decode(file: Path) -> str:
    try:
        with file.open("rb") as stream:
            raw = stream.read(MAX_BYTES + 1)
    except OSError as error:
        raise _refuse(file, TOP, f"cannot be read: {error.strerror}") from error
    if len(raw) > MAX_BYTES:
        raise _refuse(file, TOP, f"larger than {MAX_BYTES:,} bytes; split it")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        before = raw[: error.start].decode()
        message = f"byte 0x{raw[error.start]:02X} is not UTF-8; save the file as UTF-8"
        raise _refuse(file, _end(before), message) from error


def _compose(file: Path, text: str) -> Node:
    try:
        node: Node | None = YAML(typ="rt", pure=True).compose(text)
    except ReaderError as error:
        raise _refuse(file, _end(text[: error.position]), "a control character; remove it") from error
    except MarkedYAMLError as error:
        mark = _mark(error.problem_mark or error.context_mark)
        raise _refuse(file, mark, _say(error)) from error
    except RecursionError as error:
        raise _refuse(file, TOP, "nested too deeply") from error
    if node is None:
        raise _refuse(file, TOP, "the file is empty")
    return node


def _end(text: str) -> Mark:
    lines = text.split("\n")
    return Mark(len(lines), len(lines[-1]) + 1)


def _mark(mark: StringMark | None) -> Mark:
    return Mark(mark.line + 1, mark.column + 1) if mark else TOP


_SYNTAX = (
    (r"character '\\t'", "a tab; YAML is indented with blanks"),
    (r"undefined alias|scanning an alias", 'a text that begins with * belongs in quotes, as in "*chest*"'),
    (
        r"mapping values are not allowed",
        "a second ': ' in one line: put the text in quotes, or mend the indent",
    ),
    (r"cannot start any token", "a text that begins with this character belongs in quotes"),
    (r"expected a single document", "a second document begins here; one file holds one"),
    (r"scanning a quoted scalar .*end of stream", "a quotation mark is not closed"),
)
"""What ruamel.yaml says → what the administrator did."""


def _say(error: MarkedYAMLError) -> str:
    said = f"{error.context or ''} {error.problem or ''}".strip()
    for sign, words in _SYNTAX:
        if re.search(sign, said):
            return words
    return f"not YAML: {said}"


# --- nodes to values -------------------------------------------------------------------------------


class _Converter:
    """Turns nodes into values, noting places and mistakes in the document."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._values = 0

    def convert(self, node: Node) -> None:
        """Fill the document from its top node."""
        try:
            self._document.value = self._value(node, ())
        except errors.ConfigurationError as error:
            self._document.value = None
            self._document.problems += error.problems

    def _value(self, node: Node, where: Where) -> Any:
        mark = _mark(node.start_mark)
        self._document.marks[where] = mark
        self._count(mark, where)
        if not str(node.tag).startswith("tag:yaml.org,2002:"):
            self._complain(mark, where, f"the tag {node.tag} has no meaning here; remove it")
        if isinstance(node, MappingNode):
            return self._keys(node, where)
        if isinstance(node, SequenceNode):
            return [self._value(item, (*where, position)) for position, item in enumerate(node.value)]
        if isinstance(node, ScalarNode) and node.style is None and node.value == "":
            at_key = self._document.key_marks.get(where, mark)
            self._complain(at_key, where, "has no value; write one, or remove the line")
        return node.value

    def _keys(self, node: MappingNode, where: Where) -> Keys:
        keys = Keys()
        keys.place = f"{self._document.file}:{node.start_mark.line + 1}"
        for key_node, value_node in node.value:
            key, mark = key_node.value, _mark(key_node.start_mark)
            if not isinstance(key_node, ScalarNode) or not key:
                self._complain(mark, where, "a key must be a text")
            elif str(key_node.tag).endswith(":merge"):
                self._complain(mark, where, "merging with << is not understood; write the keys out")
            elif key in keys:
                first = self._document.key_marks[*where, key].line
                self._complain(mark, (*where, key), f"stands here a second time; first in line {first}")
            else:
                self._document.key_marks[*where, key] = mark
                keys[key] = self._value(value_node, (*where, key))
        return keys

    def _count(self, mark: Mark, where: Where) -> None:
        self._values += 1
        if self._values > MAX_VALUES:
            raise _refuse(self._document.file, mark, f"more than {MAX_VALUES:,} values with its aliases")
        if len(where) > MAX_DEPTH:
            raise _refuse(self._document.file, mark, "nested too deeply")

    def _complain(self, mark: Mark, where: Where, message: str) -> None:
        path = ".".join(map(str, where))
        self._document.problems.append(_problem(self._document.file, mark, message, path=path))
