"""`prefetch describe` and `prefetch relevance` as administrators and scripts call them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from prefetch.cli.program import program
from prefetch.cli.relevance import MOST_BYTES


def run(*arguments: str, given: str | bytes | None = None) -> Result:
    """The command line, with these words and this on standard input."""
    return CliRunner().invoke(program, arguments, input=given)


def answers(result: Result) -> list[dict[str, Any]]:
    """The JSON lines of standard output."""
    return [json.loads(line) for line in result.stdout.splitlines()]


def ask(command: str, *rows: object, arguments: tuple[str, ...] = ()) -> list[dict[str, Any]]:
    """The answers to some JSON lines."""
    given = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
    result = run(command, "--json", *arguments, "-", given=given)
    assert (0, "") == (result.exit_code, result.stderr)
    return answers(result)


# --- describe ------------------------------------------------------------------------------------------


def test_a_description_is_shown() -> None:
    """As a table for people, as a JSON line for scripts."""
    result = run("describe", "CT CHEST W CONTRAST LEFT")
    assert 0 == result.exit_code
    assert ["text", "modality", "regions", "side", "facets", "because"] == result.stdout.split("\n")[
        0
    ].split()
    (answer,) = answers(run("describe", "--json", "CT CHEST W CONTRAST LEFT"))
    assert {
        "text": "CT CHEST W CONTRAST LEFT",
        "modality": ["CT"],
        "regions": ["chest"],
        "vessels": False,
        "laterality": "L",
        "facets": ["contrast"],
        "because": "ct: CT; chest: chest; w: with; contrast: contrast; left: left",
        "unknown": [],
    } == answer


def test_json_lines_are_answered_in_order() -> None:
    """Each with what it sent; modality and code may stand beside the text."""
    first, second, third = ask(
        "describe",
        {"text": "頭部CT", "id": 7},
        {"text": "knee", "modality": "CR\\SR"},
        {"text": "knee", "modality": ["CR", "MR"], "code": "X1"},
    )
    assert (7, ["CT"], ["head"], None) == (
        first["id"],
        first["modality"],
        first["regions"],
        first["laterality"],
    )
    assert (["XR"], ["MR", "XR"]) == (second["modality"], third["modality"])


def test_plain_lines_are_described_too() -> None:
    """A list of texts from a file, without JSON."""
    result = run("describe", "-", given="CT head\nMRT Knie\n")
    assert ["CT head", "MRT Knie"] == [line[:8].strip() for line in result.stdout.splitlines()[1:]]


def test_a_description_is_wanted() -> None:
    """Without one the command says so."""
    result = run("describe")
    assert (2, "a description is expected, or - for standard input\n") == (result.exit_code, result.stderr)


BAD_LINES = [
    ("{", "line 1: not JSON: "),
    ("[" * 100_000, "line 1: not JSON"),
    ("[1]", "line 1: a JSON object is expected"),
    ("{}", "line 1: text: a text is expected"),
    ('{"text": 5}', "line 1: text: a text is expected"),
    ('{"text": "CT", "modality": 5}', "line 1: modality: a text or a list of texts is expected"),
    ('{"text": "CT", "code": 5}', "line 1: code: a text is expected"),
    ('{"text": "' + "x" * MOST_BYTES + '"}', "line 1: longer than 1,000,000 bytes"),
]


@pytest.mark.parametrize(("line", "problem"), BAD_LINES, ids=range(len(BAD_LINES)))
def test_a_line_that_cannot_be_read_is_answered_with_the_problem(line: str, problem: str) -> None:
    """With its number; the others are answered as ever, and the exit status tells."""
    result = run("describe", "--json", "-", given=f'{line}\n\n{{"text": "CT head"}}\n')
    first, second = answers(result)
    assert first["problem"].startswith(problem)
    assert (["head"], 2) == (second["regions"], result.exit_code)
    assert "some lines could not be read; their answers say why\n" == result.stderr


def test_bytes_of_another_character_set_are_read() -> None:
    """What is no UTF-8 loses its letter, and is answered."""
    (answer,) = answers(run("describe", "--json", "-", given='{"text": "CT Schädel"}'.encode("latin-1")))
    assert ["head"] == answer["regions"]


# --- a site's own words --------------------------------------------------------------------------------


def write(directory: Path, name: str, text: str) -> str:
    """A file of the site."""
    (directory / name).write_text(text, encoding="utf-8")
    return str(directory / name)


def test_a_site_brings_words_and_codes(tmp_path: Path) -> None:
    """Both verbs read them."""
    write(tmp_path, "ours.tsv", "CT head\tblitzscan\n")
    codes = write(tmp_path, "codes.csv", "K1,blitzscan left\n")
    own = ("--vocabulary", str(tmp_path), "--codes", codes)
    (answer,) = ask("describe", {"text": "", "code": "K1"}, arguments=own)
    assert (["CT"], ["head"], "L") == (answer["modality"], answer["regions"], answer["laterality"])
    pair = {
        "order": {"procedure_description": "blitzscan"},
        "study": {"study_description": "", "procedure_code": "K1"},
    }
    assert 3 == ask("relevance", pair, arguments=own)[0]["grade"]


@pytest.mark.parametrize("verb", ["describe", "relevance"])
def test_mistakes_of_the_site_are_told(tmp_path: Path, verb: str) -> None:
    """With file and line, instead of an answer."""
    write(tmp_path, "ours.tsv", "hed\tkopf\n")
    result = run(verb, "--vocabulary", str(tmp_path), "CT", "MR")
    assert 2 == result.exit_code
    assert result.stderr.startswith(f"{tmp_path}/ours.tsv:1:1: “hed” is no region")


def test_a_map_may_use_the_sites_words(tmp_path: Path) -> None:
    """And a word that nobody knows is told."""
    write(tmp_path, "ours.tsv", "head\tblitzscan\n")
    codes = write(tmp_path, "codes.csv", "K1,blitzscan\nK2,qwrtz\n")
    result = run("describe", "--vocabulary", str(tmp_path), "--codes", codes, "CT")
    assert (2, f"{codes}:2:1: “qwrtz” is not understood; `prefetch describe` shows what is\n") == (
        result.exit_code,
        result.stderr,
    )


@pytest.mark.parametrize("option", ["--vocabulary", "--grading"])
def test_a_directory_that_is_not_there_is_told(tmp_path: Path, option: str) -> None:
    """Instead of reading nothing from it."""
    result = run("relevance", option, str(tmp_path / "nowhere"), "CT head", "CT head")
    assert (2, f"{tmp_path}/nowhere:1:1: is not a directory\n") == (result.exit_code, result.stderr)


SITE = """\
time_zone: Europe/Berlin
archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}
workstations: {room: {ae_title: READ1, verify: counters}}
relevance: {vocabulary: words, grading: tables, procedure_codes: codes.csv}
"""


def site(directory: Path, **files: str) -> str:
    """A site with its own words, tables and codes; gives its configuration."""
    for name in ("words", "tables", "rules"):
        (directory / name).mkdir()
    write(directory / "rules", "a.yaml", "rules:\n- {name: a, priors: [{newest: 1}]}\n")
    write(directory / "words", "ours.tsv", files.get("words", "CT head\tblitzscan\n"))
    write(directory / "tables", "sides.tsv", files.get("tables", "0\tknee\n"))
    write(directory, "codes.csv", files.get("codes", "K1,blitzscan left\n"))
    return write(directory, "prefetch.yaml", SITE)


def test_a_configuration_brings_all_of_them(tmp_path: Path) -> None:
    """`--config` reads and grades as the daemon does with that file."""
    config = site(tmp_path)
    result = run("describe", "--config", config, "--json", "-", given='{"text": "", "code": "K1"}\n')
    assert (["CT"], "L") == (answers(result)[0]["modality"], answers(result)[0]["laterality"])
    result = run("relevance", "--config", config, "--json", "XR KNEE LEFT", "XR KNEE RIGHT")
    assert (0, f"configuration: {config}\n") == (answers(result)[0]["grade"], result.stderr)


def test_check_tells_the_mistakes_of_all_of_them(tmp_path: Path) -> None:
    """With their files and lines, all at once."""
    config = site(tmp_path, words="hed\tkopf\n", tables="1\tkneee\n", codes="K1,qwrtz\nK2\n")
    result = run("check", "--config", config)
    places = [line.split(": ")[0].removeprefix(f"{tmp_path}/") for line in result.stdout.splitlines()]
    assert {"words/ours.tsv:1:1", "tables/sides.tsv:1:1", "codes.csv:1:1", "codes.csv:2:1"} <= set(places)
    assert 1 == result.exit_code


def test_a_configuration_leaves_nothing_to_other_options(tmp_path: Path) -> None:
    """One or the other."""
    result = run("describe", "--config", site(tmp_path), "--vocabulary", str(tmp_path / "words"), "CT")
    assert (2, "--config names the site's files; leave the other options out\n") == (
        result.exit_code,
        result.stderr,
    )


# --- a catalogue ---------------------------------------------------------------------------------------


def test_a_catalogue_is_sifted(tmp_path: Path) -> None:
    """What is not understood, most used first, and how much that is of the whole."""
    file = write(tmp_path, "all.csv", "code,description,count\nA,qwrtz,3\nB,CT head,99\nC,CT blorx,7\n")
    result = run("describe", "--unmapped", file, "--json")
    assert (0, "2 of 3 procedures are not wholly understood\n") == (result.exit_code, result.stderr)
    assert [
        {"count": 7, "code": "C", "description": "CT blorx", "missing": ["region"], "unknown": ["blorx"]},
        {
            "count": 3,
            "code": "A",
            "description": "qwrtz",
            "missing": ["region", "modality"],
            "unknown": ["qwrtz"],
        },
    ] == answers(result)


def test_a_catalogue_is_shown_as_a_table(tmp_path: Path) -> None:
    """For people."""
    result = run("describe", "--unmapped", write(tmp_path, "all.csv", "description\nqwrtz\n"))
    assert ["used", "code", "description", "missing", "unknown", "words"] == result.stdout.split("\n")[
        0
    ].split()


def test_a_catalogue_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """By its name, and why."""
    result = run("describe", "--unmapped", str(tmp_path / "nowhere.csv"))
    assert (2, f"{tmp_path}/nowhere.csv:1:1: cannot be read: No such file or directory\n") == (
        result.exit_code,
        result.stderr,
    )


# --- relevance -----------------------------------------------------------------------------------------


def pair(order: str, study: str, **of_study: object) -> dict[str, Any]:
    """A question of `prefetch relevance`."""
    return {
        "order": {"procedure_description": order},
        "study": {"study_description": study, **of_study},
    }


def test_pairs_are_graded_in_order() -> None:
    """With the reason in words; modalities and age may stand beside the texts."""
    assert [
        {"grade": 3, "because": "chest in both; CT as well"},
        {"grade": 0, "because": "knee for chest: another region"},
        {"grade": 2, "because": "abdomen in both; US as well; 8 years old"},
        {"grade": 2, "because": "chest in both; XR for CT"},
    ] == ask(
        "relevance",
        pair("CT CHEST", "CT Thorax"),
        pair("CT CHEST", "MR knee"),
        pair("US ABDOMEN", "US ABDOMEN limited", age_days=2900),
        pair("CT CHEST", "Thorax", modalities_in_study=["CR", "PR"]),
    )


def test_the_same_code_is_graded_highest() -> None:
    """Whatever the texts say."""
    question = {
        "order": {"procedure_description": "qwrtz", "procedure_code": "K1"},
        "study": {"study_description": "", "procedure_code": "K1"},
    }
    assert [{"grade": 3, "because": "the same procedure code K1"}] == ask("relevance", question)


def test_one_pair_is_graded() -> None:
    """On the command line, with an age if it is known."""
    result = run("relevance", "US ABDOMEN", "US abdomen limited", "--age-days", "2900", "--json")
    assert [{"grade": 2, "because": "abdomen in both; US as well; 8 years old"}] == answers(result)
    assert ["grade", "because"] == run("relevance", "CT", "CT").stdout.split("\n")[0].split()


@pytest.mark.parametrize("arguments", [(), ("CT",), ("CT", "MR", "US")])
def test_two_descriptions_are_wanted(arguments: tuple[str, ...]) -> None:
    """Neither less nor more."""
    result = run("relevance", *arguments)
    assert (2, "two descriptions are expected, an order's and a study's, or -\n") == (
        result.exit_code,
        result.stderr,
    )


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"study": {}}, "line 1: order: an object is expected"),
        ({"order": {}}, "line 1: study: an object is expected"),
        ({"order": [], "study": {}}, "line 1: order: an object is expected"),
        ({"order": {"procedure_description": 1}, "study": {}}, "line 1: procedure_description: a text"),
        (pair("CT", "CT", modalities_in_study=[1]), "line 1: modalities_in_study: a text or a list"),
        (pair("CT", "CT", age_days="old"), "line 1: age_days: a number is expected"),
        (pair("CT", "CT", age_days=True), "line 1: age_days: a number is expected"),
        (pair("CT", "CT", age_days=float("inf")), "line 1: age_days: a number is expected"),
    ],
)
def test_a_pair_that_cannot_be_read_is_answered_with_the_problem(row: object, problem: str) -> None:
    """With the number of its line, and the exit status tells."""
    result = run("relevance", "--json", "-", given=json.dumps(row) + "\n")
    assert answers(result)[0]["problem"].startswith(problem)
    assert 2 == result.exit_code


def test_a_site_brings_tables(tmp_path: Path) -> None:
    """And a mistake in them is told."""
    write(tmp_path, "sides.tsv", "0\tknee\n")
    own = ("--grading", str(tmp_path))
    assert 0 == ask("relevance", pair("XR KNEE LEFT", "XR KNEE RIGHT"), arguments=own)[0]["grade"]
    write(tmp_path, "sides.tsv", "0\tkneee\n")
    result = run("relevance", *own, "CT", "CT")
    assert (2, True) == (result.exit_code, f"{tmp_path}/sides.tsv:1:1: “kneee” is no region" in result.stderr)
