"""What is wrong or suspicious in a configuration and its rules together."""

from __future__ import annotations

from pathlib import Path

import pytest

from prefetch import config

SITE = """\
time_zone: Europe/Berlin
listeners: {ris: {port: 2575}}
archives:
  main: {ae_title: PACS, host: pacs.example.org, port: 104}
  offsite: {ae_title: VAULT, host: vault.example.org, port: 104}
workstations:
  room-1: {ae_title: READ1, verify: counters}
  room-2: {ae_title: READ2, verify: counters}
planning: {to: [room-1, room-2]}
"""
RULE = "{name: a, priors: [{newest: 1}]}"


def problems(directory: Path, *said: str, site: str = SITE, severity: str = "error") -> list[str]:
    """What is said of a site with these rules, a line of its file each."""
    (directory / "rules").mkdir(exist_ok=True)
    (directory / "rules" / "a.yaml").write_text("rules:\n" + "".join(f"- {rule}\n" for rule in said))
    (directory / "prefetch.yaml").write_text(site)
    report = config.examine(directory / "prefetch.yaml")
    found = [problem for problem in report.problems if problem.severity == severity]
    assert (report.config is None) is any(problem.severity == "error" for problem in report.problems)
    return [str(problem).removeprefix(f"{directory}/").removeprefix("rules/") for problem in found]


def warnings(directory: Path, *said: str, site: str = SITE) -> list[str]:
    """What is suspicious, without the word that says so."""
    return [one.replace("warning: ", "") for one in problems(directory, *said, site=site, severity="warning")]


def test_a_site_that_is_right_has_nothing_to_say(tmp_path: Path) -> None:
    """No error, no warning."""
    assert ([], []) == (problems(tmp_path, RULE), warnings(tmp_path, RULE))


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (
            "{name: a, from: [main, ofsite], priors: [{newest: 1}]}",
            "a.yaml:2:26: rules.0.from.1: no archive is called ofsite; did you mean offsite?",
        ),
        (
            "{name: a, from: tape, priors: [{newest: 1}]}",
            "a.yaml:2:19: rules.0.from: no archive is called tape; possible: main, offsite",
        ),
        (
            "{name: a, from: {archives: [main, tape], use: as needed}, priors: [{newest: 1}]}",
            "a.yaml:2:37: rules.0.from.archives.1: no archive is called tape; possible: main, offsite",
        ),
        (
            "{name: a, feeds: [ris, res], priors: [{newest: 1}]}",
            "a.yaml:2:26: rules.0.feeds.1: no feed is called res; did you mean ris?",
        ),
        (
            "{name: a, when: {not: {feed: [submit, PACS]}}, priors: [{newest: 1}]}",
            "a.yaml:2:41: rules.0.when.not.feed.1: no feed is called PACS; possible: ris, submit, by hand",
        ),
        (
            "{name: a, to: room-3, priors: [{newest: 1}]}",
            "a.yaml:2:17: rules.0.to: no workstation is called room-3; did you mean room-2?",
        ),
        (
            "{name: a, to: {by: location, map: {X: [room-1, x]}}, priors: [{newest: 1}]}",
            "a.yaml:2:50: rules.0.to.map.X.1: no workstation is called x; possible: room-1, room-2",
        ),
        (
            "{name: a, to: {by: location, map: {X: room-1}, otherwise: y}, priors: [{newest: 1}]}",
            "a.yaml:2:61: rules.0.to.otherwise: no workstation is called y; possible: room-1, room-2",
        ),
        (
            "{name: a, fetch_from: 10m before exam, priors: [{newest: 1}]}",
            "a.yaml:2:25: rules.0.fetch_from: the fetch may begin 10m before exam and must be ready 30m",
        ),
        (
            "{name: a, ready_by: 24h before exam, priors: [{newest: 1}]}",
            "a.yaml:2:23: rules.0.ready_by: the fetch may begin 24h before exam and must be ready 24h",
        ),
    ],
)
def test_a_rule_must_fit_the_site(tmp_path: Path, rule: str, problem: str) -> None:
    """Unknown names and impossible times are errors at load, at the very value."""
    (found,) = problems(tmp_path, rule)
    assert found.startswith(problem)


def test_a_rule_that_is_switched_off_must_fit_too(tmp_path: Path) -> None:
    """It will be switched on some night."""
    assert problems(tmp_path, "{name: a, enabled: false, from: x, priors: [{newest: 1}]}")


def test_a_fetch_when_ordered_is_never_too_late(tmp_path: Path) -> None:
    """It begins at once."""
    assert [] == problems(tmp_path, "{name: a, fetch_from: when ordered, priors: [{newest: 1}]}")


def test_an_unknown_workstation_in_the_configuration_is_told_there(tmp_path: Path) -> None:
    """Not at every rule that relies on it."""
    found = problems(tmp_path, RULE, site=SITE.replace("[room-1, room-2]", "[room-1, room]"))
    message = "no workstation is called room; did you mean room-2? possible: room-1, room-2"
    assert [f"prefetch.yaml:9:25: planning.to.1: {message}"] == found


def test_with_several_workstations_somebody_must_say_which(tmp_path: Path) -> None:
    """The rule, or the configuration for all rules."""
    site = SITE.replace("planning: {to: [room-1, room-2]}\n", "")
    told = "{name: b, to: room-1, priors: [{newest: 1}]}"
    found = problems(tmp_path, RULE, told, "{name: c, stop: true}", site=site)
    message = (
        "says no `to`; there are several workstations, so say it here or in planning.to of prefetch.yaml"
    )
    assert [f"a.yaml:2:3: rules.0: {message}"] == found


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        ("READ2", "READ1", "prefetch.yaml:8:3: workstations.room-2: room-2 has the same AE Title as room-1"),
        (
            "{ae_title: VAULT, host: vault",
            "{ae_title: PACS, host: pacs",
            "prefetch.yaml:5:3: archives.offsite: offsite is the same as main",
        ),
        (
            "{ris: {port: 2575}}",
            "{ris: {port: 2575}, pas: {port: 2575}}",
            "prefetch.yaml:2:32: listeners.pas: pas listens at the same place as ris",
        ),
    ],
)
def test_no_peer_stands_there_twice(tmp_path: Path, old: str, new: str, problem: str) -> None:
    """A copied line that was not changed is found."""
    assert [problem] == problems(tmp_path, RULE, site=SITE.replace(old, new))


def test_listeners_at_free_ports_do_not_meet(tmp_path: Path) -> None:
    """Port 0 is another one each time."""
    assert [] == problems(tmp_path, RULE, site=SITE.replace("{port: 2575}", "{port: 0}, pas: {port: 0}"))


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (
            "{name: a, priors: [{modality: CT}]}",
            "a.yaml:2:22: rules.0.priors.0: fetches without limit: give it `newest`, or the rule `limits`",
        ),
        (
            "{name: a, when: {procedure_description: chest}, priors: [{newest: 1}]}",
            "a.yaml:2:43: rules.0.when.procedure_description: matches only a description that is just",
        ),
        (
            "{name: a, when: {any: [{not: {procedure_description: [x]}}, {all: [{modality: CT}]}]}, stop: 1}",
            "a.yaml:2:57: rules.0.when.any.0.not.procedure_description.0: matches",
        ),
        (
            "{name: a, priors: [{newest: 1, description: thorax}]}",
            "a.yaml:2:47: rules.0.priors.0.description: matches only a description that is just “thorax”",
        ),
        (
            "{name: a, priors: [{newest: 1, exclude: {description: biopsy}}]}",
            "a.yaml:2:57: rules.0.priors.0.exclude.description: matches only a description that is",
        ),
        (
            "{name: a, priors: [{newest: 1, exclude: [{modality: US}, {description: [a b, biopsy]}]}]}",
            "a.yaml:2:80: rules.0.priors.0.exclude.1.description.1: matches only a description that is just",
        ),
    ],
)
def test_what_is_suspicious_is_told(tmp_path: Path, rule: str, warning: str) -> None:
    """It is legal all the same."""
    assert any(found.startswith(warning) for found in warnings(tmp_path, rule))


@pytest.mark.parametrize(
    "rule",
    [
        "{name: a, priors: [{modality: CT}], limits: {studies: 5}}",
        "{name: a, when: {procedure_description: [OPG, 'opg *', '* opg']}, priors: [{newest: 1}]}",
        "{name: a, priors: [{modality: CT}], limits: {instances: 5}}",
        "{name: a, priors: [{oldest: 1}]}",
        "{name: a, when: {procedure_description: 'CT chest'}, priors: [{newest: 1}]}",
        "{name: a, when: {procedure_code: CTCH}, priors: [{newest: 1, description: '*chest*'}]}",
    ],
)
def test_what_is_usual_is_not_suspicious(tmp_path: Path, rule: str) -> None:
    """A warning that cries wolf is read no more."""
    assert [] == warnings(tmp_path, rule)


def test_a_rule_behind_one_that_takes_all_is_told(tmp_path: Path) -> None:
    """It never has its turn."""
    found = warnings(
        tmp_path,
        "{name: some, when: {modality: CT}, stop: true}",
        "{name: all, stop: true, priors: [{newest: 1}]}",
        "{name: behind, priors: [{newest: 1}]}",
        "{name: last, fallback: true, priors: [{newest: 1}]}",
    )
    message = (
        "is never looked at: all (a.yaml:3) matches every order and stops; "
        "put this rule before it, or narrow that one"
    )
    assert [f"a.yaml:4:3: rules.2: {message}", f"a.yaml:5:3: rules.3: {message}"] == found


def test_a_fallback_beside_a_rule_for_all_is_told(tmp_path: Path) -> None:
    """It never matches."""
    found = warnings(tmp_path, "{name: last, fallback: true, priors: [{newest: 1}]}", RULE)
    message = "never matches: a (a.yaml:3) matches every order; narrow that rule, or leave `fallback` out"
    assert [f"a.yaml:2:26: rules.0.fallback: {message}"] == found


def test_peers_that_nothing_uses_are_told(tmp_path: Path) -> None:
    """Most likely a rule was forgotten."""
    found = warnings(
        tmp_path,
        "{name: a, from: main, to: {by: location, map: {X: room-2}}, priors: [{newest: 1}]}",
        "{name: b, enabled: false, priors: [{newest: 1}]}",
    )
    assert [
        "prefetch.yaml:5:3: archives.offsite: no rule asks this archive",
        "prefetch.yaml:7:3: workstations.room-1: no rule sends anything to this workstation",
    ] == found


def test_a_site_that_does_nothing_is_told(tmp_path: Path) -> None:
    """No order comes in, or no rule is on."""
    silent = SITE.replace("listeners: {ris: {port: 2575}}\n", "")
    assert ["prefetch.yaml:1:1: neither listener nor worklist: no order will ever come"] == warnings(
        tmp_path, RULE, site=silent
    )
    off = warnings(tmp_path, "{name: a, enabled: false, priors: [{newest: 1}]}")
    assert ["prefetch.yaml:1:1: rules: every rule is switched off"] == off


def test_a_listener_of_a_sender_must_be_one(tmp_path: Path) -> None:
    """By its name in this file, or `submit`."""
    site = f"{SITE}senders: {{old: {{listener: [ris, rsi]}}, by-hand: {{listener: submit}}}}\n"
    said = "no listener is called rsi; did you mean ris? possible: ris, submit"
    assert [f"prefetch.yaml:10:33: senders.old.listener.1: {said}"] == problems(tmp_path, RULE, site=site)


def test_a_sender_behind_one_that_fits_all_is_told(tmp_path: Path) -> None:
    """The first that fits is taken."""
    site = f"{SITE}senders:\n  any: {{character_set: CP1250}}\n  old: {{application: OLDRIS}}\n"
    assert [
        "prefetch.yaml:12:3: senders.old: is never taken: any comes before it and fits every message"
    ] == warnings(tmp_path, RULE, site=site)


@pytest.mark.parametrize(
    ("said", "problem"),
    [
        ("{vocabulary: words}", "words:1:1: is not a directory"),
        ("{grading: tables}", "tables:1:1: is not a directory"),
        ("{procedure_codes: codes.csv}", "codes.csv:1:1: cannot be read: No such file or directory"),
    ],
)
def test_a_sites_own_words_must_be_there(tmp_path: Path, said: str, problem: str) -> None:
    """A daemon that goes without them would choose other priors."""
    assert [problem] == problems(tmp_path, RULE, site=f"{SITE}relevance: {said}\n")


def test_a_sites_own_words_and_codes_describe_its_orders(tmp_path: Path) -> None:
    """They begin at the directory of the configuration."""
    (tmp_path / "codes.csv").write_text("code,words\nK7,CT chest\n")
    problems(tmp_path, RULE)
    (tmp_path / "prefetch.yaml").write_text(f"{SITE}relevance: {{procedure_codes: codes.csv}}\n")
    loaded = config.load(tmp_path / "prefetch.yaml")
    assert ("chest",) == loaded.comparison.describe("", code="K7").regions


IDS = SITE.replace(
    "main: {", "main: {issuers: {HOSP: GENERAL}, patient_ids_of: {hosp: {pad_to: 8}, KLINIK: {pad_to: 8}}, "
)


def test_a_form_of_ids_that_are_never_asked_for_is_suspicious(tmp_path: Path) -> None:
    """Its authority is probably misspelt; an archive without `issuers` is asked for every ID."""
    found = warnings(tmp_path, RULE, site=IDS)
    assert [one.partition(": ")[2] for one in found] == [
        "archives.main.patient_ids_of.KLINIK: KLINIK is not among the issuers of main: never asked for it"
    ]


def test_a_domain_that_no_archive_knows_is_suspicious(tmp_path: Path) -> None:
    """Where every archive says whose IDs it knows."""
    site = SITE.replace("port: 104}", "port: 104, issuers: {HOSP: HOSP}}")
    pix = "identity: {pix: {host: mpi, port: 3600, domains: {HOSP: HOSP, CLINIC: CLINIC}}}\n"
    found = warnings(tmp_path, RULE, site=site + pix)
    assert [one.partition(": ")[2] for one in found] == [
        "identity.pix.domains.CLINIC: no archive is asked for IDs of CLINIC: it is among the issuers of none"
    ]
    assert warnings(tmp_path, RULE, site=SITE + pix) == []


@pytest.mark.parametrize(
    ("rule", "warning"),
    [
        (
            "{name: a, from: {archives: main, use: as needed}, priors: [{newest: 1}]}",
            "a.yaml:2:41: rules.0.from.use: as needed says nothing of a single archive",
        ),
        (
            "{name: a, from: {use: as needed}, priors: [{within: 1y}], limits: {instances: 9}}",
            "a.yaml:2:25: rules.0.from.use: every archive is asked all the same: class 1 never has enough",
        ),
    ],
)
def test_a_way_to_use_archives_that_changes_nothing(tmp_path: Path, rule: str, warning: str) -> None:
    """It looks like a choice, and is none."""
    assert any(one.startswith(warning) for one in warnings(tmp_path, rule, RULE.replace("a,", "b,")))


@pytest.mark.parametrize(
    ("said", "warning"),
    [
        (
            'fetch_from: 4h before exam, windows: "20:00-06:00"',
            "windows: may be closed for 14h on end, and a fetch has 210m: where none opens in time, fetch",
        ),
        ('windows: "sat-sun 00:00-24:00"', "windows: may be closed for 5d on end, and a fetch has 1410m"),
        ("if_no_window: skip", "if_no_window: says nothing without `windows`"),
    ],
)
def test_windows_that_may_not_open_in_time(tmp_path: Path, said: str, warning: str) -> None:
    """Who wrote them did not mean that most exams never see one open."""
    (found,) = warnings(tmp_path, f"{{name: a, {said}, priors: [{{newest: 1}}]}}")
    assert f"rules.0.{warning}" in found


@pytest.mark.parametrize(
    "said", ['windows: "20:00-06:00"', 'fetch_from: when ordered, windows: "sun 01:00-02:00"']
)
def test_windows_that_open_in_time_are_no_matter(tmp_path: Path, said: str) -> None:
    """Every exam sees one, or may."""
    assert [] == warnings(tmp_path, f"{{name: a, {said}, priors: [{{newest: 1}}]}}")
