"""The live view: figures above, recent decisions below; plain lines if the output is not a terminal."""

from __future__ import annotations

import math
import time
from typing import Final

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from schemas.events.batch import Outcome
from streams.clients.render import dead_letter_text, decision_text
from streams.demo.scoreboard import Recent, Scoreboard

_REFRESH_SECONDS: Final = 0.25
_PLAIN_SECONDS: Final = 5.0
_FIGURES_LINES: Final = 12
_DEAD_SHOWN: Final = 2
_NO_FIGURE: Final = "-"


class View:
    """Shows a scoreboard while its context is open."""

    def __init__(self, board: Scoreboard, console: Console, subtitle: str) -> None:
        self._board = board
        self._console = console
        self._subtitle = subtitle
        self._started = time.monotonic()
        self._shown = 0.0
        self._live = Live(console=console, auto_refresh=False, transient=True) if console.is_terminal else None

    def __enter__(self) -> View:
        if self._live:
            self._live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self._live:
            self._live.stop()

    def show(self, published: int, note: str) -> None:
        """Update the view; cheap if the last update was a moment ago."""
        now = time.monotonic()
        if now - self._shown < (_REFRESH_SECONDS if self._live else _PLAIN_SECONDS):
            return
        self._shown = now
        if self._live:
            self._live.update(self._screen(published, note), refresh=True)
            return
        self._console.print(plain_line(self._board, published, now - self._started))
        for recent in list(self._board.recent)[-1:]:
            self._console.print(Text("  "), decision_line(recent), sep="")

    def _screen(self, published: int, note: str) -> RenderableType:
        seconds = time.monotonic() - self._started
        room = max(self._console.size.height - _FIGURES_LINES - _DEAD_SHOWN, 3)
        recent = [decision_line(item) for item in list(self._board.recent)[-room:]]
        dead = [dead_letter_text(*item) for item in list(self._board.dead)[-_DEAD_SHOWN:]]
        return Group(
            Panel(
                figures(self._board, published, seconds),
                title=f"[bold]shelfwise[/] {note}",
                subtitle=self._subtitle,
            ),
            Panel(Group(*recent, *dead), title="recent decisions, and the weightiest evidence for each"),
        )


def figures(board: Scoreboard, published: int, seconds: float) -> Table:
    """Return the figures as a grid."""
    table = Table.grid(padding=(0, 3))
    for style in ("dim", "bold", "dim", "bold", "dim", "bold"):
        table.add_column(style=style)
    table.add_row(
        *("events in", f"{published:,}"),
        *("outcomes", f"{board.settled:,}"),
        *("running", f"{seconds:.0f} s"),
    )
    table.add_row(
        *("outcomes/s", f"{board.rate:,.0f}"),
        *("latency p50", milliseconds(board.latency_ms(0.5))),
        *("latency p95", milliseconds(board.latency_ms(0.95))),
    )
    table.add_row(
        *("assigned", percent(board.share(Outcome.ASSIGNED))),
        *("backed off", percent(board.share(Outcome.BACKED_OFF))),
        *("needs review (abstain rate)", percent(board.share(Outcome.NEEDS_REVIEW))),
    )
    table.add_row(
        *("assigned right", percent(board.accuracy(Outcome.ASSIGNED))),
        *("backed off right", percent(board.accuracy(Outcome.BACKED_OFF))),
        *("dead letters", f"{board.outcomes[Outcome.DEAD_LETTER]:,}"),
    )
    return table


def plain_line(board: Scoreboard, published: int, seconds: float) -> str:
    """Return the figures as one line."""
    return (
        f"{seconds:5.0f} s  {published:,} in, {board.settled:,} out, {board.rate:,.0f}/s,"
        f" p50 {milliseconds(board.latency_ms(0.5))}, p95 {milliseconds(board.latency_ms(0.95))},"
        f" abstain {percent(board.share(Outcome.NEEDS_REVIEW))},"
        f" assigned right {percent(board.accuracy(Outcome.ASSIGNED))},"
        f" {board.outcomes[Outcome.DEAD_LETTER]:,} dead letters"
    )


def decision_line(recent: Recent) -> Text:
    """Return a decision with a mark for right, wrong or not known."""
    mark, style = {True: ("✓", "green"), False: ("✗", "red"), None: ("·", "dim")}[recent.right]
    line = Text(no_wrap=True, overflow="ellipsis")
    return line.append(f"{mark} ", style).append_text(decision_text(recent.decision))


def percent(share: float) -> str:
    """Return a share as a percentage, or a dash for NaN."""
    return _NO_FIGURE if math.isnan(share) else f"{share:.1%}"


def milliseconds(value: float) -> str:
    """Return a duration in milliseconds, or a dash for NaN."""
    return _NO_FIGURE if math.isnan(value) else f"{value:,.0f} ms"
