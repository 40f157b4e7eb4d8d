"""PURE: what an order or study is of — modalities, regions, side — as its text and codes say it.

Words come from the vocabulary; here stands only the grammar that joins them: a level with a spine, a side
with a projection, a “without” with its contrast. A text that says nothing gives nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from prefetch import modalities
from prefetch.relevance import anatomy, codes, glossary, lexicon, senses, words
from prefetch.relevance.anatomy import Laterality, Region
from prefetch.relevance.codes import ProcedureCodes
from prefetch.relevance.lexicon import Vocabulary
from prefetch.relevance.senses import FLAG, Sense

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


def describe(
    text: str,
    *,
    modality: str | Iterable[str] | None = None,
    code: str | None = None,
    body_part: str | None = None,
    anatomic_codes: Iterable[str] = (),
    procedure_codes: ProcedureCodes | None = None,
    vocabulary: Vocabulary | None = None,
) -> Description:
    """Read what an order or study is of.

    `modality` is DICOM's term, one or several; it outweighs the text. `code` is looked up in the site's
    `procedure_codes`, and what stands there outweighs the text too. `anatomic_codes` (PS3.16 CID 4) add
    regions; Body Part Examined is asked last, for it is wrong in one image of seven.
    """
    vocabulary = vocabulary or glossary.shipped()
    given = _given_modalities(modality, vocabulary)
    said = _describe_text(text, given, vocabulary)
    words_for_code = procedure_codes.find(code) if code and procedure_codes else None
    if words_for_code is not None:
        said = _overrule(said, _describe_text(words_for_code, given, vocabulary))
    for anatomic_code in anatomic_codes:
        if says := codes.anatomic_regions().get(anatomic_code):
            said = _extend_regions(said, _describe_text(says, (), vocabulary))
    if body_part and not said.mask:
        said = _extend_regions(said, _describe_text(body_part, given, vocabulary))
    if not said.mask and given:
        said = _extend_regions(said, _describe_text(" ".join(given), (), vocabulary))
    return said


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
    found, unknown = read(text[:MOST_LETTERS], vocabulary)
    sums = _add_up(found)
    stated = _modalities(sums, given)
    mask = _regions(sums, stated)
    return Description(
        modalities=stated,
        regions=anatomy.regions(mask),
        vessels=bool(sums.bits & _VESSELS),
        laterality=_laterality(sums.bits, mask),
        facets=_facets(sums, stated),
        because=tuple(f"{term}: {sense.says}" for term, sense in found if sense.says not in _SILENT),
        unknown=tuple(unknown),
        mask=mask,
    )


# --- text to terms -----------------------------------------------------------------------------------

Found = tuple[str, Sense]
"""A term of the text as it was matched, and what it says."""
Token = tuple[str, lexicon.Key]
_LONG_ENDING = 3
"""Letters after a stem that may be more than an ending."""


def read(text: str, vocabulary: Vocabulary) -> tuple[list[Found], list[str]]:
    """The terms of a text in order with what they say, and the words that are not known."""
    tokens: list[Token] = []
    unknown: list[str] = []
    for word in words.cut(text):
        keys = vocabulary.keys(word)
        if keys:
            tokens.append((word, keys))
            if keys[0] != word and len(word) - len(keys[0]) >= _LONG_ENDING:
                tokens += [(known, vocabulary.keys(known)) for known in vocabulary.behind(word, keys[0])]
        elif repaired := vocabulary.repair(word):
            tokens += [(known, vocabulary.keys(known)) for known in repaired]
        elif word[0].isalpha():
            tokens.append((word, ()))
            unknown.append(word)
    return _settle(_terms(tokens, vocabulary)), unknown


def _terms(tokens: list[Token], vocabulary: Vocabulary) -> list[tuple[str, tuple[Sense, ...]]]:
    """The longest terms from left to right; a word that a term skipped is read on its own."""
    root = vocabulary.root
    taken = [False] * len(tokens)
    terms = []
    for start, (word, keys) in enumerate(tokens):
        if taken[start]:
            continue
        best: list[int] = []
        senses: tuple[Sense, ...] = ()
        for key in keys:
            node = root.get(key)
            if node is None:
                continue
            if not best and "" in node:
                best, senses = [start], node[""]
            if len(node) > ("" in node):
                used, reached = _extend(node, tokens, taken, [start], root)
                if len(used) > len(best):
                    best, senses = used, reached
        for place in best:
            taken[place] = True
        if best:
            terms.append((word if len(best) == 1 else " ".join(tokens[place][0] for place in best), senses))
    return terms


def _extend(
    node: lexicon.Node, tokens: list[Token], taken: list[bool], used: list[int], root: lexicon.Node
) -> tuple[list[int], tuple[Sense, ...]]:
    """The longest term that goes on from a node, passing over words that may stand inside a term."""
    best: tuple[list[int], tuple[Sense, ...]] = (used, node[""]) if "" in node else ([], ())
    for place in range(used[-1] + 1, min(used[-1] + 4, len(tokens))):
        if taken[place]:
            break
        for key in tokens[place][1]:
            if key in node:
                reached = _extend(node[key], tokens, taken, [*used, place], root)
                if len(reached[0]) > len(best[0]):
                    best = reached
        if len(best[0]) > len(used) or not _may_be_passed(tokens[place], root):
            break
    return best


_PASSED = FLAG["skipped"] | FLAG["and"] | senses.SIDES


def _may_be_passed(token: Token, root: lexicon.Node) -> bool:
    """Whether a word may stand inside a term: an article, or a side as in “lower left extremity”."""
    for key in token[1]:
        for sense in root.get(key, {}).get("", ()):
            if sense.bits & _PASSED:
                return True
    return False


def _settle(terms: list[tuple[str, tuple[Sense, ...]]]) -> list[Found]:
    """One sense for each term: that of the language which most of the other terms speak.

    A shy sense counts only where its language is spoken as much as any other.
    """
    if all(len(possible) == 1 and not possible[0].shy for _, possible in terms):
        return [(term, possible[0]) for term, possible in terms]
    spoken: Counter[str] = Counter()
    for _, possible in terms:
        if len(possible) == 1 and not possible[0].shy:
            spoken.update(possible[0].languages)
    most = max(spoken.values(), default=1)
    found = []
    for term, possible in terms:
        best: Sense | None = None
        heard = 0
        for sense in possible:
            company = max((spoken[language] for language in sense.languages), default=0)
            if sense.shy and company < most:
                continue
            if best is None or company > heard:
                best, heard = sense, company
        if best:
            found.append((term, best))
    return found


# --- terms to meaning --------------------------------------------------------------------------------

_SILENT = frozenset({"nothing", "skipped", "and"})
_VESSELS, _SPINE, _SPINE_HINT = FLAG["vessels"], FLAG["spine"], FLAG["spine?"]
_CERVICAL, _THORACIC, _DORSAL, _LUMBAR = FLAG["cervical"], FLAG["thoracic"], FLAG["dorsal"], FLAG["lumbar"]
_LEFT, _RIGHT, _BOTH, _BOTH_HINT = FLAG["left"], FLAG["right"], FLAG["both"], FLAG["both?"]
_WITH, _WITHOUT, _CONTRAST, _NATIVE = FLAG["with"], FLAG["without"], FLAG["contrast"], FLAG["native"]
_INCLUDING, _EXCLUDING, _AND, _OPTIONAL = (
    FLAG[word] for word in ("including", "excluding", "and", "optional")
)
_PROJECTION, _UNSIDED = FLAG["projection"], FLAG["unsided"]
_JOINING = _INCLUDING | _EXCLUDING | _AND | _OPTIONAL
_CONTRAST_WORDS = _WITH | _WITHOUT | _CONTRAST | _NATIVE
_LEVELS = _CERVICAL | _THORACIC | _DORSAL | _LUMBAR
_BIT = anatomy.BIT
_C_SPINE, _T_SPINE, _L_SPINE = (
    _BIT[Region.CERVICAL_SPINE],
    _BIT[Region.THORACIC_SPINE],
    _BIT[Region.LUMBAR_SPINE],
)
_TRUNK = _BIT[Region.CHEST] | _BIT[Region.ABDOMEN] | _BIT[Region.PELVIS]
_PLAIN = {"XR"}
_MORE_THAN_PLAIN = frozenset({"DXA", "MG", "RF", "XA"})
"""Beside these a view or a film is theirs, and no X-ray exam of its own."""
_SOFT_TISSUE = frozenset({"US", "NM", "PT"})
"""Modalities that look at the soft tissue of a neck, not at its spine."""


@dataclass(slots=True)
class _Sums:
    """What the terms of one text say together, before they are weighed against each other."""

    bits: int = 0
    regions: int = 0
    beside: int = 0
    """Regions after an “including”."""
    named: set[str] = field(default_factory=set)
    implied: set[str] = field(default_factory=set)
    facets: set[str] = field(default_factory=set)
    pending: int = 0
    """With or without, and it is not yet said what."""
    contrast: int = 0


def _add_up(found: list[Found]) -> _Sums:
    sums = _Sums()
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
        regions = sense.bits & senses.REGIONS
        if joining & _EXCLUDING and regions:
            joining &= ~_EXCLUDING
            continue
        if joining & _INCLUDING:
            sums.beside |= regions
        else:
            sums.regions |= regions
        if joining & _AND and previous and sense.modalities and not previous.modalities:
            sums.named.update(previous.implied)  # arthrogram and CT: both are done
        joining &= ~_AND
        sums.bits |= sense.bits
        sums.named.update(sense.modalities)
        sums.implied.update(sense.implied)
        sums.facets.update(sense.facets)
        previous = sense
    return sums


def _note_contrast(sums: _Sums, bits: int) -> None:
    if bits & _NATIVE:
        sums.contrast |= _NATIVE
    elif bits & _CONTRAST:
        pending = sums.pending or _WITH
        sums.contrast |= (_CONTRAST if pending & _WITH else 0) | (_NATIVE if pending & _WITHOUT else 0)
        sums.pending = 0
    else:
        sums.pending |= bits & (_WITH | _WITHOUT)


def _modalities(sums: _Sums, given: tuple[str, ...]) -> tuple[str, ...]:
    """The modalities given, else those named, else those that the procedure's words imply."""
    stated = sums.named or sums.implied
    if stated == _PLAIN and "RF" in sums.implied:
        stated = {"RF"}  # radiographs of a barium meal
    elif not stated.isdisjoint(_MORE_THAN_PLAIN) or not sums.named:
        stated = stated - _PLAIN or stated
    if given and stated.isdisjoint(given):
        return given
    return tuple(sorted(stated.union(given)))


def _regions(sums: _Sums, stated: tuple[str, ...]) -> int:
    """The regions named, else those suggested; levels are read as spine or as trunk."""
    named = sums.regions | _levels(sums, stated)
    beside = sums.beside
    if beside & anatomy.LIMBS and named & anatomy.LIMBS:
        beside &= ~anatomy.LIMBS  # a joint with the end of its long bone stays the joint's film
    named |= beside
    if not named:
        named = sums.bits >> senses.SUGGESTED & senses.REGIONS
        if sums.bits & _SPINE_HINT and not named:
            named = anatomy.SPINE
    return anatomy.WHOLE_BODY if named & anatomy.WHOLE_BODY else named


def _levels(sums: _Sums, stated: tuple[str, ...]) -> int:
    """Cervical, thoracic, dorsal, lumbar: of the spine where one is named, else of the neck and chest."""
    bits = sums.bits
    spine = (
        (_C_SPINE if bits & _CERVICAL else 0)
        | (_T_SPINE if bits & (_THORACIC | _DORSAL) else 0)
        | (_L_SPINE if bits & _LUMBAR else 0)
    )
    if bits & (_SPINE | _SPINE_HINT) and (spine or bits & _SPINE):
        return spine or (0 if sums.regions & anatomy.SPINE else anatomy.SPINE)
    if not spine:
        return 0
    trunk = sums.regions & _TRUNK
    total = 0
    if bits & _CERVICAL:
        soft = trunk or not _SOFT_TISSUE.isdisjoint(stated)
        total |= _BIT[Region.NECK] if soft else _C_SPINE
    if bits & _THORACIC:
        total |= _T_SPINE if bits & _LUMBAR and not trunk else _BIT[Region.CHEST]
    if bits & _DORSAL and (bits & (_CERVICAL | _LUMBAR) or not sums.regions):
        total |= _T_SPINE
    if bits & _LUMBAR:
        total |= _L_SPINE
    return total


def _laterality(bits: int, mask: int) -> Laterality | None:
    if bits & _BOTH or (bits & _LEFT and bits & _RIGHT):
        return Laterality.BOTH
    if bits & (_LEFT | _RIGHT):
        if bits & _UNSIDED or (bits & _PROJECTION and mask and not mask & ~anatomy.UNPAIRED):
            return None
        return Laterality.LEFT if bits & _LEFT else Laterality.RIGHT
    return Laterality.BOTH if bits & _BOTH_HINT else None


def _facets(sums: _Sums, stated: tuple[str, ...]) -> frozenset[str]:
    contrast = sums.contrast
    if sums.pending and not {"CT", "MR"}.isdisjoint(stated):  # CT CHEST W/O
        contrast |= (_CONTRAST if sums.pending & _WITH else 0) | (_NATIVE if sums.pending & _WITHOUT else 0)
    if contrast & _CONTRAST:
        sums.facets.add("contrast")
    if contrast & _NATIVE:
        sums.facets.add("native")
    return frozenset(sums.facets)
