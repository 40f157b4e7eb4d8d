"""`prefetch read`: what the daemon reads in HL7 files, for people and for scripts."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from prefetch.cli.program import program
from prefetch.model import OrderEvent

DATA = Path(__file__).parent.parent / "data" / "hl7"


def run(*arguments: str | Path, stdin: bytes | None = None) -> Result:
    """Call `prefetch read` with these arguments."""
    return CliRunner().invoke(program, ["read", *map(str, arguments)], input=stdin)


def lines(*arguments: str | Path, stdin: bytes | None = None) -> list[dict[str, Any]]:
    """The JSON lines of `prefetch read --json`."""
    result = run("--json", *arguments, stdin=stdin)
    assert result.exit_code == 0, result.output
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_json_lines_keep_their_contract() -> None:
    """One line a message with file, control ID, type, acknowledgement, events and problem."""
    (line,) = lines(DATA / "orm_two_orders.hl7")
    assert list(line) == ["file", "control_id", "message_type", "acknowledgement", "events", "problem"]
    assert (line["file"], line["control_id"]) == (str(DATA / "orm_two_orders.hl7"), "N0001")
    assert (line["message_type"], line["acknowledgement"], line["problem"]) == ("ORM^O01", "AA", None)
    # What rules are evaluated on is no value of its own.
    shown = [name for name in OrderEvent.__dataclass_fields__ if name not in {"segments", "worklist"}]
    assert [list(event) for event in line["events"]] == [shown] * 2


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (
            "orm_two_orders.hl7",
            [
                {"accession_number": "A20260302-1", "modality": "CT", "priority": "S"},
                {"accession_number": "A20260302-2", "modality": "MR", "priority": "R"},
            ],
        ),
        (
            "siu_imaging_and_laboratory.hl7",
            [
                {
                    "procedure_code": "MAMMO2",
                    "scheduled_start": "2026-03-05T09:30:00+01:00",
                    "location": "WOMEN",
                }
            ],
        ),
        (
            "adt_two_merges.hl7",
            [
                {"action": "merge", "patient_id": "4711", "prior_patient_id": "0815"},
                {"action": "merge", "patient_id": "4711", "prior_patient_id": "0816"},
                {"action": "merge", "patient_id": "4812", "prior_patient_id": "0817"},
            ],
        ),
        ("adt_shift_jis_undeclared.hl7", [{"action": "change", "patient_name": "ソ表^花子"}]),
        (
            "orm_crlf_and_windows_1250.hl7",
            [
                {
                    "action": "change",
                    "status": "scheduled",
                    "patient_name": "Żółkiewska^Łucja",
                    "procedure_description": "Klatka piersiowa",
                }
            ],
        ),
        (
            "orm_lost_line_ends.hl7",
            [
                {
                    "action": "cancel",
                    "patient_id": "4711",
                    "procedure_description": "CT head",
                    "study_instance_uid": "1.2.826.0.1.3680043.10.999.1",
                }
            ],
        ),
    ],
)
def test_messages_as_senders_write_them(name: str, expected: list[dict[str, str]]) -> None:
    """Each sample file gives its events with what tells them apart."""
    (line,) = lines(DATA / name)
    said = [
        {key: event[key] for key in wanted} for event, wanted in zip(line["events"], expected, strict=True)
    ]
    assert said == expected


@pytest.mark.parametrize("name", ["batch.hl7", "framed_twice.mllp"])
def test_file_with_several_messages_gives_a_line_for_each(name: str) -> None:
    """A batch and a capture of the wire are read message by message."""
    assert [line["control_id"] for line in lines(DATA / name)] == ["N0001", "N0003"]


def test_standard_input() -> None:
    """A dash reads what is piped in."""
    (line,) = lines("-", stdin=(DATA / "orm_two_orders.hl7").read_bytes())
    assert (line["file"], line["control_id"]) == ("-", "N0001")


def test_what_is_no_message_has_a_line_with_its_problem(tmp_path: Path) -> None:
    """Junk is refused in words, and the files after it are read."""
    junk = tmp_path / "junk.hl7"
    junk.write_bytes(b"\xff\xfenot a message")
    first, second = lines(junk, DATA / "adt_two_merges.hl7")
    assert (first["acknowledgement"], first["events"]) == ("AR", [])
    assert "no MSH segment" in first["problem"]
    assert second["acknowledgement"] == "AA"


def test_person_sees_values_and_where_they_came_from() -> None:
    """Without --json the events are shown in words; --mapping adds the field of each value."""
    plain, mapped = run(DATA / "orm_two_orders.hl7"), run("--mapping", DATA / "orm_two_orders.hl7")
    assert "ORM^O01 N0001 → AA" in plain.stdout
    assert "Brandt^Lisa^M" in plain.stdout
    assert "OBR-18.1" not in plain.stdout
    assert "OBR-18.1" in mapped.stdout


def test_mapping_in_json() -> None:
    """With --mapping each line also says, event by event, which field each value came from."""
    (line,) = lines("--mapping", DATA / "orm_two_orders.hl7")
    assert [origins["modality"] for origins in line["mapping"]] == ["OBR-24.1", "OBR-24.1"]


def test_strict_lists_deviations_and_says_no() -> None:
    """With --strict each departure from the standard is listed, and the exit status is 1."""
    result = run("--strict", "--json", DATA / "orm_lost_line_ends.hl7")
    assert result.exit_code == 1
    assert "ZDS: the line end before it is lost" in json.loads(result.stdout)["deviations"]


def test_message_of_no_interest_is_said_to_be_one(tmp_path: Path) -> None:
    """A result is acknowledged and not parsed, and a person is told so."""
    result_message = tmp_path / "result.hl7"
    result_message.write_bytes(b"MSH|^~\\&|LAB||||20260302||ORU^R01|7|P|2.5\rOBX|1\r")
    assert "of no interest" in run(result_message).stdout


def test_file_that_is_not_there() -> None:
    """A file that cannot be read is named on stderr; the others are read, and the exit status is 2."""
    result = run("--json", "/nowhere/at/all.hl7", DATA / "adt_two_merges.hl7")
    assert result.exit_code == 2
    assert "/nowhere/at/all.hl7: No such file or directory" in result.stderr
    assert json.loads(result.stdout)["control_id"] == "N0003"


SITE = """\
time_zone: Europe/Berlin
listeners: {ris: {port: 2575}}
senders: {theirs: {listener: ris, fields: {accession_number: OBR-20}}}
archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}
workstations: {room: {ae_title: READ1, verify: counters}}
"""


def test_the_mapping_of_a_site_is_tried_on_files(tmp_path: Path) -> None:
    """With --config and --listener a file is read as that sender writes; --mapping names the sender."""
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "a.yaml").write_text("rules: [{name: a, priors: [{newest: 1}]}]\n")
    (tmp_path / "prefetch.yaml").write_text(SITE)
    wanted: list[str | Path] = [
        "--json",
        "--mapping",
        "--config",
        tmp_path / "prefetch.yaml",
        DATA / "orm_two_orders.hl7",
    ]
    usual, theirs = (json.loads(run(*more, *wanted).stdout) for more in ((), ("--listener", "ris")))
    assert (None, "theirs") == (usual["sender"], theirs["sender"])
    assert ["OBR-20.1"] * 2 == [origins.get("accession_number") for origins in theirs["mapping"]]
    shown = run("--mapping", "--listener", "ris", *wanted[2:])
    assert "read as the sender theirs writes" in shown.stdout
    assert f"configuration: {tmp_path}/prefetch.yaml" in shown.stderr


def test_a_configuration_with_mistakes_reads_nothing(tmp_path: Path) -> None:
    """What is wrong is told, and the exit status is 2."""
    (tmp_path / "prefetch.yaml").write_text(SITE.replace("OBR-20", "ORB-20"))
    result = run("--config", tmp_path / "prefetch.yaml", DATA / "orm_two_orders.hl7")
    assert 2 == result.exit_code
    assert "did you mean OBR-20?" in result.stderr
