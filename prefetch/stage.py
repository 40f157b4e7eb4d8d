"""Keeps every stage at work: it does what is due and waits for the bell, which it rings for what it leaves.

A store that is away for a while stops a stage, never the daemon: the work is in the store and waits there.
Nor does a mistake of ours end the daemon; the row that meets it is set aside by its stage, and here the stage
begins again. Only a store that must not be used at all ends everything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from prefetch import bell, errors, health

log = structlog.get_logger()

PAUSE = 1.0
"""Seconds between two tries after a failure."""


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
        except errors.StoreRefusedError:
            raise
        except Exception:  # a row that we cannot work on must not stop the hospital
            log.exception("stage_failed", stage=name, retry_seconds=PAUSE)
            await asyncio.sleep(PAUSE)
            continue
        await wake.wait()
