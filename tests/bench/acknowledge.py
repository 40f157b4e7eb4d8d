"""Durable acknowledgements a second: `python -m tests.bench.acknowledge`.

So many senders over MLLP to the real daemon on SQLite, on this disk and on one that takes 5 ms longer over
each fsync; beside it the same daemon with one commit a message. Prints ratios and asserts nothing but that
what was acknowledged is in the store after the daemon was killed.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path
from typing import Annotated

import typer
from sqlalchemy import func, select

from prefetch.sandbox.daemon import Daemon
from prefetch.store import database, tables
from tests.bench import disk, machine, senders

CONFIGURATION = """\
version: 1
ae_title: PREFETCH
time_zone: UTC
store: sqlite:///prefetch.db
listeners: {ris: {port: 0}}
archives:
  archive: {ae_title: ARCHIVE, host: 127.0.0.1, port: 9}
workstations:
  room: {ae_title: ROOM, host: 127.0.0.1, port: 9}
logging: {format: json}
"""
"""Nobody listens at the port of archive and workstation: the bench is over before anybody is asked much."""

RULE = """\
version: 1
rules:
  - name: chest-ct
    when: {modality: [CT]}
    fetch_from: 2h before exam
    priors: [{newest: 3}]
"""

WAYS: Mapping[str, str] = {"group commit": "prefetch", "one commit a message": "tests.bench.one_commit"}
"""How the daemon commits → the module that is run."""

SENDERS = (1, 8, 32)

SLOWER = 5
"""Milliseconds that the slow disk takes longer."""


def main(*, seconds: Annotated[float, typer.Option(help="Measured for each row.")] = 3.0) -> None:
    """Measure every disk, way and number of senders in turn."""
    with tempfile.TemporaryDirectory(prefix="prefetch-bench-") as name:
        directory = Path(name)
        typer.echo(machine.describe(directory))
        disks = {"this disk": {}, f"{SLOWER} ms slower": disk.slow(directory, SLOWER)}
        for title, added in disks.items():
            if added is None:
                typer.echo(f"{title}: left out, it takes a C compiler")
                continue
            environment = {**os.environ, **added}
            commit = disk.commit_milliseconds(directory, environment)
            typer.echo(f"\n{title}: a commit of SQLite costs {commit:.2f} ms")
            _compare(directory, environment, seconds)


def _compare(directory: Path, environment: Mapping[str, str], seconds: float) -> None:
    typer.echo(f"{'senders':>7}  {'':22} {'AA/s':>8} {'median':>8} {'p99 ms':>8}")
    for count in SENDERS:
        rates = []
        for way, module in WAYS.items():
            seen = _measure(directory, environment, module, count, seconds)
            rates.append(seen.rate)
            typer.echo(f"{count:7}  {way:22} {seen.rate:8.0f} {seen.median:8.2f} {seen.p99:8.2f}")
        typer.echo(f"{'':7}  {'ratio':22} {rates[0] / rates[1]:8.1f}")


def _measure(
    directory: Path, environment: Mapping[str, str], module: str, count: int, seconds: float
) -> senders.Seen:
    """One daemon on an empty store, killed at the end; all that it acknowledged must be there."""
    with tempfile.TemporaryDirectory(dir=directory) as name:
        home = Path(name)
        (home / "prefetch.yaml").write_text(CONFIGURATION)
        (home / "rules").mkdir()
        (home / "rules" / "chest.yaml").write_text(RULE)
        daemon = Daemon(
            configuration=home / "prefetch.yaml",
            log=home / "daemon.log",
            module=module,
            environment=environment,
        )
        with daemon:
            seen = senders.send(
                host="127.0.0.1", port=daemon.listener_ports["ris"], senders=count, seconds=seconds
            )
            daemon.kill()
        stored = _count_stored(home / "prefetch.db")
    if seen.refused or stored < seen.ever:
        raise RuntimeError(f"{seen.ever} acknowledged, {seen.refused} refused, {stored} stored")
    return seen


def _count_stored(file: Path) -> int:
    with (
        closing(database.Database.open(f"sqlite:///{file}")) as store,
        store.snapshot() as connection,
    ):
        count: int = connection.execute(select(func.count()).select_from(tables.inbox)).scalar_one()
        return count


if __name__ == "__main__":
    typer.run(main)
