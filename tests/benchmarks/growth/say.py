"""The type of progress messages of a series."""

from __future__ import annotations

from collections.abc import Callable

Say = Callable[[str], None]
"""Takes a line of text to show while the series is measured."""
