"""Stations and codes that rules name, and that no order has: told only where the store knows some."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from prefetch import config, strangers
from prefetch.relevance.codes import ProcedureCodes
from tests.unit.test_crosscheck import SITE

SEEN = strangers.Seen(
    orders=400,
    since=date(2026, 1, 31),
    values={
        "station_ae_title": {"CT1", "MR1", "MR2"},
        "station_name": set(),
        "procedure_code": {"CTCH", "MRKN"},
    },
)
CODES = ProcedureCodes(exact={"PETW": "PET"}, prefixes={"US": "US"})
ONE = "priors: [{newest: 1}]"


def told(directory: Path, rule: str, *, seen: strangers.Seen = SEEN, site: str = SITE) -> list[str]:
    """What is said of a site with one rule, a line of its file each."""
    (directory / "rules").mkdir()
    (directory / "rules" / "a.yaml").write_text(f"rules:\n- {rule}\n")
    (directory / "prefetch.yaml").write_text(site)
    report = config.examine(directory / "prefetch.yaml")
    assert report.site is not None
    found = strangers.find_strangers(report.site, seen, CODES)
    return [str(one).removeprefix(f"{directory}/").removeprefix("rules/") for one in found]


@pytest.mark.parametrize(
    ("rule", "place", "name", "guess"),
    [
        (
            f"{{name: a, when: {{station_ae_title: [CT1, CTI]}}, {ONE}}}",
            "a.yaml:2:44: rules.0.when.station_ae_title.1",
            "station AE title is like CTI",
            "did you mean CT1? known: CT1, MR1, MR2",
        ),
        (
            f"{{name: a, when: {{not: {{any: [{{procedure_code: 'XR*'}}]}}}}, {ONE}}}",
            "a.yaml:2:49: rules.0.when.not.any.0.procedure_code",
            "procedure code is like XR*",
            "known: CTCH, MRKN, PETW",
        ),
        (
            f"{{name: a, to: {{by: station_ae_title, map: {{CT1: room-1, 'DX?': room-2}}}}, {ONE}}}",
            "a.yaml:2:59: rules.0.to.map.DX?",
            "station AE title is like DX?",
            "known: CT1, MR1, MR2",
        ),
    ],
)
def test_a_name_that_no_order_has_is_told(
    tmp_path: Path, rule: str, place: str, name: str, guess: str
) -> None:
    """At its place, with what it may have meant, and from how many orders that is known."""
    evidence = "in the last 400 orders, since 2026-01-31"
    assert [f"{place}: warning: no {name} {evidence}; {guess}"] == told(tmp_path, rule)


@pytest.mark.parametrize(
    "rule",
    [
        f"{{name: a, when: {{station_ae_title: [ct1, 'MR*']}}, {ONE}}}",
        f"{{name: a, when: {{procedure_code: [CTCH, PETW, USABD, 'USL*']}}, {ONE}}}",
        f"{{name: a, when: {{station_name: TOMOGRAPH}}, {ONE}}}",
        f"{{name: a, to: {{by: location, map: {{WEST: [room-1, room-2]}}}}, {ONE}}}",
        f"{{name: a, enabled: false, when: {{station_ae_title: CT9}}, {ONE}}}",
    ],
)
def test_a_name_that_is_known_is_not_told(tmp_path: Path, rule: str) -> None:
    """From an order or from the site's code map; and nothing is said of what no order names at all."""
    assert [] == told(tmp_path, rule)


def test_a_destination_in_the_configuration_is_looked_at_too(tmp_path: Path) -> None:
    """It stands there, and not in the rules."""
    to = "{by: station_ae_title, map: {CT7: room-1}, otherwise: [room-1, room-2]}"
    site = SITE.replace("{to: [room-1, room-2]}", f"{{to: {to}}}")
    (found,) = told(tmp_path, f"{{name: a, {ONE}}}", site=site)
    assert found.startswith(
        "prefetch.yaml:9:45: planning.to.map.CT7: warning: no station AE title is like CT7"
    )


def test_stations_of_a_worklist_are_known(tmp_path: Path) -> None:
    """It is asked for them by name; its first exam may be still to come."""
    worklist = "worklists: {mwl: {ae_title: RIS, host: ris.example.org, port: 104, stations: [CT9]}}\n"
    rule = f"{{name: a, when: {{station_ae_title: CT9}}, {ONE}}}"
    assert [] == told(tmp_path, rule, site=SITE + worklist)


def test_of_many_known_names_the_first_are_shown(tmp_path: Path) -> None:
    """And how many there are more."""
    many = {"station_ae_title": {f"ROOM{number:02}" for number in range(30)}}
    seen = strangers.Seen(orders=400, since=date(2026, 1, 31), values=many)
    (found,) = told(tmp_path, f"{{name: a, when: {{station_ae_title: CT}}, {ONE}}}", seen=seen)
    assert found.endswith("known: ROOM00, ROOM01, ROOM02, ROOM03, ROOM04, ROOM05, ROOM06, ROOM07 and 22 more")
