"""Where the time comes from: one function, given to every stage, so that a test may stand at any hour."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

Now = Callable[[], datetime]
"""Gives the present moment, aware, in UTC."""


def now() -> datetime:
    """The present moment of this machine's clock."""
    return datetime.now(UTC)
