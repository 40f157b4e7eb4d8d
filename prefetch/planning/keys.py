"""PURE: which of a patient's IDs an archive is asked for, in its own form, and whether an answer carries it.

An archive knows the IDs of some authorities, calls those in its own way, pads, strips or prefixes. The same
rules are used to ask and to read what comes back; where nothing is said of an archive, IDs are used as sent.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from prefetch import errors, patients
from prefetch.dimse import identifier
from prefetch.domain.issuers import IssuerKey
from prefetch.model import PatientId
from prefetch.peers import Archive, Case, PatientIdForm


@dataclass(frozen=True, slots=True, kw_only=True)
class Key:
    """A patient ID as one archive is asked for it."""

    patient_id: str
    issuer_of_patient_id: str | None = None
    form: PatientIdForm = field(default_factory=PatientIdForm)
    is_mapped: bool = False
    """Whether the site says how the archive calls this issuer: any other is surely another."""
    by_id_alone: bool = False
    """Whether the archive is asked without the issuer, and may answer studies of other issuers' patients."""

    @property
    def asked_issuer(self) -> str | None:
        """The issuer that is sent as a key; `None` where none is."""
        return None if self.by_id_alone else self.issuer_of_patient_id

    def alone(self) -> Key:
        """Give the same key without its issuer, which is still what answers are compared with."""
        return replace(self, by_id_alone=True)

    def is_carried_by(self, patient_id: str) -> bool:
        """Whether an answer's patient ID is this one, as far as the archive's form tells IDs apart."""
        return _bare(self.patient_id, self.form) == _bare(patient_id, self.form)


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What an archive is asked for, and which IDs it is not asked for, with the reason in words."""

    asked: tuple[Key, ...]
    left_out: tuple[str, ...] = ()


def keys_for(ids: Iterable[PatientId], archive: Archive) -> Keys:
    """The keys for a patient's IDs, each once."""
    asked: dict[tuple[str, str | None], Key] = {}
    left_out = []
    for one in ids:
        because = _why_not(one, archive)
        key = None if because else _key(one, archive)
        because = because or (_unsafe(key, archive) if key else None)
        if key is None or because:
            left_out.append(f"{one.name}: {because}")
        else:
            asked.setdefault((key.patient_id, key.issuer_of_patient_id), key)
    return Keys(asked=tuple(asked.values()), left_out=tuple(left_out))


def write(patient_id: str, form: PatientIdForm) -> str:
    """A patient ID as an archive of this form writes it."""
    text = patient_id.strip().removeprefix(form.strip_prefix or "")
    if form.strip_zeros:
        text = text.lstrip("0") or text[-1:]
    if form.pad_to and text.isdecimal():
        text = text.zfill(form.pad_to)
    return _in_case((form.add_prefix or "") + text if text else "", form.case)


def _bare(text: str, form: PatientIdForm) -> tuple[bool, str]:
    """What tells one ID from another in an archive of this form, and whether it has the archive's prefix."""
    text = _in_case(text.strip(), form.case)
    prefix = _in_case(form.add_prefix or "", form.case)
    has_prefix = text.startswith(prefix)
    body = text.removeprefix(prefix)
    if form.strip_zeros or (form.pad_to and body.isdecimal()):
        body = body.lstrip("0") or body[-1:]
    return has_prefix, body


def _in_case(text: str, case: Case | None) -> str:
    return {None: text, Case.UPPER: text.upper(), Case.LOWER: text.lower()}[case]


def _key(one: PatientId, archive: Archive) -> Key:
    authority = patients.namespace(one.issuer_of_patient_id)
    mapped = _look_up(archive.issuers, authority)
    form = next((form for name, form in archive.patient_ids_of.items() if _is(name, authority)), None)
    form = form or archive.patient_ids
    return Key(
        patient_id=write(one.patient_id, form),
        issuer_of_patient_id=mapped or authority,
        form=form,
        is_mapped=mapped is not None,
    )


def _why_not(one: PatientId, archive: Archive) -> str | None:
    """Why an archive is not asked for an ID; `None` where it is."""
    authority = patients.namespace(one.issuer_of_patient_id)
    if _look_up(archive.issuers, authority) is not None:
        return None
    if one.foreign:
        return "no archive's kind of ID, and the archive is not said to know its authority"
    if archive.issuers and authority is not None:
        return "of an authority that the archive does not know"
    return None


def _unsafe(key: Key, archive: Archive) -> str | None:
    """Why a key must not be sent; `None` where it may."""
    try:
        identifier.refuse_unsafe(
            patient_id=key.patient_id,
            issuer_of_patient_id=None if archive.send_issuer is IssuerKey.FALSE else key.issuer_of_patient_id,
            character_set=archive.character_set,
        )
    except errors.UnsafeKeyError as error:
        return str(error)
    return None


def _look_up(issuers: dict[str, str], authority: str | None) -> str | None:
    """How the archive calls an authority; one that is named as the archive calls it is known too."""
    named = (theirs for ours, theirs in issuers.items() if _is(ours, authority) or _is(theirs, authority))
    exact = (theirs for ours, theirs in issuers.items() if _is(ours, authority))
    return next(exact, None) or next(named, None)


def _is(name: str, authority: str | None) -> bool:
    return authority is not None and name.casefold() == authority.casefold()


def own(ids: Sequence[PatientId]) -> tuple[Key, ...]:
    """The keys of a patient for an archive of which nothing is said."""
    return tuple(
        Key(patient_id=one.patient_id, issuer_of_patient_id=patients.namespace(one.issuer_of_patient_id))
        for one in ids
    )
