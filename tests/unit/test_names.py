"""Whether two names may be one person's."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch.planning import names


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("MEIER^ANNA", "Meier^Anna"),
        ("Meier^Anna^Maria", "Meier^Anna"),
        ("Meier^Anna^^^Dr", "Meier^Anna^^Dr^"),
        ("Prof. Dr. Meier^Anna", "MEIER^ANNA"),
        ("Anna Meier", "Meier^Anna"),
        ("Anna^Meier", "Meier^Anna"),
        ("Müller^Jörg", "MUELLER^JOERG"),
        ("Müller^Jörg", "MULLER^JORG"),
        ("MUELLER^JOERG", "MULLER^JORG"),
        ("Mu\u0308ller^Jörg", "MÜLLER^JÖRG"),
        ("Sørensen^Åse", "SOERENSEN^AASE"),
        ("Sørensen^Åse", "SORENSEN^ASE"),
        ("Sörensen^Ase", "Sørensen^Åse"),
        ("Æbelø^Bo", "AEBELO^BO"),
        ("Groß^Łucja", "GROSS^LUCJA"),
        ("Weiss^Eva", "Weiß^Eva"),
        ("O'Brien^Siobhán", "OBRIEN^SIOBHAN"),
        ("O Brien^Siobhan^Mary", "OBRIEN^SIOBHAN"),
        ("Mac Donald^Ian^James", "MACDONALD^IAN"),
        ("von Berg^Eva", "Berg^Eva"),
        ("von der Heide^Eva^Maria", "VONDERHEIDE^EVA"),
        ("VAN DEN BERG^JAN", "Berg^Jan^^van den"),
        ("García Prieto^Lucía", "GARCIA^LUCIA"),
        ("De La Cruz^Ana", "DELACRUZ^ANA"),
        ("de la Cruz^Ana", "Cruz^Ana"),
        ("Smith-Jones^Ann", "SMITH JONES^ANN"),
        ("Smith-Jones^Ann", "JONES^ANN"),
        ("Nakamura^Haruto=中村^陽翔", "中村^陽翔"),
        ("Nakamura^Haruto", "Nakamura^Haruto=中村^陽翔=なかむら^はると"),
        ("ナカムラ^ハルト", "なかむら^はると"),
        ("ﾔﾏﾀﾞ^ﾀﾛｳ", "ヤマダ^タロウ"),
        ("Wang^XiaoDong=王^小东", "Wang^Xiao Dong=王^小東"),
        ("홍^길동", "홍^길동"),
        ("Ηλίας^Νίκος", "ΗΛΙΑΣ^ΝΙΚΟΣ"),
        ("Семёнова^Ирина", "СЕМЕНОВА^ИРИНА"),
        ("Frau^Max", "FRAU^MAX"),
        ("Von^Max", "VON^MAX"),
    ],
)
def test_names_are_folded(ours: str, theirs: str) -> None:
    """Spellings of one name agree, whichever side has which; any group of a PN will do."""
    assert (True, True) == (names.agree(ours, theirs), names.agree(theirs, ours))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Meier^Anna", "Meier^Berta"),
        ("Meier^Anna", "Huber^Anna"),
        ("von Berg^Eva", "von Stein^Eva"),
        ("Dr^Anna", "Dr^Berta"),
        ("王^小东", "李^小东"),
        ("ガトウ^ミキ", "カトウ^ミキ"),
        ("Иванова^Катерина", "Петрова^Катерина"),
    ],
)
def test_another_name_differs(ours: str, theirs: str) -> None:
    """A word on each side that the other has not."""
    assert (False, False) == (names.agree(ours, theirs), names.agree(theirs, ours))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("Nakamura^Haruto", "中村^陽翔"),
        ("Иванова^Катерина", "Ivanova^Katerina"),
        ("なかむら^はると", "中村^陽翔"),
        ("=", "Meier^Anna"),
        ("^^", "Meier^Anna"),
        (None, "Meier^Anna"),
        ("", ""),
    ],
)
def test_names_in_other_scripts_cannot_be_compared(ours: str | None, theirs: str | None) -> None:
    """A transliteration has too many ways; nor can one without a letter."""
    assert (None, None) == (names.agree(ours, theirs), names.agree(theirs, ours))


@pytest.mark.parametrize(
    ("ours", "theirs", "agreed"),
    [
        ("Meier^Anna", "Huber^Anna", True),
        ("Meier^Anna^M", "Huber^Anna Maria", True),
        ("Meier^Anna^M", "Huber^Anna^Sophie", False),
        ("Meier^Anna^Maria", "Meier^Anna^Sophie", False),
        ("Meier^A", "Meier^Anna", False),
        ("Wang^Xiao Dong", "Wang^Xiao Ming", False),
        ("Wang^XiaoDong", "Li^Xiao Dong", True),
        ("Meier^Anna^Maria", "Meier^Maria", True),
        ("Meier^Anna", "Meier^Berta", False),
        ("Meier^Jörg", "Meier^Joerg", True),
        ("Meier", "Meier^Anna", None),
        ("Meier^Anna", "中村^陽翔", None),
    ],
)
def test_given_names_tell_twins(ours: str, theirs: str, agreed: bool | None) -> None:
    """Who married keeps them all; who is one of two has one that the other lacks."""
    assert (agreed, agreed) == (
        names.agree_in_given_names(ours, theirs),
        names.agree_in_given_names(theirs, ours),
    )


_LETTERS = st.text(st.characters(categories=["Lu", "Ll", "Lo", "Mn"]), min_size=1, max_size=8)
_NAMES = st.lists(_LETTERS, min_size=1, max_size=3).map("^".join)
_ANYTHING = st.text(max_size=20) | _NAMES


@given(_ANYTHING, _ANYTHING)
def test_any_comparison_is_the_same_from_both_sides(ours: str, theirs: str) -> None:
    """Whoever is asked about whom."""
    assert names.agree(ours, theirs) == names.agree(theirs, ours)
    assert names.agree_in_given_names(ours, theirs) == names.agree_in_given_names(theirs, ours)


@given(_ANYTHING)
def test_any_name_agrees_with_itself(name: str) -> None:
    """Or has no letter to compare."""
    assert names.agree(name, name) in {True, None}


_LATIN = st.text(st.sampled_from("abcdefgäöüøæßéñ"), min_size=2, max_size=8)


@given(st.lists(_LATIN, min_size=2, max_size=3, unique=True))
def test_any_order_of_the_words_and_any_case_is_one_name(words: list[str]) -> None:
    """Family and given name are swapped in the field."""
    name = "^".join(words)
    assert all(
        names.agree(name, "^".join(said).swapcase() if "ß" not in name else "^".join(said))
        for said in itertools.permutations(words)
    )
