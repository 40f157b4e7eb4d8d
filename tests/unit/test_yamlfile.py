"""YAML files into models: source text, places, and every mistake in the administrator's words."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from prefetch import errors, yamlfile, yamltree
from prefetch.yamlfile import Model, NotEmpty, OneOrMany, PlacedModel


class Leaf(PlacedModel):
    """The smallest model."""

    code: str = ""
    size: Annotated[int, Field(ge=1, le=9)] = 1
    kind: Literal["round", "square"] = "round"
    on: bool = False


class Tree(Model):
    """A model of everything that a file may hold."""

    leaf: Leaf = Leaf()
    leaves: Annotated[tuple[Leaf, ...], NotEmpty(), OneOrMany()] = ()
    words: Annotated[tuple[str, ...], NotEmpty(), OneOrMany()] = ()
    named: Annotated[dict[str, Leaf], NotEmpty()] = Field(default={})
    must: str


def write(directory: Path, text: str | bytes) -> Path:
    """A file of that text."""
    file = directory / "file.yaml"
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def mistakes(directory: Path, text: str | bytes) -> list[str]:
    """What is wrong with a text, without the name of the file."""
    file = write(directory, text)
    with pytest.raises(errors.ConfigurationError) as raised:
        yamlfile.load(file, Tree)
    return [str(problem).removeprefix(f"{file}:") for problem in raised.value.problems]


@pytest.mark.parametrize(
    "code", ["00123", "1e3", "no", "1.10", "0x1F", "2026-01-01", "~", "null", "1_000", "12:30"]
)
def test_a_scalar_is_its_source_text(tmp_path: Path, code: str) -> None:
    """Whatever YAML would make of a code, it stays as it was written."""
    assert code == yamlfile.load(write(tmp_path, f"must: {code}"), Tree).must


def test_a_quoted_text_may_be_anything(tmp_path: Path) -> None:
    """Quotation marks are YAML's, what is between them is the text."""
    assert "*a: b#" == yamlfile.load(write(tmp_path, 'must: "*a: b#"'), Tree).must


def test_the_model_converts(tmp_path: Path) -> None:
    """Numbers and Booleans come from their texts."""
    tree = yamlfile.load(write(tmp_path, "must: x\nleaf: {size: 007, on: yes}"), Tree)
    assert (7, True) == (tree.leaf.size, tree.leaf.on)


def test_a_single_value_does_for_a_list(tmp_path: Path) -> None:
    """Brackets around one value are not asked for."""
    tree = yamlfile.load(write(tmp_path, "must: x\nwords: one\nleaves: {code: a}"), Tree)
    assert (("one",), ("a",)) == (tree.words, tuple(leaf.code for leaf in tree.leaves))


def test_a_placed_model_knows_its_file_and_line(tmp_path: Path) -> None:
    """So that a reason can name the place of what decided."""
    file = write(tmp_path, "must: x\nleaves:\n  - code: a\n  - {code: b}\n")
    assert [f"{file}:3", f"{file}:4"] == [leaf.place for leaf in yamlfile.load(file, Tree).leaves]


def test_a_model_from_no_file_has_no_place() -> None:
    """Made in code, it came from nowhere."""
    assert Leaf().place == ""


def test_a_byte_order_mark_is_skipped(tmp_path: Path) -> None:
    """Editors on Windows write one."""
    assert "x" == yamlfile.load(write(tmp_path, b"\xef\xbb\xbfmust: x"), Tree).must


def test_an_anchor_repeats_a_value(tmp_path: Path) -> None:
    """A list that is needed twice is written once."""
    assert ("a", "b") == yamlfile.load(write(tmp_path, "must: &m a\nwords: [*m, b]"), Tree).words


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        (
            "must: x\nlaef: {}",
            "2:1: laef: unknown key; did you mean leaf? possible: leaf, leaves, words, named, must",
        ),
        (
            "must: x\nleaf: {cod: 1}",
            "2:8: leaf.cod: unknown key; did you mean code? possible: code, size, kind, on",
        ),
        ("must: x\nzzz: 1", "2:1: zzz: unknown key; possible: leaf, leaves, words, named, must"),
        ("must: x\nnamed: {a: {x: 1}}", "2:13: named.a.x: unknown key; possible: code, size, kind, on"),
        ("leaf: {code: a}", "1:1: must: is required"),
        ("must: [a]", "1:7: must: expected a text, found a list"),
        ("must: {a: b}", "1:7: must: expected a text, found keys and values"),
        ("must: x\nleaf: text", "2:7: leaf: expected keys and values, found “text”"),
        ("must: x\nnamed: text", "2:8: named: expected keys and values, found “text”"),
        ("must: x\nnamed: {}", "2:8: named: must not be empty"),
        ("must: x\nwords: []", "2:8: words: must not be empty"),
        ("must: x\nwords: [a, [b]]", "2:12: words.1: expected a text, found a list"),
        ("must: x\nwords: {a: b}", "2:8: words: expected a text, found keys and values"),
        ("must: x\nleaves: {size: 0}", "2:16: leaves.size: must be at least 1, found 0"),
        ("must: x\nleaf: {size: 10}", "2:14: leaf.size: must be at most 9, found 10"),
        ("must: x\nleaf: {size: 1e0}", "2:14: leaf.size: expected a whole number, found “1e0”"),
        ("must: x\nleaf: {on: maybe}", "2:12: leaf.on: expected true or false, found “maybe”"),
        (
            "must: x\nleaf: {kind: sqare}",
            "2:14: leaf.kind: “sqare” is not possible; did you mean square? possible: round, square",
        ),
        ("- a\n- b", "1:1: expected keys and values, found a list"),
        ("text", "1:1: expected keys and values, found “text”"),
    ],
)
def test_a_value_that_cannot_be_is_told_at_its_place(tmp_path: Path, text: str, mistake: str) -> None:
    """The very node, its path from the top, and what would be right."""
    assert [mistake] == mistakes(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("", "1:1: the file is empty"),
        ("# only a comment\n", "1:1: the file is empty"),
        ("must: x\nmust: y", "2:1: must: stands here a second time; first in line 1"),
        ("must:\nleaf: {code: }", "1:1: must: has no value; write one, or remove the line"),
        ("leaf:\n\tcode: a", "2:1: a tab; YAML is indented with blanks"),
        ("must: *chest*", '1:7: a text that begins with * belongs in quotes, as in "*chest*"'),
        ("words: [*CT, b]", '1:9: a text that begins with * belongs in quotes, as in "*chest*"'),
        ("must: *", '1:8: a text that begins with * belongs in quotes, as in "*chest*"'),
        ("must: a: b", "1:8: a second ': ' in one line: put the text in quotes, or mend the indent"),
        ("must: @a", "1:7: a text that begins with this character belongs in quotes"),
        ("must: a\n---\nmust: b", "2:1: a second document begins here; one file holds one"),
        ("must: 'a", "1:9: a quotation mark is not closed"),
        (
            "must: [a",
            "1:9: not YAML: while parsing a flow sequence expected ',' or ']', but got '<stream end>'",
        ),
        ("must: !secret a", "1:7: must: the tag !secret has no meaning here; remove it"),
        ("leaf: &a {code: x}\nmust: x\n<<: *a", "3:1: merging with << is not understood; write the keys out"),
        ("must: x\n? [a]\n: b", "2:3: a key must be a text"),
        ("must: a\x00b", "1:8: a control character; remove it"),
        (b"must: x\nleaf: {code: K\xf6ln}", "2:15: byte 0xF6 is not UTF-8; save the file as UTF-8"),
        ("[" * 500, "1:1: nested too deeply"),
        ("&a [*a]", "1:1: nested too deeply"),
        (b"#" * (yamltree.MAX_BYTES + 1), "1:1: larger than 1,000,000 bytes; split it"),
    ],
)
def test_what_is_no_yaml_is_told_in_words(tmp_path: Path, text: str | bytes, mistake: str) -> None:
    """Every way to break a file has a sentence and a place."""
    assert mistake in mistakes(tmp_path, text)


def test_a_bomb_of_anchors_is_defused(tmp_path: Path) -> None:
    """Ten lists of ten lists of ten are not unfolded for ever."""
    lists = [f"l{n}: &l{n} [{', '.join([f'*l{n - 1}'] * 10)}]" for n in range(1, 9)]
    found = mistakes(tmp_path, "\n".join(["l0: &l0 [" + "a, " * 9 + "a]", *lists]))
    assert found == ["1:34: more than 50,000 values with its aliases"]


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Missing, or a directory."""
    missing, directory = yamltree.read(tmp_path / "none.yaml"), yamltree.read(tmp_path)
    assert ["cannot be read: No such file or directory", "cannot be read: Is a directory"] == [
        document.problems[0].message for document in (missing, directory)
    ]


def test_all_mistakes_of_a_file_come_at_once(tmp_path: Path) -> None:
    """In the order in which they stand, those of YAML and those of the model."""
    text = "leaf: {size: 0, kind: oval}\nleaf: {}\nwords: [a, [b]]\n"
    found = mistakes(tmp_path, text)
    assert ["2:1", "1:1", "1:14", "1:23", "3:12"] == [mistake.split(": ")[0] for mistake in found]


def test_mistakes_of_several_files_can_be_collected(tmp_path: Path) -> None:
    """A file that is right is there though another is wrong."""
    (tmp_path / "good.yaml").write_text("must: x")
    good, _ = yamlfile.try_load(tmp_path / "good.yaml", Tree)
    bad, document = yamlfile.try_load(write(tmp_path, "{}"), Tree)
    assert ("x", None, 1) == (good and good.must, bad, len(document.problems))


def test_a_problem_reads_like_a_compilers() -> None:
    """`file:line:column: path: message`, so that editors jump to it; a warning says that it is one."""
    problem = errors.Problem(
        file=Path("a.yaml"), line=3, column=5, path="rules.0", message="odd", severity="warning"
    )
    assert "a.yaml:3:5: rules.0: warning: odd" == str(problem)


@pytest.mark.parametrize(
    ("word", "near"), [("staton", "station_name"), ("MRI", "MR"), ("station", "station_name"), ("xyz", None)]
)
def test_the_nearest_word_is_found(word: str, near: str | None) -> None:
    """By likeness, or where one begins with the other."""
    assert near == yamlfile.nearest(word, ["MR", "CT", "station_name"])


@given(st.binary(max_size=200) | st.text(alphabet="ab:-[]{}&*!|>'\"#%@`,? \n\t", max_size=60).map(str.encode))
def test_no_bytes_break_the_reader(tmp_path_factory: pytest.TempPathFactory, raw: bytes) -> None:
    """Whatever a file holds, there is a value or a problem, and never a traceback."""
    document = yamltree.read(write(tmp_path_factory.getbasetemp(), raw))
    assert document.value is not None or document.problems
