"""The command line of the start benchmark: ``python -m tests.benchmarks.start``."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path

import click
import orjson
from rich.console import Console

from streams.kafka.connection import KafkaConnection
from streams.kafka.local import LocalKafka
from tests.benchmarks.start.measure import starts, swap
from tests.benchmarks.start.model import model
from tests.benchmarks.throughput.run_topics import run_topics

_MODELS = Path("var/throughput")


@click.command(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option("--nodes", default=14_606, show_default=True, help="Nodes of the tree.")
@click.option(
    "--neighbours", default=100_000, show_default=True, type=click.IntRange(1), help="Labelled products."
)
@click.option("--count", default=5, show_default=True, type=click.IntRange(1), help="Starts of a worker.")
@click.option("--rate", default=200.0, show_default=True, help="Events a second while the model is swapped.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write the figures as JSON.")
def main(nodes: int, neighbours: int, count: int, rate: float, out: Path | None) -> None:
    """Measure how soon a worker is ready, and what decisions wait for while its model is swapped.

    \b
      python -m tests.benchmarks.start --nodes 14606 --neighbours 100000 --out start.json
    """
    say = Console(stderr=True).print
    say(f"models of {nodes} nodes and {neighbours} neighbours in {_MODELS} ...")
    first, later = (model(nodes, neighbours, seed, _MODELS).resolve() for seed in (1, 2))
    with tempfile.TemporaryDirectory(prefix="shelfwise-start-") as made, LocalKafka() as broker:
        connection = KafkaConnection(bootstrap_servers=broker.bootstrap_servers)
        bundle = Path(made) / "bundle"
        bundle.symlink_to(first)
        seconds = []
        with run_topics(connection, "start.", bundle, Path(made)) as topics:
            for each in starts(topics, count):
                say(f"ready after {each:.2f} s")
                seconds.append(each)
        with run_topics(connection, "swap.", bundle, Path(made)) as topics:
            found = swap(topics, bundle, later, rate, seed=3)
    document = {"nodes": nodes, "neighbours": neighbours, "start_seconds": seconds, "swap": asdict(found)}
    text = orjson.dumps(document, option=orjson.OPT_INDENT_2).decode()
    click.echo(text)
    if out is not None:
        out.write_text(text + "\n")


if __name__ == "__main__":
    main()
