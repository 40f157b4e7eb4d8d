"""Any value of any attribute that we read, at its extremes, goes through both stores, or is unsaid.

One study of one patient must not stop a hospital: what an archive answers and what a message says is driven
from its bytes through reading, keeping, planning and the queue.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from pydicom import Dataset
from pydicom.datadict import dictionary_VR
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag

from prefetch import config, model, orders
from prefetch.dimse import answer
from prefetch.intake import hl7, upserts
from prefetch.planning import draft, identity, keys, matching
from prefetch.planning.circumstances import Circumstances
from prefetch.store import answers, plans
from prefetch.store import orders as order_rows
from prefetch.store.database import Database
from tests.queued import NOW, OWNER, Queue

EXTREMES = [
    *(b"", b" ", b"0", b"-1", b"1", b"2147483647", b"2147483648", b"-2147483649", b"999999999999"),
    *(b"9999999999999999999999", b"1e308", b"NaN", b"inf", b"1.0", b"+5", b"00010101", b"99991231"),
    *(b"18000101", b"20240230", b"235960.999999", b"\0", b"a\0b", b"\xff\xfe\xed\xa0\x80", b"\\\\\\", b"'"),
    *(b"*", b"?", b"; DROP TABLE orders", b"\x1b[2J", b"x" * 300, b"x" * 70_000, b"\xc3\xa9" * 500),
]
"""Values as a peer may write them into any attribute."""

ATTRIBUTES = (
    *("StudyInstanceUID", "PatientID", "IssuerOfPatientID", "PatientName", "PatientBirthDate", "PatientSex"),
    *("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "InstitutionName", "BodyPartExamined"),
    *("ModalitiesInStudy", "NumberOfStudyRelatedInstances", "NumberOfStudyRelatedSeries"),
    *("InstanceAvailability", "SpecificCharacterSet"),
)
ORDER = "MSH|^~\\&|RIS|H|||20260302080000||ORM^O01|1|P|2.3\rPID|1||4711^^^HOSP||Muster^Anna||19700101|F\r"


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> config.Config:
    """A site whose one rule wants everything."""
    directory = tmp_path_factory.mktemp("site")
    (directory / "rules").mkdir()
    (directory / "rules" / "all.yaml").write_text(
        "version: 1\nrules:\n  - name: all\n"
        "    priors: [{name: earlier, within: 5y}, {name: oldest, oldest: 1}]\n"
    )
    file = directory / "prefetch.yaml"
    file.write_text(
        "version: 1\nae_title: PREFETCH\ntime_zone: Europe/Berlin\nstore: sqlite:///prefetch.db\n"
        "listeners: {ris: {port: 2575}}\n"
        "archives: {main: {ae_title: MAIN, host: 127.0.0.1, port: 104}}\n"
        "workstations: {room: {ae_title: READ1, host: 127.0.0.1, port: 104}}\n"
    )
    return config.load(Path(file))


def answered(keyword: str, value: bytes) -> model.Study | None:
    """What is read of an answer in which one attribute has this value."""
    identifier = Dataset()
    usual = {
        "StudyInstanceUID": b"1.2.3",
        "PatientID": b"4711",
        "PatientBirthDate": b"19700101",
        "StudyDate": b"20240102",
        "NumberOfStudyRelatedInstances": b"10",
    }
    for name, raw in {**usual, keyword: value}.items():
        tag = Tag(name)
        identifier[tag] = RawDataElement(tag, dictionary_VR(tag), len(raw), raw, 0, True, True)
    return answer.read_study(identifier, archive="main")


@pytest.mark.parametrize("keyword", ATTRIBUTES)
def test_any_value_of_an_answer_goes_through_both_stores(
    database: Database, site: config.Config, keyword: str
) -> None:
    """It is kept, planned with, queued, moved and verified, or it is unsaid; nothing of ours fails."""
    queue = Queue(database)
    for value in EXTREMES:
        study = answered(keyword, value)
        if study is None:
            continue
        kept = keep(queue, study)
        order = queue.order(
            accession_number="A1", modality="CT", scheduled_start=NOW + timedelta(hours=6), plan_at=NOW
        )
        wanted = plan(queue, site, order, kept)
        for retrieve in queue.claim_many(archive="main"):
            queue.finish(retrieve)
        for look in queue.claim_checks():
            queue.check(look)
        assert all(wish.choice.study.study_instance_uid == kept.study_instance_uid for wish in wanted)


def keep(queue: Queue, study: model.Study) -> model.Study:
    """The study as it comes back from the store, which keeps it as it was read."""
    result = model.FindResult(outcome=model.Outcome.SUCCESS, studies=(study,))
    about = ("main", study.patient_id or "4711", study.issuer_of_patient_id)
    queue.do(answers.save_answer, *about, result, asked_at=NOW, address="MAIN", asked_as="")
    stored = queue.do(answers.latest_answer, *about, address="MAIN")
    assert stored is not None
    assert (study,) == stored.result.studies
    return study


def plan(
    queue: Queue, site: config.Config, order: model.Order, study: model.Study
) -> tuple[model.Wanted, ...]:
    """Plan an order by the answer, and save the plan."""
    claimed = {each.id: each for each in queue.claim_orders(100)}[order.id]
    matches = matching.match_rules(site.rule_set, claimed, site=site, now=NOW)
    facts = draft.Facts(
        order=claimed,
        verdicts={},
        policy=identity.Policy.of(site),
        circumstances=Circumstances.of(site, NOW),
    )
    result = model.FindResult(outcome=model.Outcome.SUCCESS, studies=(study,))
    key = keys.Key(patient_id="4711", issuer_of_patient_id="HOSPITAL")
    asked = [draft.answer_about(key, "main", NOW, result)]
    found = draft.sort_studies(facts, matches, asked)
    wanted = draft.want(claimed, found, present=set(), expire_after=timedelta(days=1))
    made = model.Plan(
        order_id=order.id,
        order_version=claimed.version,
        made_at=NOW,
        candidates=draft.candidates(found, present=set()),
    )
    assert queue.do(plans.save_plan, made, wanted, owner=OWNER, next_plan_at=None, now=NOW) is not None
    return tuple(wanted)


FIELDS = {
    "PID-3": "PID|1||{}||Muster^Anna||19700101|F",
    "PID-5": "PID|1||4711^^^HOSP||{}||19700101|F",
    "PID-7": "PID|1||4711^^^HOSP||Muster^Anna||{}|F",
    "PID-8": "PID|1||4711^^^HOSP||Muster^Anna||19700101|{}",
    "ORC-2": "ORC|NW|{}|F1",
    "ORC-3": "ORC|NW|P1|{}",
    "ORC-7": "ORC|NW|P1|F1||||^^^{}^^S",
    "OBR-4": "OBR|1|P1|F1|{}",
    "OBR-18": "OBR|1|P1|F1|CT^CT Chest||||||||||||||{}",
    "OBR-24": "OBR|1|P1|F1|CT^CT Chest||||||||||||||A1||||||{}",
    "OBR-36": "OBR|1|P1|F1|CT^CT Chest||||||||||||||A1||||||CT||||||||||||{}",
    "ZDS-1": "ZDS|{}",
    "MSH-7": "MSH|^~\\&|RIS|H|||{}||ORM^O01|1|P|2.3",
}
TIMES = [
    *(b"00010101000000+1400", b"99991231235959-1200", b"0001", b"9999", b"19000101", b"22000101"),
    *(b"20260302083000.999999999999+0000", b"20261301", b"20260302250000", b"20260302083000+9999"),
]


@pytest.mark.parametrize("field", FIELDS)
def test_any_value_of_a_message_goes_through_both_stores(
    database: Database, site: config.Config, field: str
) -> None:
    """What the message says is applied and planned, or it is unsaid; nothing of ours fails."""
    queue = Queue(database)
    for value in (*EXTREMES, *TIMES):
        usual = {
            "MSH": ORDER.splitlines()[0],
            "PID": ORDER.splitlines()[1],
            "ORC": "ORC|NW|P1|F1||||^^^20260302",
        }
        usual["OBR"] = "OBR|1|P1|F1|CT^CT Chest||||||||||||||A1||||||CT"
        segments = {name: text.encode() for name, text in usual.items()}
        segments[field[:3]] = FIELDS[field].encode().replace(b"{}", value.replace(b"\r", b""))
        reading = hl7.read_message(b"\r".join(segments.values()) + b"\r")
        origin = upserts.Origin(source="ris", heard_at=NOW, detail={})
        clock = orders.Clock(zone=ZoneInfo("Europe/Berlin"))
        with database.transaction() as connection:
            applying = upserts.Upserts(connection=connection, origin=origin, clock=clock, now=NOW)
            changed = [order for event in reading.events for order in applying.apply(event)]
        for order in queue.claim_orders(100):
            study = model.Study(study_instance_uid="1.2.3", archive="main", patient_id="4711", instances=1)
            queue.do(order_rows.save_order, replace(order, plan_at=NOW))
            if order.patient.patient_id:
                queue.do(order_rows.release_orders, owner=OWNER)
                plan(queue, site, order, study)
        assert all(queue.order_now(order).id == order.id for order in changed)
