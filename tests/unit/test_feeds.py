"""Messages as senders of many countries and makes write them, and what each of them says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from prefetch.intake import batch, hl7

FEEDS = Path(__file__).parent.parent / "data" / "feeds"
EXPECTED: list[dict[str, Any]] = [
    json.loads(line) for line in (FEEDS / "expected.jsonl").read_text(encoding="utf-8").splitlines()
]


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda one: one["file"].removesuffix(".hl7"))
def test_what_a_sender_writes_is_read(expected: dict[str, Any]) -> None:
    """Every event with every value that the message says and none besides; and what is not understood."""
    readings = [hl7.read_message(raw) for raw in batch.split((FEEDS / expected["file"]).read_bytes())]
    events = [_said(hl7.to_json(event)) for reading in readings for event in reading.events]
    assert (expected["events"], expected["problem"]) == (
        events,
        next((reading.problem for reading in readings if reading.problem), None),
    )


def test_every_file_has_its_line() -> None:
    """A message that is added says what is to be read in it."""
    assert {path.name for path in FEEDS.glob("*.hl7")} == {one["file"] for one in EXPECTED}


def _said(event: dict[str, Any]) -> dict[str, Any]:
    """The values of an event in words, and what it clears."""
    words = {name: str(value) for name, value in event.items() if value and isinstance(value, str)}
    return words | ({"cleared": event["cleared"]} if event["cleared"] else {})
