"""What rules say beyond which studies are wanted: from which archives, with real peers."""

from __future__ import annotations

import pytest

from tests import peers
from tests.e2e.hospital import Hospital, holds_exactly

pytestmark = pytest.mark.peers

MIRRORED = """
rules:
  - name: ct
    from: {archives: [main, mirror], use: first that answers}
    priors: [{newest: 2}]
"""


def test_a_mirror_stands_in_for_an_archive_that_is_down(hospital: Hospital) -> None:
    """The exam is ready from the mirror, nothing is missing, and while the archive is up nobody asks it."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Dcmqrscp)
    mirror = hospital.archive(peers.Dcmqrscp, "MIRROR")
    prior = hospital.study(main, mirror)
    hospital.open(rules=MIRRORED)
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert ["main"] == [query["archive"] for query in hospital.explain("A1")["queries"]]
    main.kill()
    hospital.book(hospital.exam("A2"))
    hospital.await_ready("A2")
    story = hospital.explain("A2")
    assert (["main", "mirror"], None) == ([query["archive"] for query in story["queries"]], story["problem"])
    assert "goes by mirror, the first that answers; main does not answer" in story["rules"][0]["because"]
    assert "mirror" == hospital.decision("A2", prior)["archive"]
    assert holds_exactly(workstation, prior)
