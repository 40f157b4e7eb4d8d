"""The rules that come with the product, by topic, with their tests."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path

from prefetch import yamlfile
from prefetch.config import Config
from prefetch.proof import cases, trial

ALL = "all"


def library() -> Path:
    """The directory of the rules that the installed package brings."""
    return Path(str(resources.files("prefetch.sandbox") / "rules")).resolve()


def topics() -> dict[str, Path]:
    """Each topic with its file of rules, in the order in which they are read."""
    return {re.sub(r"^\d+-", "", file.stem): file for file in yamlfile.files(library())}


def read_topics(text: str) -> tuple[str, ...]:
    """Read `all`, or topics between commas; raises ValueError with the nearest one that there is."""
    available = topics()
    words = [word for word in re.split(r"[,\s]+", text.strip().lower()) if word]
    for word in words:
        if word != ALL and word not in available:
            raise ValueError(
                f"there are no rules for {word}; {yamlfile.did_you_mean(word, [ALL, *available])}"
            )
    if not words:
        raise ValueError(f"type {ALL}, or some of: {', '.join(available)}")
    return tuple(topic for topic in available if topic in words or ALL in words)


def files(chosen: Iterable[str]) -> dict[Path, str]:
    """The files of some topics and of their tests, each by its place in the directory of the rules."""
    sources, texts = topics(), {}
    for topic in chosen:
        texts[Path(sources[topic].name)] = sources[topic].read_text(encoding="utf-8")
        tests = library() / "tests" / f"{topic}.yaml"
        if tests.is_file():
            texts[Path("tests", tests.name)] = tests.read_text(encoding="utf-8")
    return texts


def foreign_cases(directory: Path, site: Config) -> list[cases.Case]:
    """The rule tests of a directory that do not hold for a site: they speak of rules that it did not take."""
    return [case for case in cases.read(directory).cases if not trial.run(case, site.rule_set, site).passed]


def without_foreign_tests(stage: Path, texts: Mapping[Path, str], site: Config) -> dict[Path, str]:
    """The files of a site's tests that change when those for rules of other topics are left out."""
    lines: dict[Path, list[int]] = {}
    for case in foreign_cases(stage / "rules" / "tests", site):
        file, _, line = case.place.rpartition(":")
        lines.setdefault(Path(file).relative_to(stage), []).append(int(line))
    return {name: _without(texts[name], begun_at) for name, begun_at in lines.items()}


def _without(text: str, begun_at: Iterable[int]) -> str:
    """Take the tests that begin at these lines out of the text of a file; empty where none is left."""
    lines = text.splitlines(keepends=True)
    first = {line - 1 for line in begun_at}
    begins = [number for number, line in enumerate(lines) if line.startswith("  - name:")]
    if first.issuperset(begins):
        return ""
    taken: set[int] = set()
    for begin, end in zip(begins, [*begins[1:], len(lines)], strict=True):
        taken |= set(range(begin, end)) if begin in first else set()
    return "".join(line for number, line in enumerate(lines) if number not in taken)
