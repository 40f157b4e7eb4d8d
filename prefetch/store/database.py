"""`Database`: where statements run. Group commit on one writer thread, reads beside it, short transactions.

Stages write with `await database.write(function, …)` and look with `await database.read(function, …)`; the
command line uses `transaction()` and `snapshot()`. The functions are plain and blocking, `Connection` first.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import copy_context
from functools import partial
from pathlib import Path
from typing import Concatenate, ParamSpec, Self, TypeVar, cast

from sqlalchemy import Connection, Engine
from sqlalchemy.exc import DBAPIError

from prefetch import errors
from prefetch.store import engine, failures, schema, sqlite_file, writer
from prefetch.store.dialects import is_shared

__all__ = ["Connection", "Database", "is_shared"]

Arguments = ParamSpec("Arguments")
Result = TypeVar("Result")

_READERS = 2


class Database:
    """An open database whose schema is the code's."""

    def __init__(self, connections: Engine, place: str, guard: sqlite_file.Guard | None) -> None:
        self._engine = connections
        # Who looks has connections of his own: SQLite forgets the pages that it has read whenever another
        # connection has written, and so would the writer's if they took turns.
        self._looking = engine.looking(engine.make_engine(connections.url))
        self.guard = guard
        """Watches the file of a SQLite database that is ours alone; None elsewhere."""
        self._writer = writer.Writer(connections, place, guard.require if guard else None)
        self._readers = ThreadPoolExecutor(_READERS, thread_name_prefix="prefetch-store-reader")
        self.place = place
        """The file, or the URL without its password."""
        self.is_new = False
        """Whether it had no tables when it was opened."""

    @classmethod
    def open(cls, url: str, *, exclusive: bool = False, create: bool = False) -> Self:
        """Open a database, or raise `StoreRefusedError` or `StoreUnavailableError` in words.

        `exclusive` is the daemon's: two cannot share a SQLite file (PostgreSQL shares its work by leases).
        With `create` a database that has no tables yet gets them.
        """
        with _connect(url, exclusive=exclusive, create=create) as (connections, place, guard):
            # Who only looks at the revision takes no lock: a verb never waits for a daemon that writes.
            with engine.looking(connections).connect() as connection:
                revision = schema.revision_of(connection)
            if create and revision is None:
                schema.upgrade(connections)
            else:
                schema.require(revision, place)
            opened = cls(connections, place, guard)
            opened.is_new = revision is None
            return opened

    @staticmethod
    def migrate(url: str) -> tuple[str | None, str]:
        """Bring the schema to the newest; gives the revisions before and after. No daemon may be running."""
        with _connect(url, exclusive=True, create=True) as (connections, place, guard):
            with connections.connect() as connection:
                before = schema.revision_of(connection)
            if before is not None and before > schema.REVISION:
                schema.require(before, place)
            schema.upgrade(connections)
            connections.dispose()
            if guard:
                guard.close()
            return before, schema.REVISION

    async def write(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run a function in the next group commit; returns when that is durable.

        What the function raises undoes its own writes and nobody else's. A commit that fails is a
        `StoreUnavailableError` for all that shared it. The work is done even if the caller is cancelled; the
        function may be run a second time, where the first came to nothing, so it does nothing but write.
        """
        return await self._submit(lambda connection: function(connection, *args, **kwargs))

    async def write_soon(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Do as `write`, and return before the disk has it: for what is done again where it is not there.

        All see it at once, and no kill undoes it. A power failure may, together with all that came after, up
        to the last `write`: who acts on it outside the database writes first that he does.
        """
        return await self._submit(lambda connection: function(connection, *args, **kwargs), durable=False)

    async def write_first(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Do as `write`, before all that does not say so: somebody outside waits for this commit."""
        return await self._submit(lambda connection: function(connection, *args, **kwargs), first=True)

    async def _submit(
        self, function: Callable[[Connection], Result], *, first: bool = False, durable: bool = True
    ) -> Result:
        future: asyncio.Future[object] = asyncio.get_running_loop().create_future()
        self._writer.submit(
            writer.Work(
                function=function, context=copy_context(), future=future, first=first, durable=durable
            )
        )
        return cast("Result", await future)

    async def read(
        self,
        function: Callable[Concatenate[Connection, Arguments], Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """Run a function that only looks, on a reader thread; it sees what is committed and locks nothing."""

        def look() -> Result:
            with self.snapshot() as connection:
                return function(connection, *args, **kwargs)

        run = cast("Callable[[Callable[[], Result]], Result]", copy_context().run)
        return await asyncio.get_running_loop().run_in_executor(self._readers, partial(run, look))

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Give a write transaction of the caller's own: for the command line, and short."""
        with _in_our_words(self.place), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """Give a connection that only looks and sees one state of the database."""
        with _in_our_words(self.place), self._looking.begin() as connection:
            yield connection

    @property
    def commits(self) -> int:
        """How many group commits `write` has made."""
        return self._writer.commits

    def close(self) -> None:
        """Finish what is queued, then let go of threads, connections and lock."""
        self._writer.close()
        self._readers.shutdown()
        self._engine.dispose()
        self._looking.dispose()
        if self.guard:
            self.guard.close()
            self.guard = None


@contextmanager
def _connect(
    url: str, *, exclusive: bool, create: bool
) -> Iterator[tuple[Engine, str, sqlite_file.Guard | None]]:
    """Connect after all that can be refused was looked at; let go of everything where the rest fails."""
    where = engine.read_url(url)
    place = engine.place_of(where)
    guard = None
    if file := engine.sqlite_file(where):
        _refuse_missing(file, create=create)
        engine.refuse_network_file_system(file)
        if create:
            sqlite_file.make(file)
        if exclusive:
            guard = sqlite_file.Guard(file, sqlite_file.lock(file))
            sqlite_file.set_mode(file)
    connections = engine.make_engine(where)
    try:
        with _in_our_words(place):
            yield connections, place, guard
    except BaseException:
        connections.dispose()
        if guard:
            guard.close()
        raise


@contextmanager
def _in_our_words(place: str) -> Iterator[None]:
    """Turn what the database raises into our errors."""
    try:
        yield
    except DBAPIError as error:
        raise failures.translate(error, place) from error


def _refuse_missing(file: Path, *, create: bool) -> None:
    """Raise where there is no file, or no directory to make it in: SQLite would make an empty one."""
    if create and not file.parent.is_dir():
        raise errors.StoreRefusedError(f"database {file}: there is no directory {file.parent}")
    if not create and not file.exists():
        raise errors.StoreRefusedError(
            f"database {file} does not exist: `prefetch run` makes it when it starts"
        )
