"""The verb `init`: asks for what a first configuration needs, tries the peers, writes the files."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

from prefetch.cli import machine, terms
from prefetch.new_site import description
from prefetch.new_site.description import NewPeer, NewSite

if TYPE_CHECKING:
    from prefetch.config import Report
    from prefetch.new_site.peer_trial import Trial
    from prefetch.new_site.writing import Access

T = TypeVar("T")

SYSTEM = terms.DEFAULT_CONFIG.parent
SYSTEM_STORE = "sqlite:////var/lib/prefetch/prefetch.db"
ELSEWHERE = Path("prefetch-site")
CONFIG_NAME = Path(terms.DEFAULT_CONFIG.name)
_WIDTH = 79
_ASKED_FOR = {"archive": "Archives hold the priors", "workstation": "Workstations receive them"}


@dataclass(slots=True, kw_only=True)
class Given:
    """What the command line gives, and what was answered since; None where neither has."""

    ae_title: str | None = None
    time_zone: str | None = None
    listen: str | None = None
    patient: str | None = None
    rules: str | None = None
    peers: dict[str, list[NewPeer]] = field(default_factory=dict)


def init(
    directory: Annotated[
        Path | None,
        typer.Argument(
            metavar="[DIR]",
            help=f"Where to write; else {SYSTEM} where we may write there, else ./{ELSEWHERE}.",
            show_default=False,
        ),
    ] = None,
    *,
    ae_title: Annotated[
        str | None, typer.Option("--ae-title", metavar="AE", help="Our own AE title; else PREFETCH.")
    ] = None,
    time_zone: Annotated[
        str | None, typer.Option("--time-zone", metavar="ZONE", help="Of the site; else this machine's.")
    ] = None,
    listen: Annotated[
        str | None,
        typer.Option("--listen", metavar="HOST:PORT", help="For HL7 messages; else 0.0.0.0:2575."),
    ] = None,
    archive: Annotated[
        list[str] | None,
        typer.Option("--archive", metavar="[NAME=]AE@HOST:PORT", help="An archive; may be repeated."),
    ] = None,
    workstation: Annotated[
        list[str] | None,
        typer.Option(
            "--workstation",
            metavar="[NAME=]AE[@HOST:PORT]",
            help="A workstation; without an address it is never asked. May be repeated.",
        ),
    ] = None,
    patient: Annotated[
        str | None,
        typer.Option("--patient", metavar="ID", help="Try the peers with it; else with one nobody has."),
    ] = None,
    rules: Annotated[
        str | None,
        typer.Option("--rules", metavar="TOPIC,…", help="Starter rules of these topics; else all."),
    ] = None,
    directory_option: Annotated[
        Path | None, typer.Option("--directory", metavar="DIR", help="The same as DIR.")
    ] = None,
    yes: Annotated[
        bool,
        typer.Option(
            "--yes", "--no-input", help="Ask nothing: take what is usual, and keep peers that do not answer."
        ),
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Write over files that are there.")] = False,
) -> None:
    """Write a first configuration with starter rules, in observe mode, and try archives and workstations.

    On a terminal it asks for what no option says.
    """
    asks = sys.stdin.isatty() and not yes
    try:
        given = _read_options(
            ae_title=ae_title,
            time_zone=time_zone,
            listen=listen,
            archives=archive,
            workstations=workstation,
            patient=patient,
            rules=rules,
        )
        if asks:
            terms.say("A first configuration. Enter takes what stands in brackets; Ctrl-C ends")
            terms.say("and leaves nothing behind.\n")
        place = _directory(directory or directory_option, asks=asks)
        _require_free(place, given.rules, force=force)
        site, chosen = _describe(given, place, asks=asks)
        site = _try(site, given.patient, asks=asks)
        report = _write(place, site, chosen)
    except (typer.Abort, KeyboardInterrupt):
        terms.stop(terms.Exit.NO, "\nEnded; nothing was written.")
    except OSError as error:
        terms.stop(terms.Exit.NO, f"Nothing was written: {error}")
    _conclude(place, report)


# --- what the command line gives -------------------------------------------------------------------


def _read_options(
    *,
    ae_title: str | None,
    time_zone: str | None,
    listen: str | None,
    archives: list[str] | None,
    workstations: list[str] | None,
    patient: str | None,
    rules: str | None,
) -> Given:
    """Read the options; every mistake in them is told at once, and ends the command."""
    from prefetch.new_site import starter_rules  # noqa: PLC0415 (the planner costs start-up time)

    mistakes: list[str] = []
    single: tuple[tuple[str, str | None, Callable[[str], object]], ...] = (
        ("ae-title", ae_title, description.read_ae_title),
        ("time-zone", time_zone, description.read_zone),
        ("listen", listen, description.read_listener),
        ("patient", patient, description.read_patient_id),
        ("rules", rules, starter_rules.read_topics),
    )
    for option, text, read in single:
        if text is not None:
            _attempt(option, mistakes, read, text)
    peers: dict[str, list[NewPeer]] = {"archive": [], "workstation": []}
    for kind, texts in (("archive", archives), ("workstation", workstations)):
        for text in texts or ():
            peer = _attempt(kind, mistakes, description.READERS[kind], text)
            if peer is not None:
                _attempt(kind, mistakes, lambda new: _add(new, kind, peers), peer)  # noqa: B023 (called at once)
    if mistakes:
        terms.stop(terms.Exit.WRONG_USE, "\n".join(mistakes))
    return Given(
        ae_title=ae_title, time_zone=time_zone, listen=listen, patient=patient, rules=rules, peers=peers
    )


def _attempt(option: str, mistakes: list[str], read: Callable[[T], object], value: T) -> NewPeer | None:
    try:
        result = read(value)
    except ValueError as error:
        mistakes.append(f"--{option}: {error}")
        return None
    return result if isinstance(result, NewPeer) else None


def _add(peer: NewPeer, kind: str, peers: Mapping[str, list[NewPeer]]) -> None:
    peers[kind].append(description.require_new(peer, kind, peers[kind]))


# --- asking ----------------------------------------------------------------------------------------


def _directory(given: Path | None, *, asks: bool) -> Path:
    """Where to write; ends the command where that cannot be."""
    usual = SYSTEM if machine.may_write(SYSTEM) else ELSEWHERE
    if given is not None:
        place = _absolute(str(given))
    else:
        place = _ask("Directory", _absolute, str(usual)) if asks else _absolute(str(usual))
    if not machine.may_write(place):
        terms.stop(
            terms.Exit.WRONG_USE,
            f"We may not write in {place}. Run this as root, or name another directory: prefetch init DIR",
        )
    return place


def _absolute(text: str) -> Path:
    path = Path(os.path.abspath(Path(text.strip()).expanduser()))  # noqa: PTH100 (links stay as they are)
    if path.exists() and not path.is_dir():
        raise ValueError(f"{path} is a file; name a directory")
    return path


def _require_free(place: Path, rules: str | None, *, force: bool) -> None:
    """End the command where files are there already that it would write over."""
    from prefetch.new_site import starter_rules, writing  # noqa: PLC0415 (the planner costs start-up time)

    names = _rule_files(starter_rules.read_topics(rules or starter_rules.ALL))
    obstacles = writing.present(place, [CONFIG_NAME, *names])
    if obstacles and not force:
        more = f" and {len(obstacles) - 1} more" if len(obstacles) > 1 else ""
        terms.stop(
            terms.Exit.WRONG_USE,
            f"{obstacles[0]}{more} is there already, and stays as it is.\n"
            "Name another directory (prefetch init DIR), or write over it with --force.",
        )


def _describe(given: Given, place: Path, *, asks: bool) -> tuple[NewSite, tuple[str, ...]]:
    """Ask for what was not given, or take what is usual; gives the site and the topics of its rules."""
    from prefetch.new_site import starter_rules  # noqa: PLC0415 (the planner costs start-up time)

    zone = machine.time_zone()
    if not asks:
        _require_complete(given, zone)

    def value(text: str | None, question: str, read: Callable[[str], T], usual: str | None) -> T:
        if text is None and asks:
            return _ask(question, read, usual)
        return read(text if text is not None else usual or "")

    ae_title = value(given.ae_title, "Our own AE title", description.read_ae_title, "PREFETCH")
    time_zone = value(given.time_zone, "Time zone of the site", description.read_zone, zone)
    host, port = value(given.listen, "Listen for HL7 (MLLP) at", description.read_listener, "0.0.0.0:2575")
    for kind, peers in given.peers.items():
        if asks and not peers:
            _ask_peers(kind, peers)
    if asks and given.patient is None:
        question = "\nA patient ID to try them with, if you like"
        given.patient = _ask(question, lambda text: text and description.read_patient_id(text), "") or None
    if asks and given.rules is None:
        terms.say(_wrapped(f"\nStarter rules: {', '.join(starter_rules.topics())}."))
    chosen = value(given.rules, "All, or which of these", starter_rules.read_topics, starter_rules.ALL)
    archives = description.name_peers(given.peers["archive"], "archive")
    workstations = description.name_peers(
        given.peers["workstation"], "workstation", taken=[peer.name for peer in archives]
    )
    site = NewSite(
        ae_title=ae_title,
        time_zone=time_zone,
        listener_host=host,
        listener_port=port,
        archives=archives,
        workstations=workstations,
        store=SYSTEM_STORE if _is_system(place) else "sqlite:///prefetch.db",
    )
    return site, chosen


def _require_complete(given: Given, zone: str | None) -> None:
    """End the command where nobody can be asked for what has no usual value."""
    missing = [
        f"--{kind} {description.EXAMPLES[kind]}" for kind in description.READERS if not given.peers[kind]
    ]
    if given.time_zone is None and zone is None:
        missing.append("--time-zone Europe/Berlin")
    if missing:
        terms.stop(
            terms.Exit.WRONG_USE,
            "Nobody can be asked here, and these options are missing, for example:\n  "
            + "\n  ".join(missing)
            + "\nAll others have usual values: prefetch init --help. Nothing was written.",
        )


def _ask(question: str, read: Callable[[str], T], usual: str | None) -> T:
    """Ask until the answer can be read."""
    while True:
        text = typer.prompt(question, default=usual, show_default=bool(usual), err=True)
        try:
            return read(str(text))
        except ValueError as error:
            terms.say(_wrapped(f"{error}", indent="  "))


def _ask_peers(kind: str, peers: list[NewPeer]) -> None:
    """Ask for peers until an empty answer; at least one is needed."""
    terms.say(_wrapped(f"\n{_ASKED_FOR[kind]}. Type AE@HOST:PORT, like {description.EXAMPLES[kind]}"))
    if kind == "workstation":
        terms.say("(the AE title alone where it cannot be asked what has arrived).")
    while (peer := _ask_peer(kind, f"{kind.capitalize()} {len(peers) + 1}", peers)) is not None:
        peers.append(peer)


def _ask_peer(kind: str, question: str, present: Sequence[NewPeer]) -> NewPeer | None:
    """Ask for one more; None for an empty answer, where one is there already."""

    def read(text: str) -> NewPeer | None:
        if not text.strip():
            if not present:
                raise ValueError(f"At least one is needed; type it like {description.EXAMPLES[kind]}")
            return None
        return description.require_new(description.READERS[kind](text), kind, present)

    return _ask(f"{question} (Enter: no more)" if present else question, read, "")


# --- trying ----------------------------------------------------------------------------------------


def _try(site: NewSite, patient_id: str | None, *, asks: bool) -> NewSite:
    """Try all peers, and give the site as it is after what they said and what was decided of it."""
    untried = [
        *(("archive", peer) for peer in site.archives),
        *(("workstation", p) for p in site.workstations),
    ]
    while untried:
        trials = _try_peers(untried, site.ae_title, patient_id)
        untried = []
        for trial in trials:
            if not trial.reachable and asks:
                site, again = _decide(site, trial)
                untried += [(trial.kind, again)] if again else []
            elif trial.kind == "workstation" and trial.reachable and not trial.finds:
                site = _exchanged(site, trial, [replace(trial.peer, answers_queries=False)])
    return site


def _try_peers(peers: list[tuple[str, NewPeer]], ae_title: str, patient_id: str | None) -> list[Trial]:
    from prefetch import logs  # noqa: PLC0415 (what does not write a log needs none)
    from prefetch.new_site import peer_trial, writing  # noqa: PLC0415 (DICOM only for who speaks it)

    logs.configure(level="error")
    number = "one peer" if len(peers) == 1 else f"{len(peers)} peers"
    terms.say(f"\nTrying {number}, for some seconds at most …")
    with ExitStack() as stack:
        with writing.undisturbed():  # a half-made event loop complains when it goes
            runner = stack.enter_context(asyncio.Runner())
        return runner.run(
            peer_trial.try_peers(peers, calling_ae_title=ae_title, patient_id=patient_id, report=_print_trial)
        )


def _print_trial(trial: Trial) -> None:
    mark = "ok" if trial.reachable and not trial.advice else "!!" if not trial.reachable else "!"
    title = f"{trial.peer.ae_title}@{trial.peer.address}" if trial.peer.address else trial.peer.ae_title
    terms.say(_wrapped(f"{mark:<2} {trial.kind} {trial.peer.name}, {title}: {trial.findings}", hanging="   "))
    if trial.advice:
        terms.say(_wrapped(trial.advice, indent="   "))


def _decide(site: NewSite, trial: Trial) -> tuple[NewSite, NewPeer | None]:
    """Ask what shall become of a peer that does not answer; gives the one to try in its place, if any."""
    choices = {"k": "keep it", "t": "type it again", "l": "leave it out"}
    if len(_of_kind(site, trial.kind)) == 1:
        del choices["l"]
    words = ", ".join(f"{letter} = {word}" for letter, word in choices.items())

    def read(text: str) -> str:
        if text.strip().lower()[:1] not in choices:
            raise ValueError(f"Type {' or '.join(choices)}.")
        return text.strip().lower()[:1]

    choice = _ask(f"\n{trial.peer.name} does not answer: {words}", read, "k")
    if choice == "l":
        return _exchanged(site, trial, []), None
    if choice == "k":
        return site, None
    remaining = [peer for peer in _of_kind(site, trial.kind) if peer != trial.peer]
    new = _ask_again(trial, remaining)
    taken = {peer.name for peer in (*site.archives, *site.workstations)} - {trial.peer.name}
    (new,) = description.name_peers([new], trial.kind, taken=taken)
    return _exchanged(site, trial, [new]), new


def _ask_again(trial: Trial, remaining: Sequence[NewPeer]) -> NewPeer:
    def read(text: str) -> NewPeer:
        return description.require_new(description.READERS[trial.kind](text), trial.kind, remaining)

    usual = f"{trial.peer.ae_title}@{trial.peer.address}"
    return _ask(trial.kind.capitalize(), read, usual)


def _of_kind(site: NewSite, kind: str) -> tuple[NewPeer, ...]:
    return site.archives if kind == "archive" else site.workstations


def _exchanged(site: NewSite, trial: Trial, new: Sequence[NewPeer]) -> NewSite:
    """The site with other peers in the place of the one that was tried."""
    peers = tuple(
        successor
        for peer in _of_kind(site, trial.kind)
        for successor in (new if peer == trial.peer else [peer])
    )
    return replace(site, archives=peers) if trial.kind == "archive" else replace(site, workstations=peers)


# --- writing ---------------------------------------------------------------------------------------


def _write(place: Path, site: NewSite, chosen: Iterable[str]) -> Report:
    """Write the files, and check them in their place."""
    from prefetch import config as configuration  # noqa: PLC0415 (pydantic's models cost start-up time)
    from prefetch.cli import reference  # noqa: PLC0415 (the same)
    from prefetch.new_site import site_file, starter_rules, writing  # noqa: PLC0415 (the same)

    texts = _rule_texts(chosen)
    texts[Path("rules/schema.json")] = reference.schema("rules")
    texts[CONFIG_NAME] = site_file.render(site)

    def leave_out_foreign_tests(stage: Path) -> dict[Path, str]:
        loaded = configuration.load(stage / CONFIG_NAME)
        changed = starter_rules.without_foreign_tests(stage, texts, loaded)
        if changed:
            terms.say("\nTests that need rules of other topics are left out.")
        return changed

    writing.write(place, texts, access=_access(place), revise=leave_out_foreign_tests)
    return configuration.examine(place / CONFIG_NAME)


def _rule_texts(chosen: Iterable[str]) -> dict[Path, str]:
    from prefetch.new_site import starter_rules  # noqa: PLC0415 (the planner costs start-up time)

    return {Path("rules") / name: text for name, text in starter_rules.files(chosen).items()}


def _rule_files(chosen: Iterable[str]) -> list[Path]:
    return [*_rule_texts(chosen), Path("rules/schema.json")]


def _is_system(place: Path) -> bool:
    return place == SYSTEM


def _access(place: Path) -> Access:
    from prefetch.new_site import writing  # noqa: PLC0415 (as everywhere here)

    if not _is_system(place):
        return writing.Access()
    group = machine.service_group() if os.geteuid() == 0 else None
    return writing.Access(file_mode=0o640, directory_mode=0o750, group=group)


# --- afterwards ------------------------------------------------------------------------------------


def _conclude(place: Path, report: Report) -> None:
    """Tell what was written, what comes next, and what observe mode is."""
    file = place / CONFIG_NAME
    number = len(report.config.rule_set.rules) if report.config else 0
    terms.echo(f"\nWritten: {file}\n         {place / 'rules'} with {number} rules and their tests")
    for problem in report.problems:
        terms.say(str(problem))
    terms.echo("\nNext:")
    if terms.place_of(None).absolute() != file:
        terms.echo(f"  export PREFETCH_CONFIG={file}")
    terms.echo("  prefetch check    # every mistake in the files, with its place")
    terms.echo("  prefetch echo     # who answers, and which archive knows which workstation")
    service = "   as a service: systemctl enable --now prefetch" if _is_system(place) else ""
    terms.echo(f"  prefetch run      # the daemon{service}")
    terms.echo(
        "\nIt begins in observe mode: every exam is planned, and nothing is moved. Look at\n"
        "what it decides with `prefetch orders` and `prefetch explain ACCESSION`. When it\n"
        f"decides as you would, write `mode: active` in {file.name} and reload it."
    )
    if report.config is None:
        raise typer.Exit(terms.Exit.NO)


def _wrapped(text: str, *, indent: str = "", hanging: str | None = None) -> str:
    """Fill lines for a terminal of 80 columns; an empty line in front stays."""
    front = "\n" if text.startswith("\n") else ""
    following = indent if hanging is None else hanging
    return front + "\n".join(terms.fold(text.strip(), indent, following, width=_WIDTH))
