"""Names of files as JSON and pages can hold them."""

from __future__ import annotations


def printable(name: str) -> str:
    """Return the name of a file with question marks for what is no UTF-8 in it."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
