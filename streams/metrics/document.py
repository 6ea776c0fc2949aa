"""Write docs/metrics.md: ``python -m streams.metrics.document docs/metrics.md``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

from streams.metrics.definitions import DEFINITIONS, Definition

_HEAD: Final = """\
# Metrics

A worker shows these at `/metrics` for Prometheus. This page is generated: change the definitions,
then run `.venv/bin/python -m streams.metrics.document docs/metrics.md`. A contract test compares the two.

Label values come only from the code (outcomes, reasons, stages, signals), the bundle, or the table of topics and
their partitions, never from a feed, so the number of series is bounded. The `process_*` and `python_*` metrics of
the client library are exported too. The worker's model and learning processes appear as `model_process_*` and
`learning_process_*`; what these two processes count is included in the worker's own metrics.

| metric | type | labels | meaning |
| --- | --- | --- | --- |
"""

_TAIL: Final = """
## Rates over a fleet

`deploy/prometheus/rules.yml` has recording rules for the most common questions, aggregated over all workers of a
`job`; use a separate `job` for each installation:

| rule | meaning |
| --- | --- |
| `shelfwise:abstain:ratio_rate5m` | share of decisions that need review, over five minutes |
| `shelfwise:outcomes:rate5m` | outcomes a second, by outcome |
| `shelfwise:end_to_end_latency_seconds:p50_5m`, `:p95_5m`, `:p99_5m` | end-to-end latency |
| `shelfwise:uncommitted_events:max` | events that a restart would repeat: processed minus committed |

## Alerts

The same file defines alerts; `promtool test rules deploy/prometheus/rules.test.yml` tests when they fire.

| alert | what to do |
| --- | --- |
| `ShelfwiseCircuitBreakerOpen` | roll back the release, or correct the feed: too many events failed |
| `ShelfwisePartitionStandsStill` | read the log of its worker: events wait, and none gets an outcome |
| `ShelfwisePartitionWithoutWorker` | start workers, or scrape all: none reports some of the partitions |
| `ShelfwiseRestarts` | read the end of the worker's log: it ends again and again, and is restarted |
| `ShelfwiseEventsLost` | read the log, which says what to do: retention deleted what was not read yet |
| `ShelfwiseLag` | start more workers: events wait for over five minutes |
| `ShelfwiseLearningBehind` | start more workers: over 100,000 decisions and verdicts are not learned from |
| `ShelfwiseTablesBroken` | read [state.md](state.md): changelogs were truncated |
| `ShelfwiseNothingCommitted` | look at the broker: a restart would repeat over 1,000 events |
| `ShelfwiseDeadLetters` | list them (`shelfwise dead-letters list`): over 1 % of the events become one |
| `ShelfwiseForcedModel` | release a model that [the gate](gate.md) accepts: one that it rejected decides |

## Health

The same listener answers `/healthz` (503 names the loop that has stopped making progress) and `/readyz` (503 names
what is still missing: tables recovered, model loaded, partitions assigned, the circuit breaker of intake closed),
with JSON bodies.
"""


def document() -> str:
    """Return the page."""
    return _HEAD + "".join(map(_row, DEFINITIONS)) + _TAIL


def _row(definition: Definition) -> str:
    labels = ", ".join(f"`{label}`" for label in definition.labels) or "-"
    return f"| `{definition.name}` | {definition.kind} | {labels} | {definition.help} |\n"


if __name__ == "__main__":
    Path(sys.argv[1]).write_text(document(), encoding="utf-8")
