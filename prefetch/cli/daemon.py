"""The verb `run`: the daemon in the foreground, as systemd wants it."""

from __future__ import annotations

import asyncio
import signal
import sys

from prefetch import errors, logs
from prefetch.cli import terms

TURN = 0.0005
"""Seconds that a thread computes while others wait for their turn; Python's 5 ms are long for who holds an
association, or a RIS that waits for its acknowledgement, and each exchange takes several turns."""


def run(*, config: terms.ConfigOption = None) -> None:
    """Run the daemon until SIGTERM; a second SIGTERM does not wait for what is under way."""
    # A reload that is asked for while the daemon starts would end it; it waits until it is listened to.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGHUP})
    site = terms.load_site(config)
    logs.configure(
        level=site.logging.level,
        form=logs.Format(site.logging.format),
        identifiers=logs.Identifiers(site.logging.identifiers),
    )
    from prefetch import app  # noqa: PLC0415 (DICOM is imported only by who speaks it)

    sys.setswitchinterval(TURN)
    try:
        asyncio.run(app.run(site, terms.place_of(config)))
    except* (errors.StoreError, OSError) as group:
        raised = [error for error in _flat(group) if isinstance(error, (errors.StoreError, OSError))]
        terms.stop(terms.Exit.COULD_NOT_ASK, "; ".join(dict.fromkeys(map(str, raised))))


def _flat(group: BaseExceptionGroup[BaseException]) -> list[BaseException]:
    return [
        error
        for each in group.exceptions
        for error in (_flat(each) if isinstance(each, BaseExceptionGroup) else [each])
    ]
