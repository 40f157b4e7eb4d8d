"""Writes the files of a new site: all of them or none."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

_ENDING = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """Who may read the files; without a mode it is as the umask says."""

    file_mode: int | None = None
    directory_mode: int | None = None
    group: int | None = None


def present(directory: Path, names: Iterable[Path]) -> list[Path]:
    """The files of these names that are there already."""
    return [directory / name for name in names if (directory / name).exists()]


def write(
    directory: Path,
    texts: Mapping[Path, str],
    *,
    access: Access,
    revise: Callable[[Path], Mapping[Path, str]],
) -> None:
    """Write the files, by their places in the directory.

    They are written beside their places first. `revise` looks at them there, and gives what some of them say
    instead, an empty text for one that shall not be.
    """
    with _staged(directory, texts, access) as stage:
        _write_all(stage, texts, access)
        final = {name: text for name, text in {**texts, **revise(stage)}.items() if text}
        _write_all(stage, final, access)
        with undisturbed():
            _put_in_place(stage, directory, final)


def _write_all(stage: Path, texts: Mapping[Path, str], access: Access) -> None:
    for name, text in texts.items():
        file = stage / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        _give(file, access, access.file_mode)


@contextmanager
def _staged(directory: Path, names: Iterable[Path], access: Access) -> Iterator[Path]:
    """A place for the files beside where they belong; directories that were made for them go if they fail."""
    places = {place for name in names for place in (directory / name).parents}
    missing = sorted(place for place in places if not place.exists())
    try:
        for place in missing:
            place.mkdir()
            _give(place, access, access.directory_mode)
        stage = Path(tempfile.mkdtemp(prefix=".prefetch-init-", dir=directory))
        try:
            yield stage
        finally:
            shutil.rmtree(stage)
    except BaseException:
        for place in reversed(missing):
            with suppress(OSError):  # it was not made, or something else came to lie in it
                place.rmdir()
        raise


def _put_in_place(stage: Path, directory: Path, names: Iterable[Path]) -> None:
    """Move the files to their places; where one cannot go, all are again as they were."""
    with ExitStack() as undo:
        for name in names:
            target = directory / name
            if target.exists():
                before = stage / f"{name}.before"
                shutil.copy2(target, before)
                (stage / name).replace(target)
                undo.callback(before.replace, target)
            else:
                (stage / name).replace(target)
                undo.callback(target.unlink)
        undo.pop_all()


def _give(path: Path, access: Access, mode: int | None) -> None:
    if mode is not None:
        path.chmod(mode)
    if access.group is not None:
        os.chown(path, -1, access.group)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Signals that would end us wait until this is done."""
    former = signal.pthread_sigmask(signal.SIG_BLOCK, _ENDING)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, former)
