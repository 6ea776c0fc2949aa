"""Text from outside, in forms that terminals, JSON and HTML pages can hold."""

from __future__ import annotations

import unicodedata
from typing import Final

# Persian, Hindi and emoji need them, and they only change how the letters beside them look.
_JOINERS: Final = "\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}"


def printable(name: str) -> str:
    """Return the name of a file with question marks for whatever is not valid UTF-8 in it."""
    return name.encode(errors="surrogateescape").decode(errors="replace")


def plain(text: str) -> str:
    """Return a text of a feed or a file with its control characters shown, so that none steers the terminal."""
    return "".join(
        each
        if each.isprintable() or each in _JOINERS or unicodedata.category(each) == "Zs"
        else "\N{REPLACEMENT CHARACTER}"
        for each in text
    )
