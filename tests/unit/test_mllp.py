"""The MLLP decoder: what comes out of a stream, whatever its chunks and whatever is wrong with it."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake import mllp
from prefetch.intake.mllp import Frame, Garbage, Oversized

LIMIT = 24

pieces = st.lists(
    st.one_of(
        st.binary(max_size=40),
        st.sampled_from(
            [b"\x0b", b"\x1c", b"\x0d", b"\x1c\x0d", b"\x0bMSH|", b"MSH", b"\x0bM", b"SH|^~", b"x" * 30]
        ),
    ),
    max_size=12,
)


def decode(*chunks: bytes, limit: int = mllp.MEGABYTE) -> list[mllp.Event]:
    """The events of these chunks, in order."""
    decoder = mllp.Decoder(max_message_bytes=limit)
    return [event for chunk in chunks for event in decoder.feed(chunk)]


def test_encoded_message_comes_back() -> None:
    """What is encoded is decoded to the same bytes."""
    assert decode(mllp.encode(b"MSH|^~\\&|A\rPID|1\r")) == [Frame(b"MSH|^~\\&|A\rPID|1\r")]


def test_two_messages_in_one_chunk() -> None:
    """A chunk may hold several messages; each is a frame, in order."""
    assert decode(mllp.encode(b"one") + mllp.encode(b"two")) == [Frame(b"one"), Frame(b"two")]


@pytest.mark.parametrize(
    "stream",
    [
        b"\x0b\x0bMSH|1\x1c\x0d\x1c\x0d\x0bMSH|2\x1c\x0d",
        b"\x0bMSH|1\x1c\x0bMSH|2\x1c",
        b"\r\n\x0bMSH|1\x1c\r\n\n \x0bMSH|2\x1c\r",
        b"\x0b\x1c\x0d\x0bMSH|1\x1c\x0d\x0b\x1c\x0d\x0bMSH|2\x1c\x0d",
    ],
    ids=["doubled framing", "no carriage return", "line ends between", "empty frames"],
)
def test_framing_as_senders_write_it(stream: bytes) -> None:
    """Doubled, shortened and padded framing are no reason to lose or report anything."""
    assert decode(stream) == [Frame(b"MSH|1"), Frame(b"MSH|2")]


def test_noise_is_counted_and_skipped() -> None:
    """Bytes outside a frame are counted once, before the frame that ends them."""
    assert decode(b"GET / HTTP", b"/1.0\x0bMSH|1\x1c\x0dnoise\x0bMSH|2\x1c\x0d") == [
        Garbage(12),
        Frame(b"MSH|1"),
        Garbage(5),
        Frame(b"MSH|2"),
    ]


def test_message_that_was_cut_off_does_not_take_the_next_one_with_it() -> None:
    """A new MSH after a start block begins a new message, whatever was unfinished before it."""
    assert decode(b"\x0bMSH|cut off in the mid\x0bMSH|2\x1c\x0d") == [Garbage(18), Frame(b"MSH|2")]


def test_vertical_tab_in_a_field_is_text() -> None:
    """A vertical tab that no MSH follows stays in the message: word processors write them in notes."""
    assert decode(b"\x0bMSH|1\rNTE|||first\x0bsecond\x1c\x0d") == [Frame(b"MSH|1\rNTE|||first\x0bsecond")]


def test_oversized_message_is_reported_with_its_head_and_the_next_one_read() -> None:
    """A message over the limit is told by its beginning and its length; the stream goes on behind it."""
    long = b"MSH|" + b"x" * 10_000
    events = decode(mllp.encode(long), mllp.encode(b"MSH|2"), limit=5_000)
    assert events == [Oversized(long[: mllp.HEAD_BYTES], len(long)), Frame(b"MSH|2")]


def test_oversized_message_that_never_ends_gives_way_to_the_next() -> None:
    """A sender that gave up on a long message and begins a new one is heard."""
    assert decode(b"\x0bMSH|" + b"x" * 40, b"x\x0bM", b"SH|2\x1c\x0d", limit=LIMIT) == [
        Oversized(b"MSH|" + b"x" * 21, 45),
        Frame(b"MSH|2"),
    ]


def test_longest_allowed_message_is_a_frame() -> None:
    """The limit itself is allowed; one byte more is not."""
    assert decode(mllp.encode(b"x" * LIMIT), limit=LIMIT) == [Frame(b"x" * LIMIT)]
    assert decode(mllp.encode(b"x" * (LIMIT + 1)), limit=LIMIT) == [Oversized(b"x" * (LIMIT + 1), LIMIT + 1)]


def test_decoder_tells_whether_a_message_is_on_its_way() -> None:
    """Between messages nothing is being received; from the start block to the end block something is."""
    decoder = mllp.Decoder()
    seen = []
    for chunk in (b"", b"\x0b", b"MSH|", b"\x1c", b"\x0d"):
        decoder.feed(chunk)
        seen.append(decoder.receiving)
    assert seen == [False, True, True, False, False]


@given(pieces, st.lists(st.integers(min_value=0, max_value=400), max_size=20))
def test_any_chunking_gives_the_same_events(parts: list[bytes], cuts: list[int]) -> None:
    """However a stream is cut into chunks, the events are those of the whole, and those of single bytes."""
    stream = b"".join(parts)
    edges = [0, *sorted(min(cut, len(stream)) for cut in cuts), len(stream)]
    chunked = decode(*(stream[a:b] for a, b in pairwise(edges)), limit=LIMIT)
    whole = decode(stream, limit=LIMIT)
    single = decode(*(stream[i : i + 1] for i in range(len(stream))), limit=LIMIT)
    assert whole == chunked == single


@given(
    st.lists(
        st.binary(min_size=1, max_size=LIMIT).map(lambda b: b.translate(None, b"\x0b\x1c") or b"."),
        max_size=6,
    )
)
def test_any_messages_come_through(payloads: list[bytes]) -> None:
    """Every message that holds no framing byte comes out as it went in."""
    assert decode(*map(mllp.encode, payloads), limit=LIMIT) == [Frame(payload) for payload in payloads]


@given(pieces)
def test_memory_stays_bounded(parts: list[bytes]) -> None:
    """No stream makes the decoder hold more than its limit and the kept head."""
    decoder = mllp.Decoder(max_message_bytes=LIMIT)
    for part in parts:
        decoder.feed(part)
        held = len(decoder._buffer) + len(decoder._head) + len(decoder._tail)  # noqa: SLF001 (the promise is about it)
        assert held <= 2 * LIMIT + 8
