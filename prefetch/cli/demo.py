"""The verb `demo`: a hospital in a box on loopback, the daemon in it, and whether every prior came."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import sys
import time
import zoneinfo
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from importlib import resources
from pathlib import Path
from shutil import which
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console
from rich.live import Live

from prefetch import readiness, timing
from prefetch.cli import demo_screen, machine, terms
from prefetch.model import OrderStatus, RetrieveState

if TYPE_CHECKING:
    from prefetch.sandbox.daemon import Daemon
    from prefetch.sandbox.morning import Morning
    from prefetch.sandbox.premises import Premises
    from prefetch.store.database import Connection, Database

PATIENCE = 120.0
"""Seconds until a morning that does not settle is judged as it is."""
GLANCE = 0.25
"""Seconds between two looks into the store."""
SOON = timedelta(minutes=5)
"""What begins later than this is not waited for."""

UNDER_WAY = frozenset({RetrieveState.DUE, RetrieveState.MOVING, RetrieveState.MOVED})


def demo(
    *,
    keep: Annotated[
        bool, typer.Option("--keep", help="Leave it running afterwards, and tell how to talk to it.")
    ] = False,
) -> None:
    """Run a hospital in a box: two archives, reading rooms, a RIS that books a morning's exams, the daemon.

    Ends with 0 if every prior that a radiologist would want arrived, and nothing that must not.
    """
    from prefetch.sandbox import hospital, morning  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.sandbox.daemon import DaemonEndedError  # noqa: PLC0415 (the same)
    from prefetch.sandbox.ris import NotAcknowledgedError  # noqa: PLC0415 (the same)

    console = Console()
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = demo_screen.WIDE
    zone = machine.time_zone() or "UTC"
    today = morning.Morning(hospital.load(), datetime.now(zoneinfo.ZoneInfo(zone)))
    try:
        with (
            terms.could_not_ask(),
            _ended_in_order(),
            TemporaryDirectory(prefix="prefetch-demo-") as directory,
        ):
            good = _play(today, Path(directory), zone, console, keep=keep)
    except (DaemonEndedError, NotAcknowledgedError) as error:
        terms.stop(terms.Exit.COULD_NOT_ASK, str(error))
    except KeyboardInterrupt:
        terms.stop(terms.Exit.NO, "ended before its time")
    raise typer.Exit(terms.Exit.FINE if good else terms.Exit.NO)


def _play(morning: Morning, directory: Path, zone: str, console: Console, *, keep: bool) -> bool:
    """The whole piece, from the opening to the verdict."""
    from prefetch.sandbox import judge, ris  # noqa: PLC0415 (DICOM is imported only by who speaks it)
    from prefetch.sandbox.daemon import Daemon  # noqa: PLC0415 (the same)
    from prefetch.sandbox.premises import Premises  # noqa: PLC0415 (the same)

    with Premises(morning) as premises:
        console.print(demo_screen.opening(premises))
        configuration = _write_configuration(premises, directory, zone)
        with (
            Daemon(configuration=configuration, log=directory / "daemon.log") as daemon,
            _store(directory) as store,
        ):
            messages = list(morning.feed())
            port = daemon.listener_ports["ris"]
            asyncio.run(ris.book_all(messages, host="127.0.0.1", port=port))
            exams = _watch(store, daemon, len(set(messages)), console)
            held = {name: ws.holdings.instances() for name, ws in premises.workstations.items()}
            verdict = judge.judge(morning, held)
            now = datetime.now(morning.now.tzinfo)
            console.print(demo_screen.exams_table(exams, now=now, width=console.width))
            console.print()
            console.print(demo_screen.verdict(verdict))
            if keep:
                _stay(morning, daemon, directory, console)
    return verdict.is_good


# --- before ----------------------------------------------------------------------------------------


def _write_configuration(premises: Premises, directory: Path, zone: str) -> Path:
    path = directory / "prefetch.yaml"
    rules = resources.files("prefetch.sandbox") / "rules"
    path.write_text(
        premises.configuration(
            listener_port=0, store=_database(directory), rules=Path(str(rules)).resolve(), time_zone=zone
        )
    )
    return path


def _database(directory: Path) -> Path:
    return directory / "prefetch.db"


@contextmanager
def _store(directory: Path) -> Iterator[Database]:
    from prefetch.store.database import Database  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    store = Database.open(f"sqlite:///{_database(directory)}")
    try:
        yield store
    finally:
        store.close()


@contextmanager
def _ended_in_order() -> Iterator[None]:
    """SIGTERM ends as Ctrl-C does: the daemon is stopped and nothing is left behind."""

    def interrupt(*_: object) -> NoReturn:
        raise KeyboardInterrupt

    former = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, former)


# --- while it runs ---------------------------------------------------------------------------------


def _watch(store: Database, daemon: Daemon, sent: int, console: Console) -> list[readiness.Exam]:
    """Show the walk until nothing moves any more; gives the exams as they are then."""
    deadline = time.monotonic() + PATIENCE
    with _showing(console) as show:
        while True:
            daemon.require_alive()
            with store.snapshot() as connection:
                now, exams, read = timing.now(), _exams(connection), _messages_read(connection)
            show(demo_screen.Glance(now=now, exams=exams, sent=sent, read=read))
            if read >= sent and all(is_settled(exam, now) for exam in exams):
                return exams
            if time.monotonic() > deadline:
                terms.say(f"not all has settled in {PATIENCE:.0f} s")
                return exams
            time.sleep(GLANCE)


def is_settled(exam: readiness.Exam, now: datetime) -> bool:
    """Whether nothing about an exam is under way or about to begin."""
    order = exam.order
    if order.status is OrderStatus.CANCELLED:
        return True
    if exam.plan is None or order.planned_version != order.version:
        return False
    if exam.plan.problem and order.plan_at is not None and order.plan_at < now + SOON:
        return False
    return not any(
        retrieve.state in UNDER_WAY
        or (retrieve.state is RetrieveState.WAITING and retrieve.start_at < now + SOON)
        for retrieve in exam.retrieves
    )


def _exams(connection: Connection) -> list[readiness.Exam]:
    from prefetch.store import exams  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    return exams.list_exams(connection)


def _messages_read(connection: Connection) -> int:
    from prefetch.store import inbox, tables  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    counts = inbox.count_messages(connection, since=timing.now() - timedelta(days=1))
    return sum(counts.values()) - counts[tables.MessageState.WAITING]


@contextmanager
def _showing(console: Console) -> Iterator[demo_screen.Show]:
    """A live picture on a terminal, else a line now and then."""
    if console.is_terminal:
        with Live(console=console, refresh_per_second=8, transient=True) as live:
            yield lambda glance: live.update(demo_screen.picture(glance))
    else:
        yield demo_screen.Lines(console)


# --- afterwards ------------------------------------------------------------------------------------


def _stay(morning: Morning, daemon: Daemon, directory: Path, console: Console) -> None:
    """Leave it running until Ctrl-C."""
    later = directory / "one-more-booking.hl7"
    later.write_text("".join(morning.feed(later=True)), newline="")
    program = [sys.executable, "-m", "prefetch"] if which("prefetch") is None else ["prefetch"]
    commands = demo_screen.how_to_talk(program, daemon.configuration, later)
    console.print("\nIt goes on running; in another terminal:\n")
    for command, why in commands:
        console.print(f"  {shlex.join(command)}", highlight=False, soft_wrap=True)
        console.print(f"      {why}", style="dim")
    ending = f"\nIts log is {daemon.log}; it ends with Ctrl-C, and leaves nothing behind."
    console.print(ending, highlight=False, soft_wrap=True)
    with suppress(KeyboardInterrupt):
        while True:
            daemon.require_alive()
            time.sleep(1)
