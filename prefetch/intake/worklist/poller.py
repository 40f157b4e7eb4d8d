"""The poller: worklists → orders, by difference with the last answer (design, section 2, step 2).

From here on nobody knows where an order came from. Nothing is cancelled on the word of an answer that is not
whole, nor because an item is missing in one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime

import structlog

from prefetch import bell, config, errors, model, orders
from prefetch.intake.worklist import applying, asking, difference, reading
from prefetch.intake.worklist.difference import Fate, Known
from prefetch.store import database, worklists
from prefetch.timing import Now

log = structlog.get_logger()

EXAMS_AT_ONCE = 50
"""Exams applied in one transaction, so that no message waits long for its acknowledgement."""

ASKS_AT_ONCE = 20
"""Items asked for by number in one poll: where a whole worklist vanishes, its items go a few at a time."""

_EARLY = 0.9
"""Of the interval: the clocks of two nodes, and of the scheduler, are not exact."""


class Poller:
    """Asks one worklist, and applies what has changed in it."""

    def __init__(
        self,
        *,
        site: config.Config,
        worklist: str,
        ask: asking.Ask,
        store: database.Database,
        clock: orders.Clock,
        now: Now,
        bells: bell.Bells,
    ) -> None:
        self.name = worklist
        self.settings = site.worklists[worklist]
        self._zone = site.time_zone
        self._ask = ask
        self._store = store
        self.clock = clock
        self._now = now
        self._bells = bells

    async def poll(self) -> None:
        """Ask once, unless another node has; one line in the log says what came of it."""
        try:
            at = self._now()
            next_at = at + self.settings.interval * _EARLY
            if await self._store.write(worklists.claim_poll, self.name, now=at, next_at=next_at):
                await self._poll(at)
        except errors.StoreUnavailableError as error:
            log.error("worklist_poll_missed", worklist=self.name, because=str(error))  # noqa: TRY400 (said whole)

    async def _poll(self, at: datetime) -> None:
        interest = asking.interest_in(self.settings, at=at, zone=self._zone)
        answer = await asking.ask_all(self._ask, self.settings, interest)
        known = await self._store.read(applying.known_items, self.name)
        doubt = difference.is_doubtful(known, answer, interest)
        found = difference.compare(
            known, answer.items, interest=interest, whole=doubt is None, issuer=self.settings.issuer
        )
        changed = await self._apply(found.exams, at)
        await self._store.write(applying.record, answer, found, by=self._voice(at), doubt=doubt)
        due = [one for one in found.absent if one.absences >= self.settings.stale.absences]
        if due:  # what was just applied counts, and no older word of the same exam takes its place
            known = await self._store.read(applying.known_items, self.name)
        gone = await self._ask_for(due[:ASKS_AT_ONCE], known)
        log.info(
            "worklist_polled",
            worklist=self.name,
            outcome=answer.outcome.value,
            items=len(answer.items),
            new=sum(exam.is_new for exam in found.exams),
            changed=sum(not exam.is_new for exam in found.exams),
            absent=len(found.absent),
            gone=gone,
            orders=len(changed),
            outside=found.outside,
            duplicates=found.duplicates,
            unnamed=found.unnamed,
            milliseconds=round(answer.milliseconds, 1),
            because=doubt,
        )

    async def _apply(self, exams: Sequence[difference.Exam], at: datetime) -> list[model.Order]:
        """Apply news some exams at a time, and have them planned."""
        changed: list[model.Order] = []
        for first in range(0, len(exams), EXAMS_AT_ONCE):
            some = exams[first : first + EXAMS_AT_ONCE]
            changed += await self._store.write(applying.apply_exams, some, by=self._voice(at))
            self._bells.planner.ring()
        return changed

    async def _ask_for(self, absent: Sequence[Known], known: list[Known]) -> int:
        """Ask by number for what was absent often enough; gives how many were not there either."""
        gone = 0
        for one in absent:
            at = self._now()
            fate, items = await asking.ask_for(self._ask, one)
            if fate is Fate.GONE:
                await self._store.write(applying.apply_loss, one, known, by=self._voice(at))
                known[:] = [replace(each, gone=True) if each.id == one.id else each for each in known]
                gone += 1
            elif fate is Fate.STILL_THERE:
                await self._found_again(one, items, known, at)
        if gone:
            self._bells.planner.ring()
        return gone

    async def _found_again(
        self, one: Known, items: Sequence[reading.Item], known: Sequence[Known], at: datetime
    ) -> None:
        """An item that is there when it is asked for: put off beyond the window, or left out by mistake."""
        interest = asking.interest_in(self.settings, at=at, zone=self._zone)
        same = difference.same_item(one.item, items)
        found = difference.compare(known, same, interest=interest, whole=False, issuer=self.settings.issuer)
        await self._apply(found.exams, at)
        await self._store.write(worklists.see_items, [one.id], now=at)

    def _voice(self, at: datetime) -> applying.Voice:
        return applying.Voice(name=self.name, settings=self.settings, clock=self.clock, at=at)
