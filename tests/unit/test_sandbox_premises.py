"""Promises of the made-up hospital's premises."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from prefetch import config
from prefetch.sandbox import hospital, morning, premises

RULES = Path(premises.__file__).with_name("rules")


@pytest.fixture
def opened() -> Iterator[premises.Premises]:
    """The shipped hospital, open."""
    with premises.Premises(morning.Morning(hospital.load(), datetime.now(UTC))) as made:
        yield made


def test_its_configuration_is_good(opened: premises.Premises, tmp_path: Path) -> None:
    """The configuration that comes with it has no mistake, and names what listens here."""
    file = tmp_path / "prefetch.yaml"
    file.write_text(
        opened.configuration(listener_port=0, store=tmp_path / "prefetch.db", rules=RULES, time_zone="UTC")
    )
    site = config.load(file)
    assert list(site.archives) == [hospital.MAIN, hospital.OFFSITE]
    assert {one.ae_title for one in site.workstations.values()} == {"READING1", "READING2"}
    assert site.archives[hospital.MAIN].port == opened.archives[hospital.MAIN].port


def test_the_archives_know_the_workstations(opened: premises.Premises) -> None:
    """Each archive may move to each room."""
    for archive in opened.archives.values():
        assert archive.knows == {name: (ws.host, ws.port) for name, ws in opened.workstations.items()}
