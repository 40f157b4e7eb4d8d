"""How every stage lives: do what is due, and wait for the bell, which it rings itself for what it leaves.

A store that is away for a while stops a stage, never the daemon: the work is in the store and waits there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import structlog

from prefetch import bell, errors, health

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between two tries of a store that is away."""


async def work(
    name: str, once: Callable[[], Awaitable[object]], wake: bell.Bell, pulse: health.Pulse
) -> None:
    """Call `once` whenever the bell was struck, until cancelled; it rings where it leaves something due."""
    while True:
        pulse.beat(name)
        try:
            await once()
        except errors.StoreUnavailableError as error:
            log.error("stage_waits", stage=name, because=str(error), retry_seconds=PAUSE)  # noqa: TRY400 (said whole)
            await wake.wait(PAUSE)
            continue
        await wake.wait()
