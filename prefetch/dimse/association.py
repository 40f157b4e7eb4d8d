"""The bridge: the one place where asyncio meets pynetdicom's threads (design, section 5).

A call that has its turn (`turns`) runs in a thread of its remote AE, over an association that an earlier call
left open or a new one; what nobody uses for a second is released. A call that is cancelled interrupts its
association, and only plain values come back.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import time
import uuid
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any, Self, TypeVar

import structlog
from pydicom.uid import UID
from pynetdicom.association import Association
from structlog.typing import FilteringBoundLogger

from prefetch import errors, model
from prefetch.dimse import (
    breaker,
    echo,
    exchange,
    find,
    identifier,
    manner,
    move,
    peer,
    permission,
    second_look,
    status,
    turns,
    waiting,
    wire,
    worklist,
)
from prefetch.dimse.turns import INTERRUPTED, Kind
from prefetch.model import Outcome

log: FilteringBoundLogger = structlog.get_logger()

T = TypeVar("T")
Job = Callable[[Association], T]
"""Blocks in a thread that holds the association until it has the whole result."""
_FIND = (wire.FIND, wire.PATIENT_ROOT_FIND)
_MOVE = (wire.MOVE, wire.PATIENT_ROOT_MOVE)
"""SOP Classes of which one must be offered."""
Instead = Callable[[status.Verdict], T]
"""Makes the result of a call that could not be made."""


class RemoteAE:
    """A remote AE as coroutines see it: an archive, or a workstation that can be asked."""

    def __init__(
        self, remote: peer.Peer, *, release_after: float = 1.0, log: FilteringBoundLogger = log
    ) -> None:
        """`release_after` is how many seconds an association is kept open that nobody uses.

        `log` takes what is learnt of it: `SILENT` where whoever asks tells a person by himself.
        """
        self.peer = remote
        self._log = log
        self._release_after = release_after
        self._executor = _threads(remote)
        self._turns = turns.Turns(remote)
        self._habits = manner.Habits(self._log_manner)
        self._permissions = permission.Permissions(remote, log=log)
        self._breaker = breaker.Breaker(remote, rests=self._log_rest, answers=self._log_answers)
        self._lock = threading.Lock()
        self._uses: dict[_Use, Future[Any]] = {}
        self._idle: list[tuple[float, Association]] = []
        """Open and unused, each since when; the one used last stands last and is used first."""
        self._timer: asyncio.TimerHandle | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def use(self, remote: peer.Peer) -> None:
        """Go by other settings of the same peer from the next association on.

        Those that are open keep what they have; where it rests it is tried, for what kept it may be mended.
        """
        before, self.peer = self.peer, remote
        if remote == before:
            return
        if remote.max_associations != before.max_associations:
            self._executor.shutdown(wait=False)  # its threads end with what they do
            self._executor = _threads(remote)
        self._turns.use(remote)
        self._breaker.use(remote)

    @property
    def most_moves(self) -> int:
        """How many moves may ever be under way: of two or more associations, one is kept for queries."""
        return self._turns.most_moves

    @property
    def move_slots(self) -> int:
        """How many moves may be under way: of two or more associations, one is kept for queries.

        Fewer for a while after the peer has let us have fewer.
        """
        return 1 if self._breaker.is_open else self._turns.for_moves

    @property
    def resting(self) -> breaker.Resting | None:
        """Until when it is left alone, and why; None where it may be asked."""
        return self._breaker.resting

    @property
    def in_doubt(self) -> bool:
        """Whether it failed when it was last asked."""
        return self._breaker.is_in_doubt

    @property
    def learnt(self) -> list[str]:
        """What it has let us know of its manners since we started, in words for the administrator."""
        known = self._habits.words
        if self._turns.is_limited:
            known.append(f"no more than {self._turns.room} associations are opened for now: it rejects more")
        return known + self._permissions.learned

    @property
    def refusals(self) -> list[str]:
        """What it refuses every time, and what to do about it, in words for the administrator."""
        return self._permissions.refusals

    def _log_rest(self, resting: breaker.Resting, failures: int) -> None:
        self._log.warning(
            "peer_rests",
            peer=self.peer.name,
            failures=failures,
            because=resting.because,
            resting_until=resting.until,
        )

    def _log_answers(self) -> None:
        self._log.info("peer_answers_again", peer=self.peer.name)

    # --- what can be asked of it -------------------------------------------------------------------

    async def find_studies(
        self,
        *,
        patient_id: str | None = None,
        issuer_of_patient_id: str | None = None,
        study_instance_uids: Sequence[str] = (),
        only_held: bool = False,
    ) -> model.FindResult:
        """The studies of a patient, or those of these UIDs; raises `UnsafeKeyError` for a key never sent.

        `only_held`: no more is asked than which there are, and how large.
        """
        query = identifier.studies(
            patient_id=patient_id,
            issuer_of_patient_id=issuer_of_patient_id if self.peer.send_issuer else None,
            study_instance_uids=study_instance_uids,
            codes=self.peer.codes,
            only_held=only_held,
            character_set=self.peer.character_set,
        )
        return await self._run(
            lambda association: find.find_studies(
                self._asker(association, patient_id), query, today=datetime.now(UTC).date()
            ),
            needs=_FIND,
            instead=find.unasked,
        )

    async def find_studies_under(
        self, root: UID, *, patient_id: str, issuer_of_patient_id: str | None
    ) -> model.FindResult:
        """The answer to one query for a patient's studies under one root, with these keys and no others.

        Raises `UnsafeKeyError` for a key never sent.
        """
        query = identifier.studies(
            patient_id=patient_id,
            issuer_of_patient_id=issuer_of_patient_id,
            character_set=self.peer.character_set,
        )
        return await self._run(
            lambda association: find.find_studies_under(
                self._asker(association, patient_id), query, root=root
            ),
            needs=(root,),
            instead=find.unasked,
        )

    async def find_held(self, *, patient_id: str, study_instance_uids: Sequence[str]) -> model.FindResult:
        """What it holds of some studies: one query by their patient's ID, or by UIDs where that is no key."""
        try:
            return await self.find_studies(patient_id=patient_id, only_held=True)
        except errors.UnsafeKeyError:
            together = await self.find_studies(study_instance_uids=study_instance_uids, only_held=True)
        if together.studies or together.outcome is not Outcome.SUCCESS or len(study_instance_uids) == 1:
            return together
        # Some match nothing by a list (dcm4chee-arc-light #1772).
        each = [
            await self.find_studies(study_instance_uids=[uid], only_held=True) for uid in study_instance_uids
        ]
        worst = max(each, key=lambda result: result.outcome is not Outcome.SUCCESS)
        return replace(worst, studies=tuple(study for result in each for study in result.studies))

    async def count_instances(self, *, study_instance_uid: str, patient_id: str | None = None) -> int | None:
        """How many instances of a study it holds, counted one by one; `None` where that cannot be told."""

        def count(association: Association) -> int | None:
            asker = self._asker(association, patient_id)
            return find.count_instances(asker, study_instance_uid=study_instance_uid)

        return await self._run(count, needs=_FIND, instead=lambda _: None)

    async def find_series(
        self, *, study_instance_uid: str, patient_id: str | None = None, markings: bool = False
    ) -> tuple[model.Series, ...] | None:
        """The series of a study, each with its number of instances; `None` where that cannot be told.

        With `markings` also which images its Key Objects and Presentation States refer to.
        """

        def find_them(association: Association) -> tuple[model.Series, ...] | None:
            asker = self._asker(association, patient_id)
            return find.find_series(asker, study_instance_uid=study_instance_uid, markings=markings)

        return await self._run(find_them, needs=_FIND, instead=lambda _: None)

    async def count_parts(
        self, *, study_instance_uid: str, parts: model.Parts, patient_id: str | None = None
    ) -> dict[str, int | None] | None:
        """How many it holds of what is wanted of each series; `None` where that cannot be told."""

        def count(association: Association) -> dict[str, int | None] | None:
            asker = self._asker(association, patient_id)
            return find.count_parts(asker, study_instance_uid=study_instance_uid, parts=parts)

        return await self._run(count, needs=_FIND, instead=lambda _: None)

    def _asker(self, association: Association, patient_id: str | None) -> find.Asker:
        return find.Asker(association=association, of=self.peer, habits=self._habits, patient_id=patient_id)

    def _log_manner(self, level: str, taken: manner.Manner, because: str) -> None:
        self._log.warning(
            "query_put_otherwise",
            peer=self.peer.name,
            level=level,
            because=because,
            next=f"asked from now on: {taken.words}",
        )

    async def find_worklist(self, keys: model.WorklistKeys) -> model.WorklistAnswer:
        """The items of its worklist; raises `UnsafeKeyError` for a key never sent."""
        asked = worklist.query(keys, character_set=self.peer.character_set)
        return await self._run(
            partial(worklist.find_items, asked=asked, of=self.peer),
            needs=(wire.WORKLIST,),
            instead=lambda verdict: model.WorklistAnswer(
                outcome=verdict.outcome, because=verdict.because, refused=verdict.refused
            ),
        )

    async def move_studies(
        self,
        *,
        study_instance_uids: Sequence[str],
        parts: model.Parts = (),
        missing: Sequence[str] = (),
        destination_ae_title: str,
        patient_id: str | None = None,
        is_repeated: bool = False,
        is_suspect: Callable[[], Awaitable[bool]] | None = None,
    ) -> model.MoveResult:
        """Have it send studies of a patient, or parts of one, to a Move Destination.

        `missing`: SOP Instance UIDs that the last move named as failed, to be moved instead of everything.
        `is_repeated`: a move of it has failed before. `is_suspect` tells whether the destination may be
        unknown, as where nothing has ever arrived there from here; asked only where a move failed without a
        reason, and believed not to be so if it fails.
        """
        moving = second_look.Moving(
            study_instance_uids=study_instance_uids,
            parts=parts,
            missing=missing,
            destination_ae_title=destination_ae_title,
            is_repeated=is_repeated,
            is_suspect=(lambda: False) if is_suspect is None else _asked_from_a_thread(is_suspect),
            **_nobodies(),
        )
        return await self._run(
            lambda association: second_look.move_studies(
                self._asker(association, patient_id), moving, today=datetime.now(UTC).date()
            ),
            needs=_MOVE,
            instead=lambda verdict: model.MoveResult(
                outcome=verdict.outcome,
                because=verdict.because,
                unwell=verdict.unwell,
                refused=verdict.refused,
                begun=not verdict.rejected,
            ),
            kind=Kind.MOVE,
        )

    async def knows_destination(self, destination_ae_title: str) -> move.Introduction:
        """Whether it knows a Move Destination; nothing is sent to anyone.

        A refusal may be chance, so it is asked twice.
        """
        introduction = await self._probe_destination(destination_ae_title)
        return await self._probe_destination(destination_ae_title) if introduction.refused else introduction

    async def _probe_destination(self, destination_ae_title: str) -> move.Introduction:
        nobodies = _nobodies()
        probing = partial(
            move.probe_destination,
            destination_ae_title=destination_ae_title,
            nobody_ae_title=nobodies["nobody_ae_title"],
            no_study_instance_uid=nobodies["no_study_instance_uid"],
            of=self.peer,
        )
        return await self._run(probing, needs=_MOVE, instead=move.cannot_tell, kind=Kind.MOVE)

    async def probe_query(self) -> model.FindResult | model.WorklistAnswer:
        """Ask by C-FIND for a patient ID that nobody has, as a daemon asks for a real one.

        The end of an association may be chance, so it is asked once more, over a new one.
        """
        result = await self._query_for_nobody()
        is_over = result.refused or result.because == exchange.LOST
        return await self._query_for_nobody() if is_over else result

    async def _query_for_nobody(self) -> model.FindResult | model.WorklistAnswer:
        nobody = _nobodies()["nobody_ae_title"]
        if self.peer.is_worklist:
            return await self.find_worklist(model.WorklistKeys(patient_id=nobody))
        return await self.find_studies(patient_id=nobody, only_held=self.peer.is_destination)

    async def echo(self) -> echo.EchoResult:
        """Whether it is there, and what it offers."""
        return await self._run(
            partial(echo.echo, of=self.peer),
            needs=(),
            instead=lambda verdict: echo.EchoResult(
                reachable=False, refused=verdict.refused, problem=verdict.because
            ),
        )

    def interrupt_all(self) -> None:
        """Interrupt whatever is under way or waits for its turn; each call ends as `CANCELLED`."""
        self._turns.interrupt()
        with self._lock:
            uses = list(self._uses)
        for use in uses:
            use.interrupt()

    async def close(self, drain_seconds: float = 0.0) -> None:
        """Let what is under way end within the time, and interrupt the rest; leaves no thread behind."""
        if self._closed:
            return
        self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        await self._settle(drain_seconds)
        self.interrupt_all()
        await self._settle()
        self._submit(self._release_idle)
        await self._settle(_POLITENESS)
        self.interrupt_all()
        await self._settle()
        self._executor.shutdown()  # its threads have nothing left to do

    # --- on the event loop -------------------------------------------------------------------------

    async def _run(
        self, job: Job[T], *, needs: Sequence[UID], instead: Instead[T], kind: Kind = Kind.QUERY
    ) -> T:
        """Run a job over an association when it is its turn, unless the peer rests."""
        refused = self._breaker.begin()
        if refused is not None:
            return instead(refused)
        with self._breaker.watching() as tell:
            result = self._permissions.hear(kind, await self._when_it_is_our_turn(job, needs, kind))
            tell(result)
        return instead(result) if isinstance(result, status.Verdict) else result

    async def _when_it_is_our_turn(self, job: Job[T], needs: Sequence[UID], kind: Kind) -> T | status.Verdict:
        """Run a job; where it was one association too many, wait for the next turn."""
        deadline = time.monotonic() + self._patience(kind)
        while True:
            result = await self._take_turn(job, needs, kind, patience=deadline - time.monotonic())
            if not isinstance(result, status.Verdict) or not result.crowded:
                return result

    def _patience(self, kind: Kind) -> float:
        """Seconds until a turn must have come."""
        timeouts = self.peer.timeouts
        return timeouts.move_total if kind is Kind.MOVE else timeouts.find_total

    async def _take_turn(
        self, job: Job[T], needs: Sequence[UID], kind: Kind, *, patience: float
    ) -> T | status.Verdict:
        if self._closed:
            return INTERRUPTED
        refused = await self._turns.begin(kind, patience=patience)
        if refused is not None:
            return refused
        use, future = self._submit(partial(self._work, job=job, needs=needs), turn=kind)
        try:
            result = await asyncio.wrap_future(future)
        except asyncio.CancelledError:
            use.interrupt()
            raise
        finally:
            self._watch_idle()
        if isinstance(result, status.Verdict) and result.crowded and not use.one_too_many:
            return replace(result, crowded=False)
        return result

    def _end_turn(self, use: _Use, turn: Kind, work: Future[Any]) -> None:
        """End a turn; whoever comes next knows already what this one has learnt."""
        # Cancelled before a thread had begun it, the work has no result; its turn ends all the same.
        result = None if work.cancelled() or work.exception() else work.result()
        if isinstance(result, status.Verdict) and result.crowded:
            use.one_too_many = self._learn()
        self._turns.end(turn)

    def _learn(self) -> bool:
        """Whether an association that was rejected was one more than the peer lets us have: waiting helps."""
        with self._lock:
            ours = len(self._idle) + len(self._uses)
        if ours and self._turns.learn(ours):
            self._log.warning(
                "associations_limited",
                peer=self.peer.name,
                because=f"{self.peer.ae_title} rejects more than {ours} associations for the time being",
                next=f"no more than {ours} for the next {turns.LEARNT_FOR:.0f} s",
            )
        return bool(ours)

    def _submit(self, work: Callable[[_Use], T], *, turn: Kind | None = None) -> tuple[_Use, Future[T]]:
        """Run work in a thread; the turn that it has ends with it, however it ends."""
        use, loop = _Use(), asyncio.get_running_loop()
        future = self._executor.submit(contextvars.copy_context().run, work, use)
        with self._lock:
            self._uses[use] = future
        future.add_done_callback(lambda _: self._forget(use))
        if turn is not None:
            future.add_done_callback(lambda work: loop.call_soon_threadsafe(self._end_turn, use, turn, work))
        return use, future

    def _forget(self, use: _Use) -> None:
        with self._lock:
            self._uses.pop(use, None)

    async def _settle(self, seconds: float | None = None) -> None:
        """Wait until nothing is under way, or for so many seconds."""
        with self._lock:
            futures = [asyncio.wrap_future(future) for future in self._uses.values()]
        if futures:
            await asyncio.wait(futures, timeout=seconds)

    def _watch_idle(self, seconds: float | None = None) -> None:
        """See to it that what nobody uses for a while is released."""
        if self._timer is None and not self._closed:
            wait = self._release_after if seconds is None else seconds
            self._timer = asyncio.get_running_loop().call_later(wait, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        with self._lock:
            unused = [since for since, _ in self._idle]
        if not unused:
            return
        now = time.monotonic()
        if unused[0] + self._release_after <= now:
            # Until the release is answered the peer counts the association as open: it takes a turn.
            if self._turns.begin_now(Kind.QUERY):
                releasing = partial(self._release_idle, unused_since=now - self._release_after)
                self._submit(releasing, turn=Kind.QUERY)
            self._watch_idle()
        else:
            self._watch_idle(unused[0] + self._release_after - now)

    # --- in a thread -------------------------------------------------------------------------------

    def _work(self, use: _Use, *, job: Job[T], needs: Sequence[UID]) -> T | status.Verdict:
        """The job's result, or why it could not be done."""
        if use.interrupted:
            return INTERRUPTED
        used_before = self._reuse()
        association = used_before or wire.associate(self.peer, held_by=partial(use.hold, end=wire.cut))
        if isinstance(association, status.Verdict):
            return association if use.let_go() else INTERRUPTED
        use.hold(association, end=wire.interrupt)
        try:
            result = self._offered(association, job, needs)
        finally:
            finished = use.let_go()
            if finished and association.is_established:
                self._keep(association)
            else:
                wire.discard(association)
        if not finished:
            return INTERRUPTED
        return _excused(result) if used_before is not None else result

    def _offered(self, association: Association, job: Job[T], needs: Sequence[UID]) -> T | status.Verdict:
        """Run the job if the peer accepted one of the contexts that serve it."""
        offered = wire.offered(association)
        if not needs or not offered.isdisjoint(needs):
            return job(association)
        offers = ", ".join(sorted(uid.name for uid in offered)) or "nothing"
        because = f"{self.peer.ae_title} does not offer {needs[0].name}; it offers {offers}"
        return status.Verdict(outcome=Outcome.PERMANENT, because=because, refused=True)

    def _reuse(self) -> Association | None:
        """The association that was used last and is still open."""
        while True:
            with self._lock:
                if not self._idle:
                    return None
                _, association = self._idle.pop()
            if association.is_established and waiting.is_quiet(association):
                return association
            wire.discard(association)

    def _keep(self, association: Association) -> None:
        with self._lock:
            self._idle.append((time.monotonic(), association))

    def _release_idle(self, use: _Use, *, unused_since: float = float("inf")) -> None:
        while True:
            with self._lock:
                if not self._idle or self._idle[0][0] > unused_since:
                    return
                _, association = self._idle.pop(0)
            use.hold(association, end=wire.cut)
            wire.release(association)
            use.let_go()


def _excused(result: T | status.Verdict) -> T | status.Verdict:
    """Take no end of an association that had served before for a refusal: a peer may close what is idle."""
    if isinstance(result, model.FindResult | model.MoveResult | model.WorklistAnswer) and result.refused:
        return replace(result, refused=False)
    return result


def _threads(remote: peer.Peer) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(remote.max_associations, f"dimse-{remote.name}")


def _asked_from_a_thread(question: Callable[[], Awaitable[bool]]) -> Callable[[], bool]:
    """Let a thread ask what the event loop knows; what cannot be told in time, or at all, is no."""
    loop = asyncio.get_running_loop()

    async def answer() -> bool:
        async with asyncio.timeout(_ANSWERED_WITHIN):
            return await question()

    def ask() -> bool:
        try:
            return asyncio.run_coroutine_threadsafe(answer(), loop).result()
        except (errors.PrefetchError, TimeoutError) as error:
            log.warning("arrivals_unknown", because=str(error) or f"no answer in {_ANSWERED_WITHIN:.0f} s")
            return False

    return ask


_ANSWERED_WITHIN = 5.0
"""Seconds for a question to the event loop: a database that is away must not keep an association."""


def _nobodies() -> dict[str, str]:
    """An AE Title and a study that nobody has, for probes."""
    fresh = uuid.uuid4()
    return {"nobody_ae_title": f"NO{fresh.hex[:12].upper()}", "no_study_instance_uid": f"2.25.{fresh.int}"}


_POLITENESS = 1.0
"""Seconds that a peer has, when we close, for its answer to our release."""


class _Use:
    """One call's hold on an association, so that other threads can end it while it lasts."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._association: Association | None = None
        self._end: Callable[[Association], None] = wire.cut
        self.interrupted = False
        self.one_too_many = False
        """Whether its association was rejected beside others of ours: waiting for one of those helps."""

    def hold(self, association: Association, *, end: Callable[[Association], None]) -> None:
        """From now on an interruption ends this association, in this way."""
        with self._lock:
            self._association, self._end = association, end
            if self.interrupted:
                end(association)

    def let_go(self) -> bool:
        """From now on an interruption comes too late; gives whether none came before."""
        with self._lock:
            self._association = None
            return not self.interrupted

    def interrupt(self) -> None:
        """End the call; it comes back at once, or does not begin."""
        with self._lock:
            self.interrupted = True
            if self._association is not None:
                self._end(self._association)
                self._association = None
