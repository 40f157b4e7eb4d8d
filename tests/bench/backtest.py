"""How long 30,000 recorded exams take to be replayed: `python -m tests.bench.backtest`.

The store is filled by the product's own functions: exams of a month, planned by the rules that we ship, of
patients who have from none to some dozens of earlier studies in two archives. They are replayed through the
same rules with other numbers, by the command as an administrator calls it.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import typer

from prefetch import config
from prefetch.store import orders
from prefetch.store.database import Connection, Database
from tests import recorded
from tests.bench import machine, month

RULES = Path(__file__).parents[2] / "rules"
SITE = """\
time_zone: Europe/Berlin
store: sqlite:///prefetch.db
listeners: {ris: {port: 2575}}
archives:
  main: {ae_title: MAIN, host: main.invalid, port: 104}
  offsite: {ae_title: VAULT, host: vault.invalid, port: 104}
workstations: {room: {ae_title: ROOM, verify: counters}}
"""
TOGETHER = 500
"""Orders recorded in one transaction."""


def main(
    number: int = typer.Option(30_000, "--orders", help="So many exams."),
    store: str | None = typer.Option(None, "--store", help="An empty database; else SQLite in a file."),
) -> None:
    """Fill a store, replay it, and print how long both took."""
    with tempfile.TemporaryDirectory(prefix="prefetch-bench-") as name:
        directory = Path(name)
        typer.echo(machine.describe(directory))
        site = configure(directory, store)
        begun = time.monotonic()
        fill(site, number)
        typer.echo(f"{number} orders recorded in {time.monotonic() - begun:.0f} s{_size(directory, number)}")
        begun, computing = time.monotonic(), _computing()
        page = replay(directory)
        seconds, computing = time.monotonic() - begun, _computing() - computing
        typer.echo(json.dumps({key: page[key] for key in ("exams", "priors", "archives")}))
        typer.echo(
            f"replayed in {seconds:.1f} s ({computing:.1f} s of computing): {number / seconds:.0f} a second"
        )


def _size(directory: Path, number: int) -> str:
    file = directory / "prefetch.db"
    return f", {file.stat().st_size / number / 1e3:.1f} kB an order" if file.exists() else ""


def _computing() -> float:
    """Processor seconds of all commands that have ended."""
    times = os.times()
    return times.children_user + times.children_system


def configure(directory: Path, store: str | None) -> config.Config:
    """Write a site with our rules, and beside them others: more of the newest, and half as far back."""
    shutil.copytree(RULES, directory / "rules")
    shutil.copytree(RULES, directory / "others")
    for file in (directory / "others").glob("*.yaml"):
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("newest: 2", "newest: 4").replace("within: 5y", "within: 30mo"))
    said = SITE if store is None else SITE.replace("sqlite:///prefetch.db", store)
    (directory / "prefetch.yaml").write_text(said)
    site = config.load(directory / "prefetch.yaml")
    Database.migrate(site.store)
    return site


def replay(directory: Path) -> dict[str, Any]:
    """What `prefetch backtest` says, run as a command."""
    command = [sys.executable, "-m", "prefetch", "backtest", "--json", "--since", "2026-01-01"]
    more = ["--config", str(directory / "prefetch.yaml"), "--rules", str(directory / "others")]
    done = subprocess.run([*command, *more], check=True, capture_output=True, text=True)
    page: dict[str, Any] = json.loads(done.stdout)
    return page


def fill(site: config.Config, number: int) -> None:
    """Record so many exams, the earliest first."""
    exams = list(month.exams(number))
    with closing(Database.open(site.store)) as database:
        for first in range(0, number, TOGETHER):
            with database.transaction() as connection:
                _record(connection, site, exams[first : first + TOGETHER])


def _record(connection: Connection, site: config.Config, exams: Sequence[month.Exam]) -> None:
    held = {orders.save_order(connection, order).id: studies for order, studies in exams}
    now = max(order.created_at for order, _ in exams)
    claim = orders.claim_orders_to_plan(
        connection, owner=recorded.OWNER, now=now, lease=recorded.LEASE, limit=len(exams)
    )
    for order in claim.orders:
        recorded.plan(connection, site, order, held[order.id], now=now)


if __name__ == "__main__":
    typer.run(main)
