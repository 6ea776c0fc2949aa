"""The command line: one file a command, imported only when the command runs."""

from streams.cli.root import main

__all__ = ["main"]
