"""PURE: stations and procedure codes that rules name, and that no order has ever named.

Most likely they are misspelt, or the modality went long ago. What is known is told by the store, by the
worklists' own stations, and by the site's map of procedure codes.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import date

from prefetch import crosscheck, rules, yamlfile, yamltree
from prefetch.errors import Problem
from prefetch.relevance.codes import ProcedureCodes

VALUES = ("station_ae_title", "station_name", "procedure_code")
"""Values of an order by which a site's own names are known; keys of `when` and of look-ups."""

_SHOWN = 8
"""Known names in a message."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What the newest orders of a store name."""

    orders: int
    since: date
    """The day on which the oldest of them came."""
    values: Mapping[str, Collection[str]]
    """One of `VALUES` → all that orders say there."""


def find_strangers(
    site: crosscheck.Site, seen: Seen, procedure_codes: ProcedureCodes | None
) -> Iterator[Problem]:
    """A warning for each name that nobody knows; nothing is said where orders name none at all."""
    known = {name: {*seen.values.get(name, ())} for name in VALUES}
    known = {
        name: {*values, *_of_site(name, site, procedure_codes)} for name, values in known.items() if values
    }
    for document, where, name, pattern in _named(site):
        if name in known and not _is_known(name, pattern, known[name], procedure_codes):
            message = _say(name, pattern, known[name], seen)
            # Of a look-up the key is named; what is no key stands at its value.
            is_key = where[-2:-1] == ("map",)
            yield document.problem(where, message, at_key=is_key, severity="warning")


def _named(site: crosscheck.Site) -> Iterator[tuple[yamltree.Document, yamltree.Where, str, rules.Pattern]]:
    """All that the rules and the configuration name, with the file and the place in it."""
    for source in site.enabled:
        for where, name, pattern in _named_by(source.rule):
            yield source.document, (*source.where, *where), name, pattern
    to = site.config.planning.to
    for where, name, pattern in _named_in(to) if isinstance(to, rules.Lookup) else ():
        yield site.document, ("planning", "to", *where), name, pattern


Named = tuple[yamltree.Where, str, rules.Pattern]
"""Where something is named, what it is, and how it is called there."""


def _named_by(rule: rules.Rule) -> Iterator[Named]:
    for where, condition in crosscheck.conditions(rule.when, ("when",)):
        for name in VALUES:
            for position, pattern in enumerate(getattr(condition, name)):
                yield (*where, name, position), name, pattern
    if isinstance(rule.destinations, rules.Lookup):
        for where, name, pattern in _named_in(rule.destinations):
            yield ("to", *where), name, pattern


def _named_in(to: rules.Lookup) -> Iterator[Named]:
    for case in to.cases if to.by.text in VALUES else ():
        yield ("map", case), to.by.text, rules.Pattern(case)


def _of_site(name: str, site: crosscheck.Site, codes: ProcedureCodes | None) -> Iterator[str]:
    """Names that the configuration knows."""
    if name == "station_ae_title":
        for worklist in site.config.worklists.values():
            yield from worklist.stations
    elif name == "procedure_code" and codes:
        yield from codes.exact


def _is_known(
    name: str, pattern: rules.Pattern, known: Collection[str], codes: ProcedureCodes | None
) -> bool:
    if any(pattern.matches(value) for value in known):
        return True
    in_map = name == "procedure_code" and codes is not None
    return in_map and codes is not None and codes.find(pattern.text.rstrip("*")) is not None


def _say(name: str, pattern: rules.Pattern, known: Collection[str], seen: Seen) -> str:
    words = name.replace("_ae_", " AE ").replace("_", " ")
    near = yamlfile.nearest(pattern.text, sorted(known))
    first = sorted(known)[:_SHOWN]
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    guess = f"did you mean {near}? " if near else ""
    return (
        f"no {words} is like {pattern} in the last {seen.orders} orders, since {seen.since}; {guess}"
        f"known: {', '.join(first)}{more}"
    )
