"""Archives that answer more than anybody could want cost little memory, and everybody else is served."""

from __future__ import annotations

import pytest

from tests.bench import worst_peers
from tests.e2e.hospital import Hospital

pytestmark = [pytest.mark.peers, pytest.mark.timeout(900)]

SLACK = 100.0
"""Megabytes that another machine's allocator may need beside the bound."""


def test_the_worst_archives_together_cost_no_memory(hospital: Hospital) -> None:
    """Two exams have their priors from the honest archive beside them, and the daemon ends in order."""
    cost = worst_peers.measure(hospital, [*worst_peers.KINDS, worst_peers.DRIP])
    assert (True, 0) == (cost.peak < worst_peers.BOUND + SLACK, cost.status)
