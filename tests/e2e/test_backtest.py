"""Other rules are tried on what a daemon and real archives have recorded, while the daemon runs."""

from __future__ import annotations

import pytest

from tests import peers
from tests.e2e.hospital import BRUNO, Hospital, holds_exactly

pytestmark = pytest.mark.peers

RULES = """\
rules:
  - name: ct
    from: main
    when: {modality: CT}
    priors: [{name: scans, description: "CT*", newest: 2}]
  - name: mr
    from: main
    when: {modality: MR}
    priors: [{name: scans, description: "MR*", newest: 1}]
"""
OTHERS = """\
rules:
  - name: ct
    from: main
    when: {modality: CT}
    priors: [{name: scans, description: "CT*", newest: 1, oldest: 1}]
  - name: mr
    when: {modality: MR}
    priors: [{name: scans, description: "MR*", newest: 1}]
"""
"""The newest CT and the oldest, in place of the newest two; and for an MR the off-site archive as well."""


def test_a_changed_rule_is_proved_on_recorded_exams(hospital: Hospital) -> None:
    """What would be gained and lost is told by name, what nobody was asked is not guessed, nothing moves."""
    workstation = hospital.workstation(peers.Orthanc)
    main = hospital.archive(peers.Orthanc)
    hospital.archive(peers.Dcmqrscp, ae_title="OFFSITE")
    last = hospital.study(main, description="CT Thorax", study_date="20250110", instances=2)
    middle = hospital.study(main, description="CT Thorax control", study_date="20240110", instances=3)
    first = hospital.study(main, description="CT Thorax first", study_date="20200110", instances=4)
    brain = hospital.study(main, patient=BRUNO, description="MR Brain", study_date="20240110")
    hospital.open(rules=RULES)
    hospital.book(hospital.exam("A1"))
    hospital.book(hospital.exam("A2", description="MR Brain", patient=BRUNO))
    hospital.await_ready("A1")
    hospital.await_ready("A2")
    others = hospital.directory / "others"
    others.mkdir()
    (others / "rules.yaml").write_text(OTHERS)

    (page,) = hospital.rows("backtest", "--rules", str(others), "--since", "1d")
    assert {"replayed": 1, "touched": 1, "not_judged": 1, "not_replayed": 0} == page["exams"]
    assert {"gained": 1, "lost": 1, "otherwise": 0} == page["priors"]
    assert ({"offsite was not asked for this patient": 1}, ["A2"]) == (
        page["not_judged"],
        page["not_judged_examples"],
    )
    (gained,), (lost,) = page["gained"], page["lost"]
    assert ("A1", first.study_instance_uid, "CT Thorax first", "2020-01-10", "main", "read1") == (
        gained["accession_number"],
        gained["study_instance_uid"],
        gained["study_description"],
        gained["study_date"],
        gained["archive"],
        gained["destination"],
    )
    assert ("A1", middle.study_instance_uid) == (lost["accession_number"], lost["study_instance_uid"])
    assert {
        "rule": "ct",
        "class": "scans",
        "because": "the study description is “CT Thorax first”; oldest, number 1",
        "place": f"{others / 'rules.yaml'}:5",
    } == gained["would_be"]["reasons"][0]
    assert f"{hospital.directory / 'rules' / 'rules.yaml'}:5" == lost["was"]["reasons"][0]["place"]
    (archive,) = page["archives"]
    assert ("main", 1, 4, 1, 3) == (
        archive["archive"],
        archive["more"]["studies"],
        archive["more"]["instances"],
        archive["less"]["studies"],
        archive["less"]["instances"],
    )
    # Three studies were moved, some of them together; how long that took is what minutes go by.
    assert archive["measured_moves"] in {1, 2, 3}
    assert archive["instances_a_second"] > 0

    text = hospital.run("backtest", "--rules", str(others), "--since", "1d")
    for line in (
        "exams            1 replayed",
        "priors           1 gained, 1 lost, 0 otherwise",
        "not judged       1: offsite was not asked for this patient",
        "rule             ct: 1 gained, 1 lost",
        "2020-01-10  CT  CT Thorax first  main → read1",
        f"“CT Thorax first”; oldest, number 1  [{others / 'rules.yaml'}:5]",
    ):
        assert line in text
    hospital.book(hospital.exam("A3", description="MR Brain", patient=BRUNO))
    hospital.await_ready("A3")
    assert holds_exactly(workstation, last, middle, brain)
