"""From what the site says of a peer to what `dimse` needs to call it."""

from __future__ import annotations

from dataclasses import replace

from prefetch import config
from prefetch.dimse import peer
from prefetch.domain.issuers import IssuerKey


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
        tls=tls(said),
        max_associations=said.max_associations,
        timeouts=replace(
            _waits(waits),
            move_idle=waits.move_idle.total_seconds(),
            move_total=waits.move_total.total_seconds(),
        ),
        send_issuer=said.send_issuer is not IssuerKey.FALSE,
        codes=said.codes,
        character_set=said.character_set,
        answer_limit=site.planning.answer_limit,
        most_answers=said.most_answers,
        rest=_rest(said.rest),
    )


def workstation(site: config.Config, name: str) -> peer.Peer | None:
    """A workstation as a remote AE; None for one that cannot be asked."""
    said = site.workstations[name]
    if said.verify is config.Verify.COUNTERS or said.host is None or said.port is None:
        return None
    return peer.Peer(
        name=name,
        ae_title=said.query_ae_title or said.ae_title,
        host=said.host,
        port=said.port,
        calling_ae_title=site.ae_title,
        tls=tls(said),
        max_associations=said.max_associations,
        timeouts=_waits(said.timeouts),
        send_issuer=False,
        answer_limit=site.planning.answer_limit,
        rest=_rest(said.rest),
        is_destination=True,
    )


def worklist(site: config.Config, name: str) -> peer.Peer:
    """A worklist as a remote AE."""
    said = site.worklists[name]
    return peer.Peer(
        name=name,
        ae_title=said.ae_title,
        host=said.host,
        port=said.port,
        calling_ae_title=site.ae_title,
        tls=tls(said),
        max_associations=said.max_associations,
        timeouts=_waits(said.timeouts),
        send_issuer=False,
        character_set=said.character_set,
        answer_limit=said.answer_limit,
        is_worklist=True,
    )


def tls(said: config.Archive | config.Workstation | config.Worklist) -> peer.Tls | None:
    """How TLS is spoken with it; raises `CertificateError` for files that cannot be used."""
    if said.tls is None or said.host is None:
        return None
    return peer.Tls(context=said.tls.make_context(), name=said.tls.name or said.host)


def _rest(said: config.Rest) -> peer.Rest:
    """When it is left alone."""
    return peer.Rest(after=said.after, first=said.first.total_seconds(), longest=said.longest.total_seconds())


def _waits(said: config.Timeouts) -> peer.Timeouts:
    """How long we wait for any peer that is asked."""
    return peer.Timeouts(
        connect=said.connect.total_seconds(),
        acse=said.acse.total_seconds(),
        idle=said.idle.total_seconds(),
        find_total=said.find_total.total_seconds(),
    )
