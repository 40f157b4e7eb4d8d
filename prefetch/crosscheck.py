"""PURE: what is wrong or suspicious in a configuration and its rules taken together.

Each check is a function of the site and yields problems; `CHECKS` is the list of them.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import chain

from prefetch import hours, openings, rules, shadows, spans, yamlfile, yamltree
from prefetch.errors import Problem
from prefetch.settings import Config


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A configuration that is right in itself, and those rules that are."""

    config: Config
    document: yamltree.Document
    sources: list[rules.Source]

    @property
    def enabled(self) -> list[rules.Source]:
        """The rules that are not switched off, as they are looked at."""
        enabled = [source for source in self.sources if source.rule.enabled]
        return sorted(enabled, key=lambda source: source.rule.fallback)


def find_problems(site: Site) -> list[Problem]:
    """All errors and warnings, errors first."""
    found = list(chain.from_iterable(check(site) for check in CHECKS))
    return sorted(found, key=lambda problem: problem.severity != "error")


# --- names -----------------------------------------------------------------------------------------


def _unknown_archives(site: Site) -> Iterator[Problem]:
    for source in site.sources:
        inside = ("archives",) if isinstance(source.rule.origin, rules.Origin) else ()
        for position, name in enumerate(source.rule.archives):
            if name not in site.config.archives:
                words = yamlfile.did_you_mean(name, site.config.archives)
                message = f"no archive is called {name}; {words}"
                yield source.problem("from", *inside, position, message=message)


def _unknown_workstations(site: Site) -> Iterator[Problem]:
    known = site.config.workstations
    for where, name in _destination_names(site.config.planning.to):
        if name not in known:
            words = yamlfile.did_you_mean(name, known)
            message = f"no workstation is called {name}; {words}"
            yield site.document.problem(("planning", "to", *where), message)
    for source in site.sources:
        for where, name in _destination_names(source.rule.destinations):
            if name not in known:
                words = yamlfile.did_you_mean(name, known)
                yield source.problem("to", *where, message=f"no workstation is called {name}; {words}")


def _destination_names(to: rules.Lookup | tuple[str, ...] | None) -> Iterator[tuple[yamltree.Where, str]]:
    """The workstations that a `to` names, and where in it."""
    if isinstance(to, rules.Lookup):
        for value, names in to.cases.items():
            yield from ((("map", value, position), name) for position, name in enumerate(names))
        yield from ((("otherwise", position), name) for position, name in enumerate(to.otherwise))
    else:
        yield from (((position,), name) for position, name in enumerate(to or ()))


def _unknown_feeds(site: Site) -> Iterator[Problem]:
    known = (*site.config.listeners, *site.config.worklists, *rules.OTHER_FEEDS)
    folded = set(map(rules.fold, known))
    for source in site.sources:
        named: list[tuple[yamltree.Where, str]]
        named = [(("feeds", position), name) for position, name in enumerate(source.rule.feeds)]
        for where, condition in conditions(source.rule.when, ("when",)):
            named += [((*where, "feed", position), name) for position, name in enumerate(condition.feed)]
        for where, name in named:
            if rules.fold(name) not in folded:
                words = yamlfile.did_you_mean(name, known)
                yield source.problem(*where, message=f"no feed is called {name}; {words}")


def _no_destination(site: Site) -> Iterator[Problem]:
    if site.config.planning.to is not None or len(site.config.workstations) == 1:
        return
    for source in site.sources:
        if source.rule.destinations is None and source.rule.priors:
            yield source.problem(
                message="says no `to`; there are several workstations, so say it here or in planning.to of "
                f"{site.document.file.name}"
            )


# --- peers -----------------------------------------------------------------------------------------


def _same_peers(site: Site) -> Iterator[Problem]:
    config = site.config
    yield from _same(
        site,
        "workstations",
        ((name, peer.ae_title) for name, peer in config.workstations.items()),
        "has the same AE Title as",
    )
    yield from _same(
        site,
        "archives",
        ((name, (peer.ae_title, peer.host, peer.port)) for name, peer in config.archives.items()),
        "is the same as",
    )
    yield from _same(
        site,
        "listeners",
        ((name, (peer.host, peer.port)) for name, peer in config.listeners.items() if peer.port),
        "listens at the same place as",
    )
    yield from _same(
        site,
        "worklists",
        ((name, (peer.ae_title, peer.host, peer.port)) for name, peer in config.worklists.items()),
        "is the same as",
    )


def _same_sources(site: Site) -> Iterator[Problem]:
    """A feed is known by its name alone, in rules as in `prefetch explain`."""
    for name in site.config.worklists:
        if name in site.config.listeners:
            message = f"a listener is called {name} as well; nobody could tell who said what"
            yield site.document.problem(("worklists", name), message, at_key=True)


def _same(site: Site, section: str, peers: Iterable[tuple[str, Hashable]], words: str) -> Iterator[Problem]:
    first: dict[Hashable, str] = {}
    for name, what in peers:
        if what in first:
            yield site.document.problem((section, name), f"{name} {words} {first[what]}", at_key=True)
        first.setdefault(what, name)


# --- senders ---------------------------------------------------------------------------------------

SUBMIT = "submit"
"""Where messages come from that `prefetch submit` puts in the inbox."""


def _unknown_listeners(site: Site) -> Iterator[Problem]:
    known = [*site.config.listeners, SUBMIT]
    for name, sender in site.config.senders.items():
        for position, listener in enumerate(sender.listener):
            if listener not in known:
                message = f"no listener is called {listener}; {yamlfile.did_you_mean(listener, known)}"
                yield site.document.problem(("senders", name, "listener", position), message)


def _never_taken(site: Site) -> Iterator[Problem]:
    """A sender after one that every message fits."""
    first = ""
    for name, sender in site.config.senders.items():
        if first:
            message = f"is never taken: {first} comes before it and fits every message"
            yield site.document.problem(("senders", name), message, at_key=True, severity="warning")
        elif not (sender.application or sender.facility or sender.listener):
            first = name


# --- times -----------------------------------------------------------------------------------------


def _begins_too_late(site: Site) -> Iterator[Problem]:
    planning = site.config.planning
    for source in site.sources:
        begin = (source.rule.fetch_from or planning.fetch_from).before_exam
        ready = (source.rule.ready_by or planning.ready_by).before_exam
        if begin is not None and ready is not None and begin <= ready:
            key = "fetch_from" if source.rule.fetch_from else "ready_by"
            message = (
                f"the fetch may begin {source.rule.fetch_from or planning.fetch_from} and must be ready "
                f"{source.rule.ready_by or planning.ready_by}: it cannot be in time"
            )
            yield source.problem(key, message=message)


# --- windows ---------------------------------------------------------------------------------------


def _windows_that_may_not_open(site: Site) -> Iterator[Problem]:
    """A fetch has less time than its windows stay closed: many an exam never sees one open."""
    planning = site.config.planning
    for source in site.enabled:
        rule = source.rule
        begin = (rule.fetch_from or planning.fetch_from).before_exam
        ready = (rule.ready_by or planning.ready_by).before_exam
        if not rule.windows:
            if "if_no_window" in rule.model_fields_set:
                yield _warn(source, "if_no_window", message="says nothing without `windows`")
        elif begin is not None and ready is not None:
            closed = _longest_closed(rule.windows)
            if closed > begin - ready:
                message = (
                    f"may be closed for {spans.say_duration(closed)} on end, and a fetch has "
                    f"{spans.say_duration(begin - ready)}: where none opens in time, {rule.if_no_window}; an "
                    "earlier `fetch_from` would help"
                )
                yield _warn(source, "windows", message=message)


def _longest_closed(windows: Iterable[hours.Window]) -> timedelta:
    """How long no window is open at most, in a week in which no clock changes."""
    at = monday = datetime(2026, 1, 5, tzinfo=UTC)
    longest = timedelta()
    while at < monday + timedelta(days=8):
        opening = openings.first_opening(windows, at, UTC)
        longest = max(longest, opening.opens - at)
        at = opening.closes or at + timedelta(days=8)
    return longest


# --- legal, but suspicious -------------------------------------------------------------------------


def _warn(source: rules.Source, *where: str | int, message: str) -> Problem:
    return source.problem(*where, message=message, severity="warning")


def _no_limit(site: Site) -> Iterator[Problem]:
    for source in site.enabled:
        limits = source.rule.limits
        for position, one in enumerate(source.rule.priors):
            if (
                one.is_unlimited
                and not one.named_in
                and not (limits.studies or limits.instances or limits.bytes)
            ):
                message = "fetches without limit: give it `newest`, or the rule `limits`"
                yield _warn(source, "priors", position, message=message)


def _use_without_effect(site: Site) -> Iterator[Problem]:
    """Ways to use archives that come to the same as `all`."""
    for source in site.enabled:
        rule = source.rule
        if rule.use is rules.Use.ALL:
            continue
        endless = [
            one.name
            for one in rule.priors
            if one.is_unlimited and not one.named_in and one.if_fewer_than is None
        ]
        if len(rule.archives or site.config.archives) == 1:
            message = f"{rule.use} says nothing of a single archive"
            yield _warn(source, "from", "use", message=message)
        elif rule.use is rules.Use.AS_NEEDED and endless and not rule.limits.studies:
            message = (
                f"every archive is asked all the same: {endless[0]} never has enough; give it `newest`, or "
                "the rule `limits: {studies: …}`"
            )
            yield _warn(source, "from", "use", message=message)


def _shadows(site: Site) -> Iterator[Problem]:
    return shadows.find_shadows(site.enabled)


def _idle_cases(site: Site) -> Iterator[Problem]:
    """Values of look-ups that never decide where anything goes."""
    of_rules = ((one.document, (*one.where, "to"), one.rule.destinations) for one in site.enabled)
    for document, where, to in (*of_rules, (site.document, ("planning", "to"), site.config.planning.to)):
        for case, first in shadows.idle_cases(to) if isinstance(to, rules.Lookup) else ():
            message = f"never decides: {first} before it fits whatever this fits; put this before that"
            yield document.problem((*where, "map", case), message, at_key=True, severity="warning")


def _unused_peers(site: Site) -> Iterator[Problem]:
    config, enabled = site.config, [source.rule for source in site.enabled if source.rule.priors]
    if not enabled:
        return
    archives = {name for rule in enabled for name in rule.archives or config.archives}
    yield from _unused(site, "archives", config.archives, archives, "no rule asks this archive")
    workstations = {
        name
        for rule in enabled
        for _, name in _destination_names(
            rule.destinations or config.planning.to or tuple(config.workstations)
        )
    }
    message = "no rule sends anything to this workstation"
    yield from _unused(site, "workstations", config.workstations, workstations, message)


def _unused(
    site: Site, section: str, known: Collection[str], used: Collection[str], message: str
) -> Iterator[Problem]:
    for name in known:
        if name not in used:
            yield site.document.problem((section, name), message, at_key=True, severity="warning")


def _nothing_to_do(site: Site) -> Iterator[Problem]:
    if not (site.config.listeners or site.config.worklists):
        message = "neither listener nor worklist: no order will ever come"
        yield site.document.problem((), message, severity="warning")
    if site.sources and not site.enabled:
        yield site.document.problem(("rules",), "every rule is switched off", severity="warning")


def _whole_descriptions(site: Site) -> Iterator[Problem]:
    """A word without wildcards is compared with a whole description, and seldom equals one.

    Beside the same word with wildcards it was meant so: "opg", "opg *".
    """
    for source in site.enabled:
        for where, patterns in _description_patterns(source.rule):
            meant = {rules.fold(one.text.strip("* ")) for one in patterns if not one.is_literal}
            for position, pattern in enumerate(patterns):
                if pattern.is_literal and " " not in pattern.text and rules.fold(pattern.text) not in meant:
                    message = (
                        f'matches only a description that is just “{pattern}”; did you mean "*{pattern}*"?'
                    )
                    yield _warn(source, *where, position, message=message)


def _description_patterns(rule: rules.Rule) -> Iterator[tuple[yamltree.Where, Sequence[rules.Pattern]]]:
    for where, condition in conditions(rule.when, ("when",)):
        yield (*where, "procedure_description"), condition.procedure_description
    for number, one in enumerate(rule.priors):
        yield ("priors", number, "description"), one.description
        for position, excluded in enumerate(one.exclude):
            yield ("priors", number, "exclude", position, "description"), excluded.description


def conditions(
    condition: rules.Condition | None, where: yamltree.Where
) -> Iterator[tuple[yamltree.Where, rules.Condition]]:
    """A condition and all that are nested in it."""
    if condition is None:
        return
    yield where, condition
    yield from conditions(condition.none, (*where, "not"))
    for key, nested in (("all", condition.every), ("any", condition.some)):
        for position, one in enumerate(nested):
            yield from conditions(one, (*where, key, position))


# --- patient IDs -----------------------------------------------------------------------------------


def _forms_of_unknown_authorities(site: Site) -> Iterator[Problem]:
    """A form of IDs for which an archive is never asked."""
    for name, archive in site.config.archives.items():
        known = {each.casefold() for each in (*archive.issuers, *archive.issuers.values())}
        for authority in archive.patient_ids_of if known else ():
            if authority.casefold() not in known:
                message = f"{authority} is not among the issuers of {name}: never asked for it"
                where = ("archives", name, "patient_ids_of", authority)
                yield site.document.problem(where, message, at_key=True, severity="warning")


def _domains_that_no_archive_knows(site: Site) -> Iterator[Problem]:
    """A domain of interest whose IDs are asked of nobody."""
    pix, archives = site.config.identity.pix, site.config.archives.values()
    if pix is None or not all(archive.issuers for archive in archives):
        return
    known = {
        each.casefold() for archive in archives for each in (*archive.issuers, *archive.issuers.values())
    }
    for domain in pix.domains:
        if domain.casefold() not in known:
            message = f"no archive is asked for IDs of {domain}: it is among the issuers of none"
            yield site.document.problem(
                ("identity", "pix", "domains", domain), message, at_key=True, severity="warning"
            )


CHECKS: tuple[Callable[[Site], Iterator[Problem]], ...] = (
    _unknown_archives,
    _unknown_workstations,
    _unknown_feeds,
    _no_destination,
    _same_peers,
    _unknown_listeners,
    _same_sources,
    _begins_too_late,
    _never_taken,
    _forms_of_unknown_authorities,
    _domains_that_no_archive_knows,
    _no_limit,
    _shadows,
    _idle_cases,
    _windows_that_may_not_open,
    _use_without_effect,
    _unused_peers,
    _nothing_to_do,
    _whole_descriptions,
)
