"""A worklist as long as a big hospital's, answered by the worklists that Debian ships."""

from __future__ import annotations

from datetime import datetime, timedelta
from pathlib import Path

import pytest

from prefetch.intake.worklist import reading
from prefetch.model import OrderStatus, Outcome
from tests import peers, worklists
from tests.integration.test_dimse_worklist import ask
from tests.integration.test_worklist_poller import TOMORROW, Site

pytestmark = pytest.mark.peers

MANY = 2000


def start(number: int) -> datetime:
    """One exam a minute, night and day."""
    return TOMORROW + timedelta(minutes=number)


@pytest.fixture(scope="module")
def items(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of all items, written once."""
    directory = tmp_path_factory.mktemp("items")
    for number in range(MANY):
        worklists.write(directory / f"A{number}.wl", worklists.item(f"A{number}", start=start(number)))
    return directory


def test_two_thousand_items_are_two_thousand_exams(tmp_path: Path, items: Path) -> None:
    """And of the next answer only what changed is news: one is put off, one is new, and one has gone."""
    with peers.Wlmscpfs(ae_title="RIS", directory=tmp_path) as ris:
        ris.load(items.iterdir())
        site = Site(tmp_path, ris, stale={"absences": 1})
        try:
            site.poll()
            before = site.orders()
            assert MANY == len(before)
            worklists.put(ris, "A7", start=start(MANY))
            worklists.put(ris, "A9999", start=start(1))
            worklists.take(ris, "A8")
            site.poll()
            after = site.orders()
        finally:
            site.store.close()
    changed = {name for name, order in after.items() if order != before.get(name)}
    assert {"A7", "A8", "A9999"} == changed
    assert OrderStatus.CANCELLED is after["A8"].status


def test_two_thousand_items_are_one_whole_answer(tmp_path: Path, items: Path) -> None:
    """Of Orthanc as well."""
    with peers.OrthancWorklist(ae_title="RIS", directory=tmp_path) as ris:
        ris.load(items.iterdir())
        answer = ask(ris)
    assert (Outcome.SUCCESS, MANY) == (answer.outcome, len({*map(reading.key_of, answer.items)}))
