"""For all tests: a busy machine is not a failure, and what a test has to tell is printed at the end."""

from __future__ import annotations

import hypothesis
import pytest

hypothesis.settings.register_profile("full", deadline=None)
hypothesis.settings.register_profile("quick", deadline=None, max_examples=25)
hypothesis.settings.load_profile("full")  # `--hypothesis-profile=quick` is what `make quick` takes instead


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print the story of each test that told one, with `record_property("story", …)`."""
    for report in [*terminalreporter.getreports("passed"), *terminalreporter.getreports("failed")]:
        for story in (value for name, value in report.user_properties if name == "story"):
            terminalreporter.section(report.nodeid)
            terminalreporter.write_line(str(story))
