"""`prefetch init` as a person meets it: on a terminal, with mistakes, second thoughts and Ctrl-C."""

from __future__ import annotations

import os
import pty
import re
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from prefetch import config
from tests import peers

PATIENCE = 60
CTRL_C, CTRL_D = "\x03", "\x04"
QUICK = (
    "--ae-title",
    "PREFETCH",
    "--time-zone",
    "UTC",
    "--listen",
    "2575",
    "--patient",
    "P1",
    "--rules",
    "all",
)
"""What leaves only archives and workstations to be asked for."""


class Terminal:
    """A terminal of 80 columns with a program on it; `expect` waits for words, `type` answers."""

    def __init__(self, descriptor: int, process: subprocess.Popen[bytes]) -> None:
        self.screen = ""
        self._unread = 0
        self._descriptor = descriptor
        self._process = process

    def expect(self, words: str) -> None:
        """Read until these words come."""
        while words not in self.screen[self._unread :]:
            piece = self._read()
            assert piece, f"“{words}” never came:\n{self.screen}"
            self.screen += piece
        self._unread = self.screen.index(words, self._unread) + len(words)

    def type(self, text: str) -> None:
        """Answer with a line."""
        self.press(f"{text}\n")

    def press(self, keys: str) -> None:
        """Press keys, Enter being one of them."""
        os.write(self._descriptor, keys.encode())

    def end(self) -> int:
        """Read to the end and give the exit status."""
        while piece := self._read():
            self.screen += piece
        return self._process.wait()

    def leave(self, key: str) -> int:
        """Press a key until it ends, as a person does, and give the exit status.

        Python overlooks a Ctrl-C between the prompt and the wait for an answer, and takes the next one.
        """
        for _ in range(PATIENCE):
            with suppress(OSError):  # it has ended since
                self.press(key)
            if select.select([self._descriptor], [], [], 1)[0] and not self._read_all():
                break
        return self._process.wait()

    def _read_all(self) -> str:
        """Read until nothing comes for a second; empty at the end."""
        while select.select([self._descriptor], [], [], 1)[0]:
            if not (piece := self._read()):
                return ""
            self.screen += piece
        return self.screen

    def _read(self) -> str:
        waits, _, _ = select.select([self._descriptor], [], [], PATIENCE)
        assert waits, f"nothing more came in {PATIENCE} s:\n{self.screen}"
        with suppress(OSError):  # the end of the program closes the terminal
            return re.sub(r"\s+", " ", os.read(self._descriptor, 4096).decode(errors="replace"))
        return ""


@contextmanager
def terminal(*words: str) -> Iterator[Terminal]:
    """Run `prefetch init` on a terminal; it has ended when we leave."""
    ours, theirs = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "prefetch", "init", *words],
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=_take_terminal,  # noqa: PLW1509 (so that Ctrl-C reaches it; it has no threads yet)
    ) as process:
        os.close(theirs)
        try:
            yield Terminal(ours, process)
        finally:
            process.kill()
            os.close(ours)


def _take_terminal() -> None:
    import fcntl  # noqa: PLC0415 (runs in the child)
    import termios  # noqa: PLC0415 (the same)

    fcntl.ioctl(0, termios.TIOCSCTTY, 0)


@contextmanager
def silent_peer() -> Iterator[int]:
    """A port where connections are taken and nothing is ever said."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def test_a_mistake_is_asked_for_again_and_a_silent_archive_typed_again(tmp_path: Path) -> None:
    """What was mistyped is tried once more, and what is to be left out is not written."""
    site, port = tmp_path / "site", peers.free_port()
    with terminal(str(site), *QUICK) as screen:
        screen.expect("Archive 1:")
        screen.type("")
        screen.expect("At least one is needed")
        screen.type("PACS")
        screen.expect("lacks an address")
        screen.type(f"PACS@127.0.0.1:{port}")
        screen.expect("Archive 2")
        screen.type(f"again=PACS@127.0.0.1:{port}")
        screen.expect("is there already")
        screen.type(f"VAULT@127.0.0.1:{port}")
        screen.expect("Archive 3")
        screen.type("")
        screen.expect("Workstation 1:")
        screen.type("READ1")
        screen.expect("Workstation 2")
        screen.type("")
        screen.expect("pacs does not answer")
        screen.type("x")
        screen.expect("Type k or t or l.")
        screen.type("t")
        screen.expect(f"Archive [PACS@127.0.0.1:{port}]:")
        screen.type(f"main=OTHER@127.0.0.1:{port}")
        screen.expect("vault does not answer")
        screen.type("l")
        screen.expect("Trying one peer")
        screen.expect("main does not answer: k = keep it, t = type it again [k]")
        screen.type("")
        assert 0 == screen.end(), screen.screen
    loaded = config.load(site / "prefetch.yaml")
    assert {"main": "OTHER"} == {name: archive.ae_title for name, archive in loaded.archives.items()}


@pytest.mark.parametrize("key", [CTRL_C, CTRL_D])
@pytest.mark.parametrize("question", ["Directory", "AE title", "Archive 1"])
def test_who_ends_it_at_a_question_leaves_nothing(question: str, key: str, tmp_path: Path) -> None:
    """And is told so."""
    before = set(tmp_path.iterdir())
    words = [] if question == "Directory" else [str(tmp_path / "site")]
    with terminal(*words, *(QUICK if question == "Archive 1" else ())) as screen:
        screen.expect(question)
        screen.expect(": ")  # only now it listens to keys
        assert 1 == screen.leave(key), screen.screen
    assert "nothing was written" in screen.screen
    assert "Traceback" not in screen.screen
    assert before == set(tmp_path.iterdir())


def test_who_ends_it_while_peers_are_tried_leaves_nothing(tmp_path: Path) -> None:
    """A peer that takes the connection and says nothing does not hold it up."""
    site = tmp_path / "site"
    with (
        silent_peer() as port,
        terminal(
            str(site), *QUICK, "--archive", f"PACS@127.0.0.1:{port}", "--workstation", "READ1"
        ) as screen,
    ):
        screen.expect("Trying 2 peers")
        assert 1 == screen.leave(CTRL_C), screen.screen
    assert "nothing was written" in screen.screen
    assert "Traceback" not in screen.screen
    assert not site.exists()


def test_a_peer_that_says_nothing_is_told_and_kept(tmp_path: Path) -> None:
    """After some seconds, with what to do."""
    site = tmp_path / "site"
    with (
        silent_peer() as port,
        terminal(
            str(site), *QUICK, "--archive", f"PACS@127.0.0.1:{port}", "--workstation", "READ1"
        ) as screen,
    ):
        screen.expect("did not answer the association request")
        screen.expect("pacs does not answer")
        screen.type("k")
        assert 0 == screen.end(), screen.screen
    assert ["pacs"] == list(config.load(site / "prefetch.yaml").archives)


def test_a_pipe_is_told_what_is_missing(tmp_path: Path) -> None:
    """With 2, and nothing is written."""
    done = subprocess.run(
        [sys.executable, "-m", "prefetch", "init", str(tmp_path / "site")],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    assert 2 == done.returncode
    assert "--archive PACS@pacs.example.org:104" in done.stderr
    assert "--workstation READ1@10.1.2.3:11112" in done.stderr
    assert not (tmp_path / "site").exists()
