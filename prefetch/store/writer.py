"""Group commit: one thread that does what waits to be written in one transaction.

A commit costs an fsync, whatever it holds; so what came in while the last one ran goes into the next one
together. Where a piece of work fails, all are run again, each in a savepoint: one that fails harms no other.

What a peer waits for goes first, and no commit is filled for much longer than it takes: a RIS whose message
is acknowledged after the commit should not wait for all that the other stages have to write.

Where many peers are answered at once they come back one by one, and the first would have a slow disk to
himself while all others wait for it. So a commit waits a little for as many as there were lately.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import deque
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from itertools import groupby
from threading import Condition, Thread

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from prefetch import errors
from prefetch.store import engine, failures

MOST_IN_A_COMMIT = 500
"""How much may share a commit: when it fails, all of them are told so."""

TRIES = 3
PAUSE = (0.01, 0.1)
"""How often, and after how many seconds, work that two nodes kept each other from is done again."""

FILLED_FOR = 0.003
"""Seconds for which a commit is filled, where there is so much to do; longer where the last took longer."""

LATELY = 4
"""Commits that tell how many peers wait at the same time."""
PATIENCE = 0.25
"""How long as many are waited for, of what a commit takes that the disk has."""
WORTH_WAITING = 0.001
"""Seconds of such a commit below which nobody is waited for: it is over before they come."""


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """A function to be run in a transaction, and the future that its asker awaits."""

    function: Callable[[Connection], object]
    context: Context
    future: asyncio.Future[object]
    first: bool = False
    """A peer waits for it: it goes before what the stages write for each other."""
    durable: bool = True
    """Whether its asker waits until the disk has it; one that does has all of its commit wait."""
    result: object = None
    error: Exception | None = None

    def run(self, connection: Connection) -> None:
        """Run the function in its asker's context; what it raises is kept for the asker, and raised."""
        self.error = None
        try:
            self.result = self.context.run(self.function, connection)
        except Exception as error:
            self.error = error
            raise

    def tell(self, place: str) -> None:
        """Give the asker the result or the error; one who was cancelled meanwhile wants neither."""
        if self.future.done():
            return
        if self.error is None:
            self.future.set_result(self.result)
        elif isinstance(self.error, DBAPIError):
            self.future.set_exception(failures.translate(self.error, place))
        else:
            self.future.set_exception(self.error)


class Writer:
    """The writer thread: started by the first piece of work, ended by `close` when all is done."""

    def __init__(self, connections: Engine, place: str, require: Callable[[], None] | None = None) -> None:
        """`require` raises where a durable commit would not be found again."""
        self._require = require
        self._engine = connections
        self._hasty = engine.hasty(connections)
        self._place = place
        self._waiting = Waiting()
        self._thread: Thread | None = None
        self._closed = False
        self._took = {True: 0.0, False: 0.0}
        """Whether a commit waited for the disk → seconds of the last such one, the work in it not counted."""
        self._served: deque[int] = deque(maxlen=LATELY)
        """How many peers waited for each of the last commits that any waited for."""
        self.commits = 0
        """Transactions that were committed; less than the pieces of work where some shared one."""

    def submit(self, work: Work) -> None:
        """Take a piece of work; it is done even if its asker is cancelled meanwhile."""
        if self._closed:
            raise errors.StoreUnavailableError(f"database {self._place}: closed")
        if self._thread is None:
            self._thread = Thread(target=self._write_all, name="prefetch-store-writer", daemon=True)
            self._thread.start()
        self._waiting.put(work)

    def close(self) -> None:
        """Finish what waits and end the thread."""
        self._closed = True
        if self._thread is not None:
            self._waiting.end()
            self._thread.join()

    def _write_all(self) -> None:
        while batch := self._waiting.take(MOST_IN_A_COMMIT, expected=self._expected, patience=self._patience):
            done = self._commit(batch)
            self._waiting.put_back(batch[len(done) :], done=done)
            _tell(done, self._place)
            if peers := sum(work.first for work in done):
                self._served.append(peers)

    @property
    def _expected(self) -> int:
        """How many peers will probably wait for the next commit."""
        return max(self._served, default=1)

    @property
    def _patience(self) -> float:
        """Seconds for which they are waited for; one alone is never kept."""
        took = self._took[True]
        return took * PATIENCE if took > WORTH_WAITING else 0.0

    def _commit(self, batch: Sequence[Work]) -> Sequence[Work]:
        """Run a batch, or so much of it as fits, in one transaction; gives what was done.

        Where a piece of work fails it is all run again so that only that one does.
        """
        done, failure = self._transact(batch, Work.run)
        if len(done) > 1 and any(work.error for work in done):
            done, failure = self._transact(done, _run_in_savepoint)
        for work in done:
            work.error = work.error or failure
            self._try_again(work)
        return done

    def _try_again(self, work: Work) -> None:
        """Do once more what another node was in the way of; it may be so twice, where both begin anew."""
        for _ in range(TRIES):
            if not failures.wants_another_try(work.error):
                return
            time.sleep(random.uniform(*PAUSE))  # noqa: S311 (so that not both begin at the same moment)
            _, failure = self._transact([work], _run_in_savepoint)
            work.error = work.error or failure

    def _transact(
        self, batch: Sequence[Work], run: Callable[[Work, Connection], None]
    ) -> tuple[Sequence[Work], Exception | None]:
        """Run a batch in one transaction; gives what was run of it, and why it failed as a whole."""
        done: list[Work] = []
        durable = any(work.durable for work in batch)
        peers = sum(work.first for work in batch)
        began = time.monotonic()
        longest = max(FILLED_FOR, self._took[durable])
        # What no peer waits for is not to keep those who do.
        full_at, for_others = began + longest, began + (FILLED_FOR if peers else longest)
        try:
            if self._require is not None:
                self._require()
            with (self._engine if durable else self._hasty).begin() as connection:
                for work in batch:
                    done.append(work)
                    run(work, connection)
                    peers -= work.first
                    began = time.monotonic()
                    if began > (full_at if peers else for_others) or (not peers and self._waiting.peer_waits):
                        break
        except Exception as failure:  # noqa: BLE001 (it goes to those who asked)
            # Where there was not even a transaction to begin, it is everybody's.
            return done or batch, failure
        self._took[durable] = time.monotonic() - began
        self.commits += 1
        return done, None


class Waiting:
    """The work that waits: what a peer waits for first, else in the order in which it came."""

    def __init__(self) -> None:
        self._changed = Condition()
        self._first: deque[Work] = deque()
        self._then: deque[Work] = deque()
        self._passed_over = False
        """Whether the last commit had no room for anything that no peer waits for."""
        self._ended = False
        self._enough = 1
        """How many peers must wait before the taker is woken."""

    @property
    def peer_waits(self) -> bool:
        """Whether anything waits that a peer waits for."""
        return bool(self._first)

    def put(self, work: Work) -> None:
        """Add a piece of work."""
        with self._changed:
            (self._first if work.first else self._then).append(work)
            if self._enough == 1 or len(self._first) >= self._enough:
                self._changed.notify()

    def put_back(self, left: Sequence[Work], *, done: Sequence[Work]) -> None:
        """Add what was taken and not done, before all that came since."""
        with self._changed:
            self._passed_over = not all(work.first for work in left) and all(work.first for work in done)
            self._first.extendleft(reversed([work for work in left if work.first]))
            self._then.extendleft(reversed([work for work in left if not work.first]))

    def end(self) -> None:
        """Let the taker go when nothing waits any more."""
        with self._changed:
            self._ended = True
            self._changed.notify()

    def take(self, most: int, *, expected: int = 1, patience: float = 0.0) -> list[Work]:
        """Take what waits, waiting for the first; nothing at the end.

        What was passed over by the last commit has a piece done by this one, before all else: however many
        messages wait to be acknowledged, leases are renewed, and what was acknowledged is read.

        Where a peer waits, as many as are expected are waited for, for so many seconds at most.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._first or self._then or self._ended)
            if patience and 0 < len(self._first) < expected:
                self._enough = expected
                self._changed.wait_for(lambda: len(self._first) >= expected or self._ended, patience)
                self._enough = 1
            taken = _popped(self._then, 1 if self._passed_over else 0)
            taken += _popped(self._first, most - len(taken))
            return [*taken, *_popped(self._then, most - len(taken))]


def _popped(works: deque[Work], most: int) -> list[Work]:
    return [works.popleft() for _ in range(min(most, len(works)))]


def _run_in_savepoint(work: Work, connection: Connection) -> None:
    """Run a piece of work so that only its own writes are undone when it fails.

    A full disk ends SQLite's whole transaction (sqlite.org/lang_transaction.html, "Response To Errors"); then
    there is no savepoint to return to either, and it is everybody's error.
    """
    savepoint = connection.begin_nested()
    try:
        work.run(connection)
    except Exception as error:  # noqa: BLE001 (it is kept for the one who asked)
        try:
            savepoint.rollback()
        except DBAPIError:
            raise error from None
    else:
        savepoint.commit()


def _tell(batch: Sequence[Work], place: str) -> None:
    """Wake those who asked, once an event loop; a loop that is closed has nobody left to tell."""

    def tell_all(told: Sequence[Work]) -> None:
        for work in told:
            work.tell(place)

    for loop, told in groupby(batch, key=lambda work: work.future.get_loop()):
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(tell_all, list(told))
