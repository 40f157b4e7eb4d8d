"""What of the troubles concerns one order, for `prefetch explain`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from prefetch import readiness
from prefetch.domain.trouble import Trouble, TroubleKind

_OF_ARCHIVE = frozenset(
    {
        TroubleKind.ANSWERS_UNUSABLE,
        TroubleKind.ARCHIVE_PAUSED,
        TroubleKind.ARCHIVE_RESTS,
    }
)
_OF_FEED = frozenset({TroubleKind.SENDER_CLOCK, TroubleKind.EXAMS_IN_THE_PAST, TroubleKind.FEED_SILENT})


def words_about(exam: readiness.Exam, troubles: Sequence[Trouble]) -> list[str]:
    """Say what keeps this exam's priors from coming: of its own plan first, then of its archives and feed."""
    return [*_of_plan(exam), *_of_peers(exam, troubles)]


def _of_plan(exam: readiness.Exam) -> Iterator[str]:
    plan = exam.plan
    if plan is None:
        return
    if not any(reason.is_match for reason in plan.rules):
        yield "no rule matched: nothing is fetched for this exam"
    for archive, because in plan.uncompared.items():
        yield f"identity could not be compared by birth date at {archive}: {because}"


def _of_peers(exam: readiness.Exam, troubles: Sequence[Trouble]) -> Iterator[str]:
    consulted = exam.plan.consulted if exam.plan else ()
    archives = {query.archive for query in consulted}
    knowing = {query.archive for query in consulted if query.answers}
    for trouble in troubles:
        of_feed = trouble.name in _OF_FEED and trouble.subject.partition(" (")[0] == exam.order.source
        of_archive = trouble.name in _OF_ARCHIVE and trouble.subject in archives
        # An archive that knows this patient is no trouble for this exam.
        knows_not = trouble.name is TroubleKind.ARCHIVE_KNOWS_NOBODY and trouble.subject in archives - knowing
        if of_feed or of_archive or knows_not:
            yield trouble.sentence
