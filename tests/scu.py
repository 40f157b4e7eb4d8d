"""A minimal SCU for tests that ask a sandbox SCP on the wire; knows nothing of `prefetch.dimse`."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pydicom import Dataset
from pynetdicom import AE
from pynetdicom.association import Association

from prefetch.dimse import wire
from prefetch.sandbox import scp


def entity(*, patience: float = 5.0) -> AE:
    """An AE that can ask all that the sandbox answers."""
    ours = AE("ASKER")
    ours.dimse_timeout = patience
    for abstract_syntax in (
        scp.VERIFICATION,
        scp.STUDY_ROOT_FIND,
        scp.STUDY_ROOT_MOVE,
        scp.PATIENT_ROOT_FIND,
        scp.PATIENT_ROOT_MOVE,
    ):
        ours.add_requested_context(abstract_syntax)
    return ours


@contextmanager
def associated(peer: scp.Scp, *, patience: float = 5.0) -> Iterator[Association]:
    """An association with a sandbox SCP; `patience` is the DIMSE timeout."""
    association = entity(patience=patience).associate(
        peer.host, peer.port, ae_title=peer.ae_title, evt_handlers=wire.fast_handlers()
    )
    try:
        yield association
    finally:
        if association.is_established:
            association.release()


def identifier(level: str, **keys: object) -> Dataset:
    """An identifier of a level with these keys."""
    made = Dataset()
    made.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(made, keyword, value)
    return made


def find(peer: scp.Scp, level: str, *, root: str = scp.STUDY_ROOT_FIND, **keys: object) -> list[Dataset]:
    """The answers to one C-FIND that succeeds."""
    with associated(peer) as association:
        *pending, (final, _) = association.send_c_find(identifier(level, **keys), root)
    assert final.Status == 0x0000
    return [answer for _, answer in pending if answer is not None]


def ask(
    peer: scp.Scp, level: str, *, patience: float = 5.0, **keys: object
) -> list[tuple[Dataset, Dataset | None]]:
    """Each status and answer of one Study Root C-FIND."""
    with associated(peer, patience=patience) as association:
        return list(association.send_c_find(identifier(level, **keys), scp.STUDY_ROOT_FIND))


def move(
    peer: scp.Scp, destination: str, study_instance_uid: str, *, patience: float = 5.0
) -> list[tuple[Dataset, Dataset | None]]:
    """Each status and identifier of one Study Root C-MOVE of a study."""
    wanted = identifier("STUDY", StudyInstanceUID=study_instance_uid)
    with associated(peer, patience=patience) as association:
        return list(association.send_c_move(wanted, destination, scp.STUDY_ROOT_MOVE))
