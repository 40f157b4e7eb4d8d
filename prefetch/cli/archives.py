"""The verbs about an archive: `pause` and `resume` what is moved from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from prefetch import model, timing
from prefetch.cli import terms

if TYPE_CHECKING:
    from prefetch.config import Config

Name = Annotated[str, typer.Argument(metavar="ARCHIVE", help="As prefetch.yaml calls it.")]


def pause(archive: Name, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Begin no more moves from an archive until `resume`; what moves now ends, and queries go on."""
    from prefetch.store import archives, history  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site, now = _site_with(archive, config), timing.now()
    with terms.writing(site) as connection:
        archives.pause_archive(connection, archive, by=terms.who(by), at=now)
        detail: dict[str, object] = {"archive": archive, "by": terms.who(by)}
        history.record(connection, model.Happening(at=now, what="archive_paused", detail=detail))
    terms.echo(f"{archive} is paused")


def resume(archive: Name, *, config: terms.ConfigOption = None, by: terms.ByOption = None) -> None:
    """Let moves from an archive begin again."""
    from prefetch.store import archives, history  # noqa: PLC0415 (SQLAlchemy costs start-up time)

    site, now = _site_with(archive, config), timing.now()
    with terms.writing(site) as connection:
        resumed = archives.resume_archive(connection, archive)
        if resumed:
            detail: dict[str, object] = {"archive": archive, "by": terms.who(by)}
            history.record(connection, model.Happening(at=now, what="archive_resumed", detail=detail))
    terms.echo(f"{archive} is {'resumed' if resumed else 'not paused'}")


def _site_with(archive: str, config: terms.ConfigOption) -> Config:
    site = terms.load_site(config)
    if archive not in site.archives:
        terms.stop(
            terms.Exit.WRONG_USE, f"no archive is called {archive!r}; there are: {', '.join(site.archives)}"
        )
    return site
