"""For all tests: a busy machine is not a failure, and what a test has to tell is printed at the end."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator

import hypothesis
import pytest
import structlog

hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.load_profile("full")  # `--hypothesis-profile=quick` is what `make quick` takes instead


@pytest.fixture(autouse=True)
def logs_as_before() -> Iterator[None]:
    """Undo what the test, or a command within it, set up for its log: its stream is closed by now."""
    handlers, level, hook = logging.root.handlers[:], logging.root.level, threading.excepthook
    yield
    logging.captureWarnings(capture=False)
    logging.root.handlers, threading.excepthook = handlers, hook
    logging.root.setLevel(level)
    structlog.reset_defaults()


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the story of each test that told one, with `record_property("story", …)`."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for story in (value for name, value in report.user_properties if name == "story"):
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line(str(story))
