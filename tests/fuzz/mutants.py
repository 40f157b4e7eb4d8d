"""Messages with a few things gone wrong, and what must hold of every one of them.

They start from the messages under `tests/data`, in the shapes and character sets of many senders.
"""

from __future__ import annotations

import itertools
import pickle
import random
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

from prefetch.intake import header, hl7, mllp
from prefetch.intake.hl7 import segments
from prefetch.model import OrderEvent

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
DATA = Path(__file__).parent.parent / "data"
SEEDS = [path.read_bytes() for path in sorted(DATA.glob("*/*.hl7"))]

Mutation = Callable[[bytearray, random.Random], None]


def flip(raw: bytearray, chance: random.Random) -> None:
    """Change a byte."""
    raw[chance.randrange(len(raw))] = chance.randrange(256)


def drop(raw: bytearray, chance: random.Random) -> None:
    """Lose some bytes."""
    at = chance.randrange(len(raw))
    del raw[at : at + chance.randrange(1, 30)]


def repeat(raw: bytearray, chance: random.Random) -> None:
    """Say something again, now and then very often."""
    at = chance.randrange(len(raw))
    raw[at:at] = raw[at : at + chance.randrange(1, 60)] * chance.choice((1, 1, 1, 2, 100))


PIECES = (
    *(
        b"|",
        b"^",
        b"~",
        b"\\",
        b"&",
        b"\r",
        b"\n",
        b"\r\n",
        b'""',
        b"MSH|^~\\&|",
        b"ORC|NW|1",
        b"PID|||1",
        b"OBR|1|",
    ),
    *(
        b"IPC|A|",
        b"AIS|1||X^CT",
        b"MRG|2",
        b"ORM^O01",
        b"ADT^A40",
        b"SIU^S12",
        b"20260302",
        b"\\X41\\",
        b"\\.br\\",
    ),
    *(
        b"\x1b$B",
        b"\x1b(B",
        b"\x1b$)C",
        b"\xef\xbb\xbf",
        b"\x83\x5c",
        b"\xc3\xa4",
        b"\xe4",
        b"\x0b",
        b"\x1c\r",
        b"\0",
    ),
)
"""What has a meaning somewhere."""


def insert(raw: bytearray, chance: random.Random) -> None:
    """Put in what has a meaning somewhere else."""
    at = chance.randrange(len(raw))
    raw[at:at] = chance.choice(PIECES)


def swap(raw: bytearray, chance: random.Random) -> None:
    """Put a piece in another place."""
    at, to, size = chance.randrange(len(raw)), chance.randrange(len(raw)), chance.randrange(1, 40)
    piece = raw[at : at + size]
    del raw[at : at + size]
    raw[to:to] = piece


def cut(raw: bytearray, chance: random.Random) -> None:
    """End too early."""
    del raw[chance.randrange(len(raw)) :]


MUTATIONS: tuple[Mutation, ...] = (flip, flip, drop, repeat, insert, insert, swap, cut)


def mutate(raw: bytes, chance: random.Random) -> bytes:
    """A message with a few things gone wrong."""
    changed = bytearray(raw)
    for _ in range(chance.randrange(1, 6)):
        if changed:
            chance.choice(MUTATIONS)(changed, chance)
    return bytes(changed)


def mutants(count: int, seed: int) -> Iterator[bytes]:
    """So many messages gone wrong; the same ones for the same seed."""
    chance = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    return (mutate(chance.choice(SEEDS), chance) for _ in range(count))


# --- what must hold --------------------------------------------------------------------------------

BEFORE, AFTER = b"MSH|^~\\&|A\rPID|before", b"MSH|^~\\&|A\rPID|after"


def decodes(raw: bytes, *, chunk: int = 97) -> None:
    """A message on the wire hides neither the one before it nor the one after it, however it is cut."""
    decoder = mllp.Decoder(max_message_bytes=max(len(raw), len(BEFORE)))
    stream = mllp.encode(BEFORE) + mllp.encode(raw) + mllp.encode(AFTER)
    events = list(
        itertools.chain.from_iterable(
            decoder.feed(stream[at : at + chunk]) for at in range(0, len(stream), chunk)
        )
    )
    frames = [event.payload for event in events if isinstance(event, mllp.Frame)]
    assert frames[0] == BEFORE, raw
    assert frames[-1] == AFTER, raw
    if not {*b"\x0b\x1c"} & {*raw} and raw:
        assert frames[1:-1] == [raw], raw


def splits(raw: bytes) -> None:
    """No character of a message is lost between its segments, from the first segment on."""
    read = header.read_header(raw)
    if read is None:
        return
    text = header.decode(raw, read).text
    cut = segments.cut(text, read.delimiters)
    assert cut, raw
    kept = "".join(read.delimiters.field.join(segment.fields) for segment in cut)
    begins = re.compile(rf"^\s*{cut[0].name}(?={re.escape(read.delimiters.field)}|\s*$)", re.MULTILINE)
    first = begins.search(text.replace("\r", "\n"))
    assert first, raw
    whole = text[first.start() :]
    assert _BLANKS.sub("", kept) == _BLANKS.sub("", whole), raw


_BLANKS = re.compile(r"\s+")


def reads(raw: bytes) -> None:
    """Read and answered, and fit to be handed from a worker process to the daemon."""
    reading = hl7.read_message(raw)
    assert "our reader failed" not in (reading.problem or ""), (reading.problem, raw)
    assert (reading.header is None) == (reading.acknowledgement == "AR")
    assert all(isinstance(event, OrderEvent) for event in reading.events)
    assert pickle.loads(pickle.dumps(reading)) == reading  # noqa: S301 (our own bytes)
    answer = header.acknowledge(reading.header, reading.acknowledgement, now=NOW, control_id="1")
    assert header.without_marks(answer).startswith(b"MSH")
