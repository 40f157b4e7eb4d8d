"""Group commit: one thread that does all that waits to be written in one transaction.

A commit costs an fsync, whatever it holds; so what came in while the last one ran goes into the next one
together. Where a piece of work fails, all are run again, each in a savepoint: one that fails harms no other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import suppress
from contextvars import Context
from dataclasses import dataclass
from itertools import groupby
from queue import Empty, SimpleQueue
from threading import Thread

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from prefetch import errors
from prefetch.store import failures

MOST_IN_A_COMMIT = 500
"""How much may share a commit: when it fails, all of them are told so."""


@dataclass(slots=True, kw_only=True, eq=False)
class Work:
    """A function to be run in a transaction, and the future that its asker awaits."""

    function: Callable[[Connection], object]
    context: Context
    future: asyncio.Future[object]
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

    def __init__(self, engine: Engine, place: str) -> None:
        self._engine = engine
        self._place = place
        self._waiting: SimpleQueue[Work | None] = SimpleQueue()
        self._thread: Thread | None = None
        self._closed = False
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
            self._waiting.put(None)
            self._thread.join()

    def _write_all(self) -> None:
        ending = False
        while not ending:
            batch, ending = self._drain()
            if batch:
                self._commit(batch)
                _tell(batch, self._place)

    def _drain(self) -> tuple[list[Work], bool]:
        """Take all that waits, waiting only for the first; true when the end was among it."""
        batch: list[Work] = []
        with suppress(Empty):
            while len(batch) < MOST_IN_A_COMMIT:
                work = self._waiting.get(block=not batch)
                if work is None:
                    return batch, True
                batch.append(work)
        return batch, False

    def _commit(self, batch: Sequence[Work]) -> None:
        """Run a batch in one transaction; where a piece of work fails, again so that only it does."""
        failure = self._transact(batch, Work.run)
        if any(work.error for work in batch) and (len(batch) > 1 or failures.wants_another_try(failure)):
            failure = self._transact(batch, _run_in_savepoint)
        for work in batch:
            work.error = work.error or failure

    def _transact(self, batch: Sequence[Work], run: Callable[[Work, Connection], None]) -> Exception | None:
        """Run a batch in one transaction; gives why it failed as a whole."""
        try:
            with self._engine.begin() as connection:
                for work in batch:
                    run(work, connection)
        except Exception as failure:  # noqa: BLE001 (it goes to those who asked)
            return failure
        self.commits += 1
        return None


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
