"""How a description is cut into words, and how one slip is told from another word."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from prefetch.relevance import words


@pytest.mark.parametrize(
    ("text", "cut"),
    [
        ("CT,HEAD/BRAIN W/O", ["ct", "head", "brain", "w", "o"]),
        ("복부CT조영", ["복부", "ct", "조영"]),
        ("Schädel", ["schadel"]),
        ("Fuß", ["fuss"]),
        ("kræft œsophage Łódź", ["kraeft", "oesophage", "lodz"]),
        ("ＣＴ　ｃｈｅｓｔ", ["ct", "chest"]),
        ("kneeLeft BrainMRI", ["knee", "left", "brain", "mri"]),
        ("MRT KNIE", ["mrt", "knie"]),
        ("radio de l'épaule d’été", ["radio", "de", "epaule", "ete"]),
        ("Water's view", ["water", "view"]),
        ("A.T.M. p.a.", ["atm", "pa"]),
        ("L5/S1 th12 co2", ["l5", "s1", "th12", "co2"]),
        ("3D 2v 14x17", ["3d", "2v", "14", "x17"]),
        ("ap+lat & obl", ["ap", "+", "lat", "&", "obl"]),
        ("Sch?del", ["sch?del"]),
        ("Sch\ufffddel", ["sch?del"]),
        ("", []),
        ("-- ** //", []),
    ],
)
def test_texts_are_cut(text: str, cut: list[str]) -> None:
    """Case, accents, widths and punctuation are gone; scripts are apart."""
    assert cut == words.cut(text)


@given(st.text(max_size=80))
@example("Ꭰ")
def test_any_text_is_cut(text: str) -> None:
    """No text is too odd; what comes out has no blanks, no capitals, and no empty words."""
    for word in words.cut(text):
        assert word
        assert word == word.lower()
        assert " " not in word


@given(st.text(alphabet="abcdefghijklmnop qrstuvwxyzäöüéñł", max_size=40))
def test_what_is_cut_stays_cut(text: str) -> None:
    """Cutting what was cut changes nothing."""
    once = words.cut(text)
    assert once == words.cut(" ".join(once))


@pytest.mark.parametrize(
    ("term", "spellings"),
    [
        ("knee", {"knee"}),
        ("Schädel", {"schadel", "schaedel"}),
        ("hånd*", {"hand*", "haand*"}),
        ("X光", {"x 光"}),
        ("I131 ganz*", {"i 131 ganz*"}),
        ("l'épaule", {"epaule"}),
    ],
)
def test_terms_are_spelled_as_texts_are_cut(term: str, spellings: set[str]) -> None:
    """A term of the vocabulary meets the text however its umlauts were typed."""
    assert spellings == words.spellings(term)


@pytest.mark.parametrize(
    ("one", "other", "near"),
    [
        ("thorax", "thorax", True),
        ("thorax", "throax", True),
        ("thorax", "torax", True),
        ("torax", "thorax", True),
        ("thorax", "thorxx", True),
        ("thorax", "thoraxx", True),
        ("thorax", "htorxa", False),
        ("thorax", "abdomen", False),
        ("thorax", "tho", False),
        ("chest", "cehts", False),
    ],
)
def test_one_slip_is_near(one: str, other: str, *, near: bool) -> None:
    """A letter too many, too few, wrong, or in its neighbour's place; no more than one of them."""
    assert near == words.within_one(one, other)


@given(st.text(alphabet="abc", max_size=6), st.text(alphabet="abc", max_size=6))
def test_nearness_is_mutual(one: str, other: str) -> None:
    """Whichever was mistyped."""
    assert words.within_one(one, other) == words.within_one(other, one)


def test_scripts_are_told_apart() -> None:
    """Those without blanks, and among them Korean."""
    assert [words.is_syllabic(word) for word in ("腹部", "복부", "ct")] == [True, True, False]
    assert [words.is_hangul(word) for word in ("腹部", "복부", "ct")] == [False, True, False]
