"""Structured logs: JSON lines under systemd, readable on a terminal; one line a finished thing.

Names, birth dates and raw HL7 have no place in a log at INFO; identifiers appear by the site's policy
(design, section 11).
"""

from __future__ import annotations

import hashlib
import logging
import sys
import threading
import traceback
from collections.abc import Mapping, MutableMapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TextIO

import structlog

IDENTIFIERS = (
    "patient_id",
    "accession_number",
    "placer_order_number",
    "filler_order_number",
    "order",
    "study_instance_uid",
)
"""Keys whose values name a person's records."""


class Identifiers(StrEnum):
    """How identifiers appear in the log."""

    PLAIN = "plain"
    HASHED = "hashed"
    NONE = "none"


class Format(StrEnum):
    """How a line looks."""

    AUTO = "auto"
    JSON = "json"
    CONSOLE = "console"


def _hashed(value: object) -> str:
    return hashlib.sha256(str(value).encode()).hexdigest()[:12]


class IdentifierPolicy:
    """A structlog processor that hashes or drops identifiers."""

    def __init__(self, policy: Identifiers) -> None:
        self._policy = policy

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> Mapping[str, Any]:
        """Treat the identifiers of one line."""
        if self._policy is Identifiers.PLAIN:
            return event
        for key in IDENTIFIERS:
            if key in event and event[key] is not None:
                if self._policy is Identifiers.NONE:
                    del event[key]
                else:
                    event[key] = _hashed(event[key])
        return event


def configure(
    *,
    level: str = "info",
    form: Format = Format.AUTO,
    identifiers: Identifiers = Identifiers.PLAIN,
    stream: TextIO | None = None,
) -> None:
    """Set up structlog and quieten the libraries; called once by the command that starts."""
    out = stream or sys.stderr
    number = logging.getLevelNamesMapping()[level.upper()]
    pretty = form is Format.CONSOLE or (form is Format.AUTO and out.isatty())
    renderer: structlog.typing.Processor = (
        structlog.dev.ConsoleRenderer() if pretty else structlog.processors.JSONRenderer(default=str)
    )
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            IdentifierPolicy(identifiers),
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(number),
        logger_factory=structlog.PrintLoggerFactory(out),
        cache_logger_on_first_use=True,
    )
    # Libraries narrate through logging; what matters of it we say ourselves, the rest is a line like ours.
    logging.basicConfig(handlers=[_Libraries()], level=logging.WARNING, force=True)
    logging.captureWarnings(capture=True)
    for narrator, level_of_it in _NARRATORS.items():
        logging.getLogger(narrator).setLevel(level_of_it)
    threading.excepthook = _tell_of_thread


_NARRATORS = {"pynetdicom": logging.CRITICAL, "pydicom": logging.CRITICAL, "apscheduler": logging.ERROR}
"""Library → from which level on it is heard: what peers send is told by us, a chore that failed is not."""


class _Libraries(logging.Handler):
    """Writes what a library logs, or warns of, as one line of our own log."""

    def emit(self, record: logging.LogRecord) -> None:
        """Write a record; its traceback is cut to the error."""
        error = record.exc_info[1] if record.exc_info else None
        structlog.get_logger().log(
            record.levelno,
            "library_said",
            library=record.name,
            message=" ".join(record.getMessage().split()),
            error=repr(error) if error else None,
        )


def _tell_of_thread(failed: threading.ExceptHookArgs) -> None:
    """Say in one line that a library's thread ended by an error; the association it served ends with it."""
    where = traceback.extract_tb(failed.exc_traceback)[-1:] if failed.exc_traceback else []
    structlog.get_logger().error(
        "thread_failed",
        thread=failed.thread.name if failed.thread else None,
        error=repr(failed.exc_value),
        where=", ".join(f"{Path(frame.filename).name}:{frame.lineno}" for frame in where),
    )
