"""Series instead of whole studies: asked for, moved and verified one by one, with real peers."""

from __future__ import annotations

from typing import Any

import pytest

from prefetch.sandbox.studies import Series
from tests import peers, studies
from tests.e2e.hospital import Hospital, pixels

pytestmark = pytest.mark.peers

SCAN = [
    Series(modality="CT", instances=1, description="Topogram 0.6"),
    Series(modality="CT", instances=3, description="Lung axial"),
    Series(modality="MR", instances=2, description="T1"),
]
NO_LOCALIZERS = """
rules:
  - name: ct
    when: {modality: CT}
    priors: [{name: scans, description: "CT*", series: {localizers: false, modality: CT}}]
"""
WHOLE = """
rules:
  - name: mr
    when: {modality: MR}
    priors: [{name: all}]
"""


@pytest.mark.parametrize(
    ("archive_class", "taken"),
    [(peers.Orthanc, ["Lung axial"]), (peers.Dcmqrscp, ["Lung axial", "Topogram 0.6"])],
)
def test_only_the_series_that_are_wanted_are_moved(
    hospital: Hospital, archive_class: type[peers.Server], taken: list[str]
) -> None:
    """And the exam is ready with them, verified by the workstation's word on each.

    dcmqrscp does not say what a series is called, and what is not said leaves no series out.
    """
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    prior = hospital.study(archive, series=SCAN)
    hospital.open(rules=NO_LOCALIZERS)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    row = hospital.retrieve("A1", prior)
    expected = sum(each.instances for each in SCAN if each.description in taken)
    assert ("verified", "query", expected, expected) == (
        row["state"],
        row["verified_by"],
        row["arrived_instances"],
        row["expected_instances"],
    )
    arrived = list(workstation.instances().values())
    assert taken == sorted({str(image.SeriesDescription) for image in arrived})
    assert pixels(arrived).items() <= prior.pixels.items()
    assert f"{len(taken)} of 3 series" in hospital.decision("A1", prior)["reasons"][0]["because"]


KEY_IMAGES = """
rules:
  - name: ct
    when: {modality: CT}
    priors: [{name: marked, description: "CT*", series: {key_images: [KO, PR]}}]
"""


@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
def test_only_the_images_that_somebody_marked_are_moved(
    hospital: Hospital, archive_class: type[peers.Server]
) -> None:
    """And the exam is ready with them, each found at the workstation by its UID.

    dcmqrscp does not say what a Key Object refers to: then the whole study comes, and the reason says so.
    """
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(archive_class)
    prior = hospital.study(archive, series=SCAN)
    (key_object, key_uid), (state, state_uid) = (
        studies.write_marking(hospital.directory, *images, sop_class=sop_class)
        for images, sop_class in (
            (prior.paths[1:3], studies.KEY_OBJECT),
            (prior.paths[4:5], studies.PRESENTATION_STATE),
        )
    )
    archive.load([key_object, state])
    says = archive_class is peers.Orthanc
    images = (*prior.paths[1:3], prior.paths[4]) if says else prior.paths
    hospital.open(rules=KEY_IMAGES)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert {key_uid, state_uid, *(image.stem for image in images)} == workstation.instances().keys()
    row = hospital.retrieve("A1", prior)
    assert ("verified", "query", len(images) + 2) == (
        row["state"],
        row["verified_by"],
        row["arrived_instances"],
    )
    because = "3 key images, marked by 2 objects" if says else "does not say which images are marked"
    assert because in hospital.decision("A1", prior)["reasons"][0]["because"]


def test_key_images_are_moved_where_a_part_of_them_is_there(hospital: Hospital) -> None:
    """As many other images of the study at the workstation make up for none of them."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, series=SCAN)
    workstation.load(prior.paths[2:4])
    key_object, key_uid = studies.write_marking(hospital.directory, *prior.paths[1:3])
    archive.load([key_object])
    hospital.open(rules=KEY_IMAGES)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert {key_uid, *(image.stem for image in prior.paths[1:4])} == workstation.instances().keys()


def test_a_whole_study_wins_over_a_part_of_it(hospital: Hospital) -> None:
    """Another exam's wish for all of it has the rest moved."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    prior = hospital.study(archive, series=SCAN)
    hospital.open(rules=NO_LOCALIZERS + WHOLE.removeprefix("\nrules:\n"))
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    hospital.book(hospital.exam("A2", description="MR Chest"))
    hospital.await_ready("A2")
    assert prior.pixels == pixels(workstation.instances().values())


def test_modalities_that_an_archive_does_not_say_are_asked_for_by_series(hospital: Hospital) -> None:
    """Dcmqrscp returns no Modalities in Study; each study is looked into once."""
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Dcmqrscp)
    scan = hospital.study(archive, description="Thorax", modality="CT")
    hospital.study(archive, description="Thorax 2", modality="MR", study_date="20230105")
    hospital.open(rules="rules: [{name: ct, priors: [{name: same, modality: same}]}]")
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert scan.pixels == pixels(workstation.instances().values())
    described: dict[str, Any] = hospital.decision("A1", scan)
    assert ["CT"] == described["modalities"]
