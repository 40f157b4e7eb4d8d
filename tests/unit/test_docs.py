"""What the pages show is right: YAML loads, verbs exist, links lead somewhere."""

from __future__ import annotations

import ast
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

from prefetch import config, rules, yamlfile
from prefetch.cli import program
from prefetch.retrieval import verifier

ROOT = Path(__file__).parents[2]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").rglob("*.md")])


def blocks(language: str) -> Iterator[tuple[str, str]]:
    """Each code block of a language, with the page and number it is known by."""
    pattern = re.compile(rf"^( *)```{language}\n(.*?)^\1```", re.DOTALL | re.MULTILINE)
    for page in PAGES:
        for number, found in enumerate(pattern.finditer(page.read_text()), 1):
            yield f"{page.relative_to(ROOT)}:{number}", textwrap.dedent(found[2])


RULE = "version: 1\nrules: [{name: all, priors: [{newest: 1}]}]\n"
YAML = dict(blocks("yaml"))
SHELL = dict(blocks("sh"))


@pytest.mark.parametrize("name", [name for name, text in YAML.items() if "\nrules:\n" in text])
def test_rules_on_a_page_are_rules(name: str, tmp_path: Path) -> None:
    """An administrator may copy them."""
    (tmp_path / "page.yaml").write_text(YAML[name])
    yamlfile.load(tmp_path / "page.yaml", rules.RuleFile)


@pytest.mark.parametrize("name", [name for name, text in YAML.items() if "time_zone:" in text])
def test_a_configuration_on_a_page_is_one(name: str, tmp_path: Path) -> None:
    """It loads as a whole, cross-checks included."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "all.yaml").write_text(RULE)
    (tmp_path / "prefetch.yaml").write_text(YAML[name])
    assert config.load(tmp_path / "prefetch.yaml").archives


@pytest.mark.parametrize("name", SHELL)
def test_a_verb_on_a_page_exists(name: str) -> None:
    """No page names a verb that the command line does not have."""
    used = set(re.findall(r"(?:^|bin/)prefetch ([a-z-]+)", SHELL[name], re.MULTILINE))
    assert used <= set(program.VERBS)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    """Relative links name files that are there."""
    targets = re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text())
    assert [] == [target for target in targets if not (page.parent / target).exists()]


LOG = re.compile(r"log\.\w+|self\._(shared\.)?refusals\.tell|self\.shared\.refusals\.tell|self\._refuse")


def log_events() -> Iterator[str]:
    """The name of each line that the product may log: the first text that a call of a log is given."""
    for file in (each for each in ROOT.glob("prefetch/**/*.py") if "log = structlog" in each.read_text()):
        yield from calls(file)
    yield from calls(ROOT / "prefetch" / "intake" / "connection.py")
    yield from verifier._EVENTS.values()  # noqa: SLF001 (a table: no call names them)


def calls(file: Path) -> Iterator[str]:
    """The names that the calls of a log in a module may be given."""
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Call) and LOG.fullmatch(ast.unparse(node.func)):
            said = (
                each for name in node.args[:2] for each in ast.walk(name) if isinstance(each, ast.Constant)
            )
            texts = (each.value for each in said if isinstance(each.value, str))
            yield from (text for text in texts if re.fullmatch(r"[a-z]+(_[a-z]+)+", text))


@pytest.mark.parametrize("event", sorted(set(log_events())))
def test_every_log_line_is_explained(event: str) -> None:
    """Whoever is called at 3 a.m. finds what it means, and what to do."""
    page = (ROOT / "docs" / "reference" / "log-lines.md").read_text()
    assert re.search(rf"^\| .*`{event}`.* \|", page, re.MULTILINE)
