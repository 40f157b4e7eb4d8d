"""What the stories share: a hospital that ends with the test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.e2e.hospital import Hospital


@pytest.fixture
def hospital(tmp_path: Path) -> Iterator[Hospital]:
    """Empty, and nobody works in it yet."""
    with Hospital(tmp_path) as opened:
        yield opened
