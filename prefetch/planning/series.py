"""PURE: which series of a study a class wants, or which images of them, and where that must be asked for.

An archive is asked for the series of a study only where a class asks for some of them, or where it did not
say what a class asks about.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from prefetch import parts, rules
from prefetch.model import Series, Study
from prefetch.planning.findings import Finding, alternatives, compare, every, is_like, is_of_kind, some
from prefetch.planning.matching import RuleMatch

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

_PLANNED = frozenset({"CT", "MR", "NM", "PT"})
"""Modalities whose scans are planned on images: a film of the whole pelvis or a skeletal survey is none."""

NO_KEY_IMAGES = frozenset({"113001", "113037", "113038", "113039", "113030", "113031"})
"""Titles of Key Objects that recommend no image to a reader (PS3.16 CID 7010): they reject them (IHE RAD TF-3
4.66), or list whatever there is, as a manifest."""

_SAID = ("modality", "description", "region", "side", "facet", "relevance", "exclude")
"""Keys of a class that ask what an archive may not have said of a study."""


def may_be_lacking(study: Study) -> bool:
    """Whether a class that asks for no series in particular may need to know those of a study."""
    return study.series_found is None and _leaves_unsaid(study)


def _leaves_unsaid(study: Study) -> bool:
    return not study.modalities or not study.description


def is_lacking(study: Study, asked: rules.PriorClass) -> bool:
    """Whether the series of a study must be known to tell whether a class wants it."""
    if study.series_found is not None:
        markers = asked.series.key_images if asked.series else ()
        return any(each.markings is None and each.modality in markers for each in study.series_found)
    return bool(asked.series) or (_leaves_unsaid(study) and any(getattr(asked, key) for key in _SAID))


def wanted(asked: rules.SeriesFilter, study: Study) -> tuple[tuple[Series, ...], Finding]:
    """The series that are wanted of a study, none being all of them; and whether there are any."""
    if study.series_found is None:
        return (), Finding(None, "the archive does not say the series")
    chosen = tuple(each for each in study.series_found if _is_wanted(asked, each))
    if asked.key_images:
        return _key_images(asked, study.series_found, chosen)
    return _of(chosen, study.series_found)


def _of(chosen: tuple[Series, ...], found: tuple[Series, ...]) -> tuple[tuple[Series, ...], Finding]:
    number, of = len(chosen), len(found)
    if not chosen:
        return (), Finding(False, f"none of {of} series is as asked")
    return (() if number == of else chosen), Finding(True, f"{number} of {of} series")


def _key_images(
    asked: rules.SeriesFilter, found: tuple[Series, ...], chosen: tuple[Series, ...]
) -> tuple[tuple[Series, ...], Finding]:
    """The images that somebody marked in the chosen series, and what marks them.

    Where the archive does not say which these are, all of the chosen series: too much, and not too little.
    """
    marking = [each for each in found if each.modality in asked.key_images]
    if not marking:
        return (), Finding(False, f"nobody marked an image by {alternatives(asked.key_images)}")
    if any(each.markings is None or any(one.images is None for one in each.markings) for each in marking):
        wanted_as_well = tuple(each for each in found if each in chosen or each in marking)
        part, finding = _of(wanted_as_well, found)
        return part, Finding(True, f"{finding.because}: the archive does not say which images are marked")
    markings = {
        each.series_instance_uid: [one for one in each.markings or () if one.title not in NO_KEY_IMAGES]
        for each in marking
    }
    images = {image for some in markings.values() for one in some for image in one.images or ()}
    marked = [
        (each, sorted(uid for series, uid in images if series == each.series_instance_uid)) for each in chosen
    ]
    number = sum(len(uids) for _, uids in marked)
    if not number:
        return (), Finding(False, f"{alternatives(asked.key_images)} marks no image of the wanted series")
    by = [(each, [one.sop_instance_uid for one in markings[each.series_instance_uid]]) for each in marking]
    part = united(
        replace(each, instances=len(uids), only=tuple(uids)) for each, uids in (*marked, *by) if uids
    )
    objects = sum(len(uids) for _, uids in by)
    return part, Finding(True, f"{number} key images, marked by {objects} objects")


def united(some: Iterable[Series]) -> tuple[Series, ...]:
    """Each series once, with all that is wanted of it."""
    series = tuple(some)
    known = {each.series_instance_uid: each for each in series}
    return tuple(
        replace(known[part.series_instance_uid], instances=part.instances, only=part.only)
        for part in parts.once(parts.of(series))
    )


def any_key_images(matches: Iterable[RuleMatch]) -> bool:
    """Whether any rule that acts asks which images are marked."""
    classes = (one for match in matches if match.acts for one in match.rule.priors)
    return any(one.series is not None and bool(one.series.key_images) for one in classes)


def _is_wanted(asked: rules.SeriesFilter, series: Series) -> bool:
    if not every(_findings(asked, series)).holds:
        return False
    if not asked.localizers and _is_localizer(series):
        return False
    return not some(every(_findings(one, series)) for one in asked.exclude).holds


def _is_localizer(series: Series) -> bool:
    is_planned = series.modality is None or series.modality in _PLANNED
    return is_planned and is_like(series.description or "", _LOCALIZERS)


def _findings(asked: rules.SeriesCondition, series: Series) -> list[Finding]:
    found = []
    if asked.modality:
        own = (series.modality,) if series.modality else ()
        found.append(compare("the series' modality", own, asked.modality, is_of_kind))
    if asked.description:
        text = (series.description,) if series.description else ()
        found.append(compare("the series description", text, asked.description, is_like))
    return found
