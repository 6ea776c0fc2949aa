"""The command line: ``python -m tests.benchmarks.growth``."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec
import orjson
from threadpoolctl import threadpool_limits

from tests.benchmarks.growth.model import by_event, by_tree
from tests.benchmarks.growth.neighbours import measure
from tests.benchmarks.growth.plots import draw
from tests.benchmarks.throughput.events import read_real
from tests.benchmarks.throughput.tree import bundle_on
from workers.encoders.static import StaticEncoder

_VECTORS = (1_000, 3_000, 10_000, 30_000, 100_000, 300_000, 1_000_000)
_NODES = (380, 1_000, 5_595, 14_606)
_BYTES = (500, 1_500, 5_000, 15_000, 50_000)
_PRODUCTS = 2_048
_QUERIES = 4_096
_REAL = 50_000
_MODELS = Path("var/throughput")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--most-vectors", default=max(_VECTORS), show_default=True, type=click.IntRange(1_000))
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="SHELFWISE_DATA",
    default="../shared/data",
    help="Real catalogues, mixed in where they are there.",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
@click.option("--plot", type=click.Path(dir_okay=False, path_type=Path), help="Draw them into an SVG file.")
def main(most_vectors: int, data: Path, seed: int, out: Path | None, plot: Path | None) -> None:
    """Measure what a product costs by what the model has to know: neighbours, nodes; and by the event's size.

    \b
    Example:
      python -m tests.benchmarks.growth --out growth.json --plot growth.svg
    """
    figures: dict[str, list[object]] = {"neighbours": [], "tree": [], "events": []}
    with threadpool_limits(1):
        counts = [count for count in _VECTORS if count <= most_vectors]
        real = read_real(data, _REAL)
        for name, points in (
            ("neighbours", measure(StaticEncoder.pretrained(), real, counts, _QUERIES, seed)),
            ("tree", by_tree(_NODES, _PRODUCTS, seed, _MODELS)),
            ("events", by_event(bundle_on(_NODES[-2], _MODELS), _BYTES, _PRODUCTS, seed)),
        ):
            for point in points:
                figures[name].append(msgspec.to_builtins(point))
                click.echo(orjson.dumps({name: figures[name][-1]}))
    if out:
        out.write_bytes(orjson.dumps(figures, option=orjson.OPT_INDENT_2) + b"\n")
    if plot:
        draw(figures, plot)


if __name__ == "__main__":
    main()
