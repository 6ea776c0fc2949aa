"""The command line: one file per command, imported only when that command runs."""

from streams.cli.root import main

__all__ = ["main"]
