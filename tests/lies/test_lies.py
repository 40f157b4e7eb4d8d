"""Every lie of the sandbox against the real daemon, side by side in one run."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from prefetch.sandbox.faults import FAULTS
from tests.lies import page, run
from tests.lies.cases import CASES, Case
from tests.lies.run import Observation

pytestmark = [pytest.mark.xdist_group("lies"), pytest.mark.timeout(1800)]


@pytest.fixture(scope="module")
def seen() -> Mapping[str, Observation]:
    """What came of each lie."""
    return run.observe()


@pytest.mark.parametrize("key", CASES)
def test_lie_is_survived(seen: Mapping[str, Observation], key: str) -> None:
    """Its timer, its outcome, its state, its line in the log, and what the operator sees."""
    case, now = CASES[key], seen[key]
    assert _expected(case) == (
        now.find,
        now.moves,
        now.states,
        now.readiness,
        now.timers,
        now.honest,
    ), now
    assert any(case.logs in line for line in now.log), now
    assert _tells(case.says, now.says), now
    assert _tells(case.leaves, now.leaves), now
    assert _tells(case.trouble, now.trouble), now


def test_page_tells_what_was_seen(seen: Mapping[str, Observation]) -> None:
    """The manual's page is what a fresh run writes; `python -m tests.lies` writes it anew."""
    committed = page.PAGE.read_text(encoding="utf-8")
    assert page.with_lies(committed, seen) == committed


def test_no_fault_is_forgotten() -> None:
    """Whatever the sandbox can show has its row."""
    assert set(FAULTS) == set(CASES)


def _expected(case: Case) -> tuple[object, ...]:
    return case.find, case.moves, case.states, case.readiness, case.timers, case.honest


def _tells(part: str, words: tuple[str, ...]) -> bool:
    """Whether the part was said; what is expected to be silent must be."""
    return any(part in word for word in words) if part else not words
