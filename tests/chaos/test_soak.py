"""A short soak on each store: causes of trouble in the order of the seed, orders before and in each of them.

SOAK_SEED=7 pytest -s tests/chaos/test_soak.py
"""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from tests.chaos import soak

pytestmark = [pytest.mark.peers, pytest.mark.timeout(3600)]

SEED = int(os.environ.get("SOAK_SEED") or random.SystemRandom().randrange(1_000_000))
ORDERS = 80
"""More than what one round of causes asks for."""


@pytest.mark.parametrize("store", ["sqlite", "postgresql"])
def test_what_was_acknowledged_is_ready_or_says_why(store: str, tmp_path: Path) -> None:
    """Nothing is lost, orphaned or another patient's, no traceback comes, and memory is within its bound."""
    report = soak.soak(tmp_path, store=store, seed=SEED, orders=ORDERS, pace=soak.BRISK, rounds=1)
    print(report)  # noqa: T201 (pytest shows it with a failure, and with -s)
    assert {} == report.violations
    assert report.acknowledged > 0
