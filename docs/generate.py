"""Writes what is generated of the manual: keys, verbs, the life of a retrieve, the schema.

Between `<!-- keys -->` and `<!-- /keys -->` (or another name) stands what the code says; the rest of a page
is written by hand. Run it after a change (`make docs`); a test says so when it was forgotten.
"""  # noqa: INP001 (a script, not a package)

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from prefetch.cli import manual, messagetable, reference
from prefetch.sandbox.quirks import QUIRKS

ROOT = Path(__file__).parents[1]
MESSAGE_TABLES = (
    messagetable.events,
    messagetable.order_control,
    messagetable.order_status,
    messagetable.places,
    messagetable.modalities,
)
PAGES = {"config": "configuration.md", "rules": "rules.md", "tests": "rule-tests.md"}


def files() -> Iterator[tuple[Path, str]]:
    """Each generated file with what it should hold."""
    for which, name in PAGES.items():
        page = ROOT / "docs" / "reference" / name
        model, _ = reference.FILES[which]
        yield page, between(page.read_text(encoding="utf-8"), "keys", reference.keys(model))
    verbs = ROOT / "docs" / "reference" / "command-line.md"
    yield verbs, between(verbs.read_text(encoding="utf-8"), "verbs", manual.verbs())
    architecture = ROOT / "docs" / "architecture.md"
    yield (
        architecture,
        between(architecture.read_text(encoding="utf-8"), "lifecycle", manual.life_of_a_retrieve()),
    )
    messages = ROOT / "docs" / "reference" / "hl7-messages.md"
    text = messages.read_text(encoding="utf-8")
    for table in MESSAGE_TABLES:
        text = between(text, table.__name__, table())
    yield messages, text
    page = ROOT / "docs" / "reference" / "archive-quirks.md"
    yield page, between(page.read_text(encoding="utf-8"), "quirks", quirk_table())
    yield ROOT / "rules" / "schema.json", reference.schema("rules")


def quirk_table() -> str:
    """Each quirk of the sandbox with who has met it."""
    rows = (f"| `{name}` | {each.because} | {each.seen} |\n" for name, each in QUIRKS.items())
    return f"| quirk | what the archive does | met in the field |\n| --- | --- | --- |\n{''.join(rows)}\n"


def between(page: str, name: str, text: str) -> str:
    """A page with another text between its two marks of that name."""
    return re.sub(
        rf"(<!-- {name} -->\n).*(<!-- /{name} -->)",
        lambda found: f"{found[1]}\n{text}{found[2]}",
        page,
        flags=re.DOTALL,
    )


if __name__ == "__main__":
    for file, text in files():
        file.write_text(text, encoding="utf-8")
