"""Writes what is generated of the manual: keys of the files, and the schema beside the rules.

Between `<!-- keys -->` and `<!-- /keys -->` stands what the models say; all else of a page is written by
hand. Run it after a change to a model; a test says so when it was forgotten.
"""  # noqa: INP001 (a script, not a package)

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from prefetch.cli import reference

ROOT = Path(__file__).parents[1]
PAGES = {"config": "configuration.md", "rules": "rules.md"}


def files() -> Iterator[tuple[Path, str]]:
    """Each generated file with what it should hold."""
    for which, name in PAGES.items():
        page = ROOT / "docs" / "reference" / name
        model, _ = reference.FILES[which]
        yield page, between(page.read_text(encoding="utf-8"), reference.keys(model))
    yield ROOT / "rules" / "schema.json", reference.schema("rules")


def between(page: str, keys: str) -> str:
    """A page with other keys."""
    return re.sub(
        r"(<!-- keys -->\n).*(<!-- /keys -->)",
        lambda found: f"{found[1]}\n{keys}{found[2]}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    for file, text in files():
        file.write_text(text, encoding="utf-8")
