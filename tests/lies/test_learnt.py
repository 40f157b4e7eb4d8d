"""`prefetch echo` tells what the daemon that runs has learnt of an archive's manners."""

from __future__ import annotations

import time
from pathlib import Path

from prefetch.sandbox.quirks import QUIRKS
from tests.lies import anna
from tests.lies.premises import Premises


def test_echo_shows_what_was_learnt(tmp_path: Path) -> None:
    """How it is asked and how it moves, and why; without a daemon only what is kept in the store."""
    with Premises(tmp_path) as premises:
        premises.workstation("room")
        stubborn = [anna.study("first"), anna.study("second")]
        premises.archive("stubborn", QUIRKS["refuses-empty-uid"], "list-refused", holds=stubborn)
        premises.archive("plain")
        premises.rule(code="CT", archives=["stubborn", "plain"], workstation="room")
        premises.open()
        premises.book([anna.booking()])
        anna.await_ready(premises)
        deadline = time.monotonic() + anna.PATIENCE
        while len(learnt := premises.learnt("stubborn")) < 3:
            assert time.monotonic() < deadline, learnt
            time.sleep(0.2)
        issuers, asked, moved = learnt
        assert issuers == "studies name no issuer: asked by the patient ID alone"
        assert asked.startswith(
            "STUDY is asked by Study Root, all keys, and * for any UID, because of: 0xA900"
        )
        assert moved.startswith("studies are moved one by one until ")
        assert premises.learnt("plain") == []
        premises.daemon.stop()
        assert premises.learnt("stubborn") == [issuers]
