"""PURE: what the terms of a text mean together; the grammar that joins them.

A level is read with its spine, a side with its projection, a “without” with its contrast; what is named
outranks what is suggested, a modality that is named one that is implied.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from prefetch.relevance import anatomy, senses
from prefetch.relevance.anatomy import Laterality, Region
from prefetch.relevance.reading import Found
from prefetch.relevance.senses import FLAG, Sense

_VESSELS, _SPINE, _SPINE_HINT, _SACRAL = FLAG["vessels"], FLAG["spine"], FLAG["spine?"], FLAG["sacral"]
_CERVICAL, _THORACIC, _DORSAL, _LUMBAR = FLAG["cervical"], FLAG["thoracic"], FLAG["dorsal"], FLAG["lumbar"]
_LEFT, _RIGHT, _BOTH, _BOTH_HINT = FLAG["left"], FLAG["right"], FLAG["both"], FLAG["both?"]
_LIMB, _UPPER, _LOWER = FLAG["limb"], FLAG["upper"], FLAG["lower"]
_PROJECTION, _UNSIDED = FLAG["projection"], FLAG["unsided"]
_WITH, _WITHOUT, _CONTRAST, _NATIVE = FLAG["with"], FLAG["without"], FLAG["contrast"], FLAG["native"]
_INCLUDING, _EXCLUDING, _AND = FLAG["including"], FLAG["excluding"], FLAG["and"]
_OPTIONAL = FLAG["optional"]
_SKIPPED = FLAG["skipped"]
_SPREADING, _IN_TRUNK = FLAG["spreading"], FLAG["trunk"]
_JOINING = _INCLUDING | _EXCLUDING | _AND | _OPTIONAL
_CONTRAST_WORDS = _WITH | _WITHOUT | _CONTRAST | _NATIVE

_BIT = anatomy.BIT
_C_SPINE, _T_SPINE = _BIT[Region.CERVICAL_SPINE], _BIT[Region.THORACIC_SPINE]
_L_SPINE = _BIT[Region.LUMBAR_SPINE]
_NECK, _CHEST, _BREAST = _BIT[Region.NECK], _BIT[Region.CHEST], _BIT[Region.BREAST]
_HEART = _BIT[Region.HEART]
_ARM, _LEG = _BIT[Region.ARM], _BIT[Region.LEG]
_LONG_BONES = _ARM | _LEG
_HIP, _PELVIS = _BIT[Region.HIP], _BIT[Region.PELVIS]
_OF_A_FETUS = _BIT[Region.HEAD] | _BIT[Region.FACE] | _NECK | anatomy.SPINE | anatomy.LIMBS
"""Beside a pregnancy these are parts of the child, which lies in the pelvis."""
_ABOUT_HIP = _HIP | _PELVIS | _LEG
_TRUNK = _CHEST | _BIT[Region.ABDOMEN] | _PELVIS

_SOUGHT_ALONE = (_BIT[Region.HEAD], _HEART)
"""Where a PET of a disease that spreads looks at no more than the organ."""

_PLAIN = {"XR"}
_DENSITY = ("DXA",)
_MORE_THAN_PLAIN = frozenset({"DXA", "MG", "RF", "XA"})
"""Beside these a view or a film is theirs, and no X-ray exam of its own."""
_SOFT_TISSUE = frozenset({"US", "NM", "PT"})
"""Modalities that look at the soft tissue of a neck, not at its spine."""
_SECTIONAL = frozenset({"CT", "MR"})


@dataclass(slots=True)
class Sums:
    """What the terms of one text say together, before it is weighed."""

    bits: int = 0
    regions: int = 0
    beside: int = 0
    """Regions after an “including”."""
    limbs: int = 0
    """Arm and leg, named as limbs."""
    named: set[str] = field(default_factory=set)
    implied: set[str] = field(default_factory=set)
    facets: set[str] = field(default_factory=set)
    treated: bool = False
    """Whether a term names a procedure by what is done there: a nephrostomy, a biopsy."""
    pending: int = 0
    """With or without, and it is not yet said what."""
    contrast: int = 0


def add_up(found: Iterable[Found]) -> Sums:
    """Add up the terms of a text in their order."""
    sums = Sums()
    joining = 0
    previous: Sense | None = None
    for _, sense in found:
        if sense.bits & _JOINING:
            joining |= sense.bits & _JOINING
            if sense.bits & _OPTIONAL and previous and len(sums.named) > 1:
                sums.named.difference_update(previous.modalities)
            continue
        if sense.bits & _CONTRAST_WORDS:
            _note_contrast(sums, sense.bits)
        elif not sense.bits & _SKIPPED:
            sums.pending &= ~_WITH  # with something else: with 3D
        if joining & _EXCLUDING and sense.bits & senses.REGIONS:
            joining &= ~_EXCLUDING
            continue
        if joining & _AND and previous and sense.modalities and not previous.modalities:
            sums.named.update(previous.implied)  # arthrogram and CT: both are done
        joining &= ~_AND
        _add(sums, sense, beside=bool(joining & _INCLUDING))
        previous = sense
    return sums


def _add(sums: Sums, sense: Sense, *, beside: bool) -> None:
    if beside:
        sums.beside |= sense.bits & senses.REGIONS
    elif sense.bits & _LIMB:
        sums.limbs |= sense.bits & senses.REGIONS
    else:
        sums.regions |= sense.bits & senses.REGIONS
    sums.bits |= sense.bits
    sums.named.update(sense.modalities)
    sums.implied.update(sense.implied)
    sums.facets.update(sense.facets)
    if "guidance" in sense.facets and sense.bits & (senses.REGIONS | _IN_TRUNK):
        sums.treated = True


def _note_contrast(sums: Sums, bits: int) -> None:
    if bits & _NATIVE:
        sums.contrast |= bits & (_NATIVE | _CONTRAST)
    elif bits & _CONTRAST:
        sums.contrast |= _resolved(sums.pending or _WITH)
        sums.pending = 0
    else:
        sums.pending |= bits & (_WITH | _WITHOUT)


def _resolved(pending: int) -> int:
    return (_CONTRAST if pending & _WITH else 0) | (_NATIVE if pending & _WITHOUT else 0)


# --- weighing ------------------------------------------------------------------------------------------


def modalities(sums: Sums, given: tuple[str, ...]) -> tuple[str, ...]:
    """The modalities given, else those named, else those that the procedure's words imply."""
    stated = sums.named or sums.implied
    if stated == _PLAIN and "RF" in sums.implied:
        stated = {"RF"}  # radiographs of a barium meal
    elif not stated.isdisjoint(_MORE_THAN_PLAIN) or not sums.named:
        stated = stated - _PLAIN or stated
    if "PT" in stated:
        stated = stated - {"NM"}  # the department's name for it
    if given and stated.isdisjoint(given):
        return given
    return tuple(sorted(stated.union(given)))


def regions(sums: Sums, stated: tuple[str, ...]) -> int:
    """The regions named, else those suggested; the whole body stands for all of its parts."""
    named = sums.regions | _levels(sums, stated)
    named |= _limbs(sums, named)
    if stated == _DENSITY:
        named = _measured(named)
    beside = sums.beside
    if named & anatomy.LIMBS:
        beside &= ~_LONG_BONES  # a joint with the end of its long bone stays the joint's film
    named |= beside
    if "obstetric" in sums.facets and named & _PELVIS:
        named &= ~_OF_A_FETUS
    if not named:
        named = sums.bits >> senses.SUGGESTED & senses.REGIONS
    if not named and sums.bits & _SPINE_HINT:
        named = anatomy.SPINE
    if sums.bits & _SPREADING and "PT" in stated and named not in _SOUGHT_ALONE:
        return anatomy.WHOLE_BODY
    return anatomy.WHOLE_BODY if named & anatomy.WHOLE_BODY else named


def otherwise(sums: Sums) -> int:
    """The regions to assume if nothing tells where: a biopsy, a drain or a line is of the trunk."""
    return _TRUNK if sums.bits & _IN_TRUNK else 0


def _limbs(sums: Sums, named: int) -> int:
    """Arm or leg, unless a part of the limb is named; of vessels, which run on, the limb as well."""
    limbs = sums.limbs
    if not sums.bits & _VESSELS:
        return limbs & ~(_ARM if named & anatomy.ARM else 0) & ~(_LEG if named & anatomy.LEG else 0)
    if not named | limbs:
        limbs |= (_ARM if sums.bits & _UPPER else 0) | (_LEG if sums.bits & _LOWER else 0)
    return limbs


def _measured(named: int) -> int:
    """Where bone density is measured: of the whole spine its lumbar part, of femur and pelvis the hip."""
    if named & anatomy.SPINE == anatomy.SPINE:
        named &= ~(_C_SPINE | _T_SPINE)
    about_hip = named & _ABOUT_HIP
    return named & ~about_hip | _HIP if about_hip else named


def _levels(sums: Sums, stated: tuple[str, ...]) -> int:
    """Cervical, thoracic, dorsal, lumbar: of the spine where one is named, else of neck and trunk."""
    bits = sums.bits
    levels = (
        (_C_SPINE if bits & _CERVICAL else 0)
        | (_T_SPINE if bits & (_THORACIC | _DORSAL) else 0)
        | (_L_SPINE if bits & _LUMBAR else 0)
    )
    spine = sums.regions & anatomy.SPINE
    if bits & _SPINE or (levels and (bits & _SPINE_HINT or spine)):
        return levels or (0 if spine or bits & _SACRAL else anatomy.SPINE)
    return _levels_alone(sums, stated) if levels else 0


def _levels_alone(sums: Sums, stated: tuple[str, ...]) -> int:
    """Levels without a spine: a cervical ultrasound is of the neck, a cervical film of its spine."""
    bits = sums.bits
    trunk = sums.regions & _TRUNK
    total = 0
    if bits & _CERVICAL:
        soft = trunk or sums.regions & _NECK or not _SOFT_TISSUE.isdisjoint(stated)
        total |= _NECK if soft else _C_SPINE
    if bits & _THORACIC:
        total |= _T_SPINE if bits & _LUMBAR and not trunk else _CHEST
    if bits & _DORSAL and (bits & (_CERVICAL | _LUMBAR) or not sums.regions):
        total |= _T_SPINE
    if bits & _LUMBAR:
        total |= _L_SPINE
    return total


def vessels(sums: Sums) -> bool:
    """Whether the exam is of vessels."""
    return bool(sums.bits & _VESSELS)


def laterality(sums: Sums, mask: int) -> Laterality | None:
    """The side of the body; the side of a projection is none."""
    bits = sums.bits
    if bits & _BOTH or (bits & _LEFT and bits & _RIGHT):
        return Laterality.BOTH
    if bits & (_LEFT | _RIGHT):
        if bits & _UNSIDED or mask == _HEART:
            return None  # its left and right are chambers
        if bits & _PROJECTION and mask and not mask & ~anatomy.UNPAIRED:
            return None
        return Laterality.LEFT if bits & _LEFT else Laterality.RIGHT
    return Laterality.BOTH if bits & _BOTH_HINT else None


def facets(sums: Sums, stated: tuple[str, ...], mask: int) -> frozenset[str]:
    """What else matters for comparison; a facet that makes no sense for the exam is dropped."""
    found = set(sums.facets)
    if not mask & _BREAST:
        found.discard("breast-view")  # a spot view of something else
    if "NM" not in stated and not mask & anatomy.WHOLE_BODY:
        found.discard("bone")  # a nasal bone is no bone scan
    if sums.treated:
        found.discard("device")  # the catheter of a drainage: what it drains is looked at
    if mask and stated:
        found.discard("paperwork")  # the report of a chest CT stands beside its images
    contrast = sums.contrast
    if not _SECTIONAL.isdisjoint(stated):
        contrast |= _resolved(sums.pending)  # CT CHEST W/O
    if contrast & _CONTRAST:
        found.add("contrast")
    if contrast & _NATIVE:
        found.add("native")
    return frozenset(found)
