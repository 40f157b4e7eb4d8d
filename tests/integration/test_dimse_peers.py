"""Queries and moves against the archives and workstations that Debian ships."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

import pytest
from pydicom import dcmread

from prefetch import model
from prefetch.dimse import peer
from prefetch.dimse.association import RemoteAE
from prefetch.dimse.move import Acquaintance
from prefetch.model import Outcome
from tests import peers
from tests.studies import PRESENTATION_STATE, WrittenStudy, write_marking, write_study

pytestmark = pytest.mark.peers

T = TypeVar("T")


class Nobody:
    """A destination that archives know and that is not there."""

    ae_title = "NOBODY"
    host = peers.HOST
    port = peers.free_port()


@pytest.fixture
def study(tmp_path: Path) -> WrittenStudy:
    """A study of two series with two instances each."""
    return write_study(
        tmp_path,
        patient_id="P7",
        issuer_of_patient_id="HOSP",
        name="Müller^Zoë",
        birth_date="19510203",
        study_date="20240105",
        study_time="081500",
        description="CT Schädel",
        accession_number="A77",
        procedure_codes=["CTSK"],
        series=2,
    )


@pytest.fixture
def workstation(tmp_path: Path) -> Iterator[peers.Storescp]:
    """A workstation that receives."""
    with peers.Storescp(ae_title="READ1", directory=tmp_path) as started:
        yield started


@pytest.fixture(params=[peers.Orthanc, peers.Dcmqrscp], ids=["orthanc", "dcmqrscp"])
def archive(
    request: pytest.FixtureRequest, tmp_path: Path, workstation: peers.Storescp, study: WrittenStudy
) -> Iterator[peers.Server]:
    """An archive of each kind that holds the study and knows the workstation."""
    make: type[peers.Orthanc | peers.Dcmqrscp] = request.param
    with make(ae_title="ARCHIVE", directory=tmp_path, knows=[workstation, Nobody()]) as started:
        started.load(study.paths)
        yield started


def use(archive: peers.Server, work: Callable[[RemoteAE], Awaitable[T]], *, called: str | None = None) -> T:
    """Do some work with an archive, called by its AE Title or by another."""
    to = peer.Peer(
        name="archive",
        ae_title=called or archive.ae_title,
        host=archive.host,
        port=archive.port,
        calling_ae_title="PREFETCH",
        codes=True,
        timeouts=peer.Timeouts(connect=2, acse=5, idle=10, move_idle=20),
    )

    async def main() -> T:
        async with RemoteAE(to) as remote:
            return await work(remote)

    return asyncio.run(main())


def move_to(
    study: WrittenStudy, ae_title: str, **more: Any
) -> Callable[[RemoteAE], Awaitable[model.MoveResult]]:
    """The move of a study."""
    return lambda remote: remote.move_studies(
        study_instance_uids=[study.study_instance_uid], destination_ae_title=ae_title, **more
    )


async def never_before() -> bool:
    """Nothing has ever arrived at the workstation."""
    return True


def series_of(study: WrittenStudy) -> dict[str, list[str]]:
    """Series Instance UID → the SOP Instance UIDs in it."""
    found: dict[str, list[str]] = {}
    for path in study.paths:
        image = dcmread(path)
        found.setdefault(str(image.SeriesInstanceUID), []).append(str(image.SOPInstanceUID))
    return found


def test_study_is_found(archive: peers.Server, study: WrittenStudy) -> None:
    """A patient's study is answered with what the archive knows of it, names in their own letters."""
    result = use(archive, lambda remote: remote.find_studies(patient_id="P7", issuer_of_patient_id="HOSP"))
    assert result.outcome is Outcome.SUCCESS
    (found,) = result.studies
    counted = isinstance(archive, peers.Orthanc)  # dcmqrscp answers no counts, modalities or codes
    assert found == model.Study(
        study_instance_uid=study.study_instance_uid,
        archive="archive",
        patient_id="P7",
        issuer_of_patient_id="HOSP",
        patient_name="Müller^Zoë",
        birth_date="19510203",
        sex="F",
        study_date=date(2024, 1, 5),
        study_time="081500",
        accession_number="A77",
        description="CT Schädel",
        procedure_codes=("CTSK",) if counted else (),
        modalities=("CT",) if counted else (),
        instances=4 if counted else None,
        series=2 if counted else None,
    )


@pytest.mark.parametrize("keys", [("P8", None), ("P7", "ELSEWHERE")])
def test_nobody_else_is_found(archive: peers.Server, keys: tuple[str, str | None]) -> None:
    """Another patient, or the same ID of another issuer, has no studies here."""
    patient_id, issuer = keys
    result = use(
        archive, lambda remote: remote.find_studies(patient_id=patient_id, issuer_of_patient_id=issuer)
    )
    assert (result.outcome, result.studies) == (Outcome.SUCCESS, ())


def test_studies_are_found_by_their_uids(archive: peers.Server, study: WrittenStudy, tmp_path: Path) -> None:
    """A list of UIDs finds those that are there."""
    other = write_study(tmp_path, patient_id="P8")
    archive.load(other.paths)
    uids = [study.study_instance_uid, "1.2.3", other.study_instance_uid]
    result = use(archive, lambda remote: remote.find_studies(study_instance_uids=uids))
    assert {found.study_instance_uid for found in result.studies} == {uids[0], uids[2]}


def test_instances_are_counted(archive: peers.Server, study: WrittenStudy) -> None:
    """Series by series, whether the archive counts them or not."""
    counted = use(archive, lambda remote: remote.count_instances(study_instance_uid=study.study_instance_uid))
    assert counted == study.instances


def test_study_is_moved(archive: peers.Server, workstation: peers.Storescp, study: WrittenStudy) -> None:
    """All instances arrive, pixel for pixel."""
    result = use(archive, move_to(study, "READ1"))
    assert (result.outcome, result.completed, result.failed) == (Outcome.SUCCESS, 4, 0)
    arrived = {uid: instance.PixelData for uid, instance in workstation.instances().items()}
    assert arrived == study.pixels


def test_instances_are_moved(archive: peers.Server, workstation: peers.Storescp, study: WrittenStudy) -> None:
    """At IMAGE level, beside a whole series; no other instance is sent."""
    series = series_of(study)
    (first, (one, _)), (second, whole) = series.items()
    parts = (model.Part(first, 1, (one,)), model.Part(second, 2))
    result = use(archive, move_to(study, "READ1", parts=parts))
    assert (result.outcome, result.completed, result.failed) == (Outcome.SUCCESS, 3, 0)
    assert workstation.instances().keys() == {one, *whole}


def test_parts_are_counted(archive: peers.Server, study: WrittenStudy) -> None:
    """Of a part what is wanted of it, and no more."""
    (first, (one, _)), (second, _) = series_of(study).items()
    parts = (model.Part(first, 2, (one, "1.2.3")), model.Part(second, 2), model.Part("9.9", 1, ("9.9.9",)))
    counted = use(
        archive,
        lambda remote: remote.count_parts(study_instance_uid=study.study_instance_uid, parts=parts),
    )
    assert counted is not None
    assert [1, 2, 0] == [counted[part.series_instance_uid] for part in parts]


def test_what_is_marked_is_found(archive: peers.Server, study: WrittenStudy, tmp_path: Path) -> None:
    """Where the archive reads what it holds (Orthanc); dcmqrscp says that there is something."""
    objects = [
        write_marking(tmp_path, *study.paths[1:3]),
        write_marking(tmp_path, study.paths[0], sop_class=PRESENTATION_STATE),
    ]
    archive.load([path for path, _ in objects])
    found = use(
        archive, lambda remote: remote.find_series(study_instance_uid=study.study_instance_uid, markings=True)
    )
    reads = isinstance(archive, peers.Orthanc)
    marked = [study.paths[1:3], study.paths[:1]]
    expected = {
        uid: ({path.stem for path in images} if reads else None)
        for (_, uid), images in zip(objects, marked, strict=True)
    }
    assert expected == {
        one.sop_instance_uid: None if one.images is None else {uid for _, uid in one.images}
        for series in found or ()
        for one in series.markings or ()
    }


def test_what_failed_is_moved_alone(
    archive: peers.Server, workstation: peers.Storescp, study: WrittenStudy
) -> None:
    """Found in its series and named with that."""
    ((one, _), (other, _)) = series_of(study).values()
    result = use(archive, move_to(study, "READ1", missing=[one, other]))
    assert (result.of_missing, result.outcome, result.completed) == (True, Outcome.SUCCESS, 2)
    assert workstation.instances().keys() == {one, other}


def test_study_is_moved_to_orthanc(tmp_path: Path, study: WrittenStudy) -> None:
    """A workstation that answers C-FIND tells how much has arrived."""
    with (
        peers.Orthanc(ae_title="READ1", directory=tmp_path) as workstation,
        peers.Dcmqrscp(ae_title="ARCHIVE", directory=tmp_path, knows=[workstation]) as archive,
    ):
        archive.load(study.paths)
        assert use(archive, move_to(study, "READ1")).outcome is Outcome.SUCCESS
        result = use(workstation, lambda remote: remote.find_studies(patient_id="P7"))
        assert [found.instances for found in result.studies] == [study.instances]
        assert {uid: each.PixelData for uid, each in workstation.instances().items()} == study.pixels


def test_study_that_is_not_there(archive: peers.Server) -> None:
    """Nothing was sent, and nobody says Success: Orthanc does not tell of it, dcmqrscp is suspect."""
    result = use(
        archive,
        lambda remote: remote.move_studies(study_instance_uids=["1.2.3"], destination_ae_title="READ1"),
    )
    orthanc = isinstance(archive, peers.Orthanc)
    assert result.outcome is (Outcome.NOT_FOUND if orthanc else Outcome.SUSPECT)
    assert result.completed == 0


def test_unknown_destination(archive: peers.Server, study: WrittenStudy) -> None:
    """The archive that answers 0xA801 is told apart; Orthanc says only that it failed (0xC000)."""
    result = use(archive, move_to(study, "STRANGER"))
    orthanc = isinstance(archive, peers.Orthanc)
    assert result.outcome is (Outcome.TRANSIENT if orthanc else Outcome.UNKNOWN_DESTINATION)


def test_unknown_destination_of_the_first_move(archive: peers.Server, study: WrittenStudy) -> None:
    """Before anything has arrived there a failure is looked into: it is the destination, whoever says so."""
    result = use(archive, move_to(study, "STRANGER", is_suspect=never_before))
    assert result.outcome is Outcome.UNKNOWN_DESTINATION


def test_destination_that_is_down(archive: peers.Server, study: WrittenStudy) -> None:
    """A workstation that is switched off may be on later."""
    result = use(archive, move_to(study, "NOBODY"))
    assert (result.outcome, result.completed) == (Outcome.TRANSIENT, 0)


def test_whether_a_destination_is_known_cannot_be_told(archive: peers.Server) -> None:
    """Both look for the study first; nothing is sent, and nothing is claimed."""
    introduction = use(archive, lambda remote: remote.knows_destination("READ1"))
    assert introduction.acquaintance is Acquaintance.CANNOT_TELL


def test_destination_that_aborts(tmp_path: Path, study: WrittenStudy) -> None:
    """A workstation that breaks off leaves a move that nobody takes for done."""
    with (
        peers.Storescp(ae_title="READ1", directory=tmp_path, options=["--abort-after"]) as workstation,
        peers.Dcmqrscp(ae_title="ARCHIVE", directory=tmp_path, knows=[workstation]) as archive,
    ):
        archive.load(study.paths)
        result = use(archive, move_to(study, "READ1"))
    assert result.outcome in {Outcome.PARTIAL, Outcome.TRANSIENT}
    assert result.failed


def test_wrong_called_ae_title_is_permanent(archive: peers.Server) -> None:
    """An archive that does not answer to the name we call is a matter of configuration."""
    result = use(archive, lambda remote: remote.find_studies(patient_id="P7"), called="OTHER")
    assert (result.outcome, result.because) == (
        Outcome.PERMANENT,
        "association rejected (permanent): called AE Title not recognized",
    )


def test_archive_that_was_away_answers_again(archive: peers.Server) -> None:
    """The connection that broke costs one answer at most, and the way back needs nothing from us."""

    async def work(remote: RemoteAE) -> list[Outcome]:
        outcomes = [(await remote.find_studies(patient_id="P7")).outcome]
        archive.kill()
        outcomes.append((await remote.find_studies(patient_id="P7")).outcome)
        archive.start()
        outcomes.append((await remote.find_studies(patient_id="P7")).outcome)
        return outcomes

    assert use(archive, work) == [Outcome.SUCCESS, Outcome.TRANSIENT, Outcome.SUCCESS]


def test_archive_that_hangs_is_left_at_once(archive: peers.Server) -> None:
    """A frozen process answers neither a query nor an abort; a call that is cancelled waits for neither."""

    async def work(remote: RemoteAE) -> None:
        await remote.echo()
        archive.freeze()
        asking = asyncio.ensure_future(remote.find_studies(patient_id="P7"))
        await asyncio.sleep(0.05)
        asking.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asking
        await remote.close()

    use(archive, work)


def test_echo(archive: peers.Server) -> None:
    """Both offer all that we need."""
    seen = use(archive, RemoteAE.echo)
    assert (seen.verified, seen.find, seen.move, seen.problem) == (True, True, True, None)


def test_echo_of_a_workstation_that_cannot_be_asked(workstation: peers.Storescp) -> None:
    """A storage SCP verifies and offers no queries."""
    seen = use(workstation, RemoteAE.echo)
    assert (seen.verified, seen.find, seen.move) == (True, False, False)


def test_stopped_server_keeps_what_it_held(archive: peers.Server, study: WrittenStudy) -> None:
    """The peers of the tests: one that was stopped in order starts again on its port with its studies."""
    archive.stop()
    assert not peers.answers(archive.port)
    archive.start()
    assert archive.studies() == {study.study_instance_uid: study.instances}
