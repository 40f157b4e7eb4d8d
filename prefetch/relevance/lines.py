"""The lines of a data file: one thing a line, in columns that tabs part; `#` begins a comment."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from prefetch import errors


def read(file: Path) -> Iterator[tuple[int, str]]:
    """The lines that say something, with their numbers; raises `ConfigurationError`."""
    try:
        text = file.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise errors.ConfigurationError([problem(file, 1, f"cannot be read: {error.strerror}")]) from error
    except UnicodeDecodeError as error:
        place = error.object.count(b"\n", 0, error.start) + 1
        raise errors.ConfigurationError([problem(file, place, "is not UTF-8; save it so")]) from error
    for number, line in enumerate(text.splitlines(), 1):
        if line.strip() and not line.startswith("#"):
            yield number, line


def files(directory: Path) -> list[Path]:
    """The data files of a directory by name; raises `ConfigurationError`."""
    if not directory.is_dir():
        raise errors.ConfigurationError([problem(directory, 1, "is not a directory")])
    return sorted(directory.glob("*.tsv"))


def problem(file: Path, line: int, message: str) -> errors.Problem:
    """A mistake in a line of a file."""
    return errors.Problem(file=file, line=line, column=1, path="", message=message)
