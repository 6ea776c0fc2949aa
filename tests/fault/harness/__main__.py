"""Run the fault harness for long: ``python -m tests.fault.harness``; see docs/faults.md."""

from __future__ import annotations

import signal
import sys
import tempfile
from pathlib import Path
from typing import Any

import click
import orjson

from tests.fault.harness.run import Plan, Report, run
from tests.fault.harness.soak import soak
from tests.sample_model import fit_sample

_LONG = {
    "kill_worker": 20,
    "stop_broker": 3,
    "kill_broker": 2,
    "freeze_broker": 1,
    "slow_broker": 1,
    "scale": 1,
    "delete_store": 1,
    "truncate_changelogs": 1,
}
_SHORT = {"kill_worker": 3, "stop_broker": 1}


@click.command()
@click.option("--events", default=200_000, show_default=True, type=click.IntRange(min=100))
@click.option("--seed", default=1, show_default=True)
@click.option("--short", is_flag=True, help="Three kills and one restart of the broker.")
@click.option("--fault", "faults", multiple=True, help="This fault in place of the schedule. Repeatable.")
@click.option("--learning", type=click.Choice(["off", "on", "both"]), default="both", show_default=True)
@click.option("--soak-minutes", default=0.0, show_default=True, help="Soak for so long instead.")
@click.option("--load", default=0.7, show_default=True, help="Share of its capacity that the soak uses.")
@click.option("--rate", type=float, help="Of the soak, in events a second, in place of --load.")
@click.option("--table-store", default="rocksdict://", show_default=True)
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path))
def main(
    *,
    events: int,
    seed: int,
    short: bool,
    faults: tuple[str, ...],
    learning: str,
    soak_minutes: float,
    load: float,
    rate: float | None,
    table_store: str,
    bundle: Path | None,
    out: Path | None,
) -> None:
    """Publish EVENTS, strike, and account for each; exit status 1 on any loss or difference.

    With learning off, which is half of the run, every standing decision must equal that of a run without faults;
    with learning on, the tables must equal a recount.
    """
    # Exit as with Ctrl-C, so that workers and broker are stopped first.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if soak_minutes:
        with tempfile.TemporaryDirectory() as directory:
            result = soak(bundle or fit_sample(Path(directory)), soak_minutes, load, rate, click.echo)
        _write(result, out)
        sys.exit(0 if result["flat"] else 1)
    names = list(faults) or _names(_SHORT if short else _LONG)
    if table_store == "memory://":
        # Without a store, nobody has the deleted records.
        names = [name for name in names if name != "truncate_changelogs"]
    phases = {"off": [False], "on": [True], "both": [False, True]}[learning]
    with tempfile.TemporaryDirectory() as directory:
        model = bundle or fit_sample(Path(directory))
        reports = []
        for number, on in enumerate(phases):
            share = names[number :: len(phases)]
            click.echo(f"learning {'on' if on else 'off'}: {events // len(phases):,} events, {len(share)} faults")
            plan = Plan(events // len(phases), share, seed + number, on, settings={"table_store": table_store})
            reports.append(run(plan, model, click.echo))
    document = _together(reports)
    _write(document, out)
    sys.exit(0 if all(report.well for report in reports) else 1)


def _write(document: dict[str, Any], out: Path | None) -> None:
    data = orjson.dumps(document, option=orjson.OPT_INDENT_2)
    if out:
        out.write_bytes(data)
    click.echo(data.decode())


def _names(counts: dict[str, int]) -> list[str]:
    """Return each name as often as its count, grouped, so that every phase gets its share of each."""
    return [name for name, count in counts.items() for _ in range(count)]


def _together(reports: list[Report]) -> dict[str, Any]:
    documents = [report.document() for report in reports]
    summed = ("events", "lost", "undecided", "differences", "duplicate_deliveries", "worker_exits", "seconds")
    return {
        **{name: sum(document[name] for document in documents) for name in summed},
        "faults": sum(len(document["faults"]) for document in documents),
        "tables_equal_recount": all(document["tables_equal_recount"] for document in documents),
        "max_recovery_seconds": max(document["max_recovery_seconds"] for document in documents),
        "runs": documents,
    }


if __name__ == "__main__":
    main()
