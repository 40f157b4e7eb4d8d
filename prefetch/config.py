"""Loads `prefetch.yaml` and its rules, and checks them together before any of it is used.

An error is what cannot be; a warning is legal and suspicious. All of them are found at once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from prefetch import certificates, crosscheck, errors, fingerprint, rules, timing, yamlfile, yamltree
from prefetch.peers import (
    Archive,
    ArchiveTimeouts,
    ClientTls,
    Gone,
    Listener,
    Rest,
    Stale,
    Timeouts,
    Tls,
    Verify,
    Worklist,
    Workstation,
)
from prefetch.relevance import comparison
from prefetch.rules import Mode
from prefetch.settings import (
    BirthDateSaidBy,
    Config,
    Footing,
    Identity,
    Limits,
    Logging,
    NameConflict,
    Planning,
    Relevance,
    Retention,
    Retrieval,
    Retry,
)

__all__ = [
    "Archive",
    "ArchiveTimeouts",
    "BirthDateSaidBy",
    "Config",
    "Footing",
    "Gone",
    "Identity",
    "Limits",
    "Listener",
    "Logging",
    "Mode",
    "NameConflict",
    "Planning",
    "Relevance",
    "Report",
    "Rest",
    "Retention",
    "Retrieval",
    "Retry",
    "Stale",
    "Timeouts",
    "Tls",
    "Verify",
    "Worklist",
    "Workstation",
    "examine",
    "load",
    "load_footing",
    "made_up",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What an examination found; `config` is None where there is any error."""

    config: Config | None
    problems: tuple[errors.Problem, ...]
    files: tuple[Path, ...]
    """The files that were read."""
    site: crosscheck.Site | None = None
    """The configuration and the rules with their places, where the configuration itself is right."""


def load(path: Path, *, rules_directory: Path | None = None) -> Config:
    """Load the configuration with its rules, or others; raises `ConfigurationError` with every mistake."""
    report = examine(path, rules_directory=rules_directory)
    if report.config is None:
        raise errors.ConfigurationError([one for one in report.problems if one.severity == "error"])
    return report.config


def made_up(rules_directory: Path) -> Config:
    """A site with one archive and one workstation, to try rules without one; raises `ConfigurationError`."""
    said = {
        "time_zone": "UTC",
        "rules": str(rules_directory),
        "archives": {"archive": {"ae_title": "ARCHIVE", "host": "archive.invalid", "port": "104"}},
        "workstations": {"workstation": {"ae_title": "WORKSTATION", "verify": "counters"}},
    }
    return Config.model_validate(said).with_rules(rules.load(rules_directory))


def load_footing(path: Path) -> tuple[Footing, tuple[errors.Problem, ...]]:
    """Load what is enough to look into the store, whatever else is wrong; gives that too.

    A daemon goes by the last files that were right; whoever asks about it is answered while they are edited.
    Raises `ConfigurationError` where the store or the time zone cannot be told.
    """
    report = examine(path)
    if report.config is not None:
        return report.config, ()
    problems = tuple(problem for problem in report.problems if problem.severity == "error")
    said = yamltree.read(path).value
    known = said if isinstance(said, dict) else {}
    try:
        footing = Footing.model_validate({key: known[key] for key in Footing.model_fields if key in known})
    except ValidationError:
        raise errors.ConfigurationError(list(problems)) from None
    store = _absolute(footing.store, path.parent.resolve())
    return footing.model_copy(update={"store": store}), problems


def examine(path: Path, *, rules_directory: Path | None = None) -> Report:
    """Load the configuration with its rules, and tell everything that is wrong or suspicious.

    Other rules than those that it names may be given: they must fit the site as well.
    """
    config, document = yamlfile.try_load(path, Config)
    directory = rules_directory or path.parent / _rules_directory(config, document)
    files, sources, problems = rules.read(directory)
    problems = [*document.problems, *problems]
    if not files and (rules_directory or path.is_file()):
        problems.append(document.problem(("rules",), f"there are no rules: no *.yaml in {directory}"))
    site = None
    if config is not None:
        config = _from_directory(config, path.parent)
        problems += _flaws_of_certificates(config, document)
        site = crosscheck.Site(config=config, document=document, sources=sources)
        problems += crosscheck.find_problems(site)
    compared, of_words = _comparison(config, path.parent)
    problems += of_words
    if config is None or any(problem.severity == "error" for problem in problems):
        return Report(config=None, problems=tuple(problems), files=(path, *files), site=site)
    rule_set = rules.RuleSet(tuple(source.rule for source in sources))
    files_of_words = fingerprint.fingerprint(*_relevance_files(config.relevance, path.parent))
    complete = config.with_rules(rule_set, compared, relevance_files=files_of_words)
    return Report(config=complete, problems=tuple(problems), files=(path, *files), site=site)


def _comparison(
    config: Config | None, directory: Path
) -> tuple[comparison.Comparison | None, list[errors.Problem]]:
    """The site's own words, codes and tables, and what is wrong in them."""
    said = config.relevance if config else Relevance()
    try:
        compared = comparison.load(
            vocabulary=_under(directory, said.vocabulary),
            procedure_codes=_under(directory, said.procedure_codes),
            grading_tables=_under(directory, said.grading),
        )
    except errors.ConfigurationError as error:
        return None, list(error.problems)
    return compared, []


def _relevance_files(said: Relevance, directory: Path) -> Iterator[tuple[str, str]]:
    """The site's own words, codes and tables as they stand: name → text."""
    for place in (said.vocabulary, said.procedure_codes, said.grading):
        under = _under(directory, place)
        files = sorted(under.iterdir()) if under and under.is_dir() else [under] if under else []
        for file in files:
            if file.is_file():
                yield file.name, file.read_bytes().hex()


def _under(directory: Path, said: Path | None) -> Path | None:
    return None if said is None else directory / said


def _rules_directory(config: Config | None, document: yamltree.Document) -> Path:
    """Where the rules are, even if all else of the configuration is wrong: their mistakes are told too."""
    if config is not None:
        return config.rules
    said = document.value.get("rules") if isinstance(document.value, dict) else None
    return Path(said if isinstance(said, str) else "rules")


def _from_directory(config: Config, directory: Path) -> Config:
    """Paths that were written from the directory of the file, as absolute ones."""
    directory = directory.resolve()
    store = _absolute(config.store, directory)
    changed = {
        **{kind: _peers(getattr(config, kind), directory) for kind in _DICOM_PEERS},
        "rules": directory / config.rules,
        "store": store,
        "listeners": _peers(config.listeners, directory),
        "identity": _identity(config, directory),
    }
    return config.model_copy(update=changed)


_DICOM_PEERS = ("worklists", "archives", "workstations")


def _peers(said: dict[str, Any], directory: Path) -> dict[str, Any]:
    return {
        name: one.model_copy(update={"tls": one.tls.from_directory(directory)}) if one.tls else one
        for name, one in said.items()
    }


def _absolute(store: str, directory: Path) -> str:
    """A SQLite file that was written from a directory, from the root."""
    if store.startswith("sqlite:///") and not store.startswith("sqlite:////"):
        return f"sqlite:///{directory / store.removeprefix('sqlite:///')}"
    return store


def _identity(config: Config, directory: Path) -> Identity:
    pix = config.identity.pix
    if pix is None or pix.tls is None:
        return config.identity
    changed = pix.model_copy(update={"tls": pix.tls.from_directory(directory)})
    return config.identity.model_copy(update={"pix": changed})


def _flaws_of_certificates(config: Config, document: yamltree.Document) -> Iterator[errors.Problem]:
    """What is wrong with the files that TLS needs, at the places that name them."""
    now = timing.now()
    examined: list[tuple[tuple[str, ...], Tls | ClientTls, list[certificates.Flaw]]] = [
        (("listeners", name, "tls"), listener.tls, certificates.find_flaws(listener.tls.files, now))
        for name, listener in config.listeners.items()
        if listener.tls is not None
    ]
    for place, tls in _asked_over_tls(config):
        flaws = certificates.find_client_flaws(ca=tls.ca, certificate=tls.certificate, key=tls.key, now=now)
        examined.append((place, tls, flaws))
    for place, said, flaws in examined:
        for flaw in flaws:
            message = f"{getattr(said, flaw.which)} {flaw.message}"
            yield document.problem((*place, flaw.which), message, severity=flaw.severity)


def _asked_over_tls(config: Config) -> Iterator[tuple[tuple[str, ...], ClientTls]]:
    """Whom we ask over TLS: the place that says so, and how."""
    if config.identity.pix is not None and config.identity.pix.tls is not None:
        yield ("identity", "pix", "tls"), config.identity.pix.tls
    for kind in _DICOM_PEERS:
        for name, one in getattr(config, kind).items():
            if one.tls is not None:
                yield (kind, name, "tls"), one.tls
