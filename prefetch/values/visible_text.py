r"""PURE: text from outside made visible: what a terminal would obey is shown as its code, `\x1b` or `\u202e`.

Escape sequences, control characters of either set, marks of writing direction and line separators are data
like any other wherever they are shown: they must neither act, nor hide a part of a line, nor forge another.
"""

from __future__ import annotations

import re

_BEYOND_C0 = "\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb\ud800-\udfff"
"""DEL and C1 (ISO/IEC 6429), bidirectional and invisible format characters (UAX 9), half surrogates."""
_ACTS = re.compile(f"[\x00-\x1f{_BEYOND_C0}]")
_BEYOND_JSON = re.compile(f"[{_BEYOND_C0}]")
"""Those of them that JSON lets stand in a string."""
_BYTE = 0x100


def make_visible(text: str, *, keep: str = "") -> str:
    """Give text in which nothing acts, but for the characters in `keep`."""
    return _ACTS.sub(lambda found: found[0] if found[0] in keep else _code(found[0]), text)


def make_json_visible(line: str) -> str:
    """Give a JSON text in which nothing acts; it says the same."""
    return _BEYOND_JSON.sub(lambda found: f"\\u{ord(found[0]):04x}", line)


def _code(char: str) -> str:
    return f"\\x{ord(char):02x}" if ord(char) < _BYTE else f"\\u{ord(char):04x}"
