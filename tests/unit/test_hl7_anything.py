"""Whatever comes: no exception leaves the reader, none holds it up, and every message has an answer."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake import batch, hl7
from tests.fuzz import mutants


def holds(raw: bytes) -> None:
    """All that is promised of any message."""
    mutants.decodes(raw)
    mutants.splits(raw)
    mutants.reads(raw)


@given(st.binary(max_size=200), st.sampled_from([b"", b"MSH|^~\\&|", *(raw[:60] for raw in mutants.SEEDS)]))
def test_any_bytes_have_an_answer(tail: bytes, head: bytes) -> None:
    """No bytes at all, with or without a header before them, make decoder, splitter or reader fail."""
    holds(head + tail)


@given(st.lists(st.sampled_from(mutants.PIECES), max_size=60))
def test_any_pieces_of_messages_have_an_answer(pieces: list[bytes]) -> None:
    """What has a meaning somewhere, in any other place."""
    holds(b"MSH|^~\\&|A|B|||2026||" + b"".join(pieces))


@pytest.mark.parametrize(
    "body",
    [
        b"SCH|||||||||" * 8_000,
        b"PID|1||1||" * 10_000,
        b"ORC|NW|1\rOBR|1|1||A\r" * 2_000,
        b"OBR|1|1||" + b"A^" * 100_000,
        b"OBR|1|1||" + b"A~" * 50_000,
        b"OBR|1|1||" + b"\\" * 100_000,
        b"OBR|1|1||\\X" + b"41" * 50_000,
        b"\r" * 200_000,
        b"PID|||" + b"\xe4" * 100_000,
        b"PID|||" + "ソ".encode("cp932") * 50_000,
        b"TQ1|1||||||" * 10_000,
        b"MSH|" * 30_000,
        b"MSH|^~\\&|||||||ORM\r" * 3_000,
    ],
    ids=range(13),
)
def test_large_and_hostile_messages_do_not_hold_the_feed_up(body: bytes) -> None:
    """Messages built to make a parser work hard come to an end, long before a test that hangs is ended."""
    reading = hl7.read_message(b"MSH|^~\\&|RIS||||20260302||ORM^O01|1|P|2.3\r" + body)
    assert "our reader failed" not in (reading.problem or "")


@given(st.binary(max_size=200))
def test_any_file_is_split(data: bytes) -> None:
    """Any file gives its messages, and what holds none gives itself."""
    pieces = batch.split(data)
    assert all(pieces)
