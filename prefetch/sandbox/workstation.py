"""A reading workstation of the sandbox: takes whatever is stored, and answers C-FIND on it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pydicom
from pydicom import Dataset
from pynetdicom import AE, ALL_TRANSFER_SYNTAXES, AllStoragePresentationContexts, evt

from prefetch.sandbox import scp
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.operation import Service


class Workstation(scp.Scp):
    """An Image Display with a Storage SCP; the judge reads the instances from it."""

    def __init__(
        self,
        *,
        ae_title: str,
        directory: Path | None = None,
        faults: Iterable[str | Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """With a directory instances lie there as files, without one in memory."""
        super().__init__(ae_title=ae_title, faults=faults, host=host, port=port)
        self._directory = directory

    def _offer(self, entity: AE) -> None:
        super()._offer(entity)
        for context in AllStoragePresentationContexts:
            entity.add_supported_context(str(context.abstract_syntax), ALL_TRANSFER_SYNTAXES)

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [*super()._handlers(), (evt.EVT_C_STORE, self._store)]

    def _store(self, event: evt.Event) -> int:
        meta = event.file_meta
        names = Dataset()
        names.SOPClassUID = meta.MediaStorageSOPClassUID
        names.SOPInstanceUID = meta.MediaStorageSOPInstanceUID
        operation = self._begin(event, Service.STORE, names)
        if operation.refused is not None:
            return operation.refused
        self.holdings.add(self._keep(event))
        return 0x0000

    def _keep(self, event: evt.Event) -> Dataset:
        if self._directory is None:
            instance = event.dataset
            instance.file_meta = event.file_meta
            return instance
        path = self._directory / f"{event.file_meta.MediaStorageSOPInstanceUID}.dcm"
        path.write_bytes(event.encoded_dataset())
        return pydicom.dcmread(path, defer_size="1 KB")
