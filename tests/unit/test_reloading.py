"""What a reload puts in force, what waits for a restart, and what counts as another configuration."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from prefetch import config, fingerprint, reloading
from prefetch.config import Config

LIBRARY = Path(__file__).parents[2] / "rules"
ARCHIVE = {"ae_title": "PACS", "host": "pacs.example.org", "port": "104"}
WORKSTATION = {"ae_title": "READ1", "host": "10.1.2.3", "port": "11112"}


def site(**said: Any) -> Config:
    """A configuration without rules."""
    usual = {"time_zone": "UTC", "archives": {"main": ARCHIVE}, "workstations": {"read1": WORKSTATION}}
    return Config.model_validate(usual | said)


def waits(before: Config, after: Config) -> list[str]:
    """The keys that wait for a restart."""
    return list(reloading.waits_for_restart(reloading.at_start(before), reloading.at_start(after)))


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"time_zone": "Europe/Berlin"}, ["time_zone"]),
        ({"ae_title": "OTHER"}, ["ae_title"]),
        ({"listeners": {"ris": {"port": "2576"}}}, ["listeners.ris"]),
        ({"archives": {"main": ARCHIVE | {"port": "105"}}}, ["archives.main"]),
        ({"archives": {"main": ARCHIVE, "offsite": ARCHIVE}}, ["archives.offsite"]),
        ({"archives": {"other": ARCHIVE}}, ["archives.main", "archives.other"]),
        ({"workstations": {"read1": WORKSTATION | {"query_ae_title": "QR"}}}, ["workstations.read1"]),
        ({"archives": {"main": ARCHIVE | {"send_issuer": "false", "timeouts": {"idle": "2m"}}}}, []),
        ({"archives": {"main": ARCHIVE | {"max_associations": "9", "issuers": {"A": "B"}}}}, []),
        ({"workstations": {"read1": WORKSTATION | {"verify": "counters"}}}, []),
        ({"mode": "observe", "planning": {"answer_limit": "5"}}, []),
    ],
)
def test_sockets_addresses_and_the_store_wait_for_a_restart(changed: Any, expected: list[str]) -> None:
    """All else does not."""
    assert expected == waits(site(), site(**changed))


def test_what_does_not_wait_is_in_force_beside_what_does() -> None:
    """A peer that is gone stays, one that is new is not there, one that has moved is as it was."""
    before = site(
        archives={"main": ARCHIVE, "gone": ARCHIVE}, workstations={"read1": WORKSTATION, "read2": WORKSTATION}
    )
    after = site(
        mode="observe",
        listeners={"ris": {"port": "2576"}},
        archives={"new": ARCHIVE, "main": ARCHIVE | {"send_issuer": "false"}},
        workstations={"read1": WORKSTATION | {"host": "10.9.9.9"}, "read2": WORKSTATION | {"settle": "2s"}},
    )
    result = reloading.in_force(before, after)
    assert ("observe", {}) == (result.mode.value, result.listeners)
    assert {"main": after.archives["main"], "gone": before.archives["gone"]} == result.archives
    assert {
        "read1": before.workstations["read1"],
        "read2": after.workstations["read2"],
    } == result.workstations


@pytest.mark.parametrize(
    ("changed", "differs"),
    [
        ({}, False),
        ({"archives": {"main": ARCHIVE | {"timeouts": {"idle": "2m"}, "rest": {"after": "9"}}}}, False),
        ({"logging": {"level": "debug"}, "drain": "5s"}, False),
        ({"mode": "observe"}, True),
        ({"archives": {"main": ARCHIVE | {"mode": "observe"}}}, True),
        ({"archives": {"main": ARCHIVE | {"patient_ids": {"strip_zeros": "true"}}}}, True),
        ({"identity": {"name_conflict": "quarantine"}}, True),
        ({"limits": {"studies": "3"}}, True),
        ({"retrieval": {"expire_after": "1h"}}, True),
    ],
)
def test_another_configuration_is_one_that_may_decide_otherwise(changed: Any, differs: bool) -> None:
    """How patiently peers are asked decides nothing."""
    assert differs is (site().fingerprint() != site(**changed).fingerprint())


def test_a_comment_is_no_other_rule_and_a_word_is(tmp_path: Path) -> None:
    """Rules count by what they say, a site's own words by their files."""
    (tmp_path / "rules").mkdir()
    rules, words = tmp_path / "rules" / "a.yaml", tmp_path / "codes.csv"
    rules.write_text("version: 1\nrules: [{name: a, priors: [{newest: 1}]}]\n")
    words.write_text("CT1,CT chest\n")
    yaml = tmp_path / "prefetch.yaml"
    yaml.write_text(
        "time_zone: UTC\nrelevance: {procedure_codes: codes.csv}\n"
        "archives: {main: {ae_title: PACS, host: pacs.example.org, port: 104}}\n"
        "workstations: {read1: {ae_title: READ1, verify: counters}}\n"
    )
    known = [config.load(yaml).fingerprint()]
    rules.write_text(f"# why\n{rules.read_text()}")
    known.append(config.load(yaml).fingerprint())
    words.write_text("CT1,CT abdomen\n")
    known.append(config.load(yaml).fingerprint())
    rules.write_text(rules.read_text().replace("newest: 1", "newest: 2"))
    known.append(config.load(yaml).fingerprint())
    assert known[0] == known[1]
    assert 3 == len({*known})


def test_a_fingerprint_is_the_same_in_every_process() -> None:
    """Of each rule of the library: else every start would have every exam planned anew."""
    program = (
        "from pathlib import Path; from prefetch import config;"
        f"print(config.made_up(Path({str(LIBRARY)!r})).fingerprint())"
    )
    found = {
        subprocess.run(
            [sys.executable, "-c", program],
            env=os.environ | {"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert 1 == len(found)


def test_what_says_nothing_of_itself_has_no_fingerprint() -> None:
    """An object's place in memory is no setting."""
    with pytest.raises(TypeError, match="no fingerprint"):
        fingerprint.fingerprint(object())
