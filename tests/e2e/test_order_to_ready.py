"""One order, all the way: in over MLLP, its priors on the workstation, the exam reported ready."""

from __future__ import annotations

import pytest

from prefetch.sandbox import messages
from tests import peers
from tests.e2e.hospital import Build, Hospital, holds_exactly

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("build", [messages.orm, messages.omi, messages.siu])
@pytest.mark.parametrize("archive_class", [peers.Orthanc, peers.Dcmqrscp])
@pytest.mark.parametrize("workstation_class", [peers.Orthanc, peers.Storescp])
def test_priors_are_there_before_the_exam(
    hospital: Hospital,
    archive_class: type[peers.Server],
    workstation_class: type[peers.Server],
    build: Build,
) -> None:
    """An order brings its priors whole, pixel for pixel, and nothing else; then the exam is ready."""
    workstation = hospital.workstation(workstation_class)
    archive = hospital.archive(archive_class)
    priors = [hospital.study(archive, study_date=day) for day in ("20230105", "20240105")]
    hospital.study(archive, description="MR Head")
    hospital.open()
    hospital.book(hospital.exam("A1"), build=build)
    ready = hospital.await_ready("A1" if build is not messages.siu else "FA1")
    assert (ready["priors"], ready["verified"], ready["problem"]) == (2, 2, None)
    assert holds_exactly(workstation, *priors)
    word = "counters" if workstation_class is peers.Storescp else "query"
    rows = hospital.retrieves(ready["order"]).values()
    assert [(row["state"], row["verified_by"], row["arrived_instances"]) for row in rows] == [
        ("verified", word, prior.instances) for prior in priors
    ]
