"""What a series says while it is measured."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line of text for who waits."""
