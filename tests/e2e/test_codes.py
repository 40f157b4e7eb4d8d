"""Codes tell what words do not: an archive's answer, the grade, and what the administrator sees of it."""

from __future__ import annotations

import pytest

from tests import peers
from tests.e2e.hospital import Hospital, holds_exactly

pytestmark = pytest.mark.peers

RELEVANT = """
rules:
  - name: ct
    when: {modality: CT}
    priors: [{name: compared, relevance: must}]
"""


@pytest.mark.parametrize("codes", [True, False])
def test_the_same_procedure_code_brings_what_words_do_not_tell(hospital: Hospital, codes: bool) -> None:
    """The order's procedure code is that of a study whose description says nothing, as Orthanc answers it.

    An archive that is not asked for codes answers none, and the words alone decide.
    """
    workstation = hospital.workstation(peers.Orthanc)
    archive = hospital.archive(peers.Orthanc)
    told = hospital.study(archive, study_date="20240105", description="CT", procedure_codes=["CTCHEST"])
    named = hospital.study(archive, study_date="20230105", description="CT thorax")
    hospital.open(rules=RELEVANT, archives={"main": {"codes": codes}})
    hospital.book(hospital.exam("A1"))
    hospital.await_ready("A1")
    assert holds_exactly(workstation, *([told] if codes else []), named)
    seen = hospital.decision("A1", told)
    because = "the same procedure code CTCHEST" if codes else "the study names no region"
    assert (["CTCHEST"] if codes else [], because) == (seen["procedure_codes"], seen["grade_because"])
    assert ("CT [CTCHEST]" in hospital.run("explain", "A1")) is codes
