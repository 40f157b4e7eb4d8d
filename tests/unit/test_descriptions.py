"""What hospitals write, and what is read in it: a line a description in `tests/data/descriptions`."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefetch import relevance
from prefetch.relevance import Description

DATA = Path(__file__).parents[1] / "data" / "descriptions"


def lines(file: Path) -> Iterator[list[str]]:
    """The cells of each line that is no comment."""
    for line in file.read_text(encoding="utf-8").splitlines():
        if line and not line.startswith("#"):
            yield line.split("\t")


def shown(said: Description) -> list[str]:
    """A description as the files write it."""
    return [
        " ".join(said.modalities) or "-",
        " ".join(said.regions) or "-",
        said.laterality or "-",
    ]


@pytest.mark.parametrize("file", sorted(DATA.glob("*.tsv")), ids=lambda file: file.stem)
def test_descriptions_are_read(file: Path) -> None:
    """Modality, every region and no other, and the side, in each line of the file."""
    expected = {text: said for text, *said in lines(file)}
    assert expected == {text: shown(relevance.describe(text)) for text in expected}


@pytest.mark.parametrize("file", sorted(DATA.glob("*.tsv")), ids=lambda file: file.stem)
def test_case_and_blanks_do_not_matter(file: Path) -> None:
    """What was typed in capitals, or with blanks too many, is read the same."""
    texts = [text for text, *_ in lines(file) if text.isascii() and text.isupper()]
    expected = {text: shown(relevance.describe(text)) for text in texts}
    assert expected == {text: shown(relevance.describe(f"  {text.lower()}  ")) for text in texts}
    assert expected == {text: shown(relevance.describe(text.replace(" ", "   "))) for text in texts}
    assert expected == {text: shown(relevance.describe(text.replace(" ", "_"))) for text in texts}
