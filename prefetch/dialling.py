"""From what the site says of a peer to what `dimse` needs to call it."""

from __future__ import annotations

from prefetch import config
from prefetch.dimse import peer


def archive(site: config.Config, name: str) -> peer.Peer:
    """An archive as a remote AE."""
    said = site.archives[name]
    waits = said.timeouts
    return peer.Peer(
        name=name,
        ae_title=said.ae_title,
        host=said.host,
        port=said.port,
        calling_ae_title=site.ae_title,
        max_associations=said.max_associations,
        timeouts=peer.Timeouts(
            connect=waits.connect.total_seconds(),
            acse=waits.acse.total_seconds(),
            idle=waits.idle.total_seconds(),
            find_total=waits.find_total.total_seconds(),
            move_idle=waits.move_idle.total_seconds(),
            move_total=waits.move_total.total_seconds(),
        ),
        send_issuer=said.send_issuer,
        character_set=said.character_set,
        answer_limit=site.planning.answer_limit,
    )


def workstation(site: config.Config, name: str) -> peer.Peer | None:
    """A workstation as a remote AE; None for one that cannot be asked."""
    said = site.workstations[name]
    if said.verify is config.Verify.COUNTERS or said.host is None or said.port is None:
        return None
    waits = said.timeouts
    return peer.Peer(
        name=name,
        ae_title=said.query_ae_title or said.ae_title,
        host=said.host,
        port=said.port,
        calling_ae_title=site.ae_title,
        max_associations=said.max_associations,
        timeouts=peer.Timeouts(
            connect=waits.connect.total_seconds(),
            acse=waits.acse.total_seconds(),
            idle=waits.idle.total_seconds(),
            find_total=waits.find_total.total_seconds(),
        ),
        send_issuer=False,
        answer_limit=site.planning.answer_limit,
    )
