"""PURE: the messages in a file as people and engines keep them: framed or not, one or many, in a batch."""

from __future__ import annotations

import re

from prefetch.intake import charset, mllp

_BEGINS = re.compile(rb"(?:^|(?<=[\r\n]))[ \t\x0b]*(?=MSH[!-/:-@\[-`{-~])")
_BATCH = re.compile(rb"(?:^|(?<=[\r\n]))[ \t]*(?:FHS|BHS|BTS|FTS)\b[^\r\n]*[\r\n]*")
_MARK = b"\xef\xbb\xbf"
"""The byte-order mark of UTF-8, which belongs to what comes first."""


def split(data: bytes) -> list[bytes]:
    """Each message of a file, in order; the file itself where no message can be told apart in it."""
    if mllp.START in data and mllp.END in data:
        decoder = mllp.Decoder(max_message_bytes=len(data))
        frames = [event.payload for event in decoder.feed(data) if isinstance(event, mllp.Frame)]
        return [message for frame in frames for message in _unframed(frame)]
    return _unframed(data)


def _unframed(data: bytes) -> list[bytes]:
    text = charset.narrow(data).removeprefix(_MARK)
    mark = _MARK if data.startswith(_MARK) else b""
    data = _BATCH.sub(b"", text)
    starts = [found.start() for found in _BEGINS.finditer(data)]
    if not starts:
        return [data] if data.strip() else []
    first, *others = (data[start:end] for start, end in zip(starts, [*starts[1:], len(data)], strict=True))
    return [mark + first, *others]
