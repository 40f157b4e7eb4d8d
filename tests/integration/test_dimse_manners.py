"""An archive that refuses a question is asked once in each other manner that may help."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator
from datetime import date

import pytest
from pydicom import Dataset
from pynetdicom import AE

from prefetch import model
from prefetch.dimse import association, identifier, manner, peer, wire
from prefetch.dimse.manner import Keys, Manner
from prefetch.dimse.move import Acquaintance
from prefetch.model import Outcome
from prefetch.sandbox import studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.fault import Fault, is_final
from prefetch.sandbox.holdings import Holdings
from prefetch.sandbox.operation import Operation, Service
from prefetch.sandbox.workstation import Workstation
from tests.scripted import Conversation, ScriptedScp

HELD = studies.Study(
    patient=model.Patient(patient_id="P1", name="Muster^Anna", birth_date="19700131", sex="F"),
    study_instance_uid="1.2.3",
    study_date=date(2024, 5, 1),
    description="CT Thorax",
)


@pytest.fixture
def archive() -> Iterator[Archive]:
    """An archive with one study."""
    with Archive(ae_title="MAIN", holdings=Holdings(studies.make(HELD))) as made:
        yield made


def peer_of(archive: Archive) -> peer.Peer:
    """How the daemon is told of it."""
    return peer.Peer(
        name="main", ae_title="MAIN", host=archive.host, port=archive.port, calling_ae_title="PREFETCH"
    )


def ask(of: Archive, times: int = 1) -> list[model.FindResult]:
    """What the daemon learns of the patient's studies, asked so often."""

    async def run() -> list[model.FindResult]:
        async with association.RemoteAE(peer_of(of)) as remote:
            return [await remote.find_studies(patient_id="P1") for _ in range(times)]

    return asyncio.run(run())


def refuses(status: int, which: Callable[[Operation], bool]) -> Fault:
    """An archive that ends some queries with a status."""
    return Fault(
        because="refuses some queries",
        begins=lambda asked: status if asked.service is Service.FIND and which(asked) else None,
    )


@pytest.mark.parametrize("status", [0xA900, 0x0105, 0x0106, 0x0115, 0x0117, 0x0120, 0x0121])
def test_fewer_keys_are_asked_for(archive: Archive, status: int) -> None:
    """What IHE asks every archive for is given up last but one; then only what the standard requires."""
    archive.misbehave(refuses(status, lambda asked: "InstitutionName" in asked.identifier))
    (result,) = ask(archive)
    (study,) = result.studies
    assert (Outcome.SUCCESS, "CT Thorax") == (result.outcome, study.description)
    archive.misbehave(refuses(status, lambda asked: "StudyDescription" in asked.identifier))
    (result,) = ask(archive)
    (study,) = result.studies
    assert (Outcome.SUCCESS, None) == (result.outcome, study.description)


def test_what_was_taken_is_remembered(archive: Archive) -> None:
    """The second query is not refused any more, and the log tells once what was learnt."""
    archive.misbehave("refuses-empty-uid")
    assert [Outcome.SUCCESS] * 2 == [result.outcome for result in ask(archive, times=2)]
    assert 3 == len(archive.operations(Service.FIND))


@pytest.mark.parametrize("status", [0xA900, 0x0118, 0x0122])
def test_the_other_root_is_tried(status: int) -> None:
    """Patient Root, at STUDY level, where Study Root is refused."""
    begun: list[str] = []

    def refuse(conversation: Conversation) -> None:
        begun.append(str(conversation.sop_class))
        conversation.respond(status if conversation.sop_class == wire.FIND else 0x0000)

    offers = (wire.ECHO, wire.FIND, wire.PATIENT_ROOT_FIND)
    with ScriptedScp(find=refuse, offers=offers) as scp:
        result = asyncio.run(_find(scp.peer()))
    assert (Outcome.SUCCESS, str(wire.PATIENT_ROOT_FIND)) == (result.outcome, begun[-1])


async def _find(to: peer.Peer) -> model.FindResult:
    async with association.RemoteAE(to) as remote:
        return await remote.find_studies(patient_id="P1")


def test_an_archive_of_patient_root_alone_is_asked_so() -> None:
    """Without a refusal first."""
    with ScriptedScp(offers=(wire.ECHO, wire.PATIENT_ROOT_FIND)) as scp:
        assert Outcome.SUCCESS is asyncio.run(_find(scp.peer())).outcome


class PatientRootArchive(Archive):
    """Offers nothing else, wants the patient's ID at every level, and says only there who that is."""

    def _offer(self, entity: AE) -> None:
        for sop_class in (wire.ECHO, wire.PATIENT_ROOT_FIND, wire.PATIENT_ROOT_MOVE):
            entity.add_supported_context(sop_class)


def _hide_who_it_is(asked: Operation, given: Iterable[Dataset]) -> Iterator[Dataset]:
    for each in given:
        if asked.identifier.QueryRetrieveLevel != "PATIENT":
            for keyword in ("PatientName", "PatientBirthDate", "PatientSex"):
                each.pop(keyword, None)
        yield each


STRICT = Fault(
    because="patients at PATIENT level alone",
    begins=lambda asked: None if asked.identifier.get("PatientID") else 0xA900,
    answers=_hide_who_it_is,
)


def test_patient_root_alone_is_enough() -> None:
    """Studies, whose they are, their series, and their move."""

    async def run(remote: association.RemoteAE) -> list[object]:
        found = await remote.find_studies(patient_id="P1")
        series = await remote.find_series(study_instance_uid="1.2.3", patient_id="P1")
        moved = await remote.move_studies(
            study_instance_uids=["1.2.3"], destination_ae_title="READ1", patient_id="P1"
        )
        (study,) = found.studies
        return [study.patient_name, study.birth_date, study.sex, len(series or ()), moved.outcome]

    async def associated(to: peer.Peer) -> list[object]:
        async with association.RemoteAE(to) as remote:
            echoed = await remote.echo()
            assert (True, True, ("Patient Root",)) == (echoed.find, echoed.move, echoed.roots)
            acquaintance = (await remote.knows_destination("READ1")).acquaintance
            assert acquaintance is Acquaintance.KNOWN
            return await run(remote)

    with Workstation(ae_title="READ1") as workstation:
        knows = {"READ1": (workstation.host, workstation.port)}
        held = Holdings(studies.make(HELD))
        with PatientRootArchive(ae_title="MAIN", holdings=held, knows=knows, faults=[STRICT]) as archive:
            said = asyncio.run(associated(peer_of(archive)))
        assert ["Muster^Anna", "19700131", "F", 1, Outcome.SUCCESS] == said
        assert {"1.2.3": 1} == workstation.holdings.counts()


def test_sequences_are_left_out_with_the_keys() -> None:
    """Whether their items are empty or not: they are asked for, and do not ask."""
    query = identifier.studies(patient_id="P1")
    item = Dataset()
    item.CodeValue = ""
    query.ProcedureCodeSequence = [item]
    assert "ProcedureCodeSequence" in manner.put(query, Manner())
    assert "ProcedureCodeSequence" not in manner.put(query, Manner(keys=Keys.USUAL))


def test_what_refuses_everything_is_not_asked_everything_again(archive: Archive) -> None:
    """Each manner once; after that a refusal is taken as it is."""
    archive.misbehave(refuses(0xA900, lambda _: True))
    results = ask(archive, times=3)
    assert {(Outcome.PERMANENT, "0xA900 Identifier does not match SOP Class")} == {
        (result.outcome, result.because) for result in results
    }
    assert len(manner.MANNERS) + 2 == len(archive.operations(Service.FIND))


@pytest.mark.parametrize("status", [0xC000, 0x0110, 0x0124, 0xA700])
def test_other_refusals_are_no_matter_of_manner(status: int) -> None:
    """Nothing else is tried."""
    assert () == manner.others(Manner(), status)


def test_each_manner_may_follow_any_other() -> None:
    """Also one that was taken before and is refused now; never itself."""
    for refused in manner.MANNERS:
        assert set(manner.MANNERS) - {refused} == set(manner.others(refused, 0xA900))


def test_a_manner_has_words() -> None:
    """For the log."""
    said = Manner(root=wire.PATIENT_ROOT_FIND, keys=Keys.REQUIRED, any_uid="*").words
    assert "Patient Root, only the keys that the standard requires, and * for any UID" == said


@pytest.mark.parametrize("quirk", ["lists-match-nothing", "lists-are-alternatives"])
def test_a_list_that_matches_nothing_is_asked_one_by_one(archive: Archive, quirk: str) -> None:
    """Where a patient's ID is no key, what is held is asked for by the UIDs of the studies."""
    archive.misbehave(quirk)

    async def run() -> model.FindResult:
        async with association.RemoteAE(peer_of(archive)) as remote:
            return await remote.find_held(patient_id="P*", study_instance_uids=["1.2.3", "1.2.4"])

    held = asyncio.run(run())
    assert (Outcome.SUCCESS, ["1.2.3"]) == (
        held.outcome,
        [study.study_instance_uid for study in held.studies],
    )


# --- in parts --------------------------------------------------------------------------------------


def many(count: int, *, patient_id: str = "P1") -> Holdings:
    """So many studies of one patient, a month apart."""
    return Holdings(
        instance
        for number in range(count)
        for instance in studies.make(
            studies.Study(
                patient=model.Patient(patient_id=patient_id, name="Muster^Anna", birth_date="19700131"),
                study_instance_uid=studies.made_up_uid("many", number),
                study_date=date(2015 + number // 12, 1 + number % 12, 5),
            )
        )
    )


def test_as_many_as_a_limit_are_asked_for_in_parts(archive: Archive) -> None:
    """A hundred are suspicious: here the archive had more."""
    archive.holdings = many(120)
    hundred = Fault(because="100 at most", answers=lambda _, given: list(given)[:100])
    archive.misbehave(hundred)
    (result,) = ask(archive)
    assert (Outcome.SUCCESS, 120) == (result.outcome, len(result.studies))
    assert "asked in" in result.because


def test_a_round_number_that_is_no_limit_costs_a_few_questions(archive: Archive) -> None:
    """And changes nothing."""
    archive.holdings = many(100)
    (result,) = ask(archive)
    assert (Outcome.SUCCESS, 100, "Success") == (result.outcome, len(result.studies), result.because)


@pytest.mark.parametrize(
    ("edit", "says"),
    [
        ("forget", "it does not heed study dates"),
        ("nothing", "it does not find by study date what it has"),
    ],
)
def test_an_archive_that_does_not_heed_dates_is_told(archive: Archive, edit: str, says: str) -> None:
    """The answer is kept and said not to be whole."""
    archive.holdings = many(110)

    def answers(asked: Operation, given: list[object]) -> list[object]:
        nothing = edit == "nothing" and asked.identifier.get("StudyDate")
        return [] if nothing else list(given)[:100]

    def hears(_: Operation, keys: object) -> None:
        if edit == "forget":
            keys.StudyDate = ""  # type: ignore[attr-defined]  # a data set

    archive.misbehave(Fault(because="no dates", answers=answers, hears=hears))  # type: ignore[arg-type]
    (result,) = ask(archive)
    assert (Outcome.PARTIAL, 100) == (result.outcome, len(result.studies))
    assert says in result.because


def test_a_day_that_is_too_full_is_told(archive: Archive) -> None:
    """There is no narrower question than one day."""
    archive.holdings = many(12)
    one = Fault(
        because="1 at most",
        answers=lambda asked, given: list(given)[:0] if asked.identifier.get("StudyDate") else given,
        says=lambda asked, said: (
            setattr(said, "Status", 0xB001) if asked.service is Service.FIND and is_final(said) else None
        ),
    )
    archive.misbehave(one)
    (result,) = ask(archive)
    assert Outcome.PARTIAL is result.outcome


def test_an_archive_without_resources_is_not_asked_on_and_on(archive: Archive) -> None:
    """Refused for a month as for a lifetime: it is not that the question was too broad."""
    archive.misbehave(refuses(0xA700, lambda _: True))
    (result,) = ask(archive)
    assert (Outcome.TRANSIENT, 0xA700) == (result.outcome, result.status)
    assert len(archive.operations(Service.FIND)) <= 8
