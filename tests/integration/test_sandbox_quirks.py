"""Each quirk of the sandbox, shown on the wire as a peer sees it that is not ours."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

import pytest

from prefetch import model
from prefetch.sandbox import quirks, studies
from prefetch.sandbox.archive import Archive
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.holdings import Holdings
from tests import scu

PATIENT = model.Patient(patient_id="abc01", name="Quíst^Ada", birth_date="19500102", sex="F")


def study(number: int) -> studies.Study:
    """One of the patient's studies: CT and MR in turn, the first one with a series of two."""
    return studies.Study(
        patient=PATIENT,
        study_instance_uid=studies.made_up_uid("quirks", number),
        study_date=date(2020 + number, 5, 1),
        accession_number=f"A{number}",
        description="Schädel",
        series=[studies.Series(modality=("CT", "MR")[number % 2], instances=2)],
    )


UIDS = [study(number).study_instance_uid for number in range(6)]


@pytest.fixture(scope="module")
def holdings() -> Holdings:
    """Six studies of one patient."""
    return Holdings(instance for number in range(6) for instance in studies.make(study(number)))


@pytest.fixture
def archive(holdings: Holdings) -> Iterator[Archive]:
    """An archive without a quirk, until a test gives it one."""
    with Archive(ae_title="MAIN", holdings=holdings) as made:
        yield made


def found(archive: Archive, **keys: object) -> tuple[int, int | None]:
    """How many answers there are to a query, and its final status."""
    *answers, (final, _) = scu.ask(
        archive, "STUDY", patience=0.4, **{"PatientID": "abc01", "StudyInstanceUID": "", **keys}
    )
    return len(answers), final.get("Status")


@pytest.mark.filterwarnings("ignore:Invalid value")  # pydicom says what it thinks of a range without ends
@pytest.mark.parametrize(
    ("name", "keys", "usually", "with_it"),
    [
        ("ignores-modalities-key", {"ModalitiesInStudy": "CT"}, (3, 0), (6, 0)),
        ("refuses-modalities-key", {"ModalitiesInStudy": "CT"}, (3, 0), (0, 0xA900)),
        ("refuses-modalities-key", {"ModalitiesInStudy": ""}, (6, 0), (6, 0)),
        ("lists-match-nothing", {"StudyInstanceUID": UIDS[:2]}, (2, 0), (0, 0)),
        ("lists-match-nothing", {"StudyInstanceUID": UIDS[0]}, (1, 0), (1, 0)),
        ("lists-are-alternatives", {"ModalitiesInStudy": ["CT", "MR"]}, (0, 0), (6, 0)),
        ("lists-are-alternatives", {"ModalitiesInStudy": ["CT", "US"]}, (0, 0), (3, 0)),
        ("refuses-asterisk", {"StudyDescription": "*"}, (6, 0), (0, 0xA900)),
        ("refuses-empty-uid", {}, (6, 0), (0, 0xA900)),
        ("refuses-empty-uid", {"StudyInstanceUID": UIDS[0]}, (1, 0), (1, 0)),
        ("ignores-case", {"PatientID": "ABC01"}, (0, 0), (6, 0)),
        ("ignores-case", {"PatientID": "ABC02"}, (0, 0), (0, 0)),
        ("refuses-open-date-range", {"StudyDate": "-20210601"}, (2, 0), (0, 0xA900)),
        ("refuses-open-date-range", {"StudyDate": "20200101-20210601"}, (2, 0), (2, 0)),
        ("finds-nothing-by-dash", {"StudyDate": "-"}, (6, 0), (0, 0)),
        ("hangs-on-study-time", {"StudyTime": "000000-235959"}, (6, 0), (0, None)),
        ("hangs-on-study-time", {"StudyTime": ""}, (6, 0), (6, 0)),
        ("cuts-after-5", {}, (6, 0), (5, 0)),
        ("warns-after-5", {}, (6, 0), (5, 0xB001)),
        ("refuses-above-5", {}, (6, 0), (0, 0xA700)),
        ("refuses-above-5", {"StudyDate": "20200101-20210601"}, (2, 0), (2, 0)),
        ("identifier-in-success", {}, (6, 0), (5, 0)),
        ("broken-answer", {}, (6, 0), (8, 0)),  # pynetdicom hands on twice what it cannot decode
    ],
)
def test_what_is_found(
    archive: Archive,
    name: str,
    keys: dict[str, object],
    usually: tuple[int, int],
    with_it: tuple[int, int | None],
) -> None:
    """So many answers, and this end; without the quirk others."""
    assert usually == found(archive, **keys)
    archive.misbehave(name)
    assert with_it == found(archive, **keys)


@pytest.mark.filterwarnings("ignore::UserWarning")  # pydicom says what it thinks of these values
def test_malformed_values(archive: Archive) -> None:
    """Each is what the field has shown."""
    archive.misbehave("malformed-values")
    (answer,) = scu.find(
        archive,
        "STUDY",
        StudyInstanceUID=UIDS[0],
        **dict.fromkeys(("StudyDate", "PatientBirthDate", "AccessionNumber"), ""),
    )
    said = (answer.StudyDate, answer.PatientBirthDate, len(answer.AccessionNumber))
    assert ("2020.05.01", "1950.01.02", 80) == said
    (answer,) = scu.find(archive, "SERIES", StudyInstanceUID=UIDS[0], SeriesInstanceUID="")
    assert answer.SeriesInstanceUID.endswith(quirks.LOCALIZER)


def test_empty_modalities(archive: Archive) -> None:
    """The attribute is there and says nothing."""
    archive.misbehave("empty-modalities-in-study")
    (answer,) = scu.find(archive, "STUDY", StudyInstanceUID=UIDS[0], ModalitiesInStudy="")
    assert not answer["ModalitiesInStudy"].value


def test_wrong_character_set(archive: Archive) -> None:
    """Whoever believes it reads two signs for one."""
    archive.misbehave("wrong-character-set")
    (answer,) = scu.find(archive, "STUDY", StudyInstanceUID=UIDS[0], StudyDescription="")
    assert ("ISO_IR 100", "SchÃ¤del") == (answer.SpecificCharacterSet, answer.StudyDescription)


def test_character_set_on_request(archive: Archive) -> None:
    """It is said to whoever asks."""
    archive.misbehave("character-set-on-request")
    keys = {"StudyInstanceUID": UIDS[0], "StudyDescription": ""}
    (unasked,) = scu.find(archive, "STUDY", **keys)
    (asked,) = scu.find(archive, "STUDY", SpecificCharacterSet="", **keys)
    assert ("SpecificCharacterSet" in unasked, asked.SpecificCharacterSet) == (False, "ISO_IR 192")


def test_pending_with_a_warning(archive: Archive) -> None:
    """Every answer comes with 0xFF01."""
    archive.misbehave("pending-as-0xFF01")
    *pending, _ = scu.ask(archive, "STUDY", PatientID="abc01")
    assert {0xFF01} == {status.Status for status, _ in pending}


def test_status_in_the_data_set(archive: Archive) -> None:
    """Who looks for the status in the command finds no response at all."""
    archive.misbehave("status-in-the-data-set")
    ((status, _),) = scu.ask(archive, "STUDY", PatientID="abc01")
    assert "Status" not in status


def test_a_quirk_is_heard_by_a_move(archive: Archive) -> None:
    """The archive knows a series again by the UID that it gave."""
    archive.misbehave("malformed-values")
    heard: list[str] = []
    archive.misbehave(
        Fault(because="listens", hears=lambda _, keys: heard.append(str(keys.SeriesInstanceUID)))
    )
    with scu.associated(archive) as association:
        wanted = scu.identifier("SERIES", StudyInstanceUID=UIDS[0], SeriesInstanceUID="1.2.3")
        archive.knows["NOBODY"] = ("127.0.0.1", 1)
        list(association.send_c_move(wanted, "NOBODY", "1.2.840.10008.5.1.4.1.2.2.2"))
    assert ["1.2.3"] == heard


def test_every_quirk_says_what_it_shows() -> None:
    """And who has met it."""
    assert all(each.because and each.seen for each in quirks.QUIRKS.values())
