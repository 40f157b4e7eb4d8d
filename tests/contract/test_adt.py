"""What ADT messages do to the orders that are there, and to those that are still to come."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from zoneinfo import ZoneInfo

import pytest

from prefetch import model, orders
from prefetch.intake import header, hl7, upserts
from prefetch.model import Priority
from prefetch.store import inbox
from prefetch.store import orders as order_rows
from prefetch.store.database import Database
from tests.queued import NOW, OWNER, Queue

CLOCK = orders.Clock(zone=ZoneInfo("Europe/Berlin"))


class Feed:
    """A feed that is read and applied at once."""

    def __init__(self, database: Database) -> None:
        self.queue = Queue(database)
        self._numbers: Iterator[int] = itertools.count(1)
        self.now = NOW

    def hear(self, message_type: str, *segments: str) -> None:
        """Read and apply one message."""
        number = next(self._numbers)
        self.now = NOW + timedelta(minutes=number)
        raw = "\r".join([f"MSH|^~\\&|HIS|NORTH|||||{message_type}|{number}|P|2.5", *segments]).encode()
        read = header.read_header(raw)
        assert read is not None
        self.queue.do(
            inbox.accept_message,
            source="his",
            raw=raw,
            control_id=str(number),
            message_type=read.type_and_trigger,
            priority=Priority.ROUTINE,
            order_number=None,
            received_at=self.now,
        )
        (message,) = self.queue.do(inbox.waiting_messages, 10)
        self.queue.do(upserts.apply_reading, message, hl7.read_message(raw), clock=CLOCK, now=self.now)

    def order(self, name: str, ids: str = "") -> None:
        """Book an exam; with no IDs the message has an empty PID-3."""
        self.hear("ORM^O01", f"PID|||{ids}||Muster^Anna||19700101|F", f"ORC|XO|{name}", f"OBR||{name}||CT")

    def adt(self, trigger: str, ids: str, *prior: str, demographics: str = "Muster^Anna||19700101|F") -> None:
        """Tell of a patient; each of `prior` is an MRG of its own behind another PID."""
        groups = [f"MRG|{one}" for one in prior] or [""]
        pids = ids.split("/")
        pairs = zip(pids, groups, strict=True)
        self.hear(
            f"ADT^{trigger}",
            *(segment for pid, mrg in pairs for segment in (f"PID|||{pid}||{demographics}", mrg) if segment),
        )

    def known(self, name: str) -> model.Order:
        """The order as it stands."""
        (found,) = self.queue.do(order_rows.find_orders, name)
        return found

    def ids(self, name: str) -> list[str]:
        """The IDs of an order's patient: `A@HOSP`, the chosen one first."""
        return [f"{one.patient_id}@{one.issuer_of_patient_id or ''}" for one in self.known(name).patient.ids]

    def plan(self, name: str) -> None:
        """Take the order off the list of what is due, as a planner does."""
        self.queue.do(order_rows.save_order, replace(self.known(name), plan_at=None))


@pytest.fixture
def feed(database: Database) -> Feed:
    """With an empty queue."""
    return Feed(database)


@pytest.mark.parametrize("trigger", ["A18", "A30", "A34", "A36", "A39", "A40", "A47"])
def test_a_merge_carries_orders_to_the_surviving_id(feed: Feed, trigger: str) -> None:
    """They are planned again; another patient's are not touched."""
    feed.order("O1", "A^^^HOSP")
    feed.order("O2", "X^^^HOSP")
    feed.plan("O1")
    feed.plan("O2")
    feed.adt(trigger, "B^^^HOSP", "A^^^HOSP")
    assert (["B@HOSP"], ["X@HOSP"]) == (feed.ids("O1"), feed.ids("O2"))
    assert (feed.now, None) == (feed.known("O1").plan_at, feed.known("O2").plan_at)


@pytest.mark.parametrize("trigger", ["A24", "A37", "A41", "A45"])
def test_what_is_no_merge_of_patients_re_keys_nothing(feed: Feed, trigger: str) -> None:
    """Links, accounts and visits."""
    feed.order("O1", "A^^^HOSP")
    feed.plan("O1")
    feed.adt(trigger, "B^^^HOSP", "A^^^HOSP")
    assert (["A@HOSP"], None) == (feed.ids("O1"), feed.known("O1").plan_at)
    feed.order("O2", "A^^^HOSP")
    assert ["A@HOSP"] == feed.ids("O2")


MOVED = ("PID|||B^^^HOSP", "MRG|A^^^HOSP")


@pytest.mark.parametrize(
    ("message_type", "segments"),
    [
        ("ADT^A43", MOVED),
        ("ADT^A44", MOVED),
        ("ADT", ("EVN|A43", *MOVED)),
        ("ADT^A08", ("PID|||9", "MSH|^~\\&|HIS|NORTH|||||ADT^A43|9|P|2.5", *MOVED)),
    ],
    ids=["A43", "A44", "type alone", "in a batch"],
)
def test_what_moves_between_patients_has_their_live_orders_looked_at_again(
    feed: Feed, message_type: str, segments: tuple[str, ...]
) -> None:
    """Of the one and of the other, but nothing that was cancelled; no ID changes."""
    for name, ids in (("O1", "A^^^HOSP"), ("O2", "B^^^HOSP"), ("O3", "X^^^HOSP"), ("O4", "A^^^HOSP")):
        feed.order(name, ids)
    feed.hear("ORM^O01", "PID|||A^^^HOSP", "ORC|CA|O4")
    for name in ("O1", "O2", "O3"):
        feed.plan(name)
    feed.hear(message_type, *segments)
    due = {name for name in ("O1", "O2", "O3", "O4") if feed.known(name).plan_at is not None}
    assert ({"O1", "O2"}, ["A@HOSP"]) == (due, feed.ids("O1"))


@pytest.mark.parametrize(
    ("ids", "prior", "then"),
    [
        ("B^^^HOSP", ["A^^^HOSP~X^^^HOSP"], {"O1": ["B@HOSP"], "O2": ["B@HOSP"]}),
        ("B^^^HOSP/Y^^^HOSP", ["A^^^HOSP", "X^^^HOSP"], {"O1": ["B@HOSP"], "O2": ["Y@HOSP"]}),
        ("B^^^HOSP", ["A"], {"O1": ["B@HOSP"], "O2": ["X@HOSP"]}),
        ("B^^^CLINIC", ["A^^^HOSP"], {"O1": ["B@CLINIC"], "O2": ["X@HOSP"]}),
        ("B^^^HOSP", ["null"], {"O1": ["A@HOSP"], "O2": ["X@HOSP"]}),
        ("", ["A^^^HOSP"], {"O1": ["A@HOSP"], "O2": ["X@HOSP"]}),
        ("B^^^HOSP", ["0A^^^HOSP"], {"O1": ["A@HOSP"], "O2": ["X@HOSP"]}),
        ("B^^^HOSP", ["A^^^CLINIC"], {"O1": ["A@HOSP"], "O2": ["X@HOSP"]}),
    ],
    ids=[
        "several IDs end",
        "several groups",
        "the prior ID is bare",
        "across authorities",
        "null",
        "no survivor",
        "leading zeros",
        "another authority",
    ],
)
def test_a_merge_means_what_it_says_and_no_more(
    feed: Feed, ids: str, prior: list[str], then: dict[str, list[str]]
) -> None:
    """An ID is the same only where number and authority are."""
    feed.order("O1", "A^^^HOSP")
    feed.order("O2", "X^^^HOSP")
    feed.adt("A40", ids, *prior)
    assert then == {name: feed.ids(name) for name in then}


def test_merges_come_in_chains_late_and_before_their_orders(feed: Feed) -> None:
    """An order under any of the IDs is the last survivor's."""
    feed.order("O1", "A^^^HOSP")
    feed.adt("A40", "C^^^HOSP", "B^^^HOSP")
    feed.adt("A40", "B^^^HOSP", "A^^^HOSP")
    feed.order("O2", "A^^^HOSP")
    feed.order("O3", "B^^^HOSP")
    assert [["C@HOSP"]] * 3 == [feed.ids(name) for name in ("O1", "O2", "O3")]


def test_a_message_that_still_names_the_old_id_changes_nothing(feed: Feed) -> None:
    """The RIS hears of a merge later than we do."""
    feed.order("O1", "A^^^HOSP")
    feed.adt("A40", "B^^^HOSP", "A^^^HOSP")
    version = feed.known("O1").version
    feed.order("O1", "A^^^HOSP")
    assert (["B@HOSP"], version) == (feed.ids("O1"), feed.known("O1").version)


def test_a_merge_of_a_further_id_leaves_the_chosen_one(feed: Feed) -> None:
    """The clinic merged its own; the hospital's number stands."""
    feed.order("O1", "A^^^HOSP^MR~C1^^^CLINIC^PI~77^^^INS^SS")
    feed.adt("A40", "C2^^^CLINIC", "C1^^^CLINIC")
    assert ["A@HOSP", "C2@CLINIC", "77@INS"] == feed.ids("O1")


@pytest.mark.parametrize("trigger", ["A08", "A31"])
def test_a_temporary_id_gives_way_to_the_one_that_is_named_beside_it(feed: Feed, trigger: str) -> None:
    """And what the emergency room had to guess is put right."""
    feed.hear("ORM^O01", "PID|||T7^^^HOSP||Unknown||19000101|U", "ORC|NW|O1", "OBR||O1||CT")
    feed.plan("O1")
    feed.adt(trigger, "A^^^HOSP^MR~T7^^^HOSP")
    order = feed.known("O1")
    assert ["A@HOSP", "T7@HOSP"] == feed.ids("O1")
    assert ("Muster^Anna", "19700101", "F") == (
        order.patient.name,
        order.patient.birth_date,
        order.patient.sex,
    )
    assert order.plan_at is not None


def test_a_number_that_a_family_shares_finds_no_order(feed: Feed) -> None:
    """The husband's new address is not the wife's birth date."""
    feed.order("O1", "A^^^HOSP^MR~77^^^INS^SS")
    feed.adt("A08", "B^^^HOSP^MR~77^^^INS^SS", demographics="Muster^Bruno||19680101|M")
    assert ("Muster^Anna", ["A@HOSP", "77@INS"]) == (feed.known("O1").patient.name, feed.ids("O1"))


def test_an_order_gets_its_patient_id_from_the_message_that_brings_it(feed: Feed) -> None:
    """It was there without one, found by its number, and is planned now."""
    feed.order("O1")
    assert [] == feed.ids("O1")
    feed.order("O1", "A^^^HOSP")
    order = feed.queue.claim_order(now=feed.now, owner=OWNER)
    assert order is not None
    assert ["A@HOSP"] == [f"{one.patient_id}@{one.issuer_of_patient_id}" for one in order.patient.ids]
