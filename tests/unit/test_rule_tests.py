"""`prefetch test`: rule tests in YAML, as an administrator writes them and reads what they say."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from prefetch.cli.program import program

RULES = """\
version: 1
rules:
  - name: chest-ct
    when: {modality: CT, region: chest}
    priors:
      - {name: scans, modality: CT, newest: 1, oldest: 1, within: 5y}
  - name: oncology
    when: {hl7: {OBR-31: "*staging*"}}
    priors: [{name: everything, newest: 9}]
"""
ORDER = "{modality: CT, procedure_description: CT chest}"
STUDIES = """\
[{name: last, age: 1y, modality: CT, description: CT CHEST},
 {name: baseline, age: 4y, modality: CT, description: CT THORAX},
 {name: too old, age: 6y, modality: CT, description: CT CHEST},
 {name: knee, age: 3mo, modality: CR, description: XR KNEE}]"""


@pytest.fixture
def rules(tmp_path: Path) -> Path:
    """A directory of rules."""
    (tmp_path / "tests").mkdir()
    (tmp_path / "chest.yaml").write_text(RULES)
    return tmp_path


def write(rules: Path, expect: str, *, order: str = ORDER, studies: str = STUDIES, more: str = "") -> None:
    """Write a rule test."""
    said = f"version: 1\ntests:\n- name: a promise\n  order: {order}\n"
    said += f"  studies: {studies}\n  expect: {expect}\n{more}"
    (rules / "tests" / "a.yaml").write_text(said)


def run(rules: Path, *more: str) -> Result:
    """The command, without a configuration."""
    return CliRunner().invoke(
        program, ["test", "--rules", str(rules), *more], env={"PREFETCH_CONFIG": str(rules / "none.yaml")}
    )


@pytest.mark.parametrize(
    "expect",
    [
        "{priors: [last, baseline]}",
        "{priors: [baseline, last], rules: chest-ct}",
        '{priors: [baseline, last], rules: [{rule: chest-ct, because: "*region is chest*"}]}',
        "{priors: [last, {study: baseline, rule: chest-ct, class: scans, to: workstation}]}",
        '{priors: [last, {study: baseline, because: "*oldest, number 1*"}]}',
        '{priors: [last, baseline], left: [knee, {study: too old, because: "*more than 5y*"}]}',
    ],
)
def test_what_holds_passes(rules: Path, expect: str) -> None:
    """Exit status 0, and the test is named."""
    write(rules, expect)
    result = run(rules)
    assert (0, "ok      a promise\n") == (result.exit_code, result.stdout)
    assert result.stderr.endswith("1 tests, none failed\nrules that no test tries: oncology\n")


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ("{priors: [last]}", "“baseline” should be left; chest-ct/scans"),
        ("{priors: [last, baseline, too old]}", "“too old” should be taken; chest-ct/scans"),
        (
            '{priors: [last, baseline], rules: {rule: chest-ct, because: "*knee*"}}',
            "rule chest-ct should say “*knee*”; it says: matches: the order's modality is CT",
        ),
        ("{priors: [last, baseline], rules: []}", "rule chest-ct should not match: matches"),
        ("{priors: [last, baseline], rules: [chest-ct, oncology]}", "rule oncology should match: does not"),
        ("{priors: [last, baseline], rules: [chest-ct, abdomen]}", "there is no rule abdomen"),
        ("{priors: [last, {study: baseline, from: other}]}", "“baseline” should be from other; it is from a"),
        (
            "{priors: [last, {study: baseline, fetch_from: 2026-01-14 20:00, ready_by: 2026-01-15 09:30}]}",
            "“baseline” should be fetched from 2026-01-14 20:00; it is fetched from 2026-01-14 10:00",
        ),
        (
            "{priors: [last, {study: baseline, ready_by: 2026-01-15 09:45}]}",
            "“baseline” should be ready by 2026-01-15 09:45; it is ready by 2026-01-15 09:30",
        ),
        (
            "{priors: [last, {study: baseline, priority: stat}]}",
            "“baseline” should be in lane stat; it is in lane routine",
        ),
        (
            "{priors: [last, {study: baseline, mode: observe}]}",
            "“baseline” should be in mode observe; it is in mode active",
        ),
        ("{priors: [last, {study: baseline, to: other}]}", "“baseline” should go to other; it goes to work"),
        (
            "{priors: [last, {study: baseline, rule: other}]}",
            "“baseline” should be taken by rule other; chest",
        ),
        (
            "{priors: [last, {study: baseline, class: other}]}",
            "“baseline” should be taken as other; chest-ct",
        ),
        (
            "{priors: [last, {study: baseline, because: x}]}",
            "“baseline” should be taken because “x”; chest-ct",
        ),
        (
            "{priors: [last, baseline], left: [{study: knee, because: x}]}",
            "“knee” should be left because “x”",
        ),
    ],
)
def test_what_does_not_hold_is_told(rules: Path, expect: str, failure: str) -> None:
    """With the place of the test, and with what decided otherwise and where; exit status 1."""
    write(rules, expect)
    result = run(rules)
    assert result.exit_code == 1
    assert f"FAILED  a promise\n        {rules}/tests/a.yaml:3: {failure}" in result.stdout
    assert "1 tests, 1 failed\n" in result.stderr


def test_a_reason_names_the_file_and_line_of_its_rule(rules: Path) -> None:
    """So that the administrator knows what to change."""
    write(rules, "{priors: [last]}")
    assert f"chest-ct/scans ({rules}/chest.yaml:6): " in run(rules).stdout


def test_a_program_reads_lines(rules: Path) -> None:
    """`--json`: one line a test."""
    write(rules, "{priors: [last]}")
    (row,) = map(json.loads, run(rules, "--json").stdout.splitlines())
    assert (("a promise", f"{rules}/tests/a.yaml:3", False, ["chest-ct"], 1)) == (
        row["test"],
        row["place"],
        row["passed"],
        row["rules"],
        len(row["failures"]),
    )


MIRRORED = """\
version: 1
rules:
  - name: mirrored
    from: {archives: [main, mirror], use: first that answers}
    priors: [{newest: 1}]
"""
COPIES = "[{name: last, archive: main, age: 1y}, {name: older, archive: mirror, age: 2y}]"


@pytest.mark.parametrize(
    ("silent", "expect", "failure"),
    [
        ("", "{priors: [last]}", None),
        ("  silent: main\n", "{priors: [older]}", None),
        ("  silent: mirror\n", "{priors: [last]}", "mirror should be silent, and nobody asks it"),
    ],
)
def test_archives_may_be_silent(rules: Path, silent: str, expect: str, failure: str | None) -> None:
    """So that it is proven what a rule does without them."""
    (rules / "chest.yaml").write_text(MIRRORED)
    write(rules, expect, studies=COPIES, more=silent)
    result = run(rules)
    assert (1 if failure else 0) == result.exit_code
    assert (failure or "ok") in result.stdout


@pytest.mark.parametrize(
    ("order", "rule"),
    [
        ("{hl7: {OBR-31: tumour staging}}", "oncology"),
        ("{hl7: {OBR-31.2: tumour staging}}", None),
        ("{modality: CT, procedure_description: CT chest, unscheduled: true}", "chest-ct"),
        ("{modality: CT, procedure_description: CT chest, scheduled_start: 2020-01-01 10:00}", "chest-ct"),
    ],
)
def test_an_order_says_what_a_message_would(rules: Path, order: str, rule: str | None) -> None:
    """Places of the message, and when it is."""
    write(rules, f"{{rules: [{rule or ''}]}}", order=order, studies="[]")
    assert run(rules).exit_code == 0


@pytest.mark.parametrize(
    ("expect", "studies", "message"),
    [
        ("{priors: [latest]}", STUDIES, "no study is called latest; did you mean last?"),
        ("{priors: [last], left: [last]}", STUDIES, "last cannot be both taken and left"),
        ("{prior: [last]}", STUDIES, "expect.prior: unknown key; did you mean priors?"),
        ("{priors: []}", "[{name: a, age: 1y, date: 2020-01-01}]", "has an age and a date"),
        ("{priors: []}", "[{name: a}, {name: a}]", "two studies have the same name"),
        ("{priors: []}", "[{name: a, date: 31.12.2020}]", "“31.12.2020” is not a date"),
        ("{priors: []}", "[{name: a, modality: XRAY}]", "“XRAY” is not a modality"),
        ("{priors: []}", "[{name: a, series: [{name: b}, {name: b}]}]", "two series have the same name"),
        (
            "{priors: [{study: a, series: lungs}]}",
            "[{name: a, series: [{name: lung}]}]",
            "no series of a is called lungs; did you mean lung?",
        ),
        (
            "{priors: []}",
            "[{name: a, series: [{name: lung}, {name: k, modality: KO, marks: {lungs: 2}}]}]",
            "no series of a is called lungs; did you mean lung?",
        ),
    ],
)
def test_a_file_that_is_wrong_is_not_run(rules: Path, expect: str, studies: str, message: str) -> None:
    """Every mistake at its place, and exit status 2."""
    write(rules, expect, studies=studies)
    result = run(rules)
    assert result.exit_code == 2
    assert f"{rules}/tests/a.yaml:" in result.stderr
    assert message in result.stderr


@pytest.mark.parametrize(
    ("order", "message"),
    [
        (
            "{unscheduled: true, scheduled_start: 2026-01-01 10:00}",
            "is unscheduled and has a scheduled_start",
        ),
        ("{scheduled_start: tomorrow}", "“tomorrow” is not a time"),
        ("{hl7: {OBR-99: x}}", "OBR has 55 fields and no OBR-99"),
    ],
)
def test_an_order_that_is_wrong_is_told(rules: Path, order: str, message: str) -> None:
    """The same of the order."""
    write(rules, "{priors: []}", order=order, studies="[]")
    result = run(rules)
    assert (2, True) == (result.exit_code, message in result.stderr)


PARTS = """\
  - name: part
    when: {modality: CT, region: abdomen}
    priors: [{series: {modality: CT, localizers: false}, newest: 1}]
"""
CUT_IN_SERIES = """\
[{name: last, age: 1y, description: CT ABDOMEN, series: [
   {name: scout, modality: CT, description: Topogram},
   {name: axial, modality: CT, description: AXIAL 2.0},
   {name: dose, modality: SR}]}]"""


@pytest.mark.parametrize(
    ("expect", "failure"),
    [
        ("{priors: [{study: last, series: axial}]}", None),
        (
            "{priors: [{study: last, series: [axial, dose]}]}",
            "“last” should be taken with its series axial, dose; it is taken with axial; part",
        ),
        (
            "{priors: [{study: last, instances: 9}]}",
            "“last” should be taken with 9 instances; it is taken with 10; part",
        ),
    ],
)
def test_series_that_are_chosen_are_tested(rules: Path, expect: str, failure: str | None) -> None:
    """A study that says its series shows which of them a rule takes."""
    (rules / "part.yaml").write_text(f"rules:\n{PARTS}")
    order = "{modality: CT, procedure_description: CT abdomen}"
    write(rules, expect, order=order, studies=CUT_IN_SERIES)
    result = run(rules)
    assert (1 if failure else 0, True) == (result.exit_code, (failure or "ok") in result.stdout)


def test_a_series_test_without_series_says_so(rules: Path) -> None:
    """A rule that chooses among series takes nothing of a study that says none."""
    (rules / "part.yaml").write_text(f"rules:\n{PARTS}")
    order = "{modality: CT, procedure_description: CT abdomen}"
    write(rules, "{priors: [a]}", order=order, studies="[{name: a, modality: CT, description: CT ABDOMEN}]")
    assert "“a” should be taken; part/class 1" in (said := run(rules).stdout)
    assert "the archive does not say the series" in said


def test_no_tests_are_no_success(rules: Path) -> None:
    """Nobody shall believe that a rule is proven by nothing."""
    result = run(rules)
    assert (2, True) == (result.exit_code, "there are no tests" in result.stderr)


def test_rules_that_are_wrong_are_told(rules: Path) -> None:
    """They cannot be tested."""
    write(rules, "{priors: []}")
    (rules / "chest.yaml").write_text("rules: [{named: a}]\n")
    result = run(rules)
    assert (2, True) == (result.exit_code, "unknown key; did you mean name?" in result.stderr)


def test_the_rules_in_force_are_tested(rules: Path) -> None:
    """With a configuration its archives and workstations count, and the tests lie beside its rules."""
    write(rules, "{priors: [last, {study: baseline, to: room}]}")
    site = rules / "prefetch.yaml"
    site.write_text(
        f"time_zone: Europe/Berlin\nrules: {rules}\n"
        "archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}\n"
        "workstations: {room: {ae_title: READ1, verify: counters}}\n"
    )
    (rules / "prefetch.yaml").rename(rules.parent / "prefetch.yaml")
    result = CliRunner().invoke(program, ["test", "--config", str(rules.parent / "prefetch.yaml")])
    assert (0, "ok      a promise\n") == (result.exit_code, result.stdout)
