"""An archive of the sandbox: answers C-FIND, and sends what a C-MOVE names over a real association."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any

from pydicom import Dataset
from pynetdicom import AE, evt
from pynetdicom.presentation import PresentationContext, build_context

from prefetch.dimse import reactor, wire
from prefetch.sandbox import scp
from prefetch.sandbox.fault import Fault
from prefetch.sandbox.holdings import Holdings, IdentifierError
from prefetch.sandbox.operation import Operation, Service

Address = tuple[str, int]


class Archive(scp.Scp):
    """An Image Archive (IHE RAD TF-1 actors) with Study Root and Patient Root query and retrieve."""

    def __init__(
        self,
        *,
        ae_title: str,
        holdings: Holdings | None = None,
        knows: Mapping[str, Address] | None = None,
        faults: Iterable[str | Fault] = (),
        host: str = "127.0.0.1",
        port: int = 0,
    ) -> None:
        """`knows` are the Move Destinations, AE title to host and port; more may be added at any time."""
        super().__init__(ae_title=ae_title, holdings=holdings, faults=faults, host=host, port=port)
        self.knows = dict(knows or {})

    def _offer(self, entity: AE) -> None:
        super()._offer(entity)
        entity.add_supported_context(scp.STUDY_ROOT_MOVE)
        entity.add_supported_context(scp.PATIENT_ROOT_MOVE)

    def _handlers(self) -> list[evt.EventHandlerType]:
        return [*super()._handlers(), (evt.EVT_C_MOVE, self._move)]

    def _move(self, event: evt.Event) -> Iterator[Any]:
        """Yield what pynetdicom wants in turn: the destination, how many, then each instance."""
        operation = self._begin(event, Service.MOVE, event.identifier)
        operation.move_destination = (event.move_destination or "").strip()
        address = self.knows.get(operation.move_destination)
        if address is None or operation.refused is not None:
            yield None, None  # 0xA801, unless a fault said something else
            return
        try:
            instances = self.holdings.select(self._heard(operation))
        except IdentifierError:
            operation.refused = scp.IDENTIFIER_DOES_NOT_MATCH
            yield None, None
            return
        operation.matched = len(instances)
        self._send_late(operation, address, instances)
        for fault in self.faults:
            instances = fault.sends(operation, instances)
        yield *address, _proposal(instances)
        yield len(instances)
        for so_far, instance in enumerate(instances):
            if self._aborts(event, operation, so_far):
                return
            if event.is_cancelled:
                yield scp.CANCELLED, None
                return
            operation.sent.append(str(instance.SOPInstanceUID))
            yield scp.PENDING, instance

    def _send_late(self, operation: Operation, address: Address, instances: Sequence[Dataset]) -> None:
        """Have what a C-MOVE named sent after its end, where a fault says so."""
        if seconds := max((fault.late for fault in self.faults), default=0.0):
            sending = partial(self._send_after, seconds, operation, address, instances)
            threading.Thread(target=sending, daemon=True).start()

    def _send_after(
        self, seconds: float, operation: Operation, address: Address, instances: Sequence[Dataset]
    ) -> None:
        if self._stopping.wait(seconds):
            return
        destination = operation.move_destination or ""
        association = AE(self.ae_title).associate(*address, ae_title=destination, **_proposal(instances))
        for instance in instances if association.is_established else ():
            association.send_c_store(instance)
            operation.sent.append(str(instance.SOPInstanceUID))
        association.release()


def _proposal(instances: Iterable[Dataset]) -> dict[str, Any]:
    """How an association with a Move Destination is asked for."""
    handlers = [*wire.fast_handlers(), (evt.EVT_ESTABLISHED, reactor.leave_responses)]
    return {"contexts": _contexts(instances), "evt_handlers": handlers}


def _contexts(instances: Iterable[Dataset]) -> list[PresentationContext]:
    """One Presentation Context for each SOP Class in the transfer syntax in which it lies here."""
    kinds = {(instance.SOPClassUID, instance.file_meta.TransferSyntaxUID) for instance in instances}
    return [build_context(abstract, transfer) for abstract, transfer in sorted(kinds)]
