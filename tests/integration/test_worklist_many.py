"""A worklist as long as a big hospital's, answered by the worklists that Debian ships."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from prefetch.model import OrderStatus, Outcome
from tests import peers, worklists
from tests.integration.test_worklist_poller import TOMORROW, Site

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("worklist-many")]  # the items are written once

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


@pytest.fixture(params=[peers.Wlmscpfs, peers.OrthancWorklist], ids=["wlmscpfs", "orthanc"])
def ris(request: pytest.FixtureRequest, tmp_path: Path, items: Path) -> Iterator[worklists.RealWorklist]:
    """A worklist of either make that holds them all."""
    with request.param(ae_title="RIS", directory=tmp_path) as started:
        started.load(items.iterdir())
        yield started


@pytest.fixture
def site(tmp_path: Path, ris: worklists.RealWorklist) -> Iterator[Site]:
    """Who asks it."""
    asking = Site(tmp_path, ris, stale={"absences": 1})
    yield asking
    asking.store.close()


def test_two_thousand_items_are_two_thousand_exams(ris: worklists.RealWorklist, site: Site) -> None:
    """While it is away nothing changes; of its next answer only what changed is news."""
    site.poll()
    before = site.orders()
    assert {f"A{number}" for number in range(MANY)} == before.keys()
    ris.kill()
    site.poll()
    assert (before, Outcome.TRANSIENT) == (site.orders(), site.asked().outcome)
    worklists.put(ris, "A7", start=start(MANY))
    worklists.put(ris, "A9999", start=start(1))
    worklists.take(ris, "A8")
    ris.start()
    site.poll()
    after = site.orders()
    changed = {name for name, order in after.items() if order != before.get(name)}
    assert {"A7", "A8", "A9999"} == changed
    assert OrderStatus.CANCELLED is after["A8"].status
