"""The end of the demo: a summary of the outcomes, and what to try next."""

from __future__ import annotations

from pathlib import Path

from rich.table import Table

from schemas.events.batch import Outcome
from streams.demo.scoreboard import Scoreboard
from streams.demo.view import milliseconds, percent
from streams.settings import Settings

_OUTCOMES = (Outcome.ASSIGNED, Outcome.BACKED_OFF, Outcome.NEEDS_REVIEW)


def summary_table(board: Scoreboard, published: int) -> Table:
    """Return a table of outcomes: their numbers, shares of decisions, and accuracy by the labels held back."""
    table = Table(title="what became of the feed", title_justify="left", title_style="bold")
    for name in ("outcome", "events", "share of decisions", "right, of those labelled"):
        table.add_column(name, justify="left" if name == "outcome" else "right")
    for outcome in _OUTCOMES:
        table.add_row(
            outcome.replace("_", " "),
            f"{board.outcomes[outcome]:,}",
            percent(board.share(outcome)),
            percent(board.accuracy(outcome)),
        )
    table.add_row("dead letter", f"{board.outcomes[Outcome.DEAD_LETTER]:,}", "", "")
    table.add_row("no outcome", f"{published - board.settled:,}", "", "")
    table.add_section()
    table.add_row("published", f"{published:,}", "", "")
    table.caption = (
        f"latency p50 {milliseconds(board.latency_ms(0.5))}, p95 {milliseconds(board.latency_ms(0.95))};"
        " a backed-off decision is right where it leads to the label"
    )
    return table


def while_running(bootstrap_servers: str, settings: Settings, url: str) -> str:
    """Return what the user can look at while the demo is still running."""
    lines = [
        f"metrics   {url}/metrics",
        f"health    {url}/healthz and {url}/readyz",
        "in another terminal:",
        f"  export SHELFWISE_KAFKA__BOOTSTRAP_SERVERS={bootstrap_servers}"
        + (f" SHELFWISE_TOPIC_PREFIX={settings.topic_prefix}" if settings.topic_prefix else ""),
        "  shelfwise watch --from-beginning --only needs_review",
        f"  shelfwise review --bundle {settings.bundle}",
        "  shelfwise dead-letters list",
    ]
    return "\n".join(lines)


def next_steps(bundle: Path, log: Path) -> str:
    """Return what the user can try after the demo."""
    lines = [
        "try next:",
        f'  shelfwise classify --bundle {bundle} --title "Ceramic vase, matt white, 20 cm"',
        "  shelfwise demo --keep-running      (then: shelfwise watch, shelfwise dead-letters list)",
        "  shelfwise demo --products YOUR.jsonl --taxonomy YOUR_TREE.txt",
        "  shelfwise --help",
        f"the worker's log is {log}",
    ]
    return "\n".join(lines)
