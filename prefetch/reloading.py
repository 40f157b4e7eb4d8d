"""PURE: which keys only a start puts in force, and what of a newer configuration a reload can.

Sockets and the store are made at start; an archive or a workstation at another address is another one. All
else is data: it is exchanged as a whole, beside the older form of what waits for the restart (ADR 9).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from prefetch import fingerprint
from prefetch.settings import Config

AT_START_ONLY = ("ae_title", "time_zone", "store", "logging")
"""Keys of prefetch.yaml that a reload leaves as they are."""
NAMED_AT_START = ("listeners", "worklists")
"""The same, of which each entry has a name."""
ADDRESSES = {
    "archives": ("ae_title", "host", "port"),
    "workstations": ("ae_title", "query_ae_title", "host", "port"),
}
"""The peers that only a start makes, and by which of their keys they are the same ones."""

RESTART = "a reload cannot change that: restart the daemon (systemctl restart prefetch)"


def at_start(config: Config) -> dict[str, str]:
    """Give the fingerprint of each key that only a start puts in force: `listeners.ris` → fingerprint."""
    fingerprints = {key: fingerprint.fingerprint(getattr(config, key)) for key in AT_START_ONLY}
    for section in NAMED_AT_START:
        for name, settings in getattr(config, section).items():
            fingerprints[f"{section}.{name}"] = fingerprint.fingerprint(settings)
    for section, keys in ADDRESSES.items():
        for name, settings in getattr(config, section).items():
            fingerprints[f"{section}.{name}"] = fingerprint.fingerprint(_address(settings, keys))
    return fingerprints


def waits_for_restart(running: Mapping[str, str], files: Mapping[str, str]) -> dict[str, str]:
    """Give the keys in which the files differ from what a daemon was started with, each with a sentence."""
    keys = [*running, *(key for key in files if key not in running)]
    return {
        key: _sentence(key, running.get(key), files.get(key))
        for key in keys
        if running.get(key) != files.get(key)
    }


def _sentence(key: str, before: str | None, after: str | None) -> str:
    if before is None:
        return f"{key} is new; {RESTART}"
    if after is None:
        return f"{key} is gone; {RESTART}"
    is_address = key.partition(".")[0] in ADDRESSES
    return f"{key}{': its address' if is_address else ''} changed; {RESTART}"


def in_force(running: Config, files: Config) -> Config:
    """Give what a reload puts in force: the files, but for what waits for the restart."""
    unchanged = {key: getattr(running, key) for key in (*AT_START_ONLY, *NAMED_AT_START)}
    peers = {section: _peers(section, running, files) for section in ADDRESSES}
    return files.model_copy(update=unchanged | peers)


def _peers(section: str, running: Config, files: Config) -> dict[str, Any]:
    """Give the peers that there are, each as the files say it while its address is the same."""
    before, after = getattr(running, section), getattr(files, section)
    keys = ADDRESSES[section]
    names = [name for name in after if name in before] + [name for name in before if name not in after]
    return {
        name: after[name]
        if name in after and _address(after[name], keys) == _address(before[name], keys)
        else before[name]
        for name in names
    }


def _address(settings: Any, keys: tuple[str, ...]) -> list[object]:
    return [getattr(settings, key) for key in keys]
