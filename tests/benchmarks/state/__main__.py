"""Measure the figures of docs/state.md: ``python -m tests.benchmarks.state``."""

from __future__ import annotations

import tempfile
from pathlib import Path

import click
import orjson

from streams.kafka.local import LocalKafka
from tests.benchmarks.state.records import Size
from tests.benchmarks.state.run import Bench

_PARTS = ("disk", "memory", "view", "stock", "takeover")


@click.command()
@click.option("--keys", default=100_000, show_default=True, type=click.IntRange(100), help="Products.")
@click.option("--partitions", default=8, show_default=True, type=click.IntRange(1, 1_000))
@click.option("--seed", default=1, show_default=True)
@click.option("--part", "parts", multiple=True, type=click.Choice(_PARTS), help="Only this; repeatable.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path))
def main(*, keys: int, partitions: int, seed: int, parts: tuple[str, ...], out: Path | None) -> None:
    """Fill the changelogs of KEYS products, with brands and stores, and measure workers that recover from them."""
    size = Size.of(keys, partitions)
    with tempfile.TemporaryDirectory(prefix="shelfwise-state-") as directory, LocalKafka() as broker:
        bench = Bench(broker, size, seed, Path(directory), click.echo)
        bench.fill()
        for part in parts or _PARTS:
            if part == "takeover":
                bench.takeover(0)
                bench.takeover(1)
            else:
                getattr(bench, part)()
    if out:
        out.write_bytes(orjson.dumps(bench.figures, option=orjson.OPT_INDENT_2))


if __name__ == "__main__":
    main()
