"""The verb `backtest`: recorded exams replayed through other rules, and what would have come otherwise."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date, datetime, time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from prefetch import sizes, spans, timing
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch import model
    from prefetch.config import Config
    from prefetch.proof.backtest import Result
    from prefetch.proof.difference import Change, Traffic, Volume
    from prefetch.store.recorded import Rate


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What was asked for."""

    rules: Path
    since: datetime
    until: datetime | None
    examples: int


def backtest(
    *,
    rules_directory: Annotated[
        Path, typer.Option("--rules", metavar="DIR", help="The rules to try; the daemon never sees them.")
    ],
    since: Annotated[
        str, typer.Option("--since", metavar="TIME", help="Exams from then on: 30d ago, or a day 2026-01-31.")
    ] = "30d",
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="Exams before then; left out: also those still ahead."),
    ] = None,
    examples: Annotated[
        int, typer.Option("--examples", metavar="N", min=0, help="Show so many priors of each kind.")
    ] = 10,
    config: terms.ConfigOption = None,
    json: Annotated[bool, typer.Option("--json", help="One JSON object instead of a page.")] = False,
) -> None:
    """Replay recorded exams through other rules: which priors would have come more, or not at all."""
    from prefetch.proof import backtest as proof  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site = terms.load_site(config, rules_directory=rules_directory)
    asked = Asked(
        rules=rules_directory,
        since=_moment(since, "--since", site),
        until=None if until is None else _moment(until, "--until", site),
        examples=examples,
    )
    trial = proof.Trial(terms.place_of(config), rules_directory)
    with terms.could_not_ask(), _shown() as progress:
        result = proof.run(trial, store=site.store, since=asked.since, until=asked.until, progress=progress)
    page = _page(asked, result, site)
    terms.print_json(page) if json else _print(page, site)
    if not result.tally.replayed:
        terms.stop(terms.Exit.NO, "no exam of that time could be replayed")


def _moment(said: str, option: str, site: Config) -> datetime:
    """So long ago, or the beginning of a day at the site."""
    try:
        return datetime.combine(date.fromisoformat(said), time.min, site.time_zone)
    except ValueError:
        pass
    try:
        return timing.now() - spans.read_duration(said)
    except ValueError:
        terms.stop(
            terms.Exit.WRONG_USE, f"{option}: expected 30d or a day such as 2026-01-31, found “{said}”"
        )


@contextmanager
def _shown() -> Iterator[Callable[[int, int], None]]:
    """How far it is: a bar on a terminal, and elsewhere a line for each tenth of a long run."""
    if not sys.stderr.isatty():
        yield _say_tenths()
        return
    columns = (TextColumn("replaying"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("")
        yield lambda done, of: bar.update(task, completed=done, total=of)


LONG = 2000
"""From so many exams on somebody who reads a log wants to know how far it is."""


def _say_tenths() -> Callable[[int, int], None]:
    said = 0

    def tell(done: int, of: int) -> None:
        nonlocal said
        tenths = done * 10 // max(of, 1)
        if of >= LONG and tenths > said:
            said = tenths
            terms.say(f"replaying: {done} of {of} exams")

    return tell


# --- all that is told ------------------------------------------------------------------------------


def _page(asked: Asked, result: Result, site: Config) -> dict[str, Any]:
    """What a script gets; the keys are a contract."""
    from prefetch.proof import difference  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    tally = result.tally
    traffic = difference.traffic(tally, site.limits)
    total = sum(traffic.values(), start=difference.Traffic())
    archives = [_of_archive(name, moved, result.rates.get(name)) for name, moved in traffic.items()]
    return {
        "rules": str(asked.rules),
        "since": asked.since,
        "until": asked.until,
        "exams": {
            "replayed": tally.replayed,
            "touched": tally.touched,
            "not_judged": len(tally.unjudged),
            "not_replayed": sum(tally.not_replayed.values()),
        },
        "priors": {
            "gained": len(tally.gained),
            "lost": len(tally.lost),
            "otherwise": len(tally.otherwise),
        },
        "by_rule": [
            {"rule": rule, "gained": gained, "lost": lost}
            for rule, (gained, lost) in difference.by_rule(tally).items()
        ],
        "total": {
            "more": _moved(total.more) | {"minutes": _all_minutes(archives, "more")},
            "less": _moved(total.less) | {"minutes": _all_minutes(archives, "less")},
        },
        "archives": archives,
        "not_judged": dict(tally.not_judged.most_common()),
        "not_judged_examples": tally.unjudged[: asked.examples],
        "not_replayed": dict(tally.not_replayed.most_common()),
        "gained": [_change(one) for one in tally.gained[: asked.examples]],
        "lost": [_change(one) for one in tally.lost[: asked.examples]],
        "otherwise": [_change(one) for one in tally.otherwise[: asked.examples]],
    }


def _moved(volume: Volume) -> dict[str, Any]:
    return {
        "studies": volume.studies,
        "instances": volume.instances,
        "bytes": volume.bytes,
        "uncounted_studies": volume.uncounted,
    }


def _of_archive(name: str, moved: Traffic, rate: Rate | None) -> dict[str, Any]:
    return {
        "archive": name,
        "more": _volume(moved.more, rate),
        "less": _volume(moved.less, rate),
        "instances_a_second": None if rate is None else round(rate.instances_a_second, 1),
        "measured_moves": 0 if rate is None else rate.moves,
        "measured_from": None if rate is None else rate.first_at,
        "measured_to": None if rate is None else rate.last_at,
    }


def _volume(volume: Volume, rate: Rate | None) -> dict[str, Any]:
    minutes = volume.minutes(rate)
    return _moved(volume) | {"minutes": None if minutes is None else round(minutes, 1)}


def _all_minutes(archives: list[dict[str, Any]], which: str) -> float | None:
    """Those of all archives together; None where one of them is not known."""
    each = [archive[which]["minutes"] for archive in archives]
    return None if None in each else round(sum(each), 1)


def _change(change: Change) -> dict[str, Any]:
    order, study = change.order, change.study
    _, destination = change.target
    return {
        "order": order.name,
        "accession_number": order.accession_number,
        "procedure_description": order.procedure_description,
        "scheduled_start": order.scheduled_start,
        "study_instance_uid": study.study_instance_uid,
        "study_date": study.study_date,
        "modalities": study.modalities,
        "study_description": study.description,
        "instances": study.instances,
        "archive": study.archive,
        "destination": destination,
        "was": _decision(change.before),
        "would_be": _decision(change.after),
    }


def _decision(candidate: model.Candidate) -> dict[str, Any]:
    reasons = [
        {"rule": one.rule, "class": one.prior_class, "because": one.because, "place": one.place}
        for one in candidate.reasons
    ]
    return {
        "decision": candidate.decision.value,
        "archive": candidate.study.archive,
        "destination": candidate.destination,
        "reasons": reasons,
    }


# --- for a person ----------------------------------------------------------------------------------


def _print(page: dict[str, Any], site: Config) -> None:
    exams, priors = page["exams"], page["priors"]
    since, until = (terms.local(page[key], site.time_zone) for key in ("since", "until"))
    terms.echo(f"rules            {page['rules']}, against what was decided then")
    terms.echo(
        f"exams            {exams['replayed']} replayed, since {since}{f' until {until}' if until else ''}"
    )
    terms.echo(f"touched          {exams['touched']}")
    terms.echo(
        f"priors           {priors['gained']} gained, {priors['lost']} lost, {priors['otherwise']} otherwise"
    )
    for why, number in page["not_judged"].items():
        terms.echo(f"not judged       {number}: {why}")
    for why, number in page["not_replayed"].items():
        terms.echo(f"not replayed     {number}: {why}")
    if len(page["archives"]) > 1:
        for which, volume in page["total"].items():
            terms.echo(f"{which:<16} {_amount(volume)}, {_minutes(volume)}")
    for archive in page["archives"]:
        for line in _archive_lines(archive, site):
            terms.echo(line)
    for one in page["by_rule"]:
        terms.echo(f"rule             {one['rule']}: {one['gained']} gained, {one['lost']} lost")
    for kind in ("gained", "lost", "otherwise"):
        _print_examples(kind, page[kind], priors[kind], site)


def _archive_lines(archive: dict[str, Any], site: Config) -> Iterator[str]:
    name, rate = archive["archive"], archive["instances_a_second"]
    for which in ("more", "less"):
        volume = archive[which]
        if volume["studies"]:
            yield f"{which:<16} {name}: {_amount(volume)}, {_minutes(volume)}"
            if volume["uncounted_studies"]:
                each = site.limits.unknown_instances
                uncounted = volume["uncounted_studies"]
                yield f"{'':<16} {uncounted} of them without a count, taken as {each} instances each"
    if rate is None:
        yield f"{'':<16} {name} has moved nothing that went well, so nobody knows how quick it is"
        return
    since, until = (terms.local(archive[key], site.time_zone) for key in ("measured_from", "measured_to"))
    moves = archive["measured_moves"]
    yield f"{'':<16} {rate} instances a second, as measured in {moves} moves, {since} to {until}"


def _amount(volume: dict[str, Any]) -> str:
    number, size = volume["studies"], sizes.say_size(volume["bytes"])
    return f"{number} {'study' if number == 1 else 'studies'}, {volume['instances']} instances, about {size}"


def _minutes(volume: dict[str, Any]) -> str:
    return f"minutes of archive time: {'unknown' if volume['minutes'] is None else volume['minutes']}"


def _print_examples(kind: str, rows: list[dict[str, Any]], total: int, site: Config) -> None:
    if not rows:
        return
    terms.echo(f"\n{kind}{f', {len(rows)} of {total}' if len(rows) < total else ''}")
    for row in rows:
        modalities = "/".join(row["modalities"]) or "?"
        start = terms.local(row["scheduled_start"], site.time_zone) or "no time yet"
        terms.echo(
            f"  {row['order']}  {row['procedure_description'] or ''}  {start}\n"
            f"    {row['study_date'] or 'no date'}  {modalities}  {row['study_description'] or ''}"
            f"  {row['archive']} → {row['destination']}"
        )
        for word, key in (("was", "was"), ("would be", "would_be")):
            decision = row[key]
            elsewhere = decision["destination"] not in {None, row["destination"]}
            where = f" for {decision['destination']}" if elsewhere else ""
            terms.echo(f"      {word} {decision['decision']}{where}{_reasons(decision['reasons'])}")


_SHOWN_REASONS = 3
"""Of one decision; `--json` gives them all."""


def _reasons(reasons: list[dict[str, Any]]) -> str:
    lines = []
    for one in reasons[:_SHOWN_REASONS]:
        who = "/".join(filter(None, (one["rule"], one["class"])))
        place = f"  [{one['place']}]" if one["place"] else ""
        lines.append(f"{f'{who}: ' if who else ''}{one['because']}{place}")
    if len(reasons) > _SHOWN_REASONS:
        lines.append(f"and {len(reasons) - _SHOWN_REASONS} reasons more")
    return "".join(f"\n        {line}" for line in lines)
