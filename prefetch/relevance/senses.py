"""PURE: what a term of the vocabulary can say, and how a line's words for it become bits to be added up.

A region may be said outright or only suggested (`knee?`), a modality named or only implied (`XR?`).
"""

from __future__ import annotations

from dataclasses import dataclass

from prefetch import modalities
from prefetch.relevance import anatomy

GRAMMAR = (
    "vessels",
    "spine",  # read together with a level: rachis cervical
    "spine?",
    "cervical",
    "thoracic",
    "dorsal",
    "lumbar",
    "sacral",
    "limb",  # as a whole: a part of it that is named says more
    "upper",
    "lower",
    "left",
    "right",
    "both",
    "both?",  # a plural: rodillas
    "unsided",  # the left of a left ventricle is no side
    "projection",  # lateral, oblique: a side beside it may be the projection's
    "with",
    "without",
    "contrast",
    "native",
    "including",
    "excluding",
    "and",
    "optional",  # if needed
    "spreading",  # a disease that a PET looks for in the whole body
    "trunk",  # where it is done if nothing tells where: a biopsy
    "skipped",  # may stand inside a term: lower left extremity
    "nothing",
)
"""Words that a line may say and that mean something only together."""

FACETS = (
    "screening",
    "diagnostic",
    "breast-view",
    "guidance",
    "device",
    "bone",
    "function",
    "obstetric",
    "venous",
    "arterial",
    "dental",
    "paperwork",  # a report or a consultation: no images of its own
)
"""What else matters when exams are compared, besides contrast, which is read from its grammar."""

# The bits of a sense: regions named, regions suggested, then the grammar.
_REGION = {str(region): bit for region, bit in anatomy.BIT.items()}
REGIONS = (1 << len(_REGION)) - 1
SUGGESTED = len(_REGION)
"""How far the bits of suggested regions lie above those of named ones."""
FLAG = {name: 1 << (2 * len(_REGION) + place) for place, name in enumerate(GRAMMAR)}
_SILENT = FLAG["skipped"] | FLAG["nothing"] | FLAG["and"]
SIDES = FLAG["left"] | FLAG["right"] | FLAG["both"]
_LEVELS = FLAG["cervical"] | FLAG["thoracic"] | FLAG["dorsal"] | FLAG["lumbar"] | FLAG["sacral"]
ANY_REGION = REGIONS | REGIONS << SUGGESTED | FLAG["spine"] | FLAG["spine?"] | _LEVELS
"""All that tells where, if only roughly."""


@dataclass(frozen=True, slots=True)
class Sense:
    """What one term says, ready to be added to what others say."""

    says: str
    bits: int
    modalities: tuple[str, ...]
    implied: tuple[str, ...]
    """Modalities that the term suggests and a named one overrules: views, barium."""
    facets: tuple[str, ...]
    languages: frozenset[str]
    """In which languages; none for a word of all."""
    shy: bool
    """Counts only in company of its language."""
    is_silent: bool
    """Known to say nothing by itself."""


def unsayable(says: str) -> list[str]:
    """The words of a line that mean nothing here."""
    return [
        word
        for word in says.split()
        if word not in FLAG
        and word not in FACETS
        and word.removesuffix("?") not in _REGION
        and word.removesuffix("?") not in modalities.KNOWN
    ]


def parse(says: str, languages: frozenset[str], *, shy: bool = False) -> Sense:
    """The sense of a line."""
    bits = 0
    named: list[str] = []
    implied: list[str] = []
    facets: list[str] = []
    for word in says.split():
        bare = word.removesuffix("?")
        if word in FLAG:
            bits |= FLAG[word]
        elif word in FACETS:
            facets.append(word)
        elif bare in _REGION:
            bits |= _REGION[bare] << (SUGGESTED if bare != word else 0)
        else:
            (implied if bare != word else named).append(bare)
    silent = not (bits & ~_SILENT or named or implied or facets)
    return Sense(says, bits, tuple(named), tuple(implied), tuple(facets), languages, shy, silent)


def where(sense: Sense) -> int:
    """The regions that a sense names or suggests, and its spine."""
    bits = sense.bits & ANY_REGION
    return bits & ~(REGIONS << SUGGESTED) | bits >> SUGGESTED & REGIONS
