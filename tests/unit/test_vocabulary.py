"""The vocabulary's files: what is shipped, what a site adds, and what is wrong in them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from prefetch import errors, modalities, relevance
from prefetch.relevance import glossary, senses, words

LINES = list(glossary.read_lines(glossary.SHIPPED))


def write(directory: Path, name: str = "ours.tsv", **lines: str) -> Path:
    """A site's file of these lines, what is said by its terms; gives its directory."""
    text = "".join(f"{says.replace('_', ' ')}\t{terms}\n" for says, terms in lines.items())
    (directory / name).write_text(text, encoding="utf-8")
    return directory


def mistakes(directory: Path) -> list[str]:
    """What is wrong in a directory, with its lines."""
    with pytest.raises(errors.ConfigurationError) as caught:
        glossary.load(glossary.SHIPPED, directory)
    return [f"{problem.file.name}:{problem.line}: {problem.message}" for problem in caught.value.problems]


# --- as shipped ----------------------------------------------------------------------------------------


def test_nothing_shipped_is_wrong() -> None:
    """Every line says what can be said, in terms of one to three words."""
    assert [] == glossary.mistakes(LINES)


def test_nothing_shipped_contradicts_itself() -> None:
    """No term stands twice in one language, be it with one meaning or with two."""
    assert [] == glossary.contradictions(LINES)


def terms() -> Iterator[tuple[glossary.Line, str]]:
    """Every spelling of every shipped term."""
    for line in LINES:
        for term in line.terms:
            yield from ((line, spelling) for spelling in words.spellings(term.removeprefix("!")))


def test_every_term_can_be_met_in_a_text() -> None:
    """Texts are cut into the same words as terms: none waits for a word that no text can have."""
    hidden = [spelling for _, spelling in terms() if words.cut(_bare(spelling)) != _bare(spelling).split()]
    assert [] == hidden


def test_every_term_says_what_its_line_says() -> None:
    """No file takes away what another says; a word of several languages keeps all its meanings."""
    vocabulary = glossary.shipped()
    lost = [
        (line.says, spelling)
        for line, spelling in terms()
        if line.says not in {sense.says for sense in vocabulary.senses(*spelling.split())}
    ]
    assert [] == lost


@pytest.mark.parametrize(("word", "modality"), [("CT", "CT"), ("MRI", "MR")])
def test_a_modality_before_a_term_is_heard(word: str, modality: str) -> None:
    """Whatever term of a region follows, in any language: it takes no modality away, and loses no region."""
    asked = {
        _bare(spelling)
        for line, spelling in terms()
        if senses.parse(line.says, frozenset()).bits & senses.ANY_REGION
        and {*modalities.KNOWN}.isdisjoint(line.says.split())
    }
    alone = {term: relevance.describe(term) for term in asked}
    together = {term: relevance.describe(f"{word} {term}") for term in asked}
    lost = [
        term
        for term, said in together.items()
        if modality not in said.modalities or {*alone[term].regions} - {*said.regions}
    ]
    assert [] == lost


def _bare(spelling: str) -> str:
    return spelling.replace("*", "")


def test_every_language_of_the_hospitals_is_there() -> None:
    """One file a language; the Nordic ones share theirs but for Finnish, Czech shares with Slovak."""
    named = {file.stem for file in glossary.files(glossary.SHIPPED)}
    latin = "czech dutch english finnish french german italian nordic polish portuguese spanish"
    assert named == {*latin.split(), "chinese", "international", "japanese", "korean"}


# --- a site's own --------------------------------------------------------------------------------------


def test_a_site_adds_words(tmp_path: Path) -> None:
    """What no shipped file holds is understood from the next start."""
    vocabulary = glossary.load(glossary.SHIPPED, write(tmp_path, CT_head="kopfscan, blitz cct"))
    said = relevance.describe("Blitz CCT", vocabulary=vocabulary)
    assert (("CT",), ("head",)) == (said.modalities, said.regions)


def test_a_site_overrules_words(tmp_path: Path) -> None:
    """Where the site says otherwise its word holds, and the shipped one is not heard."""
    vocabulary = glossary.load(glossary.SHIPPED, write(tmp_path, foot="pe"))
    assert ("foot",) == relevance.describe("CT PE", vocabulary=vocabulary).regions
    assert ("chest",) == relevance.describe("CT PE").regions


@pytest.mark.parametrize(
    ("text", "regions"),
    [
        ("XR JOINT, GROSS", ("knee",)),
        ("XR GROSS JOINT", ("knee",)),
        ("SCAN PAN", ("head",)),  # the site's word for it, though the product says otherwise
        ("BRAIN LEG", ("head", "leg")),  # each names a region
        ("Q L", ()),  # too short to begin with
        ("TEMPORAL BONE", ("head",)),  # stands in a file of the product, and is not turned round
    ],
)
def test_a_term_of_two_words_may_be_inverted(tmp_path: Path, text: str, regions: tuple[str, ...]) -> None:
    """As in catalogues, which put the noun first; not where its words say something else alone."""
    ours = write(tmp_path, knee="gross joint", head="pan scan", foot="leg brain, l q", face="bone temporal")
    vocabulary = glossary.load(glossary.SHIPPED, ours)
    assert regions == relevance.describe(text, vocabulary=vocabulary).regions


def test_comments_and_blank_lines_say_nothing(tmp_path: Path) -> None:
    """A file may explain itself."""
    (tmp_path / "ours.tsv").write_text("# our own\n\nhead\tkopfscan\n", encoding="utf-8")
    vocabulary = glossary.load(glossary.SHIPPED, tmp_path)
    assert ("head",) == relevance.describe("kopfscan", vocabulary=vocabulary).regions


@pytest.mark.parametrize(
    ("says", "written", "message"),
    [
        ("hed", "kopf", "“hed” is no region, modality, facet or other thing to say"),
        ("head", "ct of the head", "“ct of the head”: a tab, then terms of one to 3 words"),
        ("head", "kopf,", "“”: a tab, then terms of one to 3 words"),
        ("head", "ko*pf", "“ko*pf”: * stands at the end of a word, ! before the term"),
        ("head", "kopf!", "“kopf!”: * stands at the end of a word, ! before the term"),
        ("head", "%", "“%” has neither letters nor digits"),
    ],
)
def test_a_mistake_is_told_with_its_line(tmp_path: Path, says: str, written: str, message: str) -> None:
    """What cannot be read is named with its file and line."""
    (tmp_path / "ours.tsv").write_text(f"# ours\n{says}\t{written}\n", encoding="utf-8")
    assert [f"ours.tsv:2: {message}"] == mistakes(tmp_path)


def test_all_mistakes_are_told_at_once(tmp_path: Path) -> None:
    """An administrator mends a file in one go."""
    write(tmp_path, "a.tsv", hed="kopf", neck="")
    write(tmp_path, "b.tsv", mouthful="mund")
    assert ["a.tsv:1", "a.tsv:2", "b.tsv:1"] == [one.rsplit(": ")[0] for one in mistakes(tmp_path)]


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    """A spreadsheet saved in another character set is named, and does not end in a traceback."""
    (tmp_path / "ours.tsv").write_bytes("head\tSchädelbasis\n".encode("latin-1"))
    assert ["ours.tsv:1: is not UTF-8; save it so"] == mistakes(tmp_path)


def test_contradictions_are_found(tmp_path: Path) -> None:
    """A term with two meanings, and one that stands twice, in one file; shy terms count apart."""
    write(tmp_path, head="kopf, schädel, !k", neck="kopf, !k", head_="schaedel", arm="k")
    found = [problem.message for problem in glossary.contradictions(glossary.read_lines(tmp_path))]
    assert [
        "“kopf” says neck, but head in line 1",
        "“!k” says neck, but head in line 1",
        "“schaedel” says head, but head in line 1",
    ] == found
