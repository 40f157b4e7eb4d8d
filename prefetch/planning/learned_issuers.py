"""Learns from each archive's answers which issuers its studies name, and keeps it in the store."""

from __future__ import annotations

import structlog

from prefetch.domain.issuers import TRUSTED_AFTER, IssuersHeld
from prefetch.planning import draft
from prefetch.store import archive_issuers, database
from prefetch.timing import Now

log = structlog.get_logger()


class LearnedIssuers:
    """The issuers that archives' studies name, as this daemon and those before it have seen."""

    def __init__(self, *, store: database.Database, now: Now) -> None:
        self._store = store
        self._now = now
        self._known: dict[tuple[str, str], IssuersHeld] = {}

    async def of(self, archive: str, address: str) -> IssuersHeld:
        """Give what is known of an archive; of one that has moved to another address nothing is."""
        place = archive, address
        if place not in self._known:
            self._known[place] = await self._store.read(archive_issuers.find, *place)
        return self._known[place]

    async def learn_from(
        self, answer: draft.Answer, address: str, *, after_refusal: bool | None = None
    ) -> None:
        """Note the issuers that the studies name of an answer from this address.

        `after_refusal` belongs to a repeat by the ID alone: whether the query before it was refused.
        """
        if not answer.whole:
            return
        before = await self.of(answer.archive, address)
        after = before.with_answer(study.issuer_of_patient_id for study in answer.studies)
        if after_refusal is not None:
            after = after.with_repeat(found=bool(answer.studies), refused=after_refusal)
        # Beyond the number that decides they are not counted: a query should not cost a write each time.
        if after == before or before.empty_repeats > TRUSTED_AFTER < after.empty_repeats:
            return
        place = answer.archive, address
        self._known[place] = after
        await self._store.write_soon(archive_issuers.save, *place, after, now=self._now())
        if after.words != before.words:
            log.info("archive_issuers_learned", archive=answer.archive, because=after.words)
