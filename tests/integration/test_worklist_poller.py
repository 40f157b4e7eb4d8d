"""The poller against worklists on real sockets: what it makes of new, changed, gone, and of faults."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from prefetch import bell, config, dialling, model, orders
from prefetch.dimse.association import RemoteAE
from prefetch.intake.worklist.poller import Poller
from prefetch.model import OrderStatus
from prefetch.sandbox import worklist
from prefetch.sandbox.operation import Service
from prefetch.store import database, history
from prefetch.store import orders as order_rows
from prefetch.store import worklists as worklist_rows
from tests import peers, worklists
from tests.e2e.hospital import BRUNO

ZONE = ZoneInfo("Europe/Berlin")
NOW = datetime(2026, 3, 1, 7, 0, tzinfo=UTC)
TOMORROW = datetime(2026, 3, 2, 10, 0)  # noqa: DTZ001 (a worklist has no zones)
DAY = timedelta(days=1)


class Site:
    """A daemon's poller and store, with a clock that stands still until a test moves it."""

    def __init__(self, directory: Path, of: peers.Addressed, **said: Any) -> None:
        rules = directory / "rules"
        rules.mkdir()
        (rules / "a.yaml").write_text("rules: [{name: a, priors: [{newest: 1}]}]")
        file = directory / "prefetch.yaml"
        file.write_text(
            "time_zone: Europe/Berlin\n"
            "archives: {main: {ae_title: A, host: h, port: 1}}\n"
            "workstations: {room: {ae_title: R, verify: counters}}\n"
            f"worklists: {{mwl: {{ae_title: {of.ae_title}, host: {of.host}, port: {of.port}}}}}\n"
        )
        loaded = config.load(file)
        changed = config.Worklist.model_validate(loaded.worklists["mwl"].model_dump() | said)
        self.site = loaded.model_copy(update={"worklists": {"mwl": changed}})
        self.store = database.Database.open(f"sqlite:///{directory}/prefetch.db", create=True)
        self.now = NOW

    def poll(self, times: int = 1) -> None:
        """Poll, a minute after the last time."""
        asyncio.run(self._poll(times))

    async def _poll(self, times: int) -> None:
        async with RemoteAE(dialling.worklist(self.site, "mwl")) as remote:
            poller = Poller(
                site=self.site,
                worklist="mwl",
                ask=remote.find_worklist,
                store=self.store,
                clock=orders.Clock(zone=ZONE),
                now=lambda: self.now,
                bells=bell.Bells(archives=[], destinations=[]),
            )
            for _ in range(times):
                self.now += timedelta(minutes=1)
                await poller.poll()

    def orders(self) -> dict[str, model.Order]:
        """All orders by accession number."""
        with self.store.snapshot() as connection:
            return {
                order.accession_number or order.name: order
                for order in order_rows.list_orders(connection, limit=5000)
            }

    def order(self, name: str = "A1") -> model.Order:
        """One order."""
        return self.orders()[name]

    def said(self, name: str = "A1") -> list[str]:
        """What became of an order, in words of the history."""
        with self.store.snapshot() as connection:
            return [each.what for each in history.story(connection, self.order(name).id)]

    def asked(self) -> worklist_rows.Asked:
        """How the worklist answered last."""
        with self.store.snapshot() as connection:
            (asked,) = worklist_rows.list_worklists(connection)
            return asked


@pytest.fixture
def ris() -> Iterator[worklist.Worklist]:
    """A worklist that does as the standard says, until a test says otherwise."""
    with worklist.Worklist(ae_title="RIS") as started:
        yield started


@pytest.fixture
def at(tmp_path: Path, ris: worklist.Worklist) -> Iterator[Callable[..., Site]]:
    """Makes the site that asks it."""
    made: list[Site] = []

    def make(**said: Any) -> Site:
        made.append(Site(tmp_path, ris, **said))
        return made[-1]

    yield make
    for site in made:
        site.store.close()


def test_a_new_item_is_a_new_order(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """With all that it says, and who said it."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW, procedure_code="CTCHEST", priority="HIGH")
    site = at()
    site.poll()
    order = site.order()
    assert (datetime(2026, 3, 2, 9, 0, tzinfo=UTC), "CTCHEST") == (
        order.scheduled_start,
        order.procedure_code,
    )
    assert (model.Priority.HIGH, "HOSP") == (order.priority, order.patient.issuer_of_patient_id)
    assert ("mwl", ["mwl"]) == (order.source, [saying.source for saying in order.sayings])
    assert ("CT1", "CTCHEST") == (
        order.worklist["ScheduledStationAETitle"],
        order.worklist["RequestedProcedureCodeSequence"],
    )


def test_an_answer_that_repeats_itself_changes_nothing(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """However often it is asked: no version, no planning."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll()
    before = site.order()
    site.poll(times=3)
    assert before == site.order()


@pytest.mark.parametrize("days", [-1, 1, 30], ids=["forward", "back", "beyond the window"])
def test_an_exam_is_moved(ris: worklist.Worklist, at: Callable[..., Site], days: int) -> None:
    """In both directions, and out of the window: an ask by number finds it there."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW + DAY)
    site = at()
    site.poll()
    ris.items["1"] = worklists.item("A1", start=TOMORROW + DAY + days * DAY, station_ae_title="CT2")
    site.poll(times=4)
    order = site.order()
    moved = (TOMORROW + DAY + days * DAY).replace(tzinfo=ZONE)
    assert (moved, "CT2", OrderStatus.SCHEDULED) == (
        order.scheduled_start,
        order.station_ae_title,
        order.status,
    )


def test_gone_counts_after_absences_and_an_ask(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Twice absent is nothing yet; at the third time it is asked for, and cancelled when it is not there."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    ris.items["2"] = worklists.item("A2", start=TOMORROW)
    site = at()
    site.poll()
    del ris.items["1"]
    site.poll(times=2)
    assert OrderStatus.SCHEDULED is site.order().status
    site.poll()
    statuses = [site.order(name).status for name in ("A1", "A2")]
    assert [OrderStatus.CANCELLED, OrderStatus.SCHEDULED] == statuses


def test_what_comes_back_is_ordered_again(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Un-cancelled, and planned again."""
    item = ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll()
    del ris.items["1"]
    site.poll(times=3)
    ris.items["1"] = item
    site.poll()
    order = site.order()
    assert (OrderStatus.SCHEDULED, True) == (order.status, order.plan_at is not None)


def test_an_exam_that_is_kept_outlives_its_item(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Where the site says so, only a message cancels."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at(stale={"then": "keep", "absences": "1"})
    site.poll()
    del ris.items["1"]
    site.poll(times=3)
    assert OrderStatus.SCHEDULED is site.order().status


def test_an_item_that_goes_about_its_start_has_begun(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Many worklists drop what is under way; its priors are wanted all the more."""
    soon = NOW.astimezone(ZONE).replace(tzinfo=None) + timedelta(minutes=40)
    ris.items["1"] = worklists.item("A1", start=soon)
    site = at()
    site.poll()
    del ris.items["1"]
    site.poll(times=5)
    assert OrderStatus.SCHEDULED is site.order().status


def test_an_item_that_left_the_window_is_not_cancelled(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """Yesterday's exams are no longer answered, and nothing follows from that."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll()
    site.now += 3 * DAY
    site.poll(times=5)
    assert OrderStatus.SCHEDULED is site.order().status
    assert not ris.operations(Service.FIND)[-1].matched


@pytest.mark.parametrize("status", ["CANCELLED", "DISCONTINUED"])
def test_an_item_may_say_that_it_is_cancelled(
    ris: worklist.Worklist, at: Callable[..., Site], status: str
) -> None:
    """At once, and nobody has to ask."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll()
    ris.items["1"] = worklists.item("A1", start=TOMORROW, status=status)
    site.poll()
    assert OrderStatus.CANCELLED is site.order().status


def test_several_steps_are_one_exam_at_the_earliest(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Whichever goes: the exam stays as long as one of them does, and is cancelled with the last."""
    steps = {
        number: worklists.item(
            "A1", scheduled_procedure_step_id=number, start=TOMORROW + int(number) * timedelta(hours=2)
        )
        for number in ("1", "2")
    }
    ris.items |= steps
    site = at(stale={"absences": "1"})
    site.poll()
    assert steps.keys() == {"1", "2"}
    first, second = (TOMORROW.replace(tzinfo=ZONE) + timedelta(hours=hours) for hours in (2, 4))
    assert (["A1"], first) == (list(site.orders()), site.order().scheduled_start)
    del ris.items["1"]
    site.poll()
    assert (["A1"], second) == (list(site.orders()), site.order().scheduled_start)
    del ris.items["2"]
    site.poll()
    assert OrderStatus.CANCELLED is site.order().status


def test_a_step_that_goes_takes_back_no_news_of_another(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """One step is moved in the very answer in which the other is missing: the exam is when it is now."""
    for number, hours in (("1", 2), ("2", 4)):
        start = TOMORROW + timedelta(hours=hours)
        ris.items[number] = worklists.item("A1", scheduled_procedure_step_id=number, start=start)
    site = at(stale={"absences": "1"})
    site.poll()
    del ris.items["1"]
    moved = TOMORROW + timedelta(hours=6)
    ris.items["2"] = worklists.item("A1", scheduled_procedure_step_id="2", start=moved)
    site.poll()
    assert moved.replace(tzinfo=ZONE) == site.order().scheduled_start


def test_an_item_without_accession_number_is_an_order_too(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """Its Study Instance UID names it; when the number comes, it is the same exam."""
    ris.items["1"] = worklists.item("A1", accession_number="", study_instance_uid="1.2.3", start=TOMORROW)
    site = at()
    site.poll()
    (before,) = site.orders().values()
    ris.items["1"] = worklists.item("A1", study_instance_uid="1.2.3", start=TOMORROW)
    site.poll(times=5)
    (after,) = site.orders().values()
    assert (before.id, "A1", OrderStatus.SCHEDULED) == (after.id, after.accession_number, after.status)


# --- what worklists do wrong -------------------------------------------------------------------------


def test_items_of_other_days_and_stations_are_left_out(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """A worklist that ignores keys is filtered on our side."""
    ris.misbehave(worklist.FAULTS["ignores-all-keys"])
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    ris.items["2"] = worklists.item("A2", start=TOMORROW + 30 * DAY)
    ris.items["3"] = worklists.item("A3", start=TOMORROW, station_ae_title="CT9")
    ris.items["4"] = worklists.item("A4", start=TOMORROW, modality="MR")
    site = at(stations="CT1", modalities="CT")
    site.poll()
    assert ["A1"] == list(site.orders())


def test_each_station_and_modality_is_asked_for_by_itself(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """A family stands for its members, and lists are never sent."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW, modality="DX", station_ae_title="X1")
    ris.items["2"] = worklists.item("A2", start=TOMORROW, modality="CT", station_ae_title="X2")
    site = at(stations=["X1", "X2"], modalities=["CT", "XR"])
    site.poll()
    asked = {
        (str(step.ScheduledStationAETitle), str(step.Modality))
        for operation in ris.operations(Service.FIND)
        for step in operation.identifier.ScheduledProcedureStepSequence
    }
    expected = {
        (station, modality) for station in ("X1", "X2") for modality in ("CT", "CR", "DX", "RG", "PX")
    }
    assert (["A1", "A2"], expected) == (sorted(site.orders()), asked)


@pytest.mark.parametrize("fault", ["limits-answers", "aborts-half-way"])
def test_a_cut_answer_cancels_nothing(ris: worklist.Worklist, at: Callable[..., Site], fault: str) -> None:
    """What is missing is asked for by number, if the answer claims to be whole, and found."""
    ris.items |= {
        name: worklists.item(name, start=TOMORROW, study_instance_uid=f"1.2.{n}")
        for n, name in enumerate(("A1", "A2", "A3", "A4", "A5"))
    }
    site = at()
    site.poll()
    ris.misbehave(worklist.FAULTS[fault])
    site.poll(times=5)
    assert {OrderStatus.SCHEDULED} == {order.status for order in site.orders().values()}


def test_the_word_of_a_worklist_that_ignores_every_key_cancels_nothing(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """The answer to an ask by number then holds other items: nothing is believed, nothing cancelled."""
    ris.misbehave(worklist.FAULTS["ignores-all-keys"])
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    ris.items["2"] = worklists.item("A2", start=TOMORROW, patient=BRUNO)
    site = at()
    site.poll()
    del ris.items["1"]
    site.poll(times=5)
    assert OrderStatus.SCHEDULED is site.order().status


def test_the_patient_id_tells_where_other_numbers_are_ignored(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """It is the one key that the standard requires."""
    ris.misbehave(worklist.FAULTS["ignores-optional-keys"])
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    ris.items["2"] = worklists.item("A2", start=TOMORROW, patient=BRUNO)
    site = at()
    site.poll()
    del ris.items["1"]
    site.poll(times=3)
    statuses = [site.order(name).status for name in ("A1", "A2")]
    assert [OrderStatus.CANCELLED, OrderStatus.SCHEDULED] == statuses


def test_an_empty_answer_where_much_was_known_is_no_word(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """A RIS that has lost its list cancels nothing, and `status` says why."""
    ris.items |= {f"A{n}": worklists.item(f"A{n}", start=TOMORROW) for n in range(12)}
    site = at()
    site.poll()
    ris.items.clear()
    site.poll(times=5)
    assert {OrderStatus.SCHEDULED} == {order.status for order in site.orders().values()}
    assert ("no item at all where 12 were known", NOW + timedelta(minutes=1)) == (
        site.asked().because,
        site.asked().answered_at,
    )


def test_items_that_come_twice_count_once(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """In one answer, as in two."""
    ris.misbehave(worklist.FAULTS["answers-twice"])
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll(times=2)
    assert (["A1"], 1) == (list(site.orders()), site.order().version)


def test_a_worklist_that_is_away_cancels_nothing_and_is_named(
    ris: worklist.Worklist, at: Callable[..., Site]
) -> None:
    """And what changed meanwhile is found when it is back."""
    ris.items["1"] = worklists.item("A1", start=TOMORROW)
    site = at()
    site.poll()
    ris.stop()
    site.poll(times=5)
    assert OrderStatus.SCHEDULED is site.order().status
    assert (model.Outcome.TRANSIENT, NOW + timedelta(minutes=1)) == (
        site.asked().outcome,
        site.asked().answered_at,
    )
    ris.items["1"] = worklists.item("A1", start=TOMORROW + DAY)
    ris.start()
    site.poll()
    assert (TOMORROW + DAY).replace(tzinfo=ZONE) == site.order().scheduled_start


def test_one_node_asks_at_a_time(ris: worklist.Worklist, at: Callable[..., Site]) -> None:
    """Two daemons on one database share the polls."""
    site = at()
    site.poll()
    site.now -= timedelta(minutes=1)
    site.poll()
    assert 1 == len(ris.operations(Service.FIND))
