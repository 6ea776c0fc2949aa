"""Whether the stream decides what ``classify`` does: ``python -m tests.benchmarks.same_decisions``.

Fits on four fifths of a real catalogue, publishes the other fifth through a real Kafka and a real worker, collects
every decision, and compares each with that of ``classify``, field by field. The split is by the words of the
title: products of equal titles are on one side.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec
import orjson
from confluent_kafka import Producer

from schemas.events.decision import Decision, outcome_of
from schemas.events.position import SourcePosition
from schemas.taxonomy import Taxonomy, read_taxonomy
from schemas.topics import PRODUCTS_CHANGED
from streams.clients.connect import open_reader
from streams.clients.feed import Feed
from streams.clients.subscriber import OUTPUTS, Subscriber
from streams.demo.worker_process import WorkerProcess
from streams.kafka.cluster import open_cluster
from streams.kafka.topics import create_topics
from streams.settings import Settings
from workers.bundle.bundle import load_bundle
from workers.classify import classify
from workers.fit.fit import FitOptions, fit
from workers.fit.label_tree import taxonomy_of_labels
from workers.fit.labels import LabelledProducts, label_products
from workers.product_files import LabelledProduct, ProductFile
from workers.text.tokens import words

CATALOGUES: Final = {
    "shopify_merchants": "taxonomy_shopify_2026-08-unstable.en.txt",
    "mwpd_gpc": None,
}
_SILENT_SECONDS: Final = 60.0


@dataclass(frozen=True, slots=True)
class Split:
    """The tree, and the two sides."""

    taxonomy: Taxonomy
    training: LabelledProducts
    test: LabelledProducts


def split(file: Path, taxonomy_file: Path | None) -> Split:
    """Put one product in five on the test side, by a hash of the words of its title."""
    rows = list(ProductFile(file))
    taxonomy = read_taxonomy(taxonomy_file) if taxonomy_file else taxonomy_of_labels(rows)
    sides: tuple[list[LabelledProduct], list[LabelledProduct]] = ([], [])
    for row in rows:
        digest = hashlib.sha256(" ".join(words(row.product.title)).encode()).digest()
        sides[digest[0] % 5 == 0].append(row)
    training, test = (label_products(side, taxonomy, skip_unknown=True) for side in sides)
    return Split(taxonomy, training, test)


def stream_decisions(test: LabelledProducts, settings: Settings, log: Path) -> dict[str, list[Decision | str]]:
    """Publish the products and return the outcomes of each: decisions, or a dead letter as text."""
    outcomes: dict[str, list[Decision | str]] = {product.product_id: [] for product in test.products}
    waiting = set(outcomes)
    with WorkerProcess(settings, log) as worker:
        worker.wait_until_ready(lambda _: None)
        reader = Subscriber(open_reader(settings, OUTPUTS, from_beginning=True), settings)
        with Feed(Producer(settings.kafka.producer_config()), settings.topic(PRODUCTS_CHANGED)) as feed:
            for product in test.products:
                feed.publish(product)
        for received in reader.until_silent(_SILENT_SECONDS):
            product_id = (received.key or b"").decode()
            content = received.content
            outcomes[product_id].append(content if isinstance(content, Decision) else repr(content))
            waiting.discard(product_id)
            if not waiting:
                break
        outcomes_after = reader.poll(2.0)
        for received in outcomes_after:
            outcomes[(received.key or b"").decode()].append("one more")
    return outcomes


def compare(outcomes: dict[str, list[Decision | str]], direct: dict[str, Decision]) -> dict[str, Any]:
    """Count the stream's outcomes, and how many equal those of ``classify``, except for ids and positions."""

    def same(decision: Decision | str, other: Decision) -> bool:
        if isinstance(decision, str):
            return False
        ours = {"decision_id": other.decision_id, "source": other.source}
        return msgspec.structs.replace(decision, **ours) == other

    kinds = Counter(outcome_of(found[0]) for found in outcomes.values() if found and not isinstance(found[0], str))
    return {
        "published": len(outcomes),
        "outcomes": {kind.value: count for kind, count in sorted(kinds.items())},
        "decided_once": sum(len(found) == 1 for found in outcomes.values()),
        "equal_to_classify": sum(same(found[0], direct[key]) for key, found in outcomes.items() if found),
    }


def main() -> None:
    """Run the catalogues and print the figures of each as JSON, one object per line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("SHELFWISE_DATA", "../shared/data")))
    parser.add_argument("--catalogue", choices=CATALOGUES, action="append")
    arguments = parser.parse_args()
    if not arguments.data.is_dir():
        parser.error(f"{arguments.data} is no directory; name one with --data or SHELFWISE_DATA")
    # Without learning, the stream's state is always that of the bundle, which is what `classify` uses.
    os.environ["SHELFWISE_LEARNING"] = "false"
    with tempfile.TemporaryDirectory() as scratch, open_cluster(Settings.load().kafka) as cluster:
        for name in arguments.catalogue or CATALOGUES:
            tree = CATALOGUES[name]
            sides = split(arguments.data / f"{name}.jsonl.gz", arguments.data / tree if tree else None)
            directory = Path(scratch) / name
            fit(sides.training, sides.taxonomy, directory / "bundle", FitOptions())
            settings = Settings(
                kafka=cluster.connection, bundle=directory / "bundle", topic_prefix=f"{name}.", data_dir=directory
            )
            create_topics(cluster.connection, partitions=settings.partitions, prefix=settings.topic_prefix)
            outcomes = stream_decisions(sides.test, settings, directory / "worker.log")
            bundle = load_bundle(directory / "bundle")
            positioned = [(p, SourcePosition("file", 0, n)) for n, p in enumerate(sides.test.products)]
            direct = {decision.product_id: decision for decision in classify(bundle, positioned)}
            figures = {
                "catalogue": name,
                "nodes": len(sides.taxonomy),
                "fitted_on": len(sides.training.products),
                **compare(outcomes, direct),
            }
            sys.stdout.write(orjson.dumps(figures).decode() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
