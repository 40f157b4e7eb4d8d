"""The verb `replan`: exams that are known are planned anew, by the rules and with the archives of now."""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING, Annotated

import typer

from prefetch import errors, timing
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Footing


def replan(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[ORDER...]", help="By accession, placer or filler number, or # and ours."),
    ] = None,
    *,
    config: terms.ConfigOption = None,
    all_of_them: Annotated[
        bool, typer.Option("--all", help="All exams that are open, the nearest first.")
    ] = False,
    by: terms.ByOption = None,
) -> None:
    """Plan exams anew, whatever they waited for; the archives are asked again."""
    if bool(names) == all_of_them:
        terms.stop(terms.Exit.WRONG_USE, "name the exams (ORDER...), or say --all")
    site = terms.load_footing(config)
    if names:
        _plan_these(site, names, terms.who(by))
    else:
        _plan_all(site, terms.who(by))


def _plan_these(site: Footing, names: list[str], by: str) -> None:
    """Plan the exams of these names at once; one that cannot be is told, and keeps no other from it."""
    from prefetch.store import replanning  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    refused = 0
    with terms.writing(site) as connection:
        orders = {order.id: order for order in (terms.the_order(connection, name) for name in names)}
        for order in orders.values():
            try:
                replanning.plan_by_hand(connection, order, by=by, now=timing.now())
            except errors.IllegalTransitionError as error:
                refused += 1
                terms.say(str(error))
    _tell(len(orders) - refused)
    if refused:
        terms.stop(terms.Exit.NO)


def _plan_all(site: Footing, by: str) -> None:
    """Plan all open exams, some in each transaction: the daemon writes between them."""
    from prefetch.store import replanning  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    now = timing.now()
    progress = replanning.Progress(since=now - site.retrieval.expire_after)
    while not progress.is_over:
        with terms.writing(site) as connection:
            progress = replanning.plan_all_by_hand(connection, progress, asked_at=now, by=by, now=now)
    exams = progress.exams
    _tell(exams)
    if exams:
        minutes = ceil(exams * replanning.PACE / timedelta(minutes=1))
        last = f"{minutes} minutes" if minutes > 1 else "a minute"
        soon = replanning.AT_ONCE // timedelta(hours=1)
        typer.echo(f"those of the next {soon} hours at once, all others within {last}")


def _tell(exams: int) -> None:
    typer.echo(f"{exams} exam{'' if exams == 1 else 's'} planned anew; see: prefetch orders")
