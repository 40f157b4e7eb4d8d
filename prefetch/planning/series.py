"""PURE: which series of a study a class wants, and which studies must be looked into to tell.

An archive is asked for the series of a study only where a class asks for some of them, or where it did not
say what a class asks about.
"""

from __future__ import annotations

from prefetch import rules
from prefetch.model import Series, Study
from prefetch.planning.findings import Finding, compare, every, is_like, is_of_kind, some

_LOCALIZERS = tuple(
    map(
        rules.Pattern,
        (
            *("*localizer*", "*localiser*", "loc", "loc *", "* loc", "*3*plane*loc*"),
            *("*scout*", "*topogram*", "*surview*", "*survey*", "*scano*", "*pilot*"),
            *("*planungs*", "*übersicht*", "*repérage*", "*reperage*", "*localizador*", "*localizzatore*"),
        ),
    )
)
"""What planning images are called by the vendors, and in a few languages."""

_SAID = ("modality", "description", "region", "side", "relevance", "exclude")
"""Keys of a class that ask what an archive may not have said of a study."""


def is_lacking(study: Study, asked: rules.PriorClass) -> bool:
    """Whether the series of a study must be known to tell whether a class wants it."""
    if study.series_found is not None:
        return False
    unsaid = not study.modalities or not study.description
    return bool(asked.series) or (unsaid and any(getattr(asked, key) for key in _SAID))


def wanted(asked: rules.SeriesFilter, study: Study) -> tuple[tuple[Series, ...], Finding]:
    """The series that are wanted of a study, none being all of them; and whether there are any."""
    if study.series_found is None:
        return (), Finding(None, "the archive does not say the series")
    chosen = tuple(each for each in study.series_found if _is_wanted(asked, each))
    number, of = len(chosen), len(study.series_found)
    if not chosen:
        return (), Finding(False, f"none of {of} series is as asked")
    found = Finding(True, f"{number} of {of} series")
    return (() if number == of else chosen), found


def _is_wanted(asked: rules.SeriesFilter, series: Series) -> bool:
    if not every(_findings(asked, series)).holds:
        return False
    if not asked.localizers and is_like(series.description or "", _LOCALIZERS):
        return False
    return not some(every(_findings(one, series)) for one in asked.exclude).holds


def _findings(asked: rules.SeriesCondition, series: Series) -> list[Finding]:
    found = []
    if asked.modality:
        own = (series.modality,) if series.modality else ()
        found.append(compare("the series' modality", own, asked.modality, is_of_kind))
    if asked.description:
        text = (series.description,) if series.description else ()
        found.append(compare("the series description", text, asked.description, is_like))
    return found
