"""Worklist items as files, for the worklists that Debian ships."""

from __future__ import annotations

from datetime import datetime
from io import BytesIO
from pathlib import Path
from typing import Any

from pydicom import Dataset
from pydicom.dataset import FileMetaDataset
from pydicom.uid import UID, ExplicitVRLittleEndian
from pynetdicom.dsutils import decode, encode

from prefetch.sandbox import studies, worklist
from tests import peers
from tests.e2e.hospital import ANNA

RealWorklist = peers.Wlmscpfs | peers.OrthancWorklist


def item(name: str, **facts: Any) -> Dataset:
    """An item of the exam `A…` of a name: an accession number unless said otherwise."""
    usual: dict[str, Any] = {
        "accession_number": name,
        "patient": ANNA,
        "start": datetime(2026, 3, 2, 10, 0),  # noqa: DTZ001 (a worklist has no zones)
        "requested_procedure_id": f"RP{name}",
        "scheduled_procedure_step_id": f"S{name}",
    }
    return worklist.item(**{**usual, **facts})


def on_the_wire(made: Dataset) -> Dataset:
    """A data set as it is received: in bytes that nobody has converted yet."""
    encoded = encode(made, is_implicit_vr=True, is_little_endian=True)
    return decode(BytesIO(encoded or b""), is_implicit_vr=True, is_little_endian=True)


def put(server: RealWorklist, name: str, **facts: Any) -> None:
    """Have a worklist hold an item, new or in place of the one of that name."""
    write(server.items / f"{name}.wl", item(name, **facts))


def write(path: Path, made: Dataset) -> None:
    """Write an item; it appears whole or not at all."""
    made.file_meta = FileMetaDataset()
    made.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
    made.file_meta.MediaStorageSOPClassUID = UID(worklist.MODALITY_WORKLIST_FIND)
    made.file_meta.MediaStorageSOPInstanceUID = UID(studies.made_up_uid("item", path.name))
    half = path.with_suffix(".half")
    made.save_as(half, enforce_file_format=True)
    half.rename(path)


def take(server: RealWorklist, name: str) -> None:
    """Have a worklist forget an item."""
    (server.items / f"{name}.wl").unlink()
