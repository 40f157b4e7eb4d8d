"""Which series of a study a class wants, and how parts of one study meet."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import parts
from prefetch.model import Marking, Part, Parts, Series, Study
from prefetch.planning import select, series
from prefetch.planning.circumstances import Circumstances
from tests.choosing import NOW, order, prior_class, site, study
from tests.unit.test_select import choose, chosen, match, why_left

FOUND = (
    Series(series_instance_uid="1.1", modality="CT", description="Topogram", instances=2),
    Series(series_instance_uid="1.2", modality="CT", description="Lung axial", instances=200),
    Series(series_instance_uid="1.3", modality="SR", description="Dose report", instances=1),
    Series(series_instance_uid="1.4", modality="KO", instances=1),
    Series(series_instance_uid="1.5", instances=7),
)
SCAN = study("1", modalities=("CT", "SR", "KO"), instances=211).with_series(FOUND)


@pytest.mark.parametrize(
    ("asked", "uids", "because"),
    [
        ("{modality: CT}", ["1.1", "1.2"], "2 of 5 series"),
        ("{modality: [KO, PR]}", ["1.4"], "1 of 5 series"),
        ("{description: '*axial*'}", ["1.2"], "1 of 5 series"),
        ("{localizers: false}", ["1.2", "1.3", "1.4", "1.5"], "4 of 5 series"),
        ("{modality: CT, localizers: false}", ["1.2"], "1 of 5 series"),
        ("{exclude: [{modality: SR}, {description: '*top*'}]}", ["1.2", "1.4", "1.5"], "3 of 5 series"),
        ("{exclude: {modality: SR, description: '*lung*'}}", [], "5 of 5 series"),
        ("{modality: PR}", [], "none of 5 series is as asked"),
    ],
)
def test_a_class_may_want_some_series(asked: str, uids: list[str], because: str) -> None:
    """Each key has its effect; all of them are the whole study, and what is not said is in no list."""
    filtered = prior_class(f"series: {asked}").series
    assert filtered
    wanted, finding = series.wanted(filtered, SCAN)
    assert (uids, because) == ([each.series_instance_uid for each in wanted], finding.because)


@pytest.mark.parametrize(
    "name", ["Localizer", "3-plane loc", "SCOUT", "Topogram 0.6 T80f", "Survey_SSh", "LOC", "Übersicht ap"]
)
def test_localizers_are_known_by_their_names(name: str) -> None:
    """As the vendors call them."""
    filtered = prior_class("series: {localizers: false}").series
    assert filtered
    planned = SCAN.with_series((Series(series_instance_uid="1", description=name), *FOUND[1:2]))
    assert ["1.2"] == [each.series_instance_uid for each in series.wanted(filtered, planned)[0]]


@pytest.mark.parametrize(
    ("modality", "name"), [("CR", "Beckenübersicht"), ("DX", "SKELETAL SURVEY"), ("DX", "Scanogram legs")]
)
def test_a_film_is_no_localizer_whatever_it_is_called(modality: str, name: str) -> None:
    """Nothing is planned on it."""
    filtered = prior_class("series: {localizers: false}").series
    assert filtered
    film = Series(series_instance_uid="1", modality=modality, description=name)
    wanted, finding = series.wanted(filtered, SCAN.with_series((film, *FOUND[:2])))
    assert (["1", "1.2"], "2 of 3 series") == ([each.series_instance_uid for each in wanted], finding.because)


def test_a_part_of_a_study_is_chosen_with_its_reason(tmp_path: Path) -> None:
    """And counts in limits as what it is."""
    rule = "{name: a, limits: {instances: 200}, priors: [{series: {localizers: false, modality: CT}}]}"
    (choice,) = choose(tmp_path, [SCAN], rule).choices
    assert (["1.2"], "any study; 1 of 5 series; all are wanted") == (
        [each.series_instance_uid for each in choice.series],
        choice.reason.because,
    )
    assert [] == chosen(choose(tmp_path, [SCAN], "{name: a, limits: {instances: 200}, priors: [{}]}"))


KEY_IMAGES = "{name: a, priors: [{series: {modality: KO}}]}"


@pytest.mark.parametrize(("most", "series_wanted"), [(200, ["1.4"]), (211, [])])
def test_a_part_pays_for_no_whole(tmp_path: Path, most: int, series_wanted: list[str]) -> None:
    """Where one rule wants a part and another all of it, the limit of an exam counts all of it, once."""
    whole = "{name: b, priors: [{}]}"
    for rules in ((KEY_IMAGES, whole), (whole, KEY_IMAGES)):
        selection = choose(tmp_path, [SCAN], *rules, more=f"limits: {{instances: {most}}}\n")
        (choice,) = selection.choices
        assert series_wanted == [each.series_instance_uid for each in choice.series]


def test_without_such_a_series_a_study_is_left(tmp_path: Path) -> None:
    """And so it is where the archive did not say."""
    studies = [SCAN, study("2")]
    selection = choose(tmp_path, studies, "{name: a, priors: [{series: {modality: PR}}]}")
    assert [["none of 5 series is as asked"], ["the archive does not say the series"]] == [
        why_left(selection, uid) for uid in ("1", "2")
    ]


def test_two_rules_want_the_series_of_both_and_the_whole_wins(tmp_path: Path) -> None:
    """One choice a study and destination."""
    lungs, reports, all_of_it = (
        f"{{name: {name}, priors: [{{series: {said}}}]}}" if said else f"{{name: {name}, priors: [{{}}]}}"
        for name, said in (("a", "{description: '*lung*'}"), ("b", "{modality: SR}"), ("c", ""))
    )
    (both,) = choose(tmp_path, [SCAN], lungs, reports).choices
    (whole,) = choose(tmp_path, [SCAN], lungs, all_of_it).choices
    assert [{"1.2", "1.3"}, set()] == [
        {each.series_instance_uid for each in choice.series} for choice in (both, whole)
    ]


# --- key images ------------------------------------------------------------------------------------


def marked(modality: str, *markings: Marking, uid: str = "1.9") -> Series:
    """A series of objects that mark images."""
    return Series(series_instance_uid=uid, modality=modality, instances=len(markings), markings=markings)


def marking(uid: str, *images: str, title: str | None = None) -> Marking:
    """An object that marks images, each said as series/instance."""
    pairs = tuple((image.split("/")[0], image) for image in images)
    return Marking(sop_instance_uid=uid, title=title, images=pairs)


def key_images(said: str, *objects: Series) -> tuple[dict[str, tuple[str, ...]], str, bool | None]:
    """What is wanted of the scan with these objects: instances by series, why, and whether it is taken."""
    filtered = prior_class(f"series: {said}").series
    assert filtered
    wanted, finding = series.wanted(filtered, SCAN.with_series((*FOUND[:3], *objects)))
    return {each.series_instance_uid: each.only for each in wanted}, finding.because, finding.holds


def test_key_images_are_what_objects_of_the_study_refer_to() -> None:
    """Each once, with what marks it; what lies in another study is not there to be moved."""
    key_object = marked("KO", marking("k.1", "1.2/7", "1.2/3", "9.9/1"), marking("k.2", "1.2/3"))
    state = marked("PR", marking("p.1", "1.1/1"), uid="1.8")
    both = {"1.1": ("1.1/1",), "1.2": ("1.2/3", "1.2/7"), "1.9": ("k.1", "k.2"), "1.8": ("p.1",)}
    because = "3 key images, marked by 3 objects"
    assert (both, because, True) == key_images("{key_images: [KO, PR]}", key_object, state)
    one = {"1.1": ("1.1/1",), "1.8": ("p.1",)}
    assert one == key_images("{key_images: PR}", key_object, state)[0]


def test_key_images_lie_in_the_series_that_are_wanted() -> None:
    """The other keys of a series hold as well."""
    key_object = marked("KO", marking("k.1", "1.1/1", "1.2/7"))
    wanted, *_ = key_images("{key_images: KO, localizers: false}", key_object)
    assert {"1.2": ("1.2/7",), "1.9": ("k.1",)} == wanted
    assert ({}, "KO marks no image of the wanted series", False) == key_images(
        "{key_images: KO, modality: SR}", key_object
    )


@pytest.mark.parametrize("title", ["113001", "113030"])
def test_an_object_that_rejects_images_or_lists_all_marks_none(title: str) -> None:
    """Rejected for Quality Reasons; Manifest."""
    rejected = marking("k.1", "1.2/7", title=title)
    assert key_images("{key_images: KO}", marked("KO", rejected))[2] is False
    of_interest = marking("k.2", "1.2/3", title="113000")
    wanted, *_ = key_images("{key_images: KO}", marked("KO", rejected, of_interest))
    assert {"1.2": ("1.2/3",), "1.9": ("k.2",)} == wanted


def test_a_study_without_marks_is_not_taken() -> None:
    """Another class may want the whole of it."""
    because = "nobody marked an image by KO or PR"
    assert ({}, because, False) == key_images("{key_images: [KO, PR]}")


@pytest.mark.parametrize("unsaid", [(Marking(sop_instance_uid="k.1"),), None])
def test_where_it_is_not_said_which_are_marked_nothing_is_left_out(
    unsaid: tuple[Marking, ...] | None,
) -> None:
    """The whole study, or all the series that the other keys want, and what marks them."""
    mute = Series(series_instance_uid="1.9", modality="KO", instances=1, markings=unsaid)
    because = "4 of 4 series: the archive does not say which images are marked"
    assert ({}, because, True) == key_images("{key_images: KO}", mute)
    wanted, *_ = key_images("{key_images: KO, description: '*lung*'}", mute)
    assert {"1.2": (), "1.9": ()} == wanted


def test_two_rules_want_the_images_of_both(tmp_path: Path) -> None:
    """Of one series each image once; and the series where one of them wants all of it."""
    objects = marked("KO", marking("k.1", "1.2/3")), marked("PR", marking("p.1", "1.2/3", "1.2/7"), uid="1.8")
    scan = SCAN.with_series((*FOUND[:3], *objects))
    one, other = (f"{{name: {n}, priors: [{{series: {{key_images: {n}}}}}]}}" for n in ("KO", "PR"))
    (both,) = choose(tmp_path, [scan], one, other).choices
    assert Part("1.2", 2, ("1.2/3", "1.2/7")) in parts.wanted(both)
    assert 4 == parts.count(parts.wanted(both))
    for rules in ((one, LUNG), (LUNG, one)):
        (whole,) = choose(tmp_path, [scan], *rules).choices
        assert Part("1.2", 200) in parts.wanted(whole)


LUNG = "{name: lung, priors: [{series: {description: '*lung*'}}]}"


def test_key_images_count_in_limits_as_what_they_are(tmp_path: Path) -> None:
    """Two instances and no more."""
    scan = SCAN.with_series((*FOUND[:3], marked("KO", marking("k.1", "1.2/3"))))
    for most, number in ((2, 1), (1, 0)):
        rule = f"{{name: a, limits: {{instances: {most}}}, priors: [{{series: {{key_images: KO}}}}]}}"
        assert number == len(choose(tmp_path, [scan], rule).choices)


# --- what must be asked for ------------------------------------------------------------------------

SILENT = study("1", modalities=())
NAMELESS = study("1", description=None)


@pytest.mark.parametrize(
    ("said", "of", "asked"),
    [
        ("{modality: CT}", study("1"), False),
        ("{modality: CT}", SILENT, True),
        ("{modality: CT}", SILENT.with_series(()), False),
        ("{modality: CT}", NAMELESS, True),
        ("{newest: 1}", SILENT, False),
        ("{relevance: must}", NAMELESS, True),
        ("{region: same}", NAMELESS, True),
        ("{description: '*chest*'}", NAMELESS, True),
        ("{description: '*head*'}", SILENT, False),
        ("{modality: MR}", NAMELESS, False),
        ("{modality: CT, within: 1mo}", SILENT, False),
        ("{series: {localizers: false}}", study("1"), True),
        ("{series: {localizers: false}, modality: MR}", study("1"), False),
        ("{series: {localizers: false}}", SCAN, False),
        ("{exclude: {modality: SR}}", SILENT, True),
        ("{series: {key_images: KO}}", SCAN, True),
        ("{series: {key_images: PR}}", SCAN, False),
        ("{series: {key_images: KO}}", SCAN.with_series((marked("KO"),)), False),
    ],
)
def test_series_are_asked_for_only_where_they_decide(
    tmp_path: Path, said: str, of: Study, asked: bool
) -> None:
    """Once a study, and not of a study that is out anyway."""
    matches = match(tmp_path, f"{{name: a, priors: [{said}]}}", "{name: b, priors: [{newest: 1}]}")
    circumstances = Circumstances.of(site(tmp_path), NOW)
    looked_into = select.to_look_into(matches, order(), {"main": [of]}, circumstances=circumstances)
    assert asked is bool(looked_into)


def test_the_exam_itself_is_not_looked_into(tmp_path: Path) -> None:
    """It is no prior."""
    matches = match(tmp_path, "{name: a, priors: [{modality: CT}]}")
    circumstances = Circumstances.of(site(tmp_path), NOW)
    own = study("1", modalities=(), accession_number="A1")
    assert () == select.to_look_into(matches, order(), {"main": [own]}, circumstances=circumstances)


def test_what_the_archive_did_not_say_comes_from_the_series(tmp_path: Path) -> None:
    """Modalities, and descriptions by which the study is described."""
    told = study("1", modalities=(), description=None).with_series(
        (Series(series_instance_uid="1.1", modality="CT", description="Chest lung window", instances=3),)
    )
    rule = "{name: a, priors: [{modality: CT, region: chest, description: '*lung*'}]}"
    assert ["1"] == chosen(choose(tmp_path, [told], rule))


# --- parts of one study ----------------------------------------------------------------------------


@st.composite
def some_parts(draw: st.DrawFn) -> Parts:
    """Whole series with their numbers, and series of which some instances are wanted."""
    whole = st.none() | st.integers(0, 9)
    only = st.lists(st.sampled_from("123"), min_size=1, unique=True)
    said = draw(st.dictionaries(st.sampled_from("abc"), whole | only))
    return tuple(
        Part(uid, len(which), tuple(which)) if isinstance(which, list) else Part(uid, which)
        for uid, which in said.items()
    )


@given(some_parts(), some_parts())
def test_together_they_cover_each(one: Parts, other: Parts) -> None:
    """No part named is the whole, which covers all."""
    both = parts.unite(one, other)
    assert parts.covers(both, one)
    assert parts.covers(both, other)
    assert parts.covers((), one)
    assert (both == ()) is (not one or not other)


def test_a_missing_count_is_not_zero() -> None:
    """The sum is not known then."""
    known = Part("a", 2), Part("b", 3)
    assert [5, None] == [parts.count(known), parts.count((*known, Part("c", None)))]


def test_some_instances_do_not_cover_their_series() -> None:
    """Nor others of it; and two orders that want some of one series want each once."""
    two, other = (Part("a", 2, ("1", "2")),), (Part("a", 2, ("2", "3")),)
    assert not parts.covers(two, (Part("a", 3),))
    assert not parts.covers(two, other)
    assert (Part("a", 3, ("1", "2", "3")),) == parts.unite(two, other)
    assert (Part("a", 9),) == parts.unite(two, (Part("a", 9),))
