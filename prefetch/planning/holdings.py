"""PURE: one study, several archives: what is known of it together, and which archive is asked to move it.

Archives have opposite quirks; what one leaves out, another may tell (field guide, section 4, 2, 29 and 30).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

from prefetch.model import Study


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """A study and the archives that hold it; counts are those of the first."""

    study: Study
    archives: tuple[str, ...]
    """In the order in which they are to be asked."""

    @property
    def uid(self) -> str:
        """Its Study Instance UID."""
        return self.study.study_instance_uid


def hold(studies_by_archive: Mapping[str, Iterable[Study]], archives: Iterable[str]) -> list[Holding]:
    """Every study that these archives hold, once, the newest first; archives are in order of preference."""
    answers: dict[str, list[Study]] = defaultdict(list)
    for archive in archives:
        for study in studies_by_archive.get(archive, ()):
            answers[study.study_instance_uid].append(study)
    return sorted(map(_merge, answers.values()), key=_age, reverse=True)


def _merge(answers: Sequence[Study]) -> Holding:
    """Preference decides, unless an archive has fewer instances than another; no count is not fewer."""
    if len(answers) == 1:
        return Holding(study=answers[0], archives=(answers[0].archive,))
    most = max((study.instances for study in answers if study.instances is not None), default=0)
    ordered = sorted(answers, key=lambda study: study.instances is not None and study.instances < most)
    return Holding(study=_complete(ordered), archives=tuple(study.archive for study in ordered))


def _complete(answers: Sequence[Study]) -> Study:
    """The first answer, with what it does not say taken from the others; never their counts."""
    first, *others = answers
    if not others:
        return first
    told = {
        name: value
        for name in (
            "study_date",
            "study_time",
            "accession_number",
            "description",
            "institution",
            "modalities",
        )
        if not getattr(first, name)
        and (value := next((getattr(other, name) for other in others if getattr(other, name)), None))
    }
    return replace(first, **told) if told else first


def _age(holding: Holding) -> tuple[date, str, str]:
    """Sorts by date and time. Without a date a study is older than all; between equals the UID decides."""
    study = holding.study
    time = (study.study_time or "").replace(":", "")
    return study.study_date or date.min, time, study.study_instance_uid
