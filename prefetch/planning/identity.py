"""PURE: whether an archive's answer speaks of the order's patient (design, section 6).

Nothing moves on a name. An answer with an ID that nobody asked for is another patient's, whatever else it
says; a conflict in issuer, birth date or sex is a doubt until a person decides. Unknown is not a conflict,
but for a birth date that the site wants said: what is filed under a wrong number shows by nothing else.
Reasons name the identifier and never its value: they reach the logs.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Self

from prefetch.model import Patient, Study
from prefetch.planning import keys, names
from prefetch.settings import BirthDateSaidBy, Config, NameConflict


class Kind(StrEnum):
    """What a comparison says."""

    MATCH = "match"
    UNKNOWN = "unknown"
    CONFLICT = "conflict"
    OTHER = "other"
    """Surely another patient: nothing to decide."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What a comparison says, and why."""

    kind: Kind
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What the site says of identities."""

    placeholder_birth_dates: frozenset[str] = frozenset({"19000101"})
    name_conflict: NameConflict = NameConflict.GIVEN_NAME
    """What a name that differs means by itself."""
    birth_date_said_by: BirthDateSaidBy = BirthDateSaidBy.RECORD
    """Who must say a birth date."""

    @classmethod
    def of(cls, site: Config) -> Self:
        """The policy of a configuration."""
        return cls(
            placeholder_birth_dates=frozenset(site.identity.placeholder_birth_dates),
            name_conflict=site.identity.name_conflict,
            birth_date_said_by=site.identity.birth_date_said_by,
        )


def said_of_patient(study: Study) -> tuple[str | None, ...]:
    """All of an answer that identity is checked by: most answers to one question say the same of it."""
    return (
        *(study.patient_id, study.issuer_of_patient_id),
        *(study.patient_name, study.birth_date, study.sex),
    )


def check_identity(patient: Patient, study: Study, *, asked: Sequence[keys.Key], policy: Policy) -> Verdict:
    """Compare a C-FIND answer with the order's patient; `asked` is what the archive was asked for."""
    found = _compare_ids(study, asked)
    if Kind.OTHER in found.values():
        differs = next(name for name, kind in found.items() if kind is Kind.OTHER)
        return Verdict(Kind.OTHER, _OTHERS[differs])
    found |= {name: compare(patient, study, policy) for name, compare in _COMPARISONS.items()}
    conflicts = [name for name, kind in found.items() if kind is Kind.CONFLICT and name != "name"]
    unknown = [name for name, kind in found.items() if kind is Kind.UNKNOWN]
    if conflicts:
        return Verdict(
            Kind.CONFLICT, f"{_list(conflicts)} differ{'' if conflicts[1:] else 's'} from the order's"
        )
    if found["name"] is Kind.CONFLICT:
        return _judge_name(patient, study, unknown, policy)
    if because := _leaves_unsaid(patient, study, unknown, policy) or _ambiguous_number(asked, unknown):
        return Verdict(Kind.CONFLICT, because)
    if unknown:
        return Verdict(Kind.UNKNOWN, f"{_list(unknown)} cannot be compared; nothing differs")
    return Verdict(Kind.MATCH, "patient ID, issuer, birth date, sex and name agree")


def can_compare_birth_date(patient: Patient, study: Study, policy: Policy) -> bool:
    """Whether order and study both say a birth date that can be compared."""
    return _compare_birth_date(patient, study, policy) is not Kind.UNKNOWN


def says_birth_date(patient: Patient, policy: Policy) -> bool:
    """Whether the order says a birth date, and none of the placeholders."""
    return bool(_birth_date(patient.birth_date, policy))


def _judge_name(patient: Patient, study: Study, unknown: list[str], policy: Policy) -> Verdict:
    """A name that differs is noted; it decides only where nothing else vouches, or the site says so."""
    doubtful = [name for name in unknown if name in {_ID, "birth date", "sex"}]
    if doubtful:
        return Verdict(Kind.CONFLICT, f"the name differs, and {_list(doubtful)} cannot be compared")
    if policy.name_conflict in {NameConflict.QUARANTINE, NameConflict.MUST_AGREE}:
        return Verdict(Kind.CONFLICT, "the name differs from the order's")
    is_twin = names.agree_in_given_names(patient.name, study.patient_name) is not True
    if is_twin and policy.name_conflict is NameConflict.GIVEN_NAME:
        return Verdict(Kind.CONFLICT, "the given names differ from the order's: it may be a twin's")
    return Verdict(Kind.MATCH, "the name differs, but birth date and sex agree")


def _leaves_unsaid(patient: Patient, study: Study, unknown: list[str], policy: Policy) -> str | None:
    """What must be said before a study moves, and is not; `None` where nothing is missing."""
    if _ID in unknown and {"birth date", "sex"} & {*unknown}:
        return f"{_list(unknown)} cannot be compared: nothing vouches for the patient"
    wanted = policy.birth_date_said_by
    if wanted in _EACH_STUDY and not _birth_date(study.birth_date, policy):
        return "the study says no birth date: it may be another's, filed under this number"
    if wanted is BirthDateSaidBy.BOTH and "birth date" in unknown:
        return f"the {'study' if _is_whole(patient.birth_date, policy) else 'order'} says no whole birth date"
    if policy.name_conflict is NameConflict.MUST_AGREE and "name" in unknown:
        return "the name cannot be compared"
    return None


def _ambiguous_number(asked: Sequence[keys.Key], unknown: list[str]) -> str | None:
    """Why the patient ID alone does not name a person; `None` where it does, or more than it agrees.

    An order that names an authority belongs to a place with several, where two people may have one number.
    """
    has_authority = any(key.issuer_of_patient_id for key in asked)
    if has_authority and {_ISSUER, "birth date", "name"} <= {*unknown}:
        return "the study names no issuer, birth date or name to compare: the number may be another person's"
    return None


_EACH_STUDY = frozenset({BirthDateSaidBy.STUDY, BirthDateSaidBy.BOTH})


def check_record(studies: Sequence[Study], policy: Policy) -> dict[str, str]:
    """Which of the studies that one archive has of a patient stand out, and why, by Study Instance UID.

    Where an archive writes no birth dates nothing follows from one that is missing; where it writes them, a
    study without one was put there in another way than the others.
    """
    if policy.birth_date_said_by is not BirthDateSaidBy.RECORD:
        return {}
    told = {text for text in {study.birth_date for study in studies} if _birth_date(text, policy)}
    unsaid = [study for study in studies if study.birth_date not in told]
    if len(unsaid) == len(studies):
        return {}
    because = "the study says no birth date and others do: it may be another's, filed under this number"
    return {study.study_instance_uid: because for study in unsaid}


def check_together(patient: Patient, studies: Iterable[Study], policy: Policy) -> str | None:
    """Why studies that were found for one order cannot all be one patient's; `None` where they may.

    The order's own birth date tells its studies from others; one that says none has only theirs.
    """
    if policy.birth_date_said_by is BirthDateSaidBy.NOBODY or _is_whole(patient.birth_date, policy):
        return None
    said = {_birth_date(text, policy) for text in {study.birth_date for study in studies}}
    if any(_compare_dates(*pair) is Kind.CONFLICT for pair in itertools.combinations(said, 2)):
        return "the order says no whole birth date, and the studies that were found say several"
    return None


def _list(names: list[str]) -> str:
    return " and ".join(names)


# --- ID and issuer ---------------------------------------------------------------------------------


def _compare_ids(study: Study, asked: Sequence[keys.Key]) -> dict[str, Kind]:
    """Whether an answer carries an ID that was asked for, and its issuer; of several keys the best counts."""
    answered = _trim(study.patient_id)
    if not answered:
        return {_ID: Kind.UNKNOWN, _ISSUER: Kind.UNKNOWN}
    issuers = {_compare_issuer(key, study) for key in asked if key.is_carried_by(answered)}
    if not issuers:
        return {_ID: Kind.OTHER}
    return {_ID: Kind.MATCH, _ISSUER: next(kind for kind in _BEST_FIRST if kind in issuers)}


def _compare_issuer(key: keys.Key, study: Study) -> Kind:
    asked, answered = _trim(key.issuer_of_patient_id), _trim(study.issuer_of_patient_id)
    kind = _compare(asked.casefold(), answered.casefold())
    # A name that the site gave leaves no doubt; one as the order had it may be written otherwise there.
    # An archive that was asked by the ID alone answers what other authorities filed under the same number.
    return Kind.OTHER if kind is Kind.CONFLICT and (key.is_mapped or key.by_id_alone) else kind


_ID, _ISSUER = "patient ID", "issuer of patient ID"
_OTHERS = {
    _ID: "another patient's: the patient ID is none that was asked for",
    _ISSUER: "another patient's: the issuer of patient ID is another than the order's "
    "(if both are one, `issuers` of the archive says so)",
}
_BEST_FIRST = (Kind.MATCH, Kind.UNKNOWN, Kind.CONFLICT, Kind.OTHER)


def _trim(text: str | None) -> str:
    return (text or "").strip()


def _compare(ours: str, theirs: str) -> Kind:
    if not ours or not theirs:
        return Kind.UNKNOWN
    return Kind.MATCH if ours == theirs else Kind.CONFLICT


# --- birth date and sex ----------------------------------------------------------------------------


def _compare_birth_date(patient: Patient, study: Study, policy: Policy) -> Kind:
    return _compare_dates(_birth_date(patient.birth_date, policy), _birth_date(study.birth_date, policy))


def _compare_dates(ours: str, theirs: str) -> Kind:
    known = min(len(ours), len(theirs))
    kind = _compare(ours[:known], theirs[:known])
    # A year or a month that agrees vouches for nobody; one that differs is another patient.
    return Kind.UNKNOWN if kind is Kind.MATCH and known < len("YYYYMMDD") else kind


def _is_whole(text: str | None, policy: Policy) -> bool:
    return len(_birth_date(text, policy)) == len("YYYYMMDD")


def _birth_date(text: str | None, policy: Policy) -> str:
    """As much of a birth date as was said; nothing where it is one of the site's placeholders."""
    date = _date(text)
    return "" if date in policy.placeholder_birth_dates else date


def _date(text: str | None) -> str:
    """`YYYY`, `YYYYMM` or `YYYYMMDD`, as much as was said; nothing where it is no date."""
    found = re.match(
        r"((?:1[89]|20)\d\d)(?:(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])?)?", _trim(text).replace("-", "")
    )
    return "".join(part or "" for part in found.groups()) if found else ""


def _compare_sex(patient: Patient, study: Study, _: Policy) -> Kind:
    return _compare(_sex(patient.sex), _sex(study.sex))


def _sex(text: str | None) -> str:
    """M or F; O, U, A, N (HL7 table 0001, PS3.3 C.2.3) and all else are unknown."""
    return _SEXES.get(_trim(text).upper(), "")


_SEXES = {
    **dict.fromkeys(("F", "FEMALE", "W", "WEIBLICH", "FÉMININ", "FEMENINO", "Ж", "ЖЕНСКИЙ", "女"), "F"),
    **dict.fromkeys(
        ("M", "MALE", "MÄNNLICH", "MASCULIN", "MASCULINO", "\N{CYRILLIC CAPITAL LETTER EM}", "МУЖСКОЙ", "男"),
        "M",
    ),
}
"""As senders write it; what stands for one in one language and for the other in another is left out."""


# --- name ------------------------------------------------------------------------------------------


def _compare_name(patient: Patient, study: Study, _: Policy) -> Kind:
    return _SAID[names.agree(patient.name, study.patient_name)]


_SAID = {True: Kind.MATCH, False: Kind.CONFLICT, None: Kind.UNKNOWN}


_COMPARISONS: Mapping[str, Callable[[Patient, Study, Policy], Kind]] = {
    "birth date": _compare_birth_date,
    "sex": _compare_sex,
    "name": _compare_name,
}
"""What is compared beside the ID, strongest first."""
