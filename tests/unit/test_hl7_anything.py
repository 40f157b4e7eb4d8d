"""Whatever comes: no exception leaves the reader, none holds it up, and every message has an answer."""

from __future__ import annotations

import pickle
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.intake import batch, header, hl7
from prefetch.model import OrderEvent

NOW = datetime(2026, 3, 2, 8, 15, tzinfo=UTC)
PATIENCE = 2.0
"""Seconds that no message of this size may take, on however busy a machine."""

ORDERS = """MSH|^~\\&|RIS|HOSP|||20260302||ORM^O01|1|P|2.3
PID|||47^^^H&1.2&ISO^MR~9^^^S^SS||Example^Ada||1961|F
PV1||E|A^1
ORC|NW|P1^A|F1^B||SC||^^^20260302090000^^S
OBR|1|P1|F1|A^CT \\T\\ head^L|||||||||||||A1|R1|S1||||CT
ZDS|1.2.3^^Application^DICOM
ORC|CA|P2
OBR|2|P2||B^MR||||||||||||||||||||NMR
"""
IMAGING = """MSH|^~\\&|RIS|Köln|||20260302||OMI^O23|2|P|2.5.1||||||UNICODE UTF-8
PID|||1||Müller^Jörg
ORC|XO|P1
TQ1|||||||20260302090000+0100||R
OBR|1|P1||A^B
IPC|A1|R1|1.2.3|S1|CT|A^B|X|Y|CT1
"""
PATIENT = """MSH|^~\\&|HIS|病院|||20260302||ADT^A08|3|P|2.5
EVN|A08
PID|||1||ソ表^花子^^^^^L^I~レイ^ハナコ^^^^^L^P
"""
MERGE = """MSH|^~\\&|HIS|病院|||20260302||ADT^A40|4|P|2.5||||||~ISO IR87
PID|||1^^^H||山田^花子
MRG|2^^^H~3
"""
BOOKING = """MSH#*!/@#RIS#Hôpital###20260302##SIU*S12#5#P#2.5######8859/1
SCH#1#2######X*Échographie
PID###1##Léger*Zoé
RGS#1
AIS#1##US*Échographie#202603020900
AIL#1##R1
RGS#2
AIS#2##LAB*Sang
"""
GLUED = """MSH|^~|RIS|X|||20260302||ORM^O01|6|P|2.5||||||GB 18030-2000
PID|||1||王^小红
PV1||OORC|SC|7|8||IP||1^once^^20260302082200
OBR|1|7|8|A^CT全腹部||||||||||||||U7|
"""
SEEDS = [
    text.replace("\n", "\r").encode(codec)
    for text, codec in (
        (ORDERS, "ascii"),
        (IMAGING, "utf-8"),
        (PATIENT, "cp932"),
        (MERGE, "iso2022_jp"),
        (BOOKING, "latin-1"),
        (GLUED, "gb18030"),
    )
]

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


def insert(raw: bytearray, chance: random.Random) -> None:
    """Put in what has a meaning somewhere else."""
    at = chance.randrange(len(raw))
    raw[at:at] = chance.choice(
        (
            b"|",
            b"^",
            b"~",
            b"\\",
            b"&",
            b"\r",
            b"\n",
            b'""',
            b"MSH|",
            b"ORC|NW|",
            b"PID|",
            b"\x1b$B",
            b"\xef\xbb\xbf",
        )
    )


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


def has_an_answer(raw: bytes) -> None:
    """Read, answered in time, and fit to be handed from a worker process to the daemon."""
    began = time.perf_counter()
    reading = hl7.read_message(raw)
    assert time.perf_counter() - began < PATIENCE, raw
    assert "our reader failed" not in (reading.problem or ""), (reading.problem, raw)
    assert (reading.header is None) == (reading.acknowledgement == "AR")
    assert all(isinstance(event, OrderEvent) for event in reading.events)
    assert pickle.loads(pickle.dumps(reading)) == reading  # noqa: S301 (our own bytes)
    answer = header.acknowledge(reading.header, reading.acknowledgement, now=NOW, control_id="1")
    assert answer.startswith(b"MSH")


@pytest.mark.parametrize("seed", range(10))
def test_mutated_messages_have_an_answer(seed: int) -> None:
    """Messages with bytes changed, lost, repeated and moved are read, or said not to be."""
    chance = random.Random(seed)  # noqa: S311 (reproducible, not secret)
    for _ in range(200):
        has_an_answer(mutate(chance.choice(SEEDS), chance))


@given(st.binary(max_size=200), st.sampled_from([b"", b"MSH|^~\\&|", *(raw[:60] for raw in SEEDS)]))
def test_any_bytes_have_an_answer(tail: bytes, head: bytes) -> None:
    """No bytes at all, with or without a header before them, make the reader fail."""
    has_an_answer(head + tail)


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
    """Messages built to make a parser work hard are read in no more time than their length is worth."""
    began = time.perf_counter()
    hl7.read_message(b"MSH|^~\\&|RIS||||20260302||ORM^O01|1|P|2.3\r" + body)
    assert time.perf_counter() - began < 5 * PATIENCE


@given(st.binary(max_size=200))
def test_any_file_is_split(data: bytes) -> None:
    """Any file gives its messages, and what holds none gives itself."""
    pieces = batch.split(data)
    assert all(pieces)
