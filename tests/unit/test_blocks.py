"""Blocks are readable on a terminal of 80 columns."""

from __future__ import annotations

from prefetch.cli import terms

BLOCK = terms.Block(
    head="archive main: MAIN at pacs.example.org:11112, answers",
    lines=(("offers", "C-ECHO, C-FIND"), ("!", "refuses our queries: " + "is it registered there? " * 8)),
)


def test_no_line_is_wider_than_the_terminal() -> None:
    """Words are wrapped below where they begin."""
    lines = list(terms.write_block(BLOCK, 80))
    assert max(map(len, lines)) <= 80
    assert "  offers  C-ECHO, C-FIND" == lines[1]
    assert lines[3].startswith("          ")


def test_where_nobody_looks_each_line_is_whole() -> None:
    """So that grep finds it."""
    assert 3 == len(list(terms.write_block(BLOCK, None)))
