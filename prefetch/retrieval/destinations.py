"""PURE: what an administrator registers at an archive so that it knows a workstation."""

from __future__ import annotations

from prefetch import config


def registration(archive: config.Archive, workstation: config.Workstation) -> str:
    """Write what is to be done where an archive does not know a Move Destination."""
    # A cache that is asked under another name may receive at another place, too.
    is_asked_elsewhere = workstation.query_ae_title not in {None, workstation.ae_title}
    place = (
        "its own host and port"
        if workstation.host is None or is_asked_elsewhere
        else f"host {workstation.host}, port {workstation.port}"
    )
    return (
        f"make the workstation's AE title known to the archive: register at {archive.ae_title} "
        f"({archive.host}:{archive.port}) the AE title {workstation.ae_title}, {place}"
    )
