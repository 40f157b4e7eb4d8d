"""PURE: a new site as an administrator describes it in a few words: `PACS@pacs.example.org:104`."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pydantic import TypeAdapter, ValidationError

from prefetch import peers, zones

_NAME = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,62}"
_LONGEST_SLUG = 40
_HIGHEST_PORT = 65535
EXAMPLES = {"archive": "PACS@pacs.example.org:104", "workstation": "READ1@10.1.2.3:11112"}
"""Kind of peer → a word that describes one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NewPeer:
    """An archive or a workstation of a new site."""

    name: str = ""
    """Empty until it is named after its AE title."""
    ae_title: str
    host: str | None = None
    port: int | None = None
    answers_queries: bool = True
    """Whether it may be asked by C-FIND; a workstation that only stores may not."""

    @property
    def address(self) -> str:
        """Host and port as one word; empty where it has none."""
        return "" if self.host is None or self.port is None else write_address(self.host, self.port)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewSite:
    """All that a first configuration needs to know."""

    ae_title: str
    time_zone: str
    listener_host: str
    listener_port: int
    archives: tuple[NewPeer, ...]
    """In order of preference."""
    workstations: tuple[NewPeer, ...]
    store: str
    """The database as `prefetch.yaml` writes it."""


def read_ae_title(text: str) -> str:
    """Read an AE title; raises ValueError with what to type instead."""
    return str(_read(peers.AETitle, text))


def read_zone(text: str) -> str:
    """Read a time zone by its IANA name; raises ValueError with the nearest one."""
    return zones.read_zone(text.strip()).key


def read_patient_id(text: str) -> str:
    """Read a patient ID that may be a matching key; raises ValueError for one with wildcards."""
    return str(_read(peers.KeyPart, text.strip()))


def read_listener(text: str) -> tuple[str, int]:
    """Read where to listen, `HOST:PORT` or a port alone; raises ValueError with what to type instead."""
    text = text.strip()
    return read_address(f"0.0.0.0:{text}" if text.isdigit() else text, example="0.0.0.0:2575")


def read_address(text: str, *, example: str = "pacs.example.org:104") -> tuple[str, int]:
    """Read host and port; raises ValueError with what to type instead."""
    host, colon, port = text.strip().rpartition(":")
    if not colon or not host:
        raise ValueError(f"“{text}” lacks a host or a port; type it like {example}")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= _HIGHEST_PORT):
        raise ValueError(f"“{port}” is not a port, a number from 1 to 65535; type it like {example}")
    if ":" in host and not re.fullmatch(r"\[.*\]", host):
        raise ValueError(f"“{text}” looks like an IPv6 address; put it in brackets: [fd00::7]:104")
    return str(_read(peers.Host, host.removeprefix("[").removesuffix("]"))), int(port)


def write_address(host: str, port: int) -> str:
    """Write host and port as one word, an IPv6 address in brackets."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def read_archive(text: str) -> NewPeer:
    """Read `[NAME=]AE@HOST:PORT`; raises ValueError with what to type instead."""
    name, rest = _split_name(text)
    ae_title, at, address = rest.rpartition("@")
    if not at:
        raise ValueError(f"“{text}” lacks an address; type AE@HOST:PORT, like {EXAMPLES['archive']}")
    host, port = read_address(address, example=EXAMPLES["archive"])
    return NewPeer(name=name, ae_title=read_ae_title(ae_title), host=host, port=port)


def read_workstation(text: str) -> NewPeer:
    """Read `[NAME=]AE@HOST:PORT`, or `[NAME=]AE` for one that cannot be asked; raises ValueError."""
    name, rest = _split_name(text)
    ae_title, at, address = rest.rpartition("@")
    if not at:
        return NewPeer(name=name, ae_title=read_ae_title(rest), answers_queries=False)
    host, port = read_address(address, example=EXAMPLES["workstation"])
    return NewPeer(name=name, ae_title=read_ae_title(ae_title), host=host, port=port)


READERS = {"archive": read_archive, "workstation": read_workstation}
"""Kind of peer → how its words are read."""


def require_new(peer: NewPeer, kind: str, present: Iterable[NewPeer]) -> NewPeer:
    """Give a peer back; raises ValueError where a configuration could not hold it beside those present."""
    for neighbour in present:
        if peer.name and peer.name == neighbour.name:
            raise ValueError(f"another {kind} has the name {peer.name}; choose a different one")
        if peer.ae_title == neighbour.ae_title and kind == "workstation":
            raise ValueError(f"another workstation has the AE title {peer.ae_title}")
        if (peer.ae_title, peer.address) == (neighbour.ae_title, neighbour.address):
            raise ValueError(f"{peer.ae_title}@{peer.address} is there already")
    return peer


def name_peers(new: Sequence[NewPeer], kind: str, *, taken: Collection[str] = ()) -> tuple[NewPeer, ...]:
    """Name each peer that has no name after its AE title, so that no two names are the same."""
    used = {*taken, *(peer.name for peer in new if peer.name)}
    named = []
    for peer in new:
        name = peer.name or _free_name(_slug(peer.ae_title) or kind, used)
        used.add(name)
        named.append(replace(peer, name=name))
    return tuple(named)


def _free_name(slug: str, used: Collection[str]) -> str:
    names = [slug, *(f"{slug}-{number}" for number in range(2, len(used) + 3))]
    return next(name for name in names if name not in used)


def _slug(ae_title: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", ae_title.lower()).strip("-")[:_LONGEST_SLUG]


def _split_name(text: str) -> tuple[str, str]:
    """Split the name from what follows `=`; without a name the text may not look like one."""
    name, equals, rest = text.strip().partition("=")
    if not equals:
        return "", name
    if not re.fullmatch(_NAME, name):
        raise ValueError(f"“{name}” is not a name: letters, digits, _ . and - without blanks")
    return name, rest


def _read(kind: Any, text: str) -> Any:
    """Read a value as `prefetch.yaml` would; raises ValueError with the words of the configuration."""
    try:
        return TypeAdapter(kind).validate_python(text)
    except ValidationError as error:
        reason = error.errors()[0].get("ctx", {}).get("error")
        raise ValueError(str(reason or error)) from error
