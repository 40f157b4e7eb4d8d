"""PURE: what an order or study is of — modalities, regions, side — as its text and codes say it.

Text is read with the vocabulary; codes of the site and of the standard stand beside it, each with its weight.
A text that says nothing gives nothing.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from prefetch import modalities
from prefetch.relevance import anatomy, codes, glossary, meaning, reading, words
from prefetch.relevance.anatomy import Laterality, Region
from prefetch.relevance.codes import ProcedureCodes
from prefetch.relevance.lexicon import Vocabulary

MOST_LETTERS = 1024
"""A Study Description holds 64 letters (PS3.5 6.2, LO); what lies beyond this bound is not read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Description:
    """What an order or study is of. Empty is “not said”, never “none”."""

    modalities: tuple[str, ...] = ()
    """In families: XR for CR, DX, RG and PX."""
    regions: tuple[Region, ...] = ()
    """From head to foot."""
    vessels: bool = False
    laterality: Laterality | None = None
    facets: frozenset[str] = frozenset()
    because: tuple[str, ...] = ()
    """Each term that was understood, with what it says."""
    unknown: tuple[str, ...] = ()
    """Words that the vocabulary does not hold."""
    mask: int = field(default=0, repr=False)
    """The regions as an integer, for grading."""
    otherwise: int = field(default=0, repr=False)
    """Regions to assume if no witness names one."""


def describe(
    text: str,
    *,
    modality: str | Iterable[str] | None = None,
    code: str | Iterable[str] | None = None,
    body_part: str | None = None,
    anatomic_codes: Iterable[str] = (),
    procedure_codes: ProcedureCodes | None = None,
    vocabulary: Vocabulary | None = None,
) -> Description:
    """Read what an order or study is of.

    `modality` is DICOM's term, one or several; it outweighs the text. `code`, one or several, is looked up in
    the site's `procedure_codes`, and what stands there outweighs the text too. `anatomic_codes` (PS3.16 CID
    4) add regions; Body Part Examined, in words or as such a code, is asked last, for it is wrong in one
    image of seven.
    """
    vocabulary = vocabulary or glossary.shipped()
    given = _given_modalities(modality, vocabulary)
    said = _describe_text(text, given, vocabulary)
    if words_for_code := _words_for(code, procedure_codes):
        said = _overrule(said, _describe_text(words_for_code, given, vocabulary))
    for anatomic_code in anatomic_codes:
        if says := codes.anatomic_regions().get(anatomic_code):
            said = _extend_regions(said, _describe_text(says, (), vocabulary))
    if body_part and not said.mask:
        part = codes.anatomic_regions().get(body_part, body_part)
        said = _extend_regions(said, _describe_text(part, given, vocabulary))
    if not said.mask and given:
        said = _extend_regions(said, _describe_text(" ".join(given), (), vocabulary))
    if said.otherwise and not said.mask:
        said = _assumed(said)
    if _is_paperwork(modality) and not (said.mask and said.modalities):
        said = replace(said, facets=said.facets | {"paperwork"})
    return said


def _is_paperwork(modality: str | Iterable[str] | None) -> bool:
    """Whether modalities are stated, and all of them of documents."""
    if modality is None or (isinstance(modality, str) and not modality):
        return False
    terms = modality.split("\\") if isinstance(modality, str) else modality
    return bool(terms) and _DOCUMENTS.issuperset(term.strip().upper() for term in terms)


def _assumed(said: Description) -> Description:
    """The description with the regions that its procedure is usually done in."""
    regions = anatomy.regions(said.otherwise)
    because = f"no region is named: {', '.join(regions)}"
    return replace(said, regions=regions, mask=said.otherwise, because=(*said.because, because))


def _words_for(code: str | Iterable[str] | None, procedure_codes: ProcedureCodes | None) -> str:
    """What a site's map says of the codes that it holds; nothing where it holds none."""
    several = (code,) if isinstance(code, str) else code or ()
    found = map(procedure_codes.find, several) if procedure_codes else ()
    return "; ".join(dict.fromkeys(filter(None, found)))


def _overrule(said: Description, stronger: Description) -> Description:
    """A description where the stronger one's word stands for all that it speaks of."""
    return replace(
        said,
        modalities=stronger.modalities or said.modalities,
        regions=stronger.regions or said.regions,
        mask=stronger.mask or said.mask,
        vessels=stronger.vessels if stronger.mask else said.vessels,
        laterality=stronger.laterality or said.laterality,
        facets=said.facets | stronger.facets,
        otherwise=stronger.otherwise or said.otherwise,
        because=(*stronger.because, *said.because),
    )


def _extend_regions(said: Description, other: Description) -> Description:
    mask = said.mask | other.mask
    return replace(
        said,
        regions=anatomy.regions(mask),
        mask=mask,
        vessels=said.vessels or other.vessels,
        laterality=said.laterality or other.laterality,
        because=(*said.because, *other.because),
    )


_NOT_IMAGES = frozenset(
    {"ASMT", "AU", "DOC", "ECG", "EEG", "EMG", "EOG", "FID", "HD", "KO", "OT", "PLAN", "PR", "REG", "RESP"}
    | {"RTDOSE", "RTINTENT", "RTPLAN", "RTRECORD", "RTSTRUCT", "SEG", "SR"}
)
"""Modalities in a study that show no part of the body by themselves."""
_DOCUMENTS = frozenset({"ASMT", "AU", "DOC", "PLAN", "SR"})
"""Modalities of which a study without any other holds no images: a report, a recording."""
_FAMILY = {term: family for family, terms in modalities.FAMILIES.items() for term in terms}


def _given_modalities(modality: str | Iterable[str] | None, vocabulary: Vocabulary) -> tuple[str, ...]:
    """The families of DICOM's terms, or of what people write in their place: MRT, PET, USG."""
    terms = (modality or "").split("\\") if isinstance(modality, str) or modality is None else modality
    families: set[str] = set()
    for term in terms:
        name = term.strip().upper()
        if name in modalities.KNOWN:
            families.add(_FAMILY.get(name, name))
        elif name:
            for sense in vocabulary.senses(words.fold(name)):
                families.update(sense.modalities)
    return tuple(sorted(families - _NOT_IMAGES))


def _describe_text(text: str, given: tuple[str, ...], vocabulary: Vocabulary) -> Description:
    read = reading.read(text[:MOST_LETTERS], vocabulary)
    sums = meaning.add_up(read.found)
    stated = meaning.modalities(sums, given)
    mask = meaning.regions(sums, stated)
    return Description(
        modalities=stated,
        regions=anatomy.regions(mask),
        vessels=meaning.vessels(sums),
        laterality=meaning.laterality(sums, mask),
        facets=meaning.facets(sums, stated, mask),
        because=tuple(f"{term}: {sense.says}" for term, sense in read.found if not sense.is_silent),
        unknown=read.unknown,
        mask=mask,
        otherwise=meaning.otherwise(sums),
    )
