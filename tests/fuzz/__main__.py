"""``python -m tests.fuzz``: many inputs, once; see docs/fuzzing.md."""

from __future__ import annotations

import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path

import click
import orjson

from tests.fuzz.run import Tally, by_problem, run_all
from tests.sample_model import fit_sample


@click.command()
@click.option("--inputs", default=100_000, show_default=True, type=click.IntRange(min=1))
@click.option("--seed", default=1, show_default=True)
@click.option("--processes", default=2, show_default=True, type=click.IntRange(min=1))
@click.option("--bundle", type=click.Path(exists=True, file_okay=False, path_type=Path), help="Alter this bundle.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures here, as JSON.")
def main(inputs: int, seed: int, processes: int, bundle: Path | None, out: Path | None) -> None:
    """Give every decoder and file reader inputs that are nearly right; exit status 1 where one did not refuse."""
    with tempfile.TemporaryDirectory() as directory:
        if bundle is None:
            click.echo("fitting a small model, whose files are altered then", err=True)
            bundle = fit_sample(Path(directory))
        started = time.monotonic()
        tallies = run_all(inputs, seed, processes, bundle)
        seconds = time.monotonic() - started
    for name, tally in tallies.items():
        click.echo(
            f"{name:24} {tally.inputs:>10,} inputs  {tally.accepted:>9,} accepted  {tally.refused:>9,} refused"
            f"  slowest {tally.slowest_seconds * 1000:>6.0f} ms"
        )
    findings = [finding for tally in tallies.values() for finding in tally.findings]
    for (target, kind, place), count in by_problem(findings).most_common():
        first = next(item for item in findings if (item.target, item.place) == (target, place))
        click.echo(f"FINDING {target}: {kind} at {place}, {count:,} times; input {first.number}: {first.problem}")
    total = sum(tally.inputs for tally in tallies.values())
    click.echo(f"{total:,} inputs, seed {seed}, in {seconds:,.0f} s: {len(findings):,} findings")
    if out:
        out.write_bytes(orjson.dumps(_document(tallies, seed, seconds), option=orjson.OPT_INDENT_2))
    sys.exit(1 if findings else 0)


def _document(tallies: dict[str, Tally], seed: int, seconds: float) -> dict[str, object]:
    return {
        "inputs": sum(tally.inputs for tally in tallies.values()),
        "seed": seed,
        "seconds": round(seconds, 1),
        "findings": [asdict(finding) for tally in tallies.values() for finding in tally.findings],
        "targets": {
            name: {"accepted": tally.accepted, "refused": tally.refused, "slowest_seconds": tally.slowest_seconds}
            for name, tally in tallies.items()
        },
    }


if __name__ == "__main__":
    main()
