"""Files of messages: one or many, framed or not, in a batch or one after the other."""

from __future__ import annotations

import pytest

from prefetch.intake import batch, header, mllp

ONE = b"MSH|^~\\&|A||||||ADT^A08|1|P|2.3\rPID|||1||||||||||||||MSH|2\r"
TWO = b"MSH|^~\\&|A||||||ADT^A08|2|P|2.3\rPID|||2\r"


@pytest.mark.parametrize(
    "data",
    [
        ONE + TWO,
        b"\xef\xbb\xbf" + ONE + b"\r\n\r\n" + TWO,
        mllp.encode(ONE) + mllp.encode(TWO),
        mllp.encode(ONE + TWO),
        b"# written by hand\n" + ONE + TWO,
        b"FHS|^~\\&|A\rBHS|^~\\&|A\r" + ONE + TWO + b"BTS|2\rFTS|1\r",
        b"FHS|^~\\&|A\r\nBHS|^~\\&|A\r\nBTS|1\r\nBHS|^~\\&|A\r\n" + ONE + TWO + b"BTS|1\r\nFTS|2",
        (ONE + TWO).decode().encode("utf-16"),
        (ONE + TWO).decode().encode("utf-16-be"),
    ],
    ids=[
        "bare",
        "with mark and blank lines",
        "framed",
        "both in a frame",
        "after a comment",
        "batch",
        "batches",
        "in 16 bits with a mark",
        "in 16 bits",
    ],
)
def test_two_messages_are_two(data: bytes) -> None:
    """However two messages are kept in a file, they come out as two."""
    messages = [header.without_marks(message).strip() for message in batch.split(data)]
    assert messages == [ONE.strip(), TWO.strip()]


@pytest.mark.parametrize(("data", "expected"), [(b"", []), (b"\r\n ", []), (b"hello", [b"hello"])])
def test_file_without_messages(data: bytes, expected: list[bytes]) -> None:
    """An empty file holds none; anything else is one thing that cannot be read."""
    assert batch.split(data) == expected
