"""No study of another person moves, whatever made one be taken for the other."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.bench import wrong_patient
from tests.e2e.hospital import Hospital

pytestmark = pytest.mark.peers


@pytest.mark.parametrize("issuers", [True, False], ids=["issuers named", "no issuer named"])
def test_no_study_of_another_person_moves(tmp_path: Path, hospital: Hospital, issuers: bool) -> None:
    """Of some hundred people with namesakes, twins and strangers under their numbers, as we are shipped."""
    trial = wrong_patient.Trial(patients=300, seed=3, issuers=issuers)
    outcome = trial.run(tmp_path, hospital)
    trial.tell("as shipped", outcome)
    assert outcome.wrong == ()
    assert outcome == trial.foresee({})
    assert outcome.right_moved + outcome.right_quarantined == pytest.approx(1)
