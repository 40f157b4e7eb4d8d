"""`prefetch check` and `prefetch schema` as an administrator calls them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from prefetch.cli.program import program

SITE = """\
time_zone: Europe/Berlin
listeners: {ris: {port: 2575}}
archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}
workstations: {room: {ae_title: READ1, verify: counters}}
"""


def run(*arguments: str, **environment: str) -> Result:
    """The command line, with these words and this environment."""
    return CliRunner().invoke(program, arguments, env=environment)


def site(directory: Path, rule: str = "{name: a, priors: [{newest: 1}]}", text: str = SITE) -> str:
    """A site with one rule; gives the name of its configuration."""
    (directory / "rules").mkdir()
    (directory / "rules" / "a.yaml").write_text(f"rules:\n- {rule}\n")
    (directory / "prefetch.yaml").write_text(text)
    return str(directory / "prefetch.yaml")


def test_what_is_right_is_counted(tmp_path: Path) -> None:
    """Exit status 0, nothing on stdout, and on stderr what was read."""
    result = run("check", "--config", site(tmp_path))
    closing = "1 rule, 1 archive and 1 workstation in 2 files: no errors and no warnings"
    assert (0, "", f"configuration: {tmp_path}/prefetch.yaml\n{closing}\n") == (
        result.exit_code,
        result.stdout,
        result.stderr,
    )


def test_a_warning_is_no_error(tmp_path: Path) -> None:
    """It is printed, and the exit status is 0."""
    result = run("check", "--config", site(tmp_path, "{name: a, priors: [{modality: CT}]}"))
    assert (0, 1) == (result.exit_code, result.stdout.count("warning: fetches without limit"))
    assert result.stderr.endswith("in 2 files: no errors and 1 warning\n")


def test_other_rules_can_be_checked(tmp_path: Path) -> None:
    """Before they are put in the place of those in force."""
    others = tmp_path / "others"
    others.mkdir()
    (others / "b.yaml").write_text("rules: [{name: b, from: nowhere, priors: [{newest: 1}]}]\n")
    result = run("check", "--config", site(tmp_path), "--rules", str(others))
    mistake = "rules.0.from: no archive is called nowhere; possible: main"
    assert (1, f"{others}/b.yaml:1:25: {mistake}") == (result.exit_code, result.stdout.splitlines()[0])


def test_every_error_is_printed_at_its_place(tmp_path: Path) -> None:
    """Of all files at once, then the count; exit status 1."""
    result = run("check", "--config", site(tmp_path, "{name: a, form: x}", f"{SITE}mode: on\n"))
    assert 1 == result.exit_code
    mode, form = result.stdout.splitlines()
    assert f"{tmp_path}/prefetch.yaml:5:7: mode: “on” is not possible; possible: active, observe" == mode
    assert form.startswith(f"{tmp_path}/rules/a.yaml:2:13: rules.0.form: unknown key; did you mean from?")
    assert result.stderr.endswith("2 errors and no warnings in 2 files\n")


def test_problems_are_json_lines_for_scripts(tmp_path: Path) -> None:
    """A line each, with the same words."""
    result = run("check", "--json", "--config", site(tmp_path, text=f"{SITE}drain: soon\n"))
    (line,) = map(json.loads, result.stdout.splitlines())
    assert line == {
        "file": f"{tmp_path}/prefetch.yaml",
        "line": 5,
        "column": 8,
        "path": "drain",
        "severity": "error",
        "message": "expected a duration such as 90s, 15m, 24h or 2d, found “soon”",
    }


def test_a_configuration_that_is_not_there_is_wrong_use(tmp_path: Path) -> None:
    """Exit status 2, and how to name one."""
    result = run("check", PREFETCH_CONFIG=str(tmp_path / "none.yaml"))
    assert (2, "") == (result.exit_code, result.stdout)
    assert result.stderr.endswith("none.yaml is not a file; name the configuration with --config\n")


@pytest.mark.parametrize(("which", "key"), [("rules", "rules"), ("config", "archives")])
def test_the_schema_is_printed(which: str, key: str) -> None:
    """For an editor that completes keys."""
    result = run("schema", which)
    assert (0, True) == (result.exit_code, key in json.loads(result.stdout)["properties"])


def test_the_schema_is_of_the_rules_unless_said_otherwise() -> None:
    """They are what is edited most."""
    assert run("schema").stdout == run("schema", "rules").stdout


def test_there_is_no_other_schema() -> None:
    """Exit status 2, and which there are."""
    result = run("schema", "order")
    assert (2, True) == (result.exit_code, "rules" in result.stderr)
