"""TLS before a peer that speaks none (Debian's dcmqrscp), as hospitals put stunnel there.

Shows its certificate, asks for the caller's, and notes which was shown.
"""

from __future__ import annotations

import asyncio
import ssl
import threading
from contextlib import suppress
from typing import Self

from tests import peers
from tests.authorities import Authority, Issued


class Tunnel:
    """Takes TLS at `port` and passes what is in it on to a server, until the end."""

    def __init__(self, behind: peers.Addressed, authority: Authority, shown: Issued) -> None:
        self.callers: list[str] = []
        """The certificate of each, in PEM form."""
        self._behind = behind
        self._open: set[asyncio.StreamWriter] = set()
        self._context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.file))
        self._context.load_cert_chain(shown.certificate, shown.key)
        self._context.verify_mode = ssl.CERT_REQUIRED
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)

    def __enter__(self) -> Self:
        self._thread.start()
        opening = asyncio.start_server(self._serve, peers.HOST, 0, ssl=self._context)
        self._door = asyncio.run_coroutine_threadsafe(opening, self._loop).result()
        self.port: int = self._door.sockets[0].getsockname()[1]
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def is_called(self) -> bool:
        """Whether anybody is connected."""
        return bool(self._open)

    async def _end(self) -> None:
        self._door.close()
        for writer in self._open:
            writer.transport.abort()
        await asyncio.gather(*asyncio.all_tasks() - {asyncio.current_task()}, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        blob = writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        self.callers.append(ssl.DER_cert_to_PEM_cert(blob))
        there, back = await asyncio.open_connection(self._behind.host, self._behind.port)
        self._open |= {writer, back}
        await asyncio.gather(_pass_on(reader, back), _pass_on(there, writer))
        self._open -= {writer, back}


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Pass on what comes, and the end of it."""
    with suppress(OSError):
        while some := await reader.read(65_536):
            writer.write(some)
            await writer.drain()
    with suppress(OSError):
        writer.close()
        await writer.wait_closed()
