"""What a rule may say: each key with a bad example and its message, and how rules are loaded."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prefetch import errors, rules, yamlfile
from prefetch.rules import Pattern, RuleFile
from tests import models

MODALITIES = "see DICOM PS3.3 C.7.3.1.1.1"

BAD: dict[str, tuple[str, str]] = {
    "RuleFile.version": ("version: 2", "1:10: version: “2” is not possible; possible: 1"),
    "RuleFile.rules": ("rules: []", "1:8: rules: must not be empty"),
    "Rule.name": ("- name: ''\n  priors: [{newest: 1}]", "2:9: rules.0.name: must not be empty"),
    "Rule.why": ("why: [a]", "4:8: rules.0.why: expected a text, found a list"),
    "Rule.enabled": ("enabled: perhaps", "4:12: rules.0.enabled: expected true or false, found “perhaps”"),
    "Rule.mode": (
        "mode: observed",
        "4:9: rules.0.mode: “observed” is not possible; did you mean observe? possible: active, observe",
    ),
    "Rule.when": ("when: CT", "4:9: rules.0.when: expected keys and values, found “CT”"),
    "Rule.fallback": ("fallback: last", "4:13: rules.0.fallback: expected true or false, found “last”"),
    "Rule.stop": ("stop: here", "4:9: rules.0.stop: expected true or false, found “here”"),
    "Rule.from": ("from: []", "4:9: rules.0.from: must not be empty"),
    "Origin.archives": (
        "from: {archives: [], use: as needed}",
        "4:20: rules.0.from.archives: must not be empty",
    ),
    "Origin.use": (
        "from: {use: first}",
        "4:15: rules.0.from.use: “first” is not possible; did you mean first that answers?",
    ),
    "Rule.to": ("to: [room-1, [room-2]]", "4:16: rules.0.to.1: expected a text, found a list"),
    "Rule.fetch_from": (
        "fetch_from: tomorrow",
        "4:15: rules.0.fetch_from: expected “24h before exam” or “when ordered”, found “tomorrow”",
    ),
    "Rule.ready_by": (
        "ready_by: 30m",
        "4:13: rules.0.ready_by: expected a time such as “30m before exam”, found “30m”",
    ),
    "Rule.if_unscheduled": (
        "if_unscheduled: fetch",
        "4:19: rules.0.if_unscheduled: “fetch” is not possible; did you mean fetch now?",
    ),
    "Rule.if_late": (
        "if_late: fetch",
        "4:12: rules.0.if_late: “fetch” is not possible; did you mean fetch now? possible: fetch now, skip",
    ),
    "Rule.windows": (
        'windows: ["20:00-06:00", weekend]',
        "4:28: rules.0.windows.1: expected hours such as “20:00-06:00” or “sat-sun 00:00-24:00”, found “week",
    ),
    "Rule.if_no_window": (
        "if_no_window: fetch now",
        "4:17: rules.0.if_no_window: “fetch now” is not possible; did you mean fetch anyway?",
    ),
    "Rule.cool_down": (
        "cool_down: a night",
        "4:14: rules.0.cool_down: expected a duration such as 90s, 15m, 24h or 2d, found “a night”",
    ),
    "Rule.priority": (
        "priority: urgent",
        "4:13: rules.0.priority: “urgent” is not possible; possible: stat, high, medium, routine",
    ),
    "Rule.priors": (
        "- name: nothing",
        "2:3: rules.0: priors is required; only a rule with stop: true may do without",
    ),
    "Rule.limits": ("limits: 6", "4:11: rules.0.limits: expected keys and values, found “6”"),
    "Limits.studies": ("limits: {studies: 0}", "4:21: rules.0.limits.studies: must be at least 1, found 0"),
    "Limits.instances": (
        "limits: {instances: many}",
        "4:23: rules.0.limits.instances: expected a whole number, found “many”",
    ),
    "Limits.bytes": (
        "limits: {bytes: 2 gigs}",
        "4:19: rules.0.limits.bytes: expected an amount of data such as 500MB or 2GB, found “2 gigs”",
    ),
    "Rule.feeds": ("feeds: [[ris]]", "4:11: rules.0.feeds.0: expected a text, found a list"),
    "Lookup.by": (
        "to: {by: station, map: {CT1: a}}",
        "4:12: rules.0.to.by: “station” is not possible; did you mean station_name?",
    ),
    "Lookup.map": ("to: {by: location, map: {}}", "4:27: rules.0.to.map: must not be empty"),
    "Lookup.otherwise": (
        "to: {by: location, map: {A: b}, otherwise: []}",
        "4:46: rules.0.to.otherwise: must not be empty",
    ),
    "Condition.modality": (
        "when: {modality: [CT, MRI]}",
        "4:25: rules.0.when.modality.1: “MRI” is not a modality; did you mean MR?",
    ),
    "Condition.procedure_code": (
        "when: {procedure_code: {pattern: CT}}",
        "4:26: rules.0.when.procedure_code: expected a text, found keys and values",
    ),
    "Condition.procedure_description": (
        'when: {procedure_description: ["*chest*", ""]}',
        "4:45: rules.0.when.procedure_description.1: must not be empty",
    ),
    "Condition.station_ae_title": (
        "when: {station_ae_title: []}",
        "4:28: rules.0.when.station_ae_title: must not be empty",
    ),
    "Condition.station_name": (
        "when: {station_name: [[a]]}",
        "4:25: rules.0.when.station_name.0: expected a text, found a list",
    ),
    "Condition.location": ("when: {location: ''}", "4:20: rules.0.when.location: must not be empty"),
    "Condition.patient_class": (
        "when: {patient_class: []}",
        "4:25: rules.0.when.patient_class: must not be empty",
    ),
    "Condition.priority": (
        "when: {priority: urgent}",
        "4:20: rules.0.when.priority: “urgent” is not possible; possible: stat, high, medium, routine",
    ),
    "Condition.region": (
        "when: {region: thorax}",
        "4:18: rules.0.when.region: “thorax” is not possible; possible: head, face, neck",
    ),
    "Condition.side": (
        "when: {side: L}",
        "4:16: rules.0.when.side: “L” is not possible; did you mean left? possible: left, right, both",
    ),
    "Condition.facet": (
        "when: {facet: [screening, obstetrics]}",
        "4:29: rules.0.when.facet.1: “obstetrics” is not possible; did you mean obstetric?",
    ),
    "Condition.age": (
        "when: {age: 18y}",
        "4:15: rules.0.when.age: expected keys and values, found “18y”",
    ),
    "AgeRange.at_least": (
        "when: {age: {at_least: 18}}",
        "4:26: rules.0.when.age.at_least: expected an age such as 5y, 18mo, 2w or 30d, found “18”",
    ),
    "AgeRange.under": (
        "when: {age: {at_least: 65y, under: 18y}}",
        "4:15: rules.0.when.age: nobody is at least 65y and under 18y",
    ),
    "Condition.sex": (
        "when: {sex: W}",
        "4:15: rules.0.when.sex: “W” is not possible; write F, M or O (DICOM PS3.3 C.2.3)",
    ),
    "Condition.feed": ("when: {feed: []}", "4:16: rules.0.when.feed: must not be empty"),
    "Condition.time_of_day": (
        "when: {time_of_day: 7-17}",
        "4:23: rules.0.when.time_of_day: expected hours such as “07:00-17:00”, found “7-17”",
    ),
    "Condition.weekday": (
        "when: {weekday: monday}",
        "4:19: rules.0.when.weekday: expected a day such as mon, or days such as mon-fri, found “monday”",
    ),
    "Condition.exists": (
        "when: {exists: [station]}",
        "4:19: rules.0.when.exists.0: “station” is not possible; did you mean station_name?",
    ),
    "Condition.referring_unit": (
        "when: {referring_unit: []}",
        "4:26: rules.0.when.referring_unit: must not be empty",
    ),
    "Condition.referring_physician": (
        "when: {referring_physician: ''}",
        "4:31: rules.0.when.referring_physician: must not be empty",
    ),
    "Condition.hl7": (
        "when: {hl7: {ORB-24: CT}}",
        "4:24: rules.0.when.hl7.ORB-24: ORB is no segment of an order, booking or ADT message; did you mean",
    ),
    "Condition.worklist": (
        "when: {worklist: {PatientSate: x}}",
        "4:34: rules.0.when.worklist.PatientSate: “PatientSate” is no keyword of DICOM PS3.6; did you mean",
    ),
    "ValueTest.like": ("when: {hl7: {ZXX-1: {like: []}}}", "4:30: rules.0.when.hl7.ZXX-1.like: must not be"),
    "ValueTest.at_least": (
        "when: {hl7: {ZXX-1: {at_least: much}}}",
        "4:34: rules.0.when.hl7.ZXX-1.at_least: expected a number, found “much”",
    ),
    "ValueTest.at_most": (
        "when: {hl7: {ZXX-1: {at_most: 1e3}}}",
        "4:33: rules.0.when.hl7.ZXX-1.at_most: expected a number, found “1e3”",
    ),
    "ValueTest.exists": (
        "when: {hl7: {ZXX-1: {}}}",
        "4:23: rules.0.when.hl7.ZXX-1: asks nothing; write a value, or like, at_least, at_most or exists",
    ),
    "Condition.all": ("when: {all: []}", "4:15: rules.0.when.all: must not be empty"),
    "Condition.any": (
        "when: {any: {modality: CT}}",
        "4:15: rules.0.when.any: expected a list, found keys and values",
    ),
    "Condition.not": (
        "when: {not: {}}",
        "4:15: rules.0.when.not: an empty block would match every order; leave it out",
    ),
    "PriorClass.name": (
        "- {name: r, priors: [{name: a}, {name: a}]}",
        "2:21: rules.0.priors: two classes have the same name",
    ),
    "PriorClass.modality": (
        "- {name: r, priors: [{modality: sane}]}",
        "2:33: rules.0.priors.0.modality: “sane” is not a modality; did you mean same?",
    ),
    "PriorClass.description": (
        "- {name: r, priors: [{description: []}]}",
        "2:36: rules.0.priors.0.description: must not be empty",
    ),
    "PriorClass.region": (
        "- {name: r, priors: [{region: [sane]}]}",
        "2:32: rules.0.priors.0.region.0: “sane” is not possible; did you mean same?",
    ),
    "PriorClass.side": (
        "- {name: r, priors: [{side: links}]}",
        "2:29: rules.0.priors.0.side: “links” is not possible; possible: same, left, right, both",
    ),
    "PriorClass.procedure_code": (
        "- {name: r, priors: [{procedure_code: []}]}",
        "2:39: rules.0.priors.0.procedure_code: must not be empty",
    ),
    "PriorClass.institution": (
        "- {name: r, priors: [{institution: ''}]}",
        "2:36: rules.0.priors.0.institution: must not be empty",
    ),
    "PriorClass.named_in": (
        "- {name: r, priors: [{named_in: [ZXX-3, accession_number]}]}",
        "2:41: rules.0.priors.0.named_in.1: “accession_number” is not possible; possible: st",
    ),
    "PriorClass.relevance": (
        "- {name: r, priors: [{relevance: 3}]}",
        "2:34: rules.0.priors.0.relevance: “3” is not possible; possible: must, useful, marginal, any",
    ),
    "PriorClass.not_before": (
        "- {name: r, priors: [{not_before: 2012}]}",
        "2:35: rules.0.priors.0.not_before: expected “2012-01-01” or “6mo before exam”, found “2012”",
    ),
    "PriorClass.not_after": (
        "- {name: r, priors: [{not_after: 2012-13-01}]}",
        "2:34: rules.0.priors.0.not_after: expected “2012-01-01” or “6mo before exam”, found “2012-13-01”",
    ),
    "PriorClass.if_fewer_than": (
        "- {name: r, priors: [{if_fewer_than: 0}]}",
        "2:38: rules.0.priors.0.if_fewer_than: must be at least 1, found 0",
    ),
    "StudyCondition.region": (
        "- {name: r, priors: [{exclude: {region: skull}}]}",
        "2:41: rules.0.priors.0.exclude.region: “skull” is not possible; possible: same, head",
    ),
    "StudyCondition.side": (
        "- {name: r, priors: [{exclude: {side: []}}]}",
        "2:39: rules.0.priors.0.exclude.side: must not be empty",
    ),
    "PriorClass.facet": (
        "- {name: r, priors: [{facet: []}]}",
        "2:30: rules.0.priors.0.facet: must not be empty",
    ),
    "StudyCondition.facet": (
        "- {name: r, priors: [{exclude: {facet: angio}}]}",
        "2:40: rules.0.priors.0.exclude.facet: “angio” is not possible; possible: contrast, native",
    ),
    "StudyCondition.procedure_code": (
        "- {name: r, priors: [{exclude: {procedure_code: ['']}}]}",
        "2:50: rules.0.priors.0.exclude.procedure_code.0: must not be empty",
    ),
    "StudyCondition.institution": (
        "- {name: r, priors: [{exclude: {}}]}",
        "2:32: rules.0.priors.0.exclude: an empty block would leave out every study; remove it",
    ),
    "PriorClass.series": (
        "- {name: r, priors: [{series: axial}]}",
        "2:31: rules.0.priors.0.series: expected keys and values, found “axial”",
    ),
    "SeriesFilter.modality": (
        "- {name: r, priors: [{series: {modality: same}}]}",
        "2:42: rules.0.priors.0.series.modality: “same” is not a modality",
    ),
    "SeriesFilter.description": (
        "- {name: r, priors: [{series: {}}]}",
        "2:31: rules.0.priors.0.series: an empty block says nothing of a series; remove it",
    ),
    "SeriesFilter.localizers": (
        "- {name: r, priors: [{series: {localizers: exclude}}]}",
        "2:44: rules.0.priors.0.series.localizers: expected true or false, found “exclude”",
    ),
    "SeriesFilter.key_images": (
        "- {name: r, priors: [{series: {key_images: [KO, SR]}}]}",
        "2:49: rules.0.priors.0.series.key_images.1: “SR” is not possible; possible: KO, PR",
    ),
    "SeriesFilter.exclude": (
        "- {name: r, priors: [{series: {exclude: []}}]}",
        "2:41: rules.0.priors.0.series.exclude: must not be empty",
    ),
    "SeriesCondition.modality": (
        "- {name: r, priors: [{series: {exclude: {modality: DOSE}}}]}",
        "2:52: rules.0.priors.0.series.exclude.modality: “DOSE” is not a modality",
    ),
    "SeriesCondition.description": (
        "- {name: r, priors: [{series: {exclude: {}}}]}",
        "2:41: rules.0.priors.0.series.exclude: an empty block says nothing of a series; remove it",
    ),
    "PriorClass.within": (
        "- {name: r, priors: [{within: 5m}]}",
        "2:31: rules.0.priors.0.within: expected an age such as 5y, 18mo, 2w or 30d, found “5m”",
    ),
    "PriorClass.newest": (
        "- {name: r, priors: [{newest: 0}]}",
        "2:31: rules.0.priors.0.newest: must be at least 1, found 0",
    ),
    "PriorClass.oldest": (
        "- {name: r, priors: [{oldest: one}]}",
        "2:31: rules.0.priors.0.oldest: expected a whole number, found “one”",
    ),
    "PriorClass.exclude": (
        "- {name: r, priors: [{exclude: []}]}",
        "2:32: rules.0.priors.0.exclude: must not be empty",
    ),
    "StudyCondition.modality": (
        "- {name: r, priors: [{exclude: {modality: QQ}}]}",
        f"2:43: rules.0.priors.0.exclude.modality: “QQ” is not a modality; {MODALITIES}",
    ),
    "StudyCondition.description": (
        "- {name: r, priors: [{exclude: [{description: [a, []]}]}]}",
        "2:51: rules.0.priors.0.exclude.0.description.1: expected a text, found a list",
    ),
}
"""Key → a file, a rule, or one line of a rule that is wrong, and how what is said begins."""


def as_file(text: str) -> str:
    """A whole file of rules from a file, from one rule, or from a line of a rule."""
    if text.startswith(("version", "rules")):
        return text
    if text.startswith("- "):
        return f"rules:\n{textwrap.indent(text, '')}"
    return f"rules:\n- name: a\n  priors: [{{newest: 1}}]\n  {text}"


def load(directory: Path, **files: str) -> rules.RuleSet:
    """The rules of a directory with these files."""
    for name, text in files.items():
        (directory / f"{name}.yaml").write_text(as_file(text))
    return rules.load(directory)


def mistakes(directory: Path, **files: str) -> list[str]:
    """What is wrong with a directory of rules."""
    with pytest.raises(errors.ConfigurationError) as raised:
        load(directory, **files)
    return [str(problem).removeprefix(f"{directory}/") for problem in raised.value.problems]


@pytest.mark.parametrize("key", BAD)
def test_a_bad_value_has_its_message(tmp_path: Path, key: str) -> None:
    """Where it stands, what it is, and what would be possible."""
    text, message = BAD[key]
    assert any(mistake.startswith(f"a.yaml:{message}") for mistake in mistakes(tmp_path, a=text))


def test_every_key_has_a_bad_example() -> None:
    """A key that is added brings one."""
    assert models.every_key(RuleFile) == set(BAD)


@pytest.mark.parametrize("model", models.every_model(RuleFile))
def test_every_key_is_described_with_an_example_that_is_right(
    tmp_path: Path, model: type[yamlfile.Model]
) -> None:
    """The reference never shows what `prefetch check` refuses."""
    required = {
        "RuleFile": "rules: [{name: a, priors: [{newest: 1}]}]",
        "Rule": "name: a\npriors: [{newest: 1}]",
    }
    required["Lookup"] = "by: location\nmap: {A: b}"
    for key, field in yamlfile.key_fields(model).items():
        assert field.description
        for example in field.examples:
            rest = [
                line
                for line in required.get(model.__name__, "").split("\n")
                if not line.startswith(f"{key}:")
            ]
            (tmp_path / "example.yaml").write_text("\n".join([f"{key}: {example}", *rest]))
            assert yamlfile.load(tmp_path / "example.yaml", model) is not None


def test_rules_come_by_the_alphabet_of_their_files(tmp_path: Path) -> None:
    """And within a file as they stand."""
    loaded = load(
        tmp_path, b="- {name: b, priors: [{}]}", a="- {name: z, priors: [{}]}\n- {name: y, priors: [{}]}"
    )
    assert ["z", "y", "b"] == [rule.name for rule in loaded.rules]


def test_fallbacks_have_their_turn_last(tmp_path: Path) -> None:
    """Wherever they stand."""
    loaded = load(tmp_path, a="- {name: f, fallback: true, priors: [{}]}", b="- {name: b, priors: [{}]}")
    assert ["b", "f"] == [rule.name for rule in loaded.in_turn]


def test_only_yaml_files_are_rules(tmp_path: Path) -> None:
    """The schema, a hidden file of an editor and a directory of tests are none."""
    (tmp_path / "tests").mkdir()
    for other in ("schema.json", ".a.yaml", "tests/a.yaml", "notes.txt", "a.yaml~"):
        (tmp_path / other).write_text("not: a rule")
    (tmp_path / "b.yml").write_text(as_file("- {name: b, priors: [{}]}"))
    assert ["a", "b"] == [rule.name for rule in load(tmp_path, a="- {name: a, priors: [{}]}").rules]


def test_the_mistakes_of_all_files_come_at_once(tmp_path: Path) -> None:
    """Nobody mends one file to be told of the next."""
    found = mistakes(tmp_path, a="mode: x", b="- name: b", c="- {name: c, priors: [{}]}")
    assert ["a.yaml:4", "b.yaml:2"] == [mistake.rpartition(": rules")[0][:8] for mistake in found]


def test_two_rules_must_not_have_one_name(tmp_path: Path) -> None:
    """The second is told where the first is."""
    found = mistakes(tmp_path, a="- {name: ct, priors: [{}]}", b="- {name: ct, priors: [{}]}")
    assert [f"b.yaml:2:10: rules.0.name: another rule has the name ct: {tmp_path}/a.yaml:2"] == found


def test_a_rule_and_its_classes_know_their_places(tmp_path: Path) -> None:
    """So that every reason can name them."""
    loaded = load(tmp_path, a="- name: a\n  priors:\n    - newest: 1\n    - oldest: 1")
    rule = loaded.rules[0]
    places = [rule.place, *(one.place for one in rule.priors)]
    assert [f"{tmp_path}/a.yaml:{line}" for line in (2, 4, 5)] == places


def test_a_class_without_a_name_has_a_number(tmp_path: Path) -> None:
    """Reasons need something to call it."""
    loaded = load(tmp_path, a="- {name: a, priors: [{newest: 1}, {name: films}, {newest: 2}]}")
    assert ["class 1", "films", "class 3"] == [one.name for one in loaded.rules[0].priors]


def test_a_rule_that_only_stops_needs_no_priors(tmp_path: Path) -> None:
    """It says that nothing is fetched for its orders."""
    assert load(tmp_path, a="- {name: none, when: {modality: PX}, stop: true}").rules[0].stop


@pytest.mark.parametrize(
    ("pattern", "value", "fits"),
    [
        ("chest", "Chest", True),
        ("chest", "chest pa", False),
        ("*chest*", "CT  CHEST with contrast", True),
        ("ct chest", "CT   Chest", True),
        ("CT?", "CT1", True),
        ("CT?", "CT", False),
        ("CT?", "CT12", False),
        ("*", "", True),
        ("*röntgen*", "Ro\u0308ntgen Thorax", True),
        ("straße", "STRASSE", True),
        ("[ab]", "a", False),
        ("a[b]*", "A[B]C", True),
        ("a.c", "abc", False),
        ("a\nb", "a b", True),
    ],
)
def test_a_pattern_is_compared_with_the_whole_value(pattern: str, value: str, fits: bool) -> None:
    """`*` and `?` are all that is special; case, blanks and the coding of accents do not matter."""
    assert fits is Pattern(pattern).matches(value)


def test_a_pattern_without_wildcards_is_one_value() -> None:
    """And says so, for the warning."""
    assert (True, False) == (Pattern("chest").is_literal, Pattern("chest*").is_literal)


@given(st.text())
def test_any_text_fits_itself_and_the_star(text: str) -> None:
    """Whatever characters it has."""
    assert Pattern(text).matches(text)
    assert Pattern("*").matches(text)


def test_a_pattern_of_many_stars_is_quick() -> None:
    """A careless pattern and a long text do not stop the planner."""
    assert not Pattern("*a" * 40 + "b").matches("a" * 5000)


def test_the_places_that_rules_ask_for_are_known(tmp_path: Path) -> None:
    """In conditions however deep, and in look-ups; so that a change there makes a change of the order."""
    when = "{any: [{hl7: {ZXX-7: A}}, {not: {exists: [PV1-3.4, location]}}, {referring_unit: A}]}"
    loaded = load(
        tmp_path,
        a=f"- {{name: a, when: {when}, to: {{by: PV1-3.1, map: {{A: b}}}}, priors: [{{}}]}}",
        b="- {name: b, priors: [{}]}",
    )
    unit = {"ORC-17.1", "ORC-17.2", "ORC-21.1", "PV1-10.1"}
    assert {"ZXX-7.1", "PV1-3.4", "PV1-3.1", *unit} == set(map(str, loaded.watched))
