"""PURE: whose message it is: which of the IDs, which of the names, and what a merge joins.

PID-3 is a list: an ID is chosen by what it is (type) and who gave it (assigning authority), and position only
breaks a tie. MRG-1 follows the same rules, against the ID that survives.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from prefetch import model
from prefetch.intake.hl7.fields import Repetition

# HL7 v2.5.1 table 0203, and what senders write for it. A hospital's archive knows its patients by these …
_OF_THE_HOSPITAL = frozenset({"MR", "PI", "PT", "MRN", "PID", "HR", "LR"})
# … and hardly ever by those: insurance, state, person, visit, account.
_OF_OTHERS = frozenset(
    [
        *("SS", "SSN", "SN", "NI", "NH", "NHS", "NHSNMBR", "NP", "HC", "JHN", "NIR", "CIP", "TAX", "INS"),
        *("INS-C", "INS-A", "PN", "PE", "PEN", "PPN", "PRC", "DL", "DLN", "CZ", "BC", "BCT", "BR", "BA"),
        *("CC", "MA", "MB", "MC", "MCN", "MCD", "MCR", "MI", "WC", "WCN", "XX", "XV", "AM", "DI", "DS"),
        *("AN", "ANON", "ANC", "AND", "ANT", "VN", "VS", "VISIT", "FI", "GI", "GN"),  # codespell:ignore
        *("EI", "EN", "U"),
    ]
)
# Aliases, maiden names, nicknames and the like: not the name that an archive files under (table 0200).
_OTHER_NAMES = frozenset({"A", "B", "BAD", "I", "K", "M", "N", "NB", "NOUSE", "P", "R", "S", "T", "TEMP"})

_NO_ID = frozenset({"", '""', "NULL", "(NULL)", "NONE", "N/A", "UNKNOWN"})


@dataclass(frozen=True, slots=True)
class PatientId:
    """An ID, who issued it, and of which type it is; "" where the message does not say."""

    id: str
    issuer: str = ""
    type: str = ""
    universal_id: str = ""
    """Of the issuer, where it has a name too (HD.2)."""

    @property
    def rank(self) -> int:
        """The smaller, the likelier the ID under which archives file."""
        if self.type in _OF_THE_HOSPITAL:
            return 0
        return 2 if self.type in _OF_OTHERS or self.type.startswith("NN") else 1


@dataclass(frozen=True, slots=True, kw_only=True)
class IdOrder:
    """Which IDs a site prefers: authorities, then types, each in order and in upper case."""

    authorities: tuple[str, ...] = ()
    types: tuple[str, ...] = ()

    def place(self, one: PatientId) -> tuple[int, int, int]:
        """The smaller, the sooner it is taken; what the site does not name comes after, by its rank."""
        issuers = {one.issuer.upper(), one.universal_id.upper()} - {""}
        return _first(self.authorities, issuers), _first(self.types, {one.type}), one.rank


def _first(wanted: Sequence[str], said: set[str]) -> int:
    return next((at for at, one in enumerate(wanted) if one in said), len(wanted))


USUAL = IdOrder()


@dataclass(frozen=True, slots=True, kw_only=True)
class Authorities:
    """Whose a sender's IDs are: the authority that it leaves out, and what those that it names are called."""

    unnamed: str = ""
    called: Mapping[str, str] = field(default_factory=dict)
    """Name or universal ID in upper case → the site's own name."""

    def call(self, one: PatientId) -> PatientId:
        """An ID with its authority as the site calls it."""
        if not self.unnamed and not self.called:
            return one
        if not one.issuer:
            return replace(one, issuer=self.unnamed)
        names = (
            one.issuer.upper(),
            one.universal_id.upper(),
            one.issuer.strip("&").partition("&")[0].upper(),
        )
        return replace(
            one, issuer=next((self.called[name] for name in names if name in self.called), one.issuer)
        )


AS_SENT = Authorities()


def read_ids(
    repetitions: Sequence[Repetition], order: IdOrder = USUAL, authorities: Authorities = AS_SENT
) -> list[PatientId]:
    """The IDs of a CX field as the site calls their authorities, the one to take first."""
    sent = [one for one in map(_read_id, repetitions) if one.id.upper() not in _NO_ID]
    called = [(one, authorities.call(one)) for one in sent]
    # Preferred by either name.
    called.sort(key=lambda both: min(map(order.place, both)))
    return [ours for _, ours in called]


_MOST_IDS = 16
"""Of one patient; no hospital names more."""
_LONGEST = 64
"""Characters of an ID that could be asked for (PS3.5 Table 6.2-1, VR LO)."""


def others(ids: Sequence[PatientId]) -> tuple[model.PatientId, ...]:
    """What a patient has beside the chosen ID: each with its authority, and whether it is foreign."""
    usable = (one for one in ids[1:] if one.id.isprintable() and len(one.id) <= _LONGEST)
    found = (
        model.PatientId(patient_id=one.id, issuer_of_patient_id=one.issuer or None, foreign=one.rank > 1)
        for one in usable
        if one.issuer.isprintable() and (one.id, one.issuer) != (ids[0].id, ids[0].issuer)
    )
    return tuple(dict.fromkeys(found))[:_MOST_IDS]


def _read_id(repetition: Repetition) -> PatientId:
    authority = repetition.whole(4)
    # HD: a name of one's own, else a universal ID, kept whole so that nobody takes it for a name.
    issuer = authority[0] if authority and authority[0] else "&".join(authority).rstrip("&")
    kind = repetition.component(5).upper()
    return PatientId(
        repetition.component(1),
        "" if issuer.upper() in _NO_ID else issuer,
        "" if kind in _NO_ID else kind,
        authority[1] if len(authority) > 1 and authority[0] else "",
    )


def read_name(repetitions: Sequence[Repetition]) -> str | None:
    """The name as `Family^Given^Middle`: the first that is not an alias, else the first."""
    names = [
        (repetition.component(7).upper() in _OTHER_NAMES, _name(repetition)) for repetition in repetitions
    ]
    return next((name for _, name in sorted(names, key=lambda one: one[0]) if name), None)


def _name(repetition: Repetition) -> str:
    parts = (repetition.component(number) for number in (1, 2, 3))
    return "^".join("" if part == '""' else " ".join(part.split()) for part in parts).rstrip("^")


def read_merges(
    surviving: Sequence[PatientId], prior: Sequence[PatientId]
) -> Iterator[tuple[PatientId, PatientId]]:
    """Pairs of surviving and prior ID, each within one assigning authority where the message has it so.

    IDs of the hospital are paired first with those of the same authority and type; what is left over of the
    prior IDs belongs to the likeliest survivor, unless it is of a kind that archives do not know.
    """
    names = {one.universal_id.upper(): one.issuer for one in (*surviving, *prior) if one.universal_id}
    surviving, prior = ([_named(one, names) for one in ids] for ids in (surviving, prior))
    taken: set[PatientId] = set()
    for survivor in surviving:
        if survivor.rank > 1 and taken:
            break
        for old in _counterparts(survivor, [one for one in prior if one not in taken]):
            taken.add(old)
            if old.id != survivor.id or old.issuer != survivor.issuer:
                yield survivor, old
    if not taken and surviving and prior:
        yield surviving[0], prior[0]  # an ID change across authorities (A47)


def _named(one: PatientId, names: Mapping[str, str]) -> PatientId:
    """An ID whose authority has only a universal ID, under the name that the message has for it elsewhere."""
    universal = one.issuer.strip("&").partition("&")[0].upper() if one.issuer.startswith("&") else ""
    return replace(one, issuer=names[universal]) if universal in names else one


def _counterparts(survivor: PatientId, prior: Sequence[PatientId]) -> list[PatientId]:
    same_issuer = [old for old in prior if old.issuer == survivor.issuer]
    same_type = [old for old in same_issuer if old.type == survivor.type]
    return same_type or [old for old in same_issuer if not old.type or not survivor.type]
