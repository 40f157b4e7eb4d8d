"""What a PIX manager said is kept for a while; one that fails is left alone, and planning goes on."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from prefetch import health
from prefetch.intake import pix
from prefetch.model import PatientId, Referred
from prefetch.pix import PixManager
from prefetch.planning.referrals import Referrals
from prefetch.sandbox.pix import PatientIndex
from prefetch.store.database import Database

START = datetime(2026, 3, 2, 7, 0, tzinfo=UTC)
P1 = PatientId(patient_id="P1", issuer_of_patient_id="HOSP")
C9 = PatientId(patient_id="C-9", issuer_of_patient_id="CLINIC")
OTHER = PatientId(patient_id="P1", issuer_of_patient_id="ELSEWHERE")


class Site:
    """A PIX manager on a real socket, a store, and a clock that the test moves."""

    def __init__(self, directory: Path, manager: PatientIndex) -> None:
        self.manager = manager
        self.now = START
        self._store = Database.open(f"sqlite:///{directory / 'prefetch.db'}", create=True)
        said = PixManager.model_validate(
            {
                "host": "127.0.0.1",
                "port": str(manager.port),
                "domains": {"HOSP": "HOSP&1.2.3&ISO", "CLINIC": "CLINIC"},
                "keep": "1h",
                "rest": "30s",
            }
        )
        self._referrals = Referrals(
            manager=said,
            ask=partial(pix.ask, said, tls=None, now=self._clock),
            store=self._store,
            now=self._clock,
            pulse=health.Pulse(),
        )

    def _clock(self) -> datetime:
        return self.now

    def refer(self, ids: Sequence[PatientId] = (P1,), *, later: timedelta = timedelta()) -> Referred:
        """What is said of a patient, after so much time."""
        self.now += later
        return asyncio.run(self._referrals.refer(ids))

    @property
    def questions(self) -> int:
        """How often the manager was asked."""
        return len(self.manager.asked)

    def close(self) -> None:
        """Leave no file open."""
        self._store.close()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    """Where P1 of the hospital is C-9 of the clinic."""
    with PatientIndex(people=[[P1, C9]]) as manager:
        running = Site(tmp_path, manager)
        yield running
        running.close()


def test_an_answer_serves_for_a_while(site: Site) -> None:
    """Then it is asked for anew, and what has changed is known."""
    assert Referred(ids=(C9,), because="the PIX manager") == site.refer()
    assert (C9,) == site.refer(later=timedelta(minutes=59)).ids
    assert 1 == site.questions
    site.manager.people = []
    assert ((), None) == (site.refer(later=timedelta(minutes=2)).ids, site.refer().problem)
    assert 2 == site.questions


def test_the_first_id_of_a_domain_of_interest_is_asked_about(site: Site) -> None:
    """One of no such domain asks nobody."""
    assert (C9,) == site.refer([OTHER, P1]).ids
    assert Referred() == site.refer([OTHER])
    assert Referred() == site.refer([PatientId(patient_id="P1^X", issuer_of_patient_id="HOSP")])
    assert 1 == site.questions


@pytest.mark.parametrize("fault", ["closes", "garbage", "error", "rejection", "other control ID"])
def test_a_manager_that_fails_is_left_alone_and_said_to_be_missing(site: Site, fault: str) -> None:
    """Planning goes on with the IDs that are known; after the rest it is asked again."""
    site.manager.misbehave(fault)
    failed = site.refer()
    assert () == failed.ids
    assert (failed.problem or "").startswith("PIX manager: it ")
    assert (failed.problem or "").endswith("; planned with the IDs that are known")
    resting = site.refer(later=timedelta(seconds=29))
    assert "(left alone until 07:00:30 UTC)" in (resting.problem or "")
    assert 1 == site.questions
    site.manager.behave()
    assert (C9,) == site.refer(later=timedelta(seconds=1)).ids


def test_its_last_answer_stands_in(site: Site) -> None:
    """However old; the plan says from when it is."""
    site.refer()
    site.manager.misbehave("closes")
    stood_in = site.refer(later=timedelta(hours=5))
    assert ((C9,), "the PIX manager, as of 2026-03-02 07:00 UTC") == (stood_in.ids, stood_in.because)
    assert (stood_in.problem or "").endswith("; planned with its answer of 2026-03-02 07:00 UTC")
