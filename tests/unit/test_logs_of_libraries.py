"""Libraries' words and the errors of their threads are lines of our own log, one each."""

from __future__ import annotations

import io
import json
import logging
import threading
import warnings

import pytest

from prefetch import logs


@pytest.fixture
def stream() -> io.StringIO:
    """A log of JSON lines."""
    written = io.StringIO()
    logs.configure(form=logs.Format.JSON, stream=written)
    return written


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    """Each line, read as JSON."""
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_librarys_warning_is_one_line(stream: io.StringIO) -> None:
    """Of JSON, where the log is JSON, whatever line ends it holds."""
    logging.getLogger("sqlalchemy.pool").warning("two\nlines\x1b[31m")
    with warnings.catch_warnings():
        # This one only: another test's socket may be collected, and warn, at this very moment.
        warnings.filterwarnings("always", message="an odd value")
        warnings.warn("an odd value", UserWarning, stacklevel=1)
    first, second = lines(stream)
    assert ("library_said", "warning") == (first["event"], first["level"])
    assert "two lines" in str(first["message"])
    assert "an odd value" in str(second["message"])


def test_a_thread_that_fails_is_one_line(stream: io.StringIO) -> None:
    """And no traceback beside the log."""

    def fail() -> None:
        raise KeyError("no such reason")

    thread = threading.Thread(target=fail, name="association")
    thread.start()
    thread.join()
    (line,) = lines(stream)
    assert ("thread_failed", "association", "KeyError('no such reason')") == (
        line["event"],
        line["thread"],
        line["error"],
    )
