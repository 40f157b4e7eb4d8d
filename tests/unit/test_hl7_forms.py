"""What a value must look like to be believed."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.fieldpath import FieldPath
from prefetch.intake.header import Delimiters, Header
from prefetch.intake.hl7 import forms
from prefetch.intake.hl7.mapping import ALIASES, DEFAULT

HEADER = Header(delimiters=Delimiters(), codec="ascii", message_time="202603020815")


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20260302081530", "2026-03-02T08:15:30"),
        ("202603020815", "2026-03-02T08:15"),
        ("2026030208", "2026-03-02T08:00"),
        ("20260302", "2026-03-02"),
        ("20260302081530.1234", "2026-03-02T08:15:30"),
        ("202603020815+0215", "2026-03-02T08:15+02:15"),
        ("20260302081530-0500", "2026-03-02T08:15:30-05:00"),
        ("20260302081530+01", "2026-03-02T08:15:30+01:00"),
        ("2026-03-02T08:15:30Z", "2026-03-02T08:15:30+00:00"),
        ("2026-03-02 08:15:30.808791", "2026-03-02T08:15:30"),
        ("2026-03-02T08:15+01:00", "2026-03-02T08:15+01:00"),
        ("02.03.2026 08:15", "2026-03-02T08:15"),
        ("2.3.2026", "2026-03-02"),
        ("31.02.2026", None),
        ("02/03/2026 08:15", None),
        ("03/31/2026 08:15", "2026-03-31T08:15"),
        ("31-03-2026", "2026-03-31"),
        ("13/13/2026", None),
        ("20260302081530123", "2026-03-02T08:15:30"),
        ("20260302240000", "2026-03-03T00:00:00"),
        ("202612312400+0100", "2027-01-01T00:00+01:00"),
        ("202603022401", None),
        ("999912312400", None),
        ("20260302116412002", None),
        ("20260230", None),
        ("00000000", None),
        ("tomorrow", None),
        ("202603", None),
        ("", None),
    ],
)
def test_times_are_written_as_sent(sent: str, expected: str | None) -> None:
    """HL7 and ISO times become ISO with what was said and nothing added; what is no time is none."""
    assert forms.time(sent, HEADER) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("20260302090000", "2026-03-02T09:00:00"),
        ("202603020815", "2026-03-02T08:15"),
        ("20260302", "2026-03-02"),
        ("20260302081400", None),
        ("20260301", None),
        ("nonsense", None),
    ],
)
def test_time_before_the_message_is_not_to_come(sent: str, expected: str | None) -> None:
    """OBR-7 of an order may say when it was written: only what is not yet past is taken for a booking."""
    assert forms.time_to_come(sent, HEADER) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("19700101", "19700101"),
        ("197001010000", "19700101"),
        ("1970-01-01", "19700101"),
        ("31.1.1970", "19700131"),
        ("197001", "197001"),
        ("1970", "1970"),
        ("01/31/1970", "19700131"),
        ("02/03/1970", None),
        ("99990101", "99990101"),
        ("700131", None),
        ("190131", None),
        ("00000000", None),
        ("unknown", None),
        ("", None),
    ],
)
def test_dates_of_birth(sent: str, expected: str | None) -> None:
    """As much of the date as was said, and nothing that is none."""
    assert forms.date(sent, HEADER) == expected


@pytest.mark.parametrize(
    ("sent", "expected"),
    [("CT", "CT"), (" mr ", "MR"), ("XR", "XR"), ("B999", None), ("IOP", None), ("", None)],
)
def test_modality_is_one_or_none(sent: str, expected: str | None) -> None:
    """A section, a room or a place where the modality belongs is no modality."""
    assert forms.modality(sent, HEADER) == expected


def test_aliases_lead_to_modalities() -> None:
    """Every alias stands for a modality that is believed, and none hides one."""
    assert set(ALIASES.values()) <= forms.MODALITIES
    assert forms.MODALITIES.isdisjoint(ALIASES)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ("1.2.840.1", "1.2.840.1"),
        ("2.25.0123", "2.25.0123"),
        ("1", None),
        ("1.2.x", None),
        ("1." * 40 + "1", None),
    ],
)
def test_uid_is_one_or_none(sent: str, expected: str | None) -> None:
    """Digits and dots, at most 64 of them (PS3.5 9.1)."""
    assert forms.uid(sent, HEADER) == expected


@pytest.mark.parametrize(
    ("sent", "title", "station"),
    [
        ("CT1", "CT1", "CT1"),
        ("CT SCANNER 1", "CT SCANNER 1", None),
        ("127.0.0.1:104", "127.0.0.1:104", None),
        ("221342", "221342", None),
        ("A\\B", None, None),
        ('""', None, None),
    ],
)
def test_ae_titles(sent: str, title: str | None, station: str | None) -> None:
    """What its own field says is an AE title; in a field of many uses it must look like one."""
    assert (forms.ae_title(sent, HEADER), forms.station(sent, HEADER)) == (title, station)


@pytest.mark.parametrize(
    ("sent", "code", "description", "prose"),
    [
        ("CTTH", "CTTH", "CTTH", None),
        ("71260", "71260", None, None),
        ("CT THORAX", "CT THORAX", "CT THORAX", "CT THORAX"),
        ("Chest with contrast", None, "Chest with contrast", "Chest with contrast"),
        ("ROUTINE", None, None, None),
        ("null", None, None, None),
        ("  ", None, None, None),
    ],
)
def test_codes_and_words(sent: str, code: str | None, description: str | None, prose: str | None) -> None:
    """Prose is no code, digits are no description, and a word for how it was booked is neither."""
    assert (forms.code(sent, HEADER), forms.description(sent, HEADER), forms.prose(sent, HEADER)) == (
        code,
        description,
        prose,
    )


@pytest.mark.parametrize(("sent", "expected"), [("A 1", None), ("A1", "A1"), ("", None)])
def test_accession_number_has_no_blanks(sent: str, expected: str | None) -> None:
    """A department in the place of the accession number is not one."""
    assert forms.number(sent, HEADER) == expected


@given(st.text(max_size=40))
def test_any_text_is_judged(text: str) -> None:
    """No value makes a form fail, and a time that is believed is one that Python reads."""
    for form in (forms.text, forms.date, forms.modality, forms.uid, forms.ae_title, forms.code, forms.prose):
        form(text, HEADER)
    if (moment := forms.time(text, HEADER)) is not None:
        datetime.fromisoformat(moment)


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("OBR-4", FieldPath("OBR", 4)),
        ("PID-3.4.2", FieldPath("PID", 3, 4, 2)),
        ("ZXX-7.1", FieldPath("ZXX", 7)),
    ],
)
def test_paths_are_read_and_written(text: str, path: FieldPath) -> None:
    """A place is written as administrators write it."""
    assert FieldPath.parse(text) == path
    assert FieldPath.parse(str(path)) == path


@pytest.mark.parametrize("text", ["", "OBR", "OBR4", "OBR-0", "OBR-4.", "obr-4", "OBR-4.1.2.3"])
def test_what_is_no_path(text: str) -> None:
    """Anything else is refused in words."""
    with pytest.raises(ValueError, match="is no place in a message"):
        FieldPath.parse(text)


def test_mapping_with_other_places_keeps_forms_and_the_other_fields() -> None:
    """A sender's own places replace the list of a field; what is believed there stays the same."""
    changed = DEFAULT.with_paths({"modality": ("ZMO-1",)})
    (place,) = changed.places["modality"]
    assert (place.path, place.form) == (FieldPath("ZMO", 1), forms.modality)
    assert changed.places["sex"] == DEFAULT.places["sex"]


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("12/14/2026 2:30 PM", "2026-12-14T14:30"),
        ("12/4/2026 2:30:00 PM", "2026-12-04T14:30:00"),
        ("3/2/2026 12:05 am", "2026-03-02T00:05"),
        ("3/2/2026 12:05 p.m.", "2026-03-02T12:05"),
        ("2026-12-14 9:05 AM", "2026-12-14T09:05"),
        ("14.12.2026 9:05", "2026-12-14T09:05"),
        ("20261214 9:05", "2026-12-14T09:05"),
        ("12/14/2026 14:30 PM", None),
        ("3/2/2026 9:05", None),
    ],
)
def test_a_time_as_people_write_it_is_read(sent: str, read: str | None) -> None:
    """Where it is plain which number is the month: who writes AM and PM writes it first."""
    assert read == forms.time(sent, HEADER)
