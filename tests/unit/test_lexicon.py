"""What an unknown word may have meant, by a small vocabulary of our own."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefetch import relevance
from prefetch.relevance import glossary
from prefetch.relevance.lexicon import Vocabulary

WORDS = """\
chest\tthorax, lung*, 胸部, 胸
abdomen\tober bauch, bauch*, 복부, 위
head\tschädel*, kopf
knee\tknie, kniegelenk*
XR\taufnahme*, x
US\tsonographie, sono*
CT\tct, !schicht
guidance\tbiopsie*
hand\tfingerlang*
nothing\tkontrolle, rundherd
"""


@pytest.fixture(name="known")
def _known(tmp_path: Path) -> Vocabulary:
    """The vocabulary of these words."""
    (tmp_path / "german.tsv").write_text(WORDS, encoding="utf-8")
    return glossary.load(tmp_path)


@pytest.mark.parametrize(
    ("word", "parts"),
    [
        ("ctthorax", ["ct", "thorax"]),
        ("thoraxct", ["thorax", "ct"]),
        ("kopfaufnahme", ["kopf", "aufnahme"]),
        ("lungenrundherdkontrolle", ["lung", "rundherd", "kontrolle"]),
        ("kopfsbiopsie", ["kopf", "biopsie"]),
        ("thoraxbiopsien", ["thorax", "biopsien"]),
        ("thoraxschicht", []),  # counts only in company, and makes no part of another word
        ("thoraxxx", []),
        ("kopfkopfkopfkopfkopf", []),
        ("ctus", []),
        ("胸部", ["胸部"]),
        ("全胸部胸", ["胸部", "胸"]),
        ("부위복부", ["복부"]),  # no single syllable of Korean hides in another word
        ("위", ["위"]),
    ],
)
def test_compounds_are_taken_apart(known: Vocabulary, word: str, parts: list[str]) -> None:
    """Into known words that make up the whole; in scripts without blanks, into those that stand in it."""
    assert parts == known.parts(word)


@pytest.mark.parametrize(
    ("word", "stem", "after"),
    [
        ("schadelaufnahme", "schadel*", ["aufnahme"]),
        ("kniegelenksaufnahmen", "kniegelenk*", ["aufnahmen"]),
        ("kniegelenkskontrollaufnahme", "kniegelenk*", []),
        ("lungensonographie", "lung*", ["sonographie"]),
        ("bauchsonobiopsie", "bauch*", ["sonobiopsie", "biopsie"]),
        ("bauchkopfaufnahme", "bauch*", ["kopf", "aufnahme"]),
        ("bauchschmerz", "bauch*", []),
        ("sonographischerthorax", "sono*", []),  # too much between them
        ("lungenthorax", "lung*", ["thorax"]),
        ("fingerlangesthorax", "fingerlang*", ["thorax"]),
    ],
)
def test_words_behind_a_stem_are_found(known: Vocabulary, word: str, stem: str, after: list[str]) -> None:
    """What follows the stem with which a compound begins."""
    assert after == known.behind(word, stem)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("thorxa", "thorax"),
        ("kniegelnk", "kniegelenk*"),
        ("schdelbasis", "schadel*"),
        ("kopff", None),
        ("thoxar", None),
        ("sonograpie", "sonographie"),
        ("qwrtzuiop", None),
        ("bacuhes", "bauch*"),  # two letters exchanged, two doubled, of a stem with no more than an ending
        ("bauchhes", "bauch*"),
        ("bacuhseite", None),
        ("throax", "thorax"),
        ("thoax", "thorax"),
        ("horax", None),
    ],
)
def test_one_slip_is_mended(known: Vocabulary, word: str, meant: str | None) -> None:
    """In a long word; two slips, or a short word, may mean anything."""
    assert meant == known.meant(word, cut_off=False)


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("rundherdd kopf", ["head"]),  # a slip, and no compound of what may stand in it
        ("kopfthorax", ["head", "chest"]),
        ("thoraxs", ["chest"]),
    ],
)
def test_a_slip_is_likelier_than_a_compound(known: Vocabulary, text: str, regions: list[str]) -> None:
    """Where a whole word is but one letter away."""
    assert regions == [str(region) for region in relevance.describe(text, vocabulary=known).regions]


@pytest.mark.parametrize(
    ("word", "at_the_end", "anywhere"),
    [
        ("kont", "kontrolle", None),
        ("kontr", "kontrolle", "kontrolle"),
        ("fingerl", "fingerlang*", "fingerlang*"),
        ("fing", None, None),  # lacks too much of a stem
        ("kon", None, None),
        ("sonogr", "sonographie", "sonographie"),
        ("kniee", None, None),
    ],
)
def test_a_word_that_was_cut_off_is_completed(
    known: Vocabulary, word: str, at_the_end: str | None, anywhere: str | None
) -> None:
    """At the end of a text, elsewhere if more of it is left; if only one thing can be meant."""
    assert at_the_end == known.meant(word, cut_off=True)
    assert anywhere == known.meant(word, cut_off=False)


@pytest.mark.parametrize(
    ("word", "meant"),
    [
        ("knglnk", "kniegelenk*"),
        ("aufnhm", "aufnahme*"),
        ("rndhrd", "rundherd"),
        ("thrx", "thorax"),
        ("thxr", None),  # in another order
        ("thrux", None),  # what is left must be all in it
        ("knr", None),
    ],
)
def test_a_word_without_its_vowels_is_filled(known: Vocabulary, word: str, meant: str | None) -> None:
    """If enough consonants are left, all of them and in their order."""
    assert meant == known.meant(word, cut_off=False)


@pytest.mark.parametrize(
    ("word", "meant"), [("tebia", "tibia"), ("tibbia", "tibia"), ("tabla", None), ("xibia", None)]
)
def test_a_short_word_may_slip_in_its_vowels(tmp_path: Path, word: str, meant: str | None) -> None:
    """Another consonant, or another beginning, makes another word."""
    (tmp_path / "german.tsv").write_text("leg\ttibia\n", encoding="utf-8")
    assert meant == glossary.load(tmp_path).meant(word, cut_off=False)


def test_what_may_mean_two_things_means_none(tmp_path: Path) -> None:
    """Neither a slip nor a cut-off word is guessed at then."""
    (tmp_path / "german.tsv").write_text(
        "head\tfinnling\nknee\tfinnlang\nfoot\tfinnlingus\n", encoding="utf-8"
    )
    known = glossary.load(tmp_path)
    assert None is known.meant("finnlung", cut_off=False)
    assert None is known.meant("finnl", cut_off=True)


def test_a_term_is_looked_up_by_its_words(known: Vocabulary) -> None:
    """And is nothing but what it is."""
    assert ["abdomen"] == [sense.says for sense in known.senses("ober", "bauch")]
    assert () == known.senses("ober", "lung")
