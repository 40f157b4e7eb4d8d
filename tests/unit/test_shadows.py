"""What `prefetch check` says of rules that can do nothing, and of those that can: nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import rules, shadows
from prefetch.planning import conditions
from prefetch.rules import coverage, takes
from tests import choosing
from tests.unit.test_crosscheck import SITE, warnings

ONE = "priors: [{newest: 1}]"


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("{modality: CT, not: {modality: [CT, MR]}}", "its `not` forbids what it asks for (modality)"),
        ("{not: {exists: sex}, sex: F}", "its `not` forbids what it asks for (sex)"),
        (
            "{not: {exists: scheduled_start}, weekday: mon-fri}",
            "its `not` forbids what it asks for (scheduled_start)",
        ),
        ("{sex: F, all: [{sex: M}]}", "sex cannot be both F and M"),
        ("{priority: stat, all: [{priority: [high, routine]}]}", "priority cannot be both stat and high or"),
        ("{side: left, all: [{side: right}]}", "side cannot be both left and right"),
        ("{feed: ris, all: [{feed: submit}]}", "feed cannot be both ris and submit"),
        (
            "{age: {at_least: 65y}, all: [{age: {under: 18y}}]}",
            "age cannot be both at least 65y and under 18y",
        ),
        ("{time_of_day: '07:00-12:00', all: [{time_of_day: '12:00-17:00'}]}", "time_of_day cannot be both"),
        ("{weekday: mon-fri, all: [{weekday: [sat, sun]}]}", "weekday cannot be both mon-fri and sat or sun"),
        ("{station_name: CT1, all: [{station_name: 'MR*'}]}", "station_name cannot be both CT1 and MR*"),
        ("{location: 'W*', all: [{location: [A, B]}]}", "location cannot be both W* and A or B"),
        (
            "{sex: F, any: [{sex: M}, {sex: O, modality: CT}]}",
            "no block of its `any` can hold: sex cannot be both M and F",
        ),
        (
            "{hl7: {PV1-3.4: {exists: false}}, all: [{hl7: {PV1-3.4: W}}]}",
            "PV1-3.4 cannot be both said and not",
        ),
        ("{hl7: {PV1-3.4: {exists: false, like: W}}}", "PV1-3.4 cannot be both said and not said"),
        ("{hl7: {OBX-5: {at_least: 9, at_most: 3}}}", "no number is at least 9 and at most 3 (OBX-5"),
        (
            "{worklist: {PatientWeight: {at_most: 9}}, not: {worklist: {PatientWeight: {at_most: 10}}}}",
            "its `not` forbids what it asks for (worklist.PatientWeight)",
        ),
    ],
)
def test_a_rule_that_can_never_match_is_told(tmp_path: Path, when: str, why: str) -> None:
    """At its `when`, with what excludes what and what to do."""
    (found,) = warnings(tmp_path, f"{{name: a, when: {when}, {ONE}}}")
    assert found.startswith(f"a.yaml:2:19: rules.0.when: never matches: {why}")
    assert found.endswith("; put what is an alternative under `any`, or remove it")


def test_a_rule_for_one_feed_that_asks_for_another_is_told(tmp_path: Path) -> None:
    """`feeds` and `when` are read together."""
    (found,) = warnings(tmp_path, f"{{name: a, feeds: ris, when: {{feed: submit}}, {ONE}}}")
    assert "rules.0.when: never matches: feed cannot be both ris and submit" in found


def test_two_modalities_at_once_are_told(tmp_path: Path) -> None:
    """Whoever writes so mostly means either; the hybrid devices are left alone."""
    (found,) = warnings(tmp_path, f"{{name: a, when: {{modality: CT, all: [{{modality: MR}}]}}, {ONE}}}")
    assert found.startswith("a.yaml:2:19: rules.0.when: asks for CT and MR at once, and an order says one")
    assert [] == warnings(tmp_path, f"{{name: a, when: {{modality: CT, all: [{{modality: PT}}]}}, {ONE}}}")


def test_a_look_up_without_what_the_rule_asks_for_is_told(tmp_path: Path) -> None:
    """Nothing would ever be fetched, and `otherwise` mends it."""
    rule = "{name: a, when: {station_name: CT1}, to: {by: station_name, map: {MR1: [room-1, room-2]}%s}, %s}"
    (found,) = warnings(tmp_path, rule % ("", ONE))
    assert found.startswith("a.yaml:2:68: rules.0.to.map: knows no station_name that `when` asks for")
    assert [] == warnings(tmp_path, rule % (", otherwise: room-1", ONE))


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ("modality: CT, exclude: {modality: [CT, MR]}", "what it asks for is what it excludes"),
        (
            "description: '*lung nodule*', exclude: {description: '*lung*'}",
            "what it asks for is what it exclud",
        ),
        ("procedure_code: same, exclude: {procedure_code: '*'}", "what it asks for is what it excludes"),
        ("region: same, side: left, exclude: {region: [same, neck]}", "what it asks for is what it excludes"),
        ("within: 1y, not_after: 2y before exam", "no study is within 1y and not after 2y before exam"),
        ("not_before: 2020-01-01, not_after: 2019-01-01", "no study is not before 2020-01-01 and not after"),
        (
            "series: {modality: SR, exclude: {modality: [SR, KO]}}",
            "the series that it asks for are those that it excludes",
        ),
        (
            "series: {description: '*dose report*', exclude: {description: '*dose*'}}",
            "the series that it asks for are those that it excludes",
        ),
    ],
)
def test_a_class_that_never_takes_a_study_is_told(tmp_path: Path, asked: str, why: str) -> None:
    """At the class, with what is in its way."""
    (found,) = warnings(tmp_path, f"{{name: a, priors: [{{newest: 1, {asked}}}]}}")
    assert found.startswith(f"a.yaml:2:22: rules.0.priors.0: never takes a study: {why}")


@pytest.mark.parametrize(
    ("greedy", "later"),
    [
        ("modality: [CT, MR]", "modality: CT, newest: 1"),
        ("modality: XR, within: 5y", "modality: DX, within: 1y"),
        ("relevance: useful", "relevance: must, region: chest"),
        (
            "not_before: 2020-01-01, exclude: {modality: US}",
            "not_before: 2020-01-01, exclude: {modality: US}",
        ),
    ],
)
def test_a_class_to_which_an_earlier_one_leaves_nothing_is_told(
    tmp_path: Path, greedy: str, later: str
) -> None:
    """A later class does not count what an earlier one took."""
    rule = f"{{name: a, limits: {{studies: 9}}, priors: [{{name: all, {greedy}}}, {{{later}}}]}}"
    (found,) = warnings(tmp_path, rule)
    assert "rules.0.priors.1: never takes a study: all before it takes all of these; put this class" in found


@pytest.mark.parametrize(
    ("first", "fill_up", "never"),
    [
        ("newest: 2", "modality: CT, if_fewer_than: 2, newest: 3", True),
        ("modality: CT, newest: 2, oldest: 1", "modality: CT, within: 1y, if_fewer_than: 1, newest: 1", True),
        ("newest: 1", "if_fewer_than: 2, newest: 1", False),
        ("oldest: 2", "if_fewer_than: 2, newest: 1", False),
        ("modality: CT, newest: 2", "if_fewer_than: 2, newest: 1", False),
        ("modality: CT, newest: 2", "modality: MR, if_fewer_than: 1, newest: 1", False),
    ],
)
def test_a_class_that_fills_up_with_what_is_there_already_is_told(
    tmp_path: Path, first: str, fill_up: str, never: bool
) -> None:
    """Where the one before it took fewer, it took all there were; but the oldest without those of no date."""
    found = warnings(tmp_path, f"{{name: a, priors: [{{name: all, {first}}}, {{{fill_up}}}]}}")
    assert never is any("rules.0.priors.1: never takes a study: all before it" in one for one in found)


def test_a_value_of_a_look_up_behind_a_pattern_is_told(tmp_path: Path) -> None:
    """The first that fits decides."""
    rule = f"{{name: a, to: {{by: station_name, map: {{%s}}, otherwise: room-2}}, {ONE}}}"
    (found,) = warnings(tmp_path, rule % "CT1: room-1, 'CT*': room-2, CT2: room-1")
    assert (
        "rules.0.to.map.CT2: never decides: CT* before it fits whatever this fits; put this before" in found
    )
    assert [] == warnings(tmp_path, rule % "CT1: room-1, CT?: room-2, 'CT*': room-1, MR1: room-1")
    of_site = SITE.replace("[room-1, room-2]", "{by: location, map: {'*': room-1, ICU: room-2}}")
    (found,) = warnings(tmp_path, f"{{name: a, {ONE}}}", site=of_site)
    assert "prefetch.yaml:9:50: planning.to.map.ICU: never decides: * before it" in found


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ("modality: CT", "modality: CT", "the same orders"),
        ("modality: XR", "modality: [DX, CR], sex: F", "all of its orders"),
        ("region: [chest, neck]", "region: chest, priority: stat", "all of its orders"),
        (
            "procedure_description: '*chest*'",
            "procedure_description: ['ct chest', '*chest w*']",
            "all of its",
        ),
        ("procedure_code: 'CT?1'", "procedure_code: [CTA1, CTB1]", "all of its orders"),
        ("any: [{modality: CT}, {modality: MR}]", "modality: MR, sex: F", "all of its orders"),
        ("modality: [CT, MR]", "any: [{modality: CT, sex: F}, {modality: MR}]", "all of its orders"),
        ("not: {modality: CT}", "not: {modality: [CT, MR]}", "all of its orders"),
        ("not: {sex: M}", "sex: F, modality: MG", "all of its orders"),
        ("age: {at_least: 18y}", "age: {at_least: 65y, under: 80y}", "all of its orders"),
        ("exists: PV1-3.4", "hl7: {PV1-3.4: W}", "all of its orders"),
        ("hl7: {OBX-5: {at_least: 3}}", "hl7: {OBX-5: {at_least: 5, at_most: 9}}", "all of its orders"),
        ("hl7: {PV1-3: {exists: false}}", "hl7: {PV1-3: {exists: false}}, sex: F", "all of its orders"),
        ("weekday: mon-fri", "weekday: [tue, wed]", "all of its orders"),
        ("time_of_day: 22:00-06:00", "time_of_day: 23:00-01:00", "all of its orders"),
    ],
)
def test_a_rule_behind_one_that_stops_is_told(tmp_path: Path, first: str, second: str, what: str) -> None:
    """Where the one before it matches whatever it matches: the same conditions, or wider ones."""
    (found,) = warnings(
        tmp_path, f"{{name: a, when: {{{first}}}, stop: true}}", f"{{name: b, when: {{{second}}}, {ONE}}}"
    )
    assert found.startswith(f"a.yaml:3:3: rules.1: is never looked at: a (a.yaml:2) matches {what}")
    assert found.endswith(" and stops; put this rule before it, or narrow that one")


def test_a_fallback_for_which_another_rule_leaves_nothing_is_told(tmp_path: Path) -> None:
    """An earlier fallback counts as well."""
    found = warnings(
        tmp_path,
        "{name: a, when: {modality: CT}, fallback: true, priors: [{newest: 2}]}",
        f"{{name: b, when: {{modality: CT, sex: F}}, fallback: true, {ONE}}}",
    )
    message = (
        "never matches: a (a.yaml:2) matches all of its orders; narrow that rule, or leave `fallback` out"
    )
    assert [f"a.yaml:3:53: rules.1.fallback: {message}"] == found


@pytest.mark.parametrize(
    ("wide", "narrow"),
    [
        (f"when: {{modality: CT}}, {ONE}", f"when: {{modality: CT}}, {ONE}"),
        ("when: {modality: [CT, MR]}, priors: [{newest: 3}]", f"when: {{modality: CT}}, {ONE}"),
        ("priors: [{newest: 1, modality: CT}, {newest: 2}]", "priors: [{newest: 1, modality: CT}]"),
        ("priors: [{newest: 2, oldest: 1}]", "when: {sex: F}, priors: [{newest: 2}]"),
    ],
)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_rule_that_adds_nothing_is_told(tmp_path: Path, wide: str, narrow: str, is_first: bool) -> None:
    """Another wants the same of the same orders, or of more; of two that are alike the later is told."""
    said = [f"{{name: wide, {wide}}}", f"{{name: narrow, {narrow}}}"]
    (found,) = warnings(tmp_path, *(said if is_first else said[::-1]))
    assert ": adds nothing: " in found
    assert "remove one of them" in found


@pytest.mark.parametrize(
    ("first", "second"),
    [
        ("when: {modality: CT}, stop: true", f"when: {{modality: [CT, MR]}}, {ONE}"),
        ("when: {procedure_code: 'CT?'}, stop: true", f"when: {{procedure_code: 'CT*'}}, {ONE}"),
        (
            f"when: {{sex: F}}, to: {{by: location, map: {{W: [room-1, room-2]}}}}, stop: true, {ONE}",
            f"when: {{sex: F}}, {ONE}",
        ),
        (f"when: {{modality: CT}}, to: room-1, {ONE}", f"when: {{modality: CT}}, to: room-2, {ONE}"),
        (f"when: {{modality: CT}}, mode: observe, {ONE}", f"when: {{modality: CT}}, {ONE}"),
        ("priors: [{newest: 1}]", "priors: [{newest: 2, modality: CT}]"),
        ("priors: [{newest: 2, procedure_code: 's*'}]", "priors: [{newest: 1, procedure_code: same}]"),
        ("priors: [{newest: 2, procedure_code: same}]", "priors: [{newest: 1, procedure_code: CTCH}]"),
        ("priors: [{newest: 1}]", "priors: [{newest: 1, modality: CT}]"),
        ("priors: [{newest: 5, modality: CT}]", "priors: [{newest: 1, if_fewer_than: 2}]"),
        ("when: {not: {exists: location}}, stop: true", f"when: {{location: W}}, {ONE}"),
        (f"when: {{modality: CT}}, {ONE}", "when: {modality: MR}, fallback: true, priors: [{newest: 2}]"),
        ("fallback: true, priors: [{newest: 2}]", f"when: {{modality: MR}}, {ONE}"),
        ("priors: [{modality: CT, newest: 2}, {modality: CT, newest: 2}]", "when: {sex: F}, stop: true"),
        ("when: {age: {at_least: 30d}}, stop: true", f"when: {{age: {{at_least: 1mo}}}}, {ONE}"),
        ("when: {sex: F, not: {sex: M}}, priors: [{newest: 3}]", f"when: {{sex: M}}, {ONE}"),
    ],
)
def test_rules_that_do_something_are_left_alone(tmp_path: Path, first: str, second: str) -> None:
    """What cannot be proved is not said."""
    assert [] == warnings(tmp_path, f"{{name: a, {first}}}", f"{{name: b, {second}}}")


@pytest.mark.parametrize("directory", ["rules", "rules/examples", "prefetch/sandbox/rules"])
def test_the_rules_that_we_ship_are_left_alone(directory: str) -> None:
    """None of them is idle."""
    _, sources, _ = rules.read(Path(__file__).parents[2] / directory)
    assert sources
    assert [] == list(shadows.find_shadows([source for source in sources if source.rule.enabled]))


def test_every_key_is_looked_at() -> None:
    """A key that was forgotten would make a wider condition of a narrower one."""
    compound = {"exists", "hl7", "worklist", "every", "some", "none"}
    assert rules.Condition.model_fields.keys() == coverage.KIND_OF_KEY.keys() | compound
    assert rules.StudyCondition.model_fields.keys() == takes.COVERS.keys()
    others = {"named_in", "relevance", "within", "not_before", "not_after", "exclude", "series"}
    numbers = {"name", "newest", "oldest", "if_fewer_than"}
    assert rules.PriorClass.model_fields.keys() == takes.COVERS.keys() | others | numbers
    apart = {"name", "why", "enabled", "feeds", "when", "stop", "priors"}
    assert rules.Rule.model_fields.keys() == {*shadows.ALIKE} | apart
    filters = {"modality", "description", "key_images", "localizers", "exclude"}
    assert rules.SeriesFilter.model_fields.keys() == filters


# --- what is said is true --------------------------------------------------------------------------

_VALUES: dict[str, list[Any]] = {
    "modality": ["CT", "MR", "XR", "DX"],
    "sex": ["F", "M"],
    "region": ["chest", "neck"],
    "facet": ["obstetric", "vessels", ["obstetric", "vessels"]],
    "priority": ["stat", "high", "routine"],
    "station_name": ["CT1", "CT*", "?T1", "*"],
    "patient_class": ["E", "O"],
    "exists": ["station_name", "PV1-3.4"],
    "hl7": [
        {"PV1-3.4": "W"},
        {"PV1-3.4": {"exists": "false"}},
        {"PV1-3.4": {"like": "W*", "exists": "true"}},
    ],
    "age": [{"under": "18y"}, {"at_least": "18y"}, {"at_least": "65y"}],
}
_BLOCK = st.one_of([st.fixed_dictionaries({key: st.sampled_from(values)}) for key, values in _VALUES.items()])
_WHEN = st.recursive(
    _BLOCK,
    lambda inner: st.one_of(
        st.builds(lambda a, b: a | b, _BLOCK, inner),
        st.fixed_dictionaries({"all": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"any": st.lists(inner, min_size=1, max_size=2)}),
        st.fixed_dictionaries({"not": inner}),
    ),
    max_leaves=4,
)
_ORDER = st.fixed_dictionaries(
    {},
    optional={
        "modality": st.sampled_from(["CT", "MR", "DX", "CR"]),
        "station_name": st.sampled_from(["CT1", "MT1", "CT12"]),
        "patient_class": st.sampled_from(["E", "O"]),
        "procedure_description": st.sampled_from(
            ["CT chest", "MR neck and chest", "PET/CT", "US obstetric vessels"]
        ),
        "segments": st.sampled_from([(("PV1", "", "", [["", "", "", "W"]]),)]),
    },
)


@given(wide=_WHEN, more=_WHEN, beside=st.booleans(), order=_ORDER)
def test_what_covers_another_condition_holds_wherever_that_does(
    wide: dict[str, Any], more: dict[str, Any], beside: bool, order: dict[str, Any]
) -> None:
    """Any two conditions and any order: nothing is claimed that planning contradicts."""
    narrow = more if beside else {"any": [wide | {"all": [more]}, {"all": [wide]}]}
    one, other = map(rules.Condition.model_validate, (wide, narrow))
    exam = choosing.exam(choosing.order(**order))
    if coverage.implies(coverage.of_condition(other), coverage.of_condition(one)):
        assert conditions.order_matches(one, exam).holds or not conditions.order_matches(other, exam).holds
    if coverage.contradiction(coverage.of_condition(other)):
        assert not conditions.order_matches(other, exam).holds
