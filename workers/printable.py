"""File names in a form that JSON and HTML pages can hold."""

from __future__ import annotations


def printable(name: str) -> str:
    """Return the name of a file with question marks for whatever is not valid UTF-8 in it."""
    return name.encode(errors="surrogateescape").decode(errors="replace")
