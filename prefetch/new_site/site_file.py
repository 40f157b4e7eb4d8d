"""PURE: renders `prefetch.yaml` for a new site, each key with a comment.

What many sites want one day is a commented-out line there: without its `# ` it is valid YAML in its place.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from prefetch.new_site.description import NewPeer, NewSite

_PLAIN = re.compile(r"([a-z]+://)?[A-Za-z/][A-Za-z0-9_./-]*|\d+(\.\d+){3}")
"""A word that any YAML reader takes for text without quotes, unless it is one of those below."""
_NO_TEXT = frozenset({"y", "n", "yes", "no", "on", "off", "true", "false", "null"})
"""Words that a reader of YAML 1.1 takes for something else than text."""


def quote(text: str) -> str:
    """Write a text so that every YAML reader reads this very text: `NO`, `1E3` and `0123` in quotes."""
    is_plain = _PLAIN.fullmatch(text) and text.lower() not in _NO_TEXT
    return text if is_plain else json.dumps(text, ensure_ascii=False)


def render(site: NewSite) -> str:
    """Render the whole file."""
    sections = (_head(site), _listeners(site), _archives(site), _workstations(site), _planning(site), _TAIL)
    return "\n".join("".join(f"{line}\n" for line in section) for section in sections)


def _head(site: NewSite) -> Iterator[str]:
    yield "# Written by `prefetch init`; yours from now on. `prefetch check` finds every mistake in it."
    yield "# A line such as `# level: debug` is an example: take away its `# ` and it holds. Every key"
    yield "# with its default: docs/reference/configuration.md; for your editor: `prefetch schema config`."
    yield "version: 1"
    yield ""
    yield "# Our own AE title. Archives and workstations must know it, with the address of this machine."
    yield f"ae_title: {quote(site.ae_title)}"
    yield ""
    yield "# The time zone of the site, for times that come without one and for the dates of studies."
    yield f"time_zone: {quote(site.time_zone)}"
    yield ""
    yield "# `observe` decides and shows everything and moves nothing; `active` moves."
    yield "mode: observe"
    yield ""
    yield "# The database. A path without a fourth slash begins at the directory of this file."
    yield f"store: {quote(site.store)}"
    yield "# PostgreSQL, where several daemons share the work; the password lies in ~/.pgpass:"
    yield "# store: postgresql://prefetch@db.example.org/prefetch"
    yield ""
    yield "# The directory of the rules, one topic a file, and of their tests in tests/."
    yield "rules: rules"


def _listeners(site: NewSite) -> Iterator[str]:
    yield "# Where the RIS sends its HL7 messages (MLLP), by a name of your own."
    yield "listeners:"
    yield "  ris:"
    yield "    # The address to listen at: 0.0.0.0 is every network, 127.0.0.1 only this machine."
    yield f"    host: {quote(site.listener_host)}"
    yield "    # The port; the service cannot listen below 1024."
    yield f"    port: {site.listener_port}"
    yield "    # Who may send; left out: everybody."
    yield "    # allow: {networks: [10.1.0.0/16]}"
    yield "    # Certificate and key, to speak TLS here; left out: plain text."
    yield "    # tls: {certificate: tls/ris.pem, key: tls/ris.key}"
    yield ""
    yield "# Modality Worklists to ask for exams, beside the listener or in its place."
    yield "# worklists: {ris-worklist: {ae_title: RIS, host: ris.example.org, port: 104}}"


def _archives(site: NewSite) -> Iterator[str]:
    yield "# The archives that hold priors, in order of preference. Each must know the AE titles of the"
    yield "# workstations as Move Destinations: `prefetch echo` tries it."
    yield "archives:"
    for number, archive in enumerate(site.archives):
        yield from _peer(archive)
        if number == 0:
            yield "    # Associations that we open to it at a time; moves take one fewer."
            yield "    # max_associations: 2"
            yield "    # Its issuers of patient IDs, where it calls them otherwise than the RIS does."
            yield "    # issuers: {HOSP: GENERAL_HOSPITAL}"
            yield "    # Its patient IDs, where it writes them otherwise than the RIS does."
            yield "    # patient_ids: {pad_to: 10}"
            yield "    # Patience with slow media."
            yield "    # timeouts: {idle: 2m, move_total: 3h}"
            yield "    # The authorities that may sign its certificate, to speak TLS with it."
            yield "    # tls: {ca: tls/hospital-ca.pem}"


def _workstations(site: NewSite) -> Iterator[str]:
    yield "# The reading workstations, or their caches, to which priors are moved."
    yield "workstations:"
    for number, workstation in enumerate(site.workstations):
        yield from _peer(workstation)
        if not workstation.answers_queries:
            yield "    # It cannot be asked by C-FIND what has arrived: the archive's counters decide. For"
            yield "    # one that can be, write its host and port, and `query` here."
            yield "    verify: counters"
        if number == 0:
            yield "    # How long after a move it is asked what has arrived, where it takes its time."
            yield "    # settle: 5s"


def _peer(peer: NewPeer) -> Iterator[str]:
    yield f"  {quote(peer.name)}:"
    yield f"    ae_title: {quote(peer.ae_title)}"
    if peer.host is not None:
        yield f"    host: {quote(peer.host)}"
        yield f"    port: {peer.port}"


def _planning(site: NewSite) -> Iterator[str]:
    names = [quote(workstation.name) for workstation in site.workstations]
    yield "planning:"
    if len(names) > 1:
        yield "  # Where priors go for rules without `to`: to every one of these. Better is a look-up, by the"
        yield "  # station of the exam or another field:"
    else:
        yield "  # Where priors go for rules without `to`: to the only workstation, or by a look-up:"
    yield f'  # to: {{by: station_ae_title, map: {{"CT*": {names[0]}}}, otherwise: {names[-1]}}}'
    if len(names) > 1:
        yield f"  to: [{', '.join(names)}]"
    yield "  # The earliest time of a fetch, and the time by which priors shall be there."
    yield "  fetch_from: 24h before exam"
    yield "  ready_by: 30m before exam"


_TAIL = """\
# The most that is fetched for one exam, all rules together.
limits:
  studies: 8
  instances: 10000
  # bytes: 20GB

# How long orders and their history are kept, and HL7 messages as they came.
# retention: {history: 365d, messages: 14d}

# What your procedure codes stand for, as lines of code and words.
# relevance: {procedure_codes: procedure-codes.csv}

# The log, on stderr; names and birth dates never stand in it.
logging:
  # How patient IDs, accession numbers and UIDs appear: plain, hashed or none.
  identifiers: hashed
  # level: debug
""".splitlines()
