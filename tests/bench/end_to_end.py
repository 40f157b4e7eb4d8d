"""From an order to its priors, ours beside what a site would use instead: `python -m tests.bench.end_to_end`.

All competitors fetch the same priors from the same archive, each to a workstation that starts empty; ours
alone begins with an HL7 message and ends when every prior is verified. Prints ratios and asserts nothing.
"""

from __future__ import annotations

import itertools
import signal
import statistics
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from tests import peers
from tests.bench import floor, machine, ours, rest, script, trial


class Kind(StrEnum):
    """Which server is the archive, or the workstation."""

    DCMQRSCP = "dcmqrscp"
    ORTHANC = "orthanc"


SERVERS: Mapping[Kind, type[peers.Server]] = {Kind.DCMQRSCP: peers.Dcmqrscp, Kind.ORTHANC: peers.Orthanc}

COMPETITORS: Mapping[str, trial.Competitor] = {
    "script": script.fetch,
    "orthanc": rest.fetch,
    "floor": floor.fetch,
    "ours": ours.fetch,
}

MOST_STUDIES = 500
"""More than this dcmqrscp does not keep (dcmqrcnf(5), MAX_MAX_STUDIES)."""


def main(
    *,
    orders: Annotated[int, typer.Option(help="Patients, each with one order and six priors.")] = 200,
    parallel: Annotated[int, typer.Option(help="Moves at a time.")] = 4,
    rounds: Annotated[int, typer.Option(help="How often each competitor has its turn.")] = 1,
    archive: Annotated[Kind, typer.Option(help="Who is the archive.")] = Kind.ORTHANC,
    workstation: Annotated[Kind, typer.Option(help="Who is the workstation.")] = Kind.ORTHANC,
    as_shipped: Annotated[bool, typer.Option(help="Leave Nagle's algorithm on in the archive.")] = False,
    only: Annotated[list[str] | None, typer.Option(help="Only these competitors.")] = None,
) -> None:
    """Measure everybody in turn, and print who was how fast."""
    if Kind.DCMQRSCP in {archive, workstation} and orders * trial.PRIORS > MOST_STUDIES:
        raise typer.BadParameter(f"dcmqrscp keeps {MOST_STUDIES} studies at most: fewer orders, or orthanc")
    chosen = [name for name in COMPETITORS if not only or name in only]
    with tempfile.TemporaryDirectory(prefix="prefetch-bench-") as name:
        directory = Path(name)
        rooms = {
            turn: SERVERS[workstation](ae_title=f"{turn[0].upper()}{turn[1]}", directory=directory)
            for turn in itertools.product(chosen, range(rounds))
        }
        source = SERVERS[archive](
            ae_title="ARCHIVE", directory=directory, knows=rooms.values(), as_shipped=as_shipped
        )
        typer.echo(f"{orders} orders of {trial.PRIORS} priors of {trial.INSTANCES} images")
        typer.echo(f"{parallel} moves at a time; {archive} → {workstation}; {machine.describe(directory)}")
        patients = trial.make_patients(orders)
        scores: dict[str, list[trial.Score]] = {name: [] for name in chosen}
        with source:
            source.load(trial.write_priors(directory, patients))
            for (competitor, _), room in sorted(rooms.items(), key=lambda turn: turn[0][1]):
                with room:
                    task = trial.Trial(
                        archive=source,
                        workstation=room,
                        patients=patients,
                        parallel=parallel,
                        directory=room.directory / "competitor",
                    )
                    scores[competitor].append(_run(competitor, task))
    _compare(scores, orders)


def _run(name: str, task: trial.Trial) -> trial.Score:
    """One trial, and the truth of it: what the workstation holds."""
    task.directory.mkdir()
    with trial.cpu_meter(task.archive.process_id, task.workstation.process_id) as cpu:
        score = COMPETITORS[name](task)
    score = replace(score, archive_cpu=cpu[0], workstation_cpu=cpu[1])
    held = sum(task.workstation.studies().values())
    missing = "" if held == task.instances else f"   {task.instances - held} INSTANCES ARE MISSING"
    typer.echo(
        f"{name:8} {score.seconds:7.2f} s {score.rate(task):7.2f} orders/s   "
        f"CPU s: own {score.cpu:6.2f}, archive {score.archive_cpu:6.2f}, "
        f"workstation {score.workstation_cpu:6.2f}{missing}"
    )
    for line in score.details:
        typer.echo(f"         {line}")
    return score


def _compare(scores: Mapping[str, Sequence[trial.Score]], orders: int) -> None:
    """Print the medians, and ours as a ratio of each."""
    seconds = {name: statistics.median(score.seconds for score in each) for name, each in scores.items()}
    for name, took in seconds.items():
        ratio = f"   ours is {took / seconds['ours']:5.2f} times as fast" if "ours" in seconds else ""
        typer.echo(f"{name:8} {orders / took:7.2f} orders/s{ratio}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # ends as Ctrl-C does: nothing is left behind
    typer.run(main)
